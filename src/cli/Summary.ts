/**
 * What a run came to: counted while it runs, told at its end in a few lines, or as data.
 */
import type { JobEnd } from "../Worker.ts"
import type { RunReport } from "../Scheduler.ts"
import type { Stats } from "../WorkQueue.ts"
import { duration, number, percent, size } from "./progress/Numbers.ts"
import type { Waited } from "./progress/Waited.ts"
import { self } from "./Self.ts"
import { beside, clean, count, cut, isoTime, localTimeNear } from "./Text.ts"

// ---------------------------------------------------------------------------------------------------------------
// Counting
// ---------------------------------------------------------------------------------------------------------------

type End = JobEnd["end"]

/** Why leases ended, by how they ended. */
type Reasons = ReadonlyMap<End, ReadonlyMap<string, number>>

/** Leases of a lane that ended in error, failed and are tried again, or had to wait. */
export interface Trouble {
  readonly error: number
  readonly retry: number
  readonly waiting: number
}

export interface Tally {
  readonly note: (end: JobEnd) => void
  readonly reasons: Reasons
  /** What went wrong, by lane. */
  readonly lanes: ReadonlyMap<string, Trouble>
}

/** What a job waits for whose host's robots.txt is asked for first: once for each host, and no matter of the host's. */
const ROBOTS = "robots-txt"

/** Different reasons and lanes that are counted apart; further ones only count in the totals. */
const MOST = 1000

const add = (counts: Map<string, number>, key: string): void => {
  if (counts.has(key) || counts.size < MOST) counts.set(key, (counts.get(key) ?? 0) + 1)
}

