/**
 * How fast a queue drains, and when it will be empty: pure functions of what was seen at two times.
 *
 * A run that is held back by caps and paces ends when its slowest lane ends, however fast the others are. So a lane is
 * reckoned by what it got done between the two times, by its pace, and by the time it is held until; the latest of all
 * counts, and the work as a whole.
 */
import type { LaneStats } from "../../Lane.ts"
import type { Stats, Wait } from "../../WorkQueue.ts"

/** What a process is at. */
export interface Load {
  /** PDFs that are being opened, or wait for it. */
  readonly opening: number
  /** The part of the time in which its main thread has something to do, from 0 to 1, over some seconds. */
  readonly thread: number
}

/** What was seen of a queue at a time. */
export interface Sight {
  readonly at: number
  readonly stats: Stats
  /** The lanes with the most unfinished jobs, the fullest first. */
  readonly lanes: ReadonlyArray<LaneStats>
  /** What all queued jobs wait for. */
  readonly waits: ReadonlyArray<Wait>
  readonly paused: boolean
  /** Bytes this process has received; `null` when it isn't this process that downloads. */
  readonly bytes: number | null
  /** The workers of this process; `null` when others do the work. */
  readonly workers: { readonly busy: number; readonly all: number } | null
  /** What this process is at, beside waiting for hosts; `null` when others do the work. */
  readonly load: Load | null
  /** The reason that most jobs of this process ended in error for; `null` when none did, or it isn't known. */
  readonly failing: string | null
  /** The bytes a second that this process may receive, when it receives as many; else `null`. */
  readonly fullLine: number | null
}

/** Jobs and bytes a second; bytes are `null` when nothing is known of them. */
export interface Rates {
  readonly jobs: number
  readonly bytes: number | null
}

/** When the queue will be empty. */
export interface Eta {
  readonly ms: number
  /** The lane that sets the time, `null` when it is the work as a whole. */
  readonly lane: string | null
  /** Nothing got done meanwhile: it takes at least so long, for paces and holds alone. */
  readonly atLeast: boolean
}

export const finishedOf = (counts: Pick<Stats, "done" | "skipped" | "error">): number =>
  counts.done + counts.skipped + counts.error

export const unfinishedOf = (lane: LaneStats): number => lane.ready + lane.delayed + lane.inFlight

/** The jobs that wait for this cause. */
export const waitingFor = (waits: ReadonlyArray<Wait>, cause: Wait["cause"]): number =>
  waits.reduce((jobs, wait) => (wait.cause === cause ? jobs + wait.jobs : jobs), 0)

/** The rates between two sights. */
export const rates = (before: Sight, now: Sight): Rates => {
  const seconds = (now.at - before.at) / 1000
  const known = now.bytes !== null && before.bytes !== null
  if (seconds <= 0) return { jobs: 0, bytes: known ? 0 : null }
  return {
    // Retrying and pruning make jobs unfinished again.
    jobs: Math.max(0, finishedOf(now.stats) - finishedOf(before.stats)) / seconds,
    bytes: known ? Math.max(0, (now.bytes ?? 0) - (before.bytes ?? 0)) / seconds : null
  }
}

/** A line is full from this part on of what may come over it: bodies come in pieces. */
const FULL = 0.9

/** `most`, the bytes a second that may be received, when they are; `null` otherwise, and without such a limit. */
export const fullLine = ({ bytes }: Rates, most: number | undefined): number | null =>
  most !== undefined && bytes !== null && bytes >= FULL * most ? most : null

/** How long a lane takes at least by its hold and its pace. */
const boundOf = (lane: LaneStats, at: number): number => {
  const held = lane.nextAt === null ? 0 : Math.max(0, lane.nextAt - at)
  const startsAfterBurst = Math.max(0, lane.ready + lane.delayed - lane.burst)
  return held + startsAfterBurst * lane.gapMs
}

/** The time left, from the rates between two sights; `null` while nothing is known, or all is paused. */
export const eta = (before: Sight, now: Sight): Eta | null => {
  // What is paused goes on when somebody says so.
  const left = now.stats.queued + now.stats.in_progress - waitingFor(now.waits, "paused")
  if (left <= 0 || now.paused) return null
  const elapsed = now.at - before.at
  const { jobs } = rates(before, now)
  const known = new Map(before.lanes.map((lane) => [lane.lane, finishedOf(lane)]))
  let latest: Eta | null = jobs > 0 ? { ms: (left / jobs) * 1000, lane: null, atLeast: false } : null
  for (const lane of now.lanes) {
    const unfinished = unfinishedOf(lane)
    if (unfinished === 0 || lane.paused) continue
    const then = known.get(lane.lane)
    const finished = then === undefined ? 0 : finishedOf(lane) - then
    const held = lane.nextAt === null ? 0 : Math.max(0, lane.nextAt - now.at)
    const measured = finished > 0 && elapsed > 0 ? held + (unfinished / finished) * elapsed : 0
    const ms = Math.max(boundOf(lane, now.at), measured)
    if (ms > (latest?.ms ?? 0)) latest = { ms, lane: lane.lane, atLeast: jobs === 0 }
  }
  return latest
}
