/**
 * What a run looks like while it goes on: a few lines on the whole, why it isn't faster, and a line for each of the
 * lanes with the most left to do, with what holds them back. Pure: a sight, rates and the room give text.
 */
import type { LaneStats } from "../../Lane.ts"
import type { Terminal } from "../Output.ts"
import { clean, count, cut, fill, localTime, widthOf } from "../Text.ts"
import { waiting } from "../Waiting.ts"
import { type Eta, finishedOf, type Rates, type Sight, unfinishedOf } from "./Estimate.ts"
import { duration, number, percent, perSecond, size } from "./Numbers.ts"
import { causes, verdict } from "./Why.ts"

/** Lanes that are shown. */
const LANES = 5

/** The room there is for the living lines. */
export type Room = Pick<Terminal, "colours" | "columns" | "rows">

const workersOf = ({ stats, workers }: Sight): string =>
  workers === null
    ? `${number(stats.in_progress)} running`
    : `${number(workers.busy)} of ${count(workers.all, "worker")} busy` +
      // Other processes on the same queue.
      (stats.in_progress > workers.busy ? ` (${number(stats.in_progress)} in all)` : "")

/** What there is and how fast it gets done. */
const progressParts = (sight: Sight, speed: Rates, end: Eta | null): ReadonlyArray<string> => {
  const finished = finishedOf(sight.stats)
  const parts = [
    `${number(finished)} of ${number(sight.stats.total)} finished (${percent(finished, sight.stats.total)})`,
    `${perSecond(speed.jobs)} files/s`
  ]
  if (speed.bytes !== null) parts.push(`${size(speed.bytes)}/s`)
  if (end !== null) {
    const by = end.lane === null ? "" : `, set by ${cut(end.lane, 30)}`
    parts.push(`${end.atLeast ? "at least" : "about"} ${duration(end.ms)} left${by}`)
  }
  return parts
}

const stateParts = (sight: Sight): ReadonlyArray<string> => {
  const { done, error, queued, skipped } = sight.stats
  const mostly = sight.failing === null ? "" : ` (mostly ${cut(sight.failing, 30)})`
  return [
    `${number(done)} done`,
    ...(skipped > 0 ? [`${number(skipped)} skipped`] : []),
    ...(error > 0 ? [`${number(error)} in error${mostly}`] : []),
    workersOf(sight),
    `${number(queued)} waiting`
  ]
}

/** The time of a sight: what is held is held until a time. */
const clockOf = ({ at }: Sight): string => localTime(at).slice(11)

/** The whole in one line, for where there is no terminal. */
export const headline = (sight: Sight, speed: Rates, end: Eta | null): string =>
  [
    clockOf(sight),
    `${[...progressParts(sight, speed, end), ...stateParts(sight)].join(", ")};`,
    `why not faster: ${verdict(sight, end)}`
  ].join(" ")

// ---------------------------------------------------------------------------------------------------------------
// Laying out
// ---------------------------------------------------------------------------------------------------------------

/** Pieces with commas between them, as many on a line as go; one that is too long for a line goes word by word. */
export const flow = (pieces: ReadonlyArray<string>, columns: number): Array<string> => {
  const indent = columns >= 20 ? "  " : ""
  const parts = pieces.flatMap((piece, index) => {
    const text = index < pieces.length - 1 ? `${piece},` : piece
    return widthOf(indent + text) <= columns ? [text] : text.split(" ")
  })
  return fill(parts, columns, indent).map((each) => cut(each, columns))
}

/** What holds a lane back, in the words of the rest of the display. */
const held = (lane: LaneStats, { at, paused, workers }: Sight): string | null => {
  const why = waiting(lane, at, paused)
  if (lane.ready === 0 || paused || lane.paused || lane.nextAt !== null) return why
  if (lane.inFlight >= lane.cap) return `at its cap of ${number(lane.cap)}`
  return why === null && workers !== null && workers.busy >= workers.all ? "for a free worker" : why
}

/** The fullest lanes, and the one that takes longest wherever it stands. */
const chosen = (busy: ReadonlyArray<LaneStats>, end: Eta | null): ReadonlyArray<LaneStats> => {
  const first = busy.slice(0, LANES)
  const longest = busy.slice(LANES).find(({ lane }) => lane === end?.lane)
  return longest === undefined ? first : [...first.slice(0, -1), longest]
}

/** The lines of the lanes, the fullest first. */
const laneLines = (sight: Sight, end: Eta | null, { colours, columns }: Room): Array<string> => {
  const busy = sight.lanes.filter((lane) => unfinishedOf(lane) > 0)
  const shown = chosen(busy, end)
  const short = columns < 100
  const rows = shown.map((lane) => [
    cut(lane.lane, Math.max(1, Math.min(40, Math.floor(columns * 0.32)))),
    `${number(lane.inFlight)}/${number(lane.cap)} ${short ? "run" : "running"}`,
    `${number(lane.ready + lane.delayed)} ${short ? "wait" : "waiting"}`
  ])
  const widths = [0, 1, 2].map((cell) => Math.max(0, ...rows.map((row) => widthOf(row[cell] ?? ""))))
  const lines = shown.flatMap((lane, index) => {
    const cells = (rows[index] ?? []).map((text, cell) => {
      const padding = " ".repeat((widths[cell] ?? 0) - widthOf(text))
      return cell === 0 ? text + padding : padding + text
    })
    const base = `  ${cells.join("  ")}`
    const why = held(lane, sight)
    if (why === null) return [cut(base, columns)]
    return columns - widthOf(base) - 2 >= widthOf(why)
      ? [`${base}  ${colours.yellow(clean(why))}`]
      : [cut(base, columns), colours.yellow(cut(`    ${why}`, columns))]
  })
  const rest = busy.length - shown.length
  return rest > 0 ? [...lines, colours.dim(cut(`  and ${count(rest, "more lane")}`, columns))] : lines
}

/** The living lines: none wider than the terminal, and no more than it has. */
export const lines = (sight: Sight, speed: Rates, end: Eta | null, room: Room): string => {
  const { colours, columns, rows } = room
  const waits = causes(sight)
  const [first = "", ...further] = progressParts(sight, speed, end)
  const all = [
    ...flow([columns >= 60 ? `${clockOf(sight)}  ${first}` : first, ...further], columns).map((line) =>
      colours.bold(line)
    ),
    ...flow(stateParts(sight), columns),
    ...(waits.length === 0 ? [] : flow([`Waiting: ${waits[0] ?? ""}`, ...waits.slice(1)], columns)),
    ...flow([`Why not faster: ${verdict(sight, end)}.`], columns).map((line) => colours.cyan(line)),
    ...laneLines(sight, end, room)
  ]
  // The cursor stands on a line of its own below.
  return all.slice(0, Math.max(1, rows - 1)).join("\n")
}
