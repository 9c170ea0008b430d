/**
 * Looking at jobs: one by id, or pages of them in the order they were queued, in constant memory.
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Attempt, JobDetail, JobState, JobSummary } from "../../Job.ts"
import type { HeldLease, JobFilter, Stats, Wait, WorkQueueError } from "../../WorkQueue.ts"
import type { Database, Query } from "./Database.ts"

const PAGE_SIZE = 500

interface JobRow {
  readonly id: number
  readonly artifact_id: string
  readonly state: JobState
  readonly lane: string
  readonly priority: number
  readonly available_at: number
  readonly attempts: number
  readonly crashes: number
  readonly reason: string | null
  readonly worker: string | null
  readonly lease_expires_at: number | null
  readonly enqueued_at: number
  readonly finished_at: number | null
}

interface BodyRow extends JobRow {
  readonly payload: string
  readonly plan: string | null
  readonly result: string | null
  readonly message: string | null
}

interface AttemptRow {
  readonly job_id: number
  readonly started_at: number
  readonly duration_ms: number
  readonly step: string
  readonly target: string | null
  readonly class: Attempt["class"]
  readonly reason: string | null
  readonly message: string | null
}

const summaryOf = (row: JobRow): JobSummary => ({
  job: row.id,
  id: row.artifact_id,
  state: row.state,
  lane: row.lane,
  priority: row.priority,
  availableAt: row.state === "queued" && row.available_at > 0 ? row.available_at : null,
  attempts: row.attempts,
  crashes: row.crashes,
  reason: row.reason,
  worker: row.worker,
  leaseExpiresAt: row.lease_expires_at,
  enqueuedAt: row.enqueued_at,
  finishedAt: row.finished_at
})

const parse = (text: string | null): unknown => (text === null ? null : JSON.parse(text))

const detailOf = (row: BodyRow, history: ReadonlyArray<Attempt>): JobDetail => ({
  ...summaryOf(row),
  payload: parse(row.payload),
  plan: parse(row.plan),
  result: parse(row.result),
  message: row.message,
  history
})

const page = (columns: string, tables: string) => `SELECT ${columns}
  FROM jobs j JOIN lanes l ON l.id = j.lane_id ${tables}
  WHERE j.id > :after AND (:state IS NULL OR j.state = :state) AND (:reason IS NULL OR j.reason = :reason)
    AND (:lane IS NULL OR l.key = :lane)
    AND (:hasResult = 0 OR EXISTS (SELECT 1 FROM bodies r WHERE r.job_id = j.id AND r.result IS NOT NULL))
  ORDER BY j.id LIMIT :limit`

const summaries = page("j.*, l.key AS lane", "")
const bodies = page(
  "j.*, l.key AS lane, b.payload, b.plan, b.result, b.message",
  "JOIN bodies b ON b.job_id = j.id"
)

const histories = (query: Query, jobs: ReadonlyArray<number>) =>
  Effect.map(
    query<AttemptRow>(
      "SELECT * FROM attempts WHERE job_id IN (SELECT value FROM json_each(:jobs)) ORDER BY job_id, id",
      { jobs: JSON.stringify(jobs) }
    ),
    (rows) => {
      const byJob = new Map<number, Array<Attempt>>()
      for (const row of rows) {
        const attempt: Attempt = {
          startedAt: row.started_at,
          durationMs: row.duration_ms,
          step: row.step,
          target: row.target,
          class: row.class,
          reason: row.reason,
          message: row.message
        }
        const history = byJob.get(row.job_id)
        if (history === undefined) byJob.set(row.job_id, [attempt])
        else history.push(attempt)
      }
      return byJob
    }
  )

const withHistories = (query: Query, rows: ReadonlyArray<BodyRow>) =>
  Effect.map(
    histories(
      query,
      rows.map((row) => row.id)
    ),
    (byJob) => rows.map((row) => detailOf(row, byJob.get(row.id) ?? []))
  )

type Filter = JobFilter & { readonly limit?: number }

/** Pages by job number, so that nothing is held open between two pages and what changes meanwhile does no harm. */
const pages = <A extends { readonly job: number }>(
  filter: Filter,
  read: (parameters: {
    readonly after: number
    readonly limit: number
    readonly state: string | null
    readonly reason: string | null
    readonly lane: string | null
    readonly hasResult: 0 | 1
  }) => Effect.Effect<ReadonlyArray<A>, WorkQueueError>
): Stream.Stream<A, WorkQueueError> =>
  Stream.paginateChunkEffect(
    { after: 0, left: filter.limit ?? Number.MAX_SAFE_INTEGER },
    ({ after, left }) => {
      const limit = Math.min(PAGE_SIZE, left)
      return Effect.map(
        read({
          after,
          limit,
          state: filter.state ?? null,
          reason: filter.reason ?? null,
          lane: filter.lane ?? null,
          hasResult: filter.hasResult === true ? 1 : 0
        }),
        (rows) => {
          const last = rows.at(-1)
          return [
            Chunk.unsafeFromArray(rows),
            last === undefined || rows.length < limit || rows.length === left
              ? Option.none()
              : Option.some({ after: last.job, left: left - rows.length })
          ]
        }
      )
    }
  )

export const list = (database: Database, filter: Filter) =>
  pages(filter, (parameters) =>
    database.read((query) => Effect.map(query<JobRow>(summaries, parameters), (rows) => rows.map(summaryOf)))
  )

