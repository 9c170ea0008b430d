/**
 * How long a host is left alone that refuses a request and doesn't say for how long: longer each time it refuses again
 * after a wait, up to an hour. Refusals that come while a wait is on, of requests that were under way, count as one.
 */

/** The waits of a process, by lane. Times are milliseconds. */
export interface Refusals {
  /** A host has refused, at `now`; answers until when it is left alone. */
  readonly refused: (lane: string, now: number) => number
  /** It has answered. */
  readonly answered: (lane: string) => void
}

const LONGEST_WAIT_MS = 3_600_000
/** Hosts that are remembered; those that refused first go first. */
const MOST_HOSTS = 10_000

/** None has refused. `firstMs`: the first wait. */
export const make = (firstMs: number): Refusals => {
  const waits = new Map<string, { readonly ms: number; readonly until: number }>()
  return {
    refused: (lane, now) => {
      const before = waits.get(lane)
      if (before !== undefined && now < before.until) return before.until
      const ms = before === undefined ? firstMs : Math.max(firstMs, Math.min(LONGEST_WAIT_MS, before.ms * 2))
      const until = now + ms
      waits.delete(lane)
      waits.set(lane, { ms, until })
      const oldest = waits.size > MOST_HOSTS ? waits.keys().next().value : undefined
      if (oldest !== undefined) waits.delete(oldest)
      return until
    },
    answered: (lane) => void waits.delete(lane)
  }
}
