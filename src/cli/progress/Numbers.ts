/**
 * Numbers as people read them.
 */
export { size } from "../../download/Size.ts"

/** With thousands set apart. */
export const number = (n: number): string => n.toLocaleString("en-GB")

/** `0.4 s`, `45 s`, `6 min`, `2 h 5 min`. */
export const duration = (ms: number): string => {
  if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 90) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 90) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.round(hours / 24)} days`
}

/** So many a second, with a decimal while that tells something. */
export const perSecond = (n: number): string => (n < 10 ? n.toFixed(1) : number(Math.round(n)))

/** The part in a hundred, never 100 before all is there. */
export const percent = (part: number, whole: number): string =>
  whole === 0 ? "0%" : `${part >= whole ? 100 : Math.min(99, Math.floor((part / whole) * 100))}%`