/** A tally with nothing in it. */
export const tally = (): Tally => {
  const reasons = new Map<End, Map<string, number>>()
  const lanes = new Map<string, Trouble>()
  return {
    reasons,
    lanes,
    note: ({ end, lease, reason }) => {
      // Asking for the robots.txt first is no trouble with a host.
      if (reason !== ROBOTS && (end === "error" || end === "retry" || end === "waiting")) {
        const trouble = lanes.get(lease.lane) ?? { error: 0, retry: 0, waiting: 0 }
        if (lanes.has(lease.lane) || lanes.size < MOST) {
          lanes.set(lease.lane, { ...trouble, [end]: trouble[end] + 1 })
        }
      }
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
  /** What the workers waited for. */
  readonly waited: Waited
  /** Artifacts that were in the queue already and so weren't fetched twice; `null` when nothing was imported. */
  readonly duplicates: number | null
  /** At the end. */
  readonly at: number
}

const sorted = (counts: ReadonlyMap<string, number> | undefined): ReadonlyArray<readonly [string, number]> =>
  [...(counts ?? [])].toSorted(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))

/** The reason that most leases which ended so ended for. */
export const mostFrequent = ({ reasons }: Tally, end: End): string | null =>
  sorted(reasons.get(end))[0]?.[0] ?? null

/** `http-404 12, login-page 3, and 2 more`. */
const named = (counts: ReadonlyMap<string, number> | undefined, most: number): string => {
  const all = sorted(counts)
  const parts = all.slice(0, most).map(([name, n]) => `${cut(name, 60)} ${number(n)}`)
  return [...parts, ...(all.length > most ? [`and ${all.length - most} more`] : [])].join(", ")
}

const heading = ({ at, elapsedMs, report, stats }: Summary): string => {
  const took = `after ${duration(elapsedMs)}`
  switch (report.ended) {
    case "drained":
      return Object.values(report.ends).every((n) => n === 0)
        ? `Nothing to do: of ${count(stats.total, "job")} in the queue none is left.`
        : `Drained ${took}.`
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

/** What the workers waited for, for people: `for caps 12 s, http-429 3.0 s`. */
const WAITED: Readonly<Record<string, string>> = {
  cap: "hosts' caps",
  pace: "hosts' paces",
  later: "retries that weren't due",
  paused: "what was paused"
}

const waitedFor = ({ byCause }: Waited, most: number): string => {
  const all = sorted(byCause).filter(([, ms]) => ms >= 50)
  const parts = all.slice(0, most).map(([cause, ms]) => `${WAITED[cause] ?? cut(cause, 60)} ${duration(ms)}`)
  return [...parts, ...(all.length > most ? [`and ${all.length - most} more`] : [])].join(", ")
}

/** Options as they were typed, for a command that is suggested: those that name the queue, and those of the run alone. */
export interface Words {
  readonly queue: ReadonlyArray<string>
  readonly run: ReadonlyArray<string>
}

const command = (...words: ReadonlyArray<string>): string => [self(), "queue", ...words].join(" ")

/** The command that tries again what failed and runs it. */
export const retryCommand = ({ queue, run }: Words): string =>
  `${command("retry-failed", ...queue)} && ${command("run", "--drain", ...queue, ...run)}`

/** The lines for a person, for a terminal of so many columns. */
export const lines = (summary: Summary, words: Words, columns: number): ReadonlyArray<string> => {
  const { bytes, duplicates, elapsedMs, report, stats, tally: seen, waited } = summary
  const { ends } = report
  const rows: Array<string> = [heading(summary)]
  const row = (name: string, value: string, more: string) => {
    const head = `  ${name.padEnd(9)}${value.padStart(9)}`
    rows.push(...(more === "" ? [head] : beside(`${head}  `, clean(more), columns)))
  }
  const counted = (name: string, n: number, more: string) => {
    if (n > 0) row(name, number(n), more)
  }
  const speed = elapsedMs > 0 ? `, ${size((bytes / elapsedMs) * 1000)}/s` : ""
  counted("done", ends.done, bytes > 0 ? `${size(bytes)}${speed}` : "")
  counted("skipped", ends.skipped, named(seen.reasons.get("skipped"), 4))
  counted("error", ends.error, named(seen.reasons.get("error"), 4))
  counted("retried", ends.retry, named(seen.reasons.get("retry"), 4))
  const { [ROBOTS]: robots = 0, ...held } = Object.fromEntries(seen.reasons.get("waiting") ?? [])
  counted("held", ends.waiting - robots, named(new Map(Object.entries(held)), 4))
  counted("released", ends.released, "")
  counted("lost", ends.lost, "leases another worker has taken over")
  counted("spared", duplicates ?? 0, "duplicates, not fetched again")
  if (waited.totalMs >= 0.05 * elapsedMs && waited.totalMs >= 1000) {
    row("waited", percent(waited.totalMs, elapsedMs), `of the workers' time: ${waitedFor(waited, 3)}`)
  }
  const worst = worstLanes(seen)
  if (worst.length > 0) rows.push(...beside("  worst hosts: ", worst.map(troubleOf).join("; "), columns))
  if (stats.error > 0) {
    const earlier = stats.error - ends.error
    if (earlier > 0) rows.push(`  ${count(earlier, "job")} in error since earlier runs`)
    // Never broken into lines: it is there to be copied.
    rows.push(`Try what failed again: ${retryCommand(words)}`)
  }
  return rows.map(clean)
}

const failures = ({ error, retry }: Trouble): number => error + retry

/** The lanes with the most failures, those that were only held last. */
const worstLanes = ({ lanes }: Tally): ReadonlyArray<readonly [string, Trouble]> =>
  [...lanes]
    .filter(([, trouble]) => failures(trouble) > 0)
    .toSorted(([a, x], [b, y]) => failures(y) - failures(x) || y.error - x.error || (a < b ? -1 : 1))
    .slice(0, 3)

/** `host:a.example 12 in error, 3 retried`. */
const troubleOf = ([lane, { error, retry, waiting }]: readonly [string, Trouble]): string => {
  const told = [
    [error, "in error"],
    [retry, "retried"],
    [waiting, "held"]
  ] as const
  const parts = told.flatMap(([n, what]) => (n > 0 ? [`${number(n)} ${what}`] : []))
  return `${cut(lane, 60)} ${parts.join(", ")}`
}

const object = (counts: ReadonlyMap<string, number> | undefined) => Object.fromEntries(sorted(counts))

/** The same for programs. */
export const data = (
  { bytes, duplicates, elapsedMs, report, stats, tally: seen, waited }: Summary,
  words: Words
) => ({
  ended: report.ended,
  next_ready_at: isoTime(report.nextReadyAt),
  elapsed_ms: elapsedMs,
  bytes,
  duplicates,
  ends: report.ends,
  reasons: {
    skipped: object(seen.reasons.get("skipped")),
    error: object(seen.reasons.get("error")),
    retry: object(seen.reasons.get("retry")),
    waiting: object(seen.reasons.get("waiting"))
  },
  lanes: Object.fromEntries(seen.lanes),
  waited_ms: Object.fromEntries(sorted(waited.byCause).map(([cause, ms]) => [cause, Math.round(ms)])),
  retry_command: stats.error > 0 ? retryCommand(words) : null,
  queue: stats
})
