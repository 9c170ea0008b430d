/**
 * What a run came to: counted while it runs, told at its end in a few lines, or as data.
 */
import type { JobEnd } from "../Worker.ts"
import type { RunReport } from "../Scheduler.ts"
import type { Stats } from "../WorkQueue.ts"
import { duration, size } from "./progress/View.ts"
import { self } from "./Self.ts"
import { clean, count, cut, isoTime, localTimeNear } from "./Text.ts"

// ---------------------------------------------------------------------------------------------------------------
// Counting
// ---------------------------------------------------------------------------------------------------------------

type End = JobEnd["end"]

/** Why leases ended, by how they ended. */
type Reasons = ReadonlyMap<End, ReadonlyMap<string, number>>

export interface Tally {
  readonly note: (end: JobEnd) => void
  readonly reasons: Reasons
  /** Jobs in error by lane. */
  readonly errorLanes: ReadonlyMap<string, number>
}

/** Different reasons and lanes that are counted apart; further ones only count in the totals. */
const MOST = 1000

const add = (counts: Map<string, number>, key: string): void => {
  if (counts.has(key) || counts.size < MOST) counts.set(key, (counts.get(key) ?? 0) + 1)
}

/** A tally with nothing in it. */
export const tally = (): Tally => {
  const reasons = new Map<End, Map<string, number>>()
  const errorLanes = new Map<string, number>()
  return {
    reasons,
    errorLanes,
    note: ({ end, lease, reason }) => {
      if (end === "error") add(errorLanes, lease.lane)
      if (reason === null) return
      const counts = reasons.get(end) ?? new Map<string, number>()
      reasons.set(end, counts)
      add(counts, reason)
    }
  }
}

// ---------------------------------------------------------------------------------------------------------------
// Telling
// ---------------------------------------------------------------------------------------------------------------

export interface Summary {
  readonly report: RunReport
  readonly tally: Tally
  /** The whole queue at the end. */
  readonly stats: Stats
  readonly elapsedMs: number
  readonly bytes: number
  /** At the end. */
  readonly at: number
}

const sorted = (counts: ReadonlyMap<string, number> | undefined): ReadonlyArray<readonly [string, number]> =>
  [...(counts ?? [])].toSorted(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))

/** `http-404 12, login-page 3, and 2 more`. */
const named = (counts: ReadonlyMap<string, number> | undefined, most: number): string => {
  const all = sorted(counts)
  const parts = all.slice(0, most).map(([name, n]) => `${cut(name, 60)} ${n.toLocaleString("en-GB")}`)
  return [...parts, ...(all.length > most ? [`and ${all.length - most} more`] : [])].join(", ")
}

const heading = ({ at, elapsedMs, report, stats }: Summary): string => {
  const took = `after ${duration(elapsedMs)}`
  switch (report.ended) {
    case "drained":
      return `Drained ${took}.`
    case "stopped":
      return `Stopped ${took}; ${count(stats.queued, "job")} still queued.`
    case "deferred": {
      const left = `Drained as far as it goes ${took}; ${count(stats.queued, "job")} left for later`
      return report.nextReadyAt === null
        ? `${left}: paused.`
        : `${left}, the next is due at ${localTimeNear(report.nextReadyAt, at)}.`
    }
  }
}

/** The lines for a person. `queueWords`: how the queue is named on the command line. */
export const lines = (summary: Summary, queueWords: ReadonlyArray<string>): ReadonlyArray<string> => {
  const { bytes, elapsedMs, report, stats, tally: seen } = summary
  const { ends } = report
  const rows: Array<string> = [heading(summary)]
  const row = (name: string, n: number, more: string) => {
    if (n > 0) rows.push(`  ${name.padEnd(9)}${n.toLocaleString("en-GB").padStart(9)}${more && `  ${more}`}`)
  }
  const speed = elapsedMs > 0 ? `, ${size((bytes / elapsedMs) * 1000)}/s` : ""
  row("done", ends.done, bytes > 0 ? `${size(bytes)}${speed}` : "")
  row("skipped", ends.skipped, named(seen.reasons.get("skipped"), 4))
  row("error", ends.error, named(seen.reasons.get("error"), 4))
  row("retried", ends.retry, named(seen.reasons.get("retry"), 4))
  row("held", ends.waiting, named(seen.reasons.get("waiting"), 4))
  row("released", ends.released, "")
  row("lost", ends.lost, "leases another worker has taken over")
  if (seen.errorLanes.size > 1) rows.push(`  most errors: ${named(seen.errorLanes, 3)}`)
  if (stats.error > 0) {
    const earlier = stats.error - ends.error
    if (earlier > 0) rows.push(`  ${count(earlier, "job")} in error since earlier runs`)
    const command = [self(), "queue retry-failed", ...queueWords].join(" ")
    rows.push(`Try what failed again: ${command}`)
  }
  return rows.map(clean)
}

const object = (counts: ReadonlyMap<string, number> | undefined) => Object.fromEntries(sorted(counts))

/** The same for programs. */
export const data = ({ bytes, elapsedMs, report, stats, tally: seen }: Summary) => ({
  ended: report.ended,
  next_ready_at: isoTime(report.nextReadyAt),
  elapsed_ms: elapsedMs,
  bytes,
  ends: report.ends,
  reasons: {
    skipped: object(seen.reasons.get("skipped")),
    error: object(seen.reasons.get("error")),
    retry: object(seen.reasons.get("retry")),
    waiting: object(seen.reasons.get("waiting"))
  },
  error_lanes: object(seen.errorLanes),
  queue: stats
})