export const details = (database: Database, filter: Filter) =>
  pages(filter, (parameters) =>
    database.read((query) =>
      Effect.flatMap(query<BodyRow>(bodies, parameters), (rows) => withHistories(query, rows))
    )
  )

export const get = (query: Query, id: string) =>
  Effect.map(
    Effect.flatMap(
      query<BodyRow>(
        `SELECT j.*, l.key AS lane, b.payload, b.plan, b.result, b.message
         FROM jobs j JOIN lanes l ON l.id = j.lane_id JOIN bodies b ON b.job_id = j.id WHERE j.artifact_id = :id`,
        { id }
      ),
      (rows) => withHistories(query, rows)
    ),
    (jobs) => Option.fromNullable(jobs[0])
  )

/** Jobs by state, summed over the pools: a handful of rows at any size of the queue. */
export const stats = (query: Query) =>
  Effect.map(
    query<Omit<Stats, "total">>(
      `SELECT coalesce(sum(ready + delayed), 0) AS queued, coalesce(sum(in_flight), 0) AS in_progress,
         coalesce(sum(done), 0) AS done, coalesce(sum(skipped), 0) AS skipped, coalesce(sum(error), 0) AS error
       FROM pools`
    ),
    ([row]): Stats => {
      const { done, error, in_progress, queued, skipped } = row ?? {
        queued: 0,
        in_progress: 0,
        done: 0,
        skipped: 0,
        error: 0
      }
      return {
        queued,
        in_progress,
        done,
        skipped,
        error,
        total: queued + in_progress + done + skipped + error
      }
    }
  )

/** Of a lane that may start some of its jobs, as many are taken as its room and its burst allow; the rest waits on. */
const waiting = `WITH lane AS (
    SELECT l.ready, l.next_at, l.blocked_reason, l.gap_ms,
      CASE WHEN l.paused = 1 THEN 'paused'
        WHEN l.next_at > :now THEN iif(l.blocked_reason IS NULL, 'pace', 'hold')
        WHEN l.in_flight >= l.cap OR p.in_flight >= p.cap THEN 'cap'
        ELSE 'worker' END AS cause,
      min(l.ready, l.cap - l.in_flight, p.cap - p.in_flight, iif(l.gap_ms > 0, l.burst, l.ready)) AS may
    FROM lanes l JOIN pools p ON p.id = l.pool_id WHERE l.ready > 0),
  held AS (
    SELECT cause, iif(cause = 'hold', blocked_reason, NULL) AS reason, iif(cause = 'worker', may, ready) AS jobs,
      iif(cause IN ('hold', 'pace'), next_at, NULL) AS until
    FROM lane
    UNION ALL
    SELECT iif(gap_ms > 0, 'pace', 'cap'), NULL, ready - may, NULL FROM lane WHERE cause = 'worker' AND ready > may)
  SELECT cause, reason, sum(jobs) AS jobs, count(*) AS lanes, min(until) AS until FROM held GROUP BY 1, 2
  UNION ALL
  SELECT 'later', NULL, sum(delayed), count(*),
    (SELECT max(available_at, :now) FROM jobs WHERE state = 'queued' AND available_at > 0
      ORDER BY available_at LIMIT 1)
  FROM lanes WHERE delayed > 0 HAVING count(*) > 0
  ORDER BY 1, 2`

/** Queued jobs by what they wait for; see `WorkQueue.waits`. */
export const waits = (query: Query, now: number) => query<Wait>(waiting, { now })

const readyAt = `SELECT paused,
    EXISTS (SELECT 1 FROM pools p CROSS JOIN lanes l ON l.pool_id = p.id AND l.runnable
      WHERE p.ready > 0 AND p.in_flight < p.cap) AS runnable,
    (SELECT next_at FROM lanes WHERE next_at > 0 AND ready > 0 AND paused = 0 AND in_flight < cap
      ORDER BY next_at LIMIT 1) AS sleeping,
    (SELECT j.available_at FROM jobs j JOIN lanes l ON l.id = j.lane_id
      WHERE j.state = 'queued' AND j.available_at > 0 AND l.paused = 0 ORDER BY j.available_at LIMIT 1) AS delayed,
    (SELECT min(lease_expires_at) FROM jobs WHERE state = 'in_progress') AS expiring
  FROM queue`

/** The earliest time a lease may find something; see `WorkQueue.nextReadyAt`. */
export const nextReadyAt = (query: Query, now: number) =>
  Effect.map(
    query<{
      readonly paused: number
      readonly runnable: number
      readonly sleeping: number | null
      readonly delayed: number | null
      readonly expiring: number | null
    }>(readyAt),
    ([row]) => {
      if (row === undefined || row.paused === 1) return Option.none<number>()
      if (row.runnable === 1) return Option.some(now)
      const times = [row.sleeping, row.delayed, row.expiring].filter((time) => time !== null)
      return times.length === 0 ? Option.none<number>() : Option.some(Math.max(now, Math.min(...times)))
    }
  )

export const leases = (query: Query) =>
  Effect.map(
    query<{
      readonly id: number
      readonly fencing_token: number
      readonly worker: string | null
      readonly lease_expires_at: number | null
    }>(
      "SELECT id, fencing_token, worker, lease_expires_at FROM jobs WHERE state = 'in_progress' ORDER BY id"
    ),
    (rows) =>
      rows.map((row): HeldLease => ({
        job: row.id,
        token: row.fencing_token,
        worker: row.worker ?? "",
        expiresAt: row.lease_expires_at ?? 0
      }))
  )
