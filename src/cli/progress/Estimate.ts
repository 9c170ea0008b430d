/**
 * How fast a queue drains, and when it will be empty: pure functions of what was seen at two times.
 *
 * A run that is held back by caps and paces ends when its slowest lane ends, however fast the others are, so both are
 * estimated and the later one counts.
 */
import type { LaneStats } from "../../Lane.ts"
import type { Stats } from "../../WorkQueue.ts"

/** What was seen of a queue at a time. */
export interface Sight {
  readonly at: number
  readonly stats: Stats
  /** The lanes with the most unfinished jobs, the fullest first. */
  readonly lanes: ReadonlyArray<LaneStats>
  readonly paused: boolean
  /** Bytes this process has received. */
  readonly bytes: number
}

/** Jobs and bytes a second. */
export interface Rates {
  readonly jobs: number
  readonly bytes: number
}

/** When the queue will be empty. `lane`: the lane that sets the time, `null` when it is the work as a whole. */
export interface Eta {
  readonly ms: number
  readonly lane: string | null
}

export const finishedOf = (counts: Pick<Stats, "done" | "skipped" | "error">): number =>
  counts.done + counts.skipped + counts.error

export const unfinishedOf = (lane: LaneStats): number => lane.ready + lane.delayed + lane.inFlight

/** The rates between two sights. */
export const rates = (before: Sight, now: Sight): Rates => {
  const seconds = (now.at - before.at) / 1000
  if (seconds <= 0) return { jobs: 0, bytes: 0 }
  return {
    // Retrying and pruning make jobs unfinished again.
    jobs: Math.max(0, finishedOf(now.stats) - finishedOf(before.stats)) / seconds,
    bytes: (now.bytes - before.bytes) / seconds
  }
}

/** The time left, from the rates between two sights; `null` while nothing is known. */
export const eta = (before: Sight, now: Sight): Eta | null => {
  const left = now.stats.queued + now.stats.in_progress
  const elapsed = now.at - before.at
  const { jobs } = rates(before, now)
  if (left === 0 || jobs === 0) return null
  const known = new Map(before.lanes.map((lane) => [lane.lane, finishedOf(lane)]))
  let latest: Eta = { ms: (left / jobs) * 1000, lane: null }
  for (const lane of now.lanes) {
    const then = known.get(lane.lane)
    const unfinished = unfinishedOf(lane)
    const finished = then === undefined ? 0 : finishedOf(lane) - then
    if (finished <= 0 || unfinished === 0) continue
    const ms = (unfinished / finished) * elapsed
    if (ms > latest.ms) latest = { ms, lane: lane.lane }
  }
  return latest
}
