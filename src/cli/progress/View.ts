/**
 * What a run looks like while it goes on: one line on the whole, and below it a line for each of the lanes with the
 * most left to do, with what holds them back. Pure: a sight, rates and a width give text.
 */
import { waiting } from "../Waiting.ts"
import { count, cut } from "../Text.ts"
import type { Terminal } from "../Output.ts"
import { type Eta, finishedOf, type Rates, type Sight, unfinishedOf } from "./Estimate.ts"

/** Lanes that are shown. */
const LANES = 5

const number = (n: number): string => n.toLocaleString("en-GB")

/** `1.2 MB`. */
export const size = (bytes: number): string => {
  const units = ["B", "kB", "MB", "GB", "TB"]
  let value = bytes
  let unit = 0
  // What would be shown as 1000 is one of the next unit.
  while (value >= (unit === 0 ? 999.5 : 999.95) && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  return `${unit === 0 ? String(Math.round(value)) : value.toFixed(1)} ${units[unit] ?? ""}`
}

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

/** The line on the whole. */
export const headline = (sight: Sight, speed: Rates, end: Eta | null): string => {
  const { error, in_progress, queued, skipped, total } = sight.stats
  const parts = [`${number(finishedOf(sight.stats))}/${number(total)} finished`]
  if (skipped > 0) parts.push(`${number(skipped)} skipped`)
  if (error > 0) parts.push(`${number(error)} in error`)
  parts.push(`${number(in_progress)} running`, `${number(queued)} queued`)
  if (sight.paused) parts.push("paused")
  const rates = [`${speed.jobs < 10 ? speed.jobs.toFixed(1) : number(Math.round(speed.jobs))}/s`]
  if (speed.bytes > 0) rates.push(`${size(speed.bytes)}/s`)
  if (end !== null) {
    rates.push(`${duration(end.ms)} left${end.lane === null ? "" : ` (${cut(end.lane, 30)})`}`)
  }
  return `${parts.join(", ")}  ${rates.join(", ")}`
}

/** The lines of the lanes, the fullest first. */
const laneLines = (
  sight: Sight,
  { colours, columns }: Pick<Terminal, "colours" | "columns">
): ReadonlyArray<string> => {
  const busy = sight.lanes.filter((lane) => unfinishedOf(lane) > 0)
  const shown = busy.slice(0, LANES)
  const names = shown.map(({ lane }) => cut(lane, 32))
  const width = Math.max(0, ...names.map((name) => name.length))
  const lines = shown.map((lane, index) => {
    const held = waiting(lane, sight.at, sight.paused)
    const running = `${lane.inFlight}/${lane.cap}`
    const queued = `${number(lane.ready + lane.delayed)} queued`
    const line = `  ${(names[index] ?? "").padEnd(width)}  ${running.padStart(5)} running  ${queued.padStart(14)}`
    const room = columns - line.length - 2
    // A full lane says so by its numbers.
    return held === null || lane.inFlight >= lane.cap || room < 1
      ? cut(line, columns)
      : `${line}  ${colours.yellow(cut(held, room))}`
  })
  const rest = busy.length - shown.length
  return rest > 0 ? [...lines, colours.dim(cut(`  and ${count(rest, "more lane")}`, columns))] : lines
}

/** The living lines, none wider than the terminal. */
export const lines = (
  sight: Sight,
  speed: Rates,
  end: Eta | null,
  terminal: Pick<Terminal, "colours" | "columns">
): string => {
  const head = terminal.colours.bold(cut(headline(sight, speed, end), terminal.columns))
  return [head, ...laneLines(sight, terminal)].join("\n")
}
