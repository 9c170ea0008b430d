/**
 * What a person does to the queue: try failed jobs again, cancel one.
 */
import * as Effect from "effect/Effect"
import type { JobState } from "../../Job.ts"
import { type JobFilter, type RefreshFilter, RESULT_KEPT } from "../../WorkQueue.ts"
import { applyTally, counterOf, emptyTally, tallyMove } from "./Counters.ts"
import type { Query } from "./Database.ts"
import * as Sequence from "./Sequence.ts"

/** What makes a job that has ended one that is queued as if it were new. */
const asNew =
  "state = 'queued', available_at = 0, attempts = 0, crashes = 0, reason = NULL, finished_at = NULL"

/** The body beside it: the result stays, and is the plan, too. */
const bodyAsNew = "plan = iif(result IS NULL, NULL, json_object('refresh', json(result))), message = NULL"

const failed = `FROM jobs WHERE state = 'error' AND (:reason IS NULL OR reason = :reason)
  AND (:lane IS NULL OR lane_id = (SELECT id FROM lanes WHERE key = :lane))`

/** Queues failed jobs again as if they were new; their history and their results stay. */
export const retryFailed = Effect.fnUntraced(function* (
  query: Query,
  filter: Omit<JobFilter, "state" | "hasResult"> & { readonly dryRun?: boolean }
) {
  const parameters = { reason: filter.reason ?? null, lane: filter.lane ?? null }
  if (filter.dryRun === true) {
    const [row] = yield* query<{ readonly count: number }>(`SELECT count(*) AS count ${failed}`, parameters)
    return row?.count ?? 0
  }
  yield* query(`UPDATE bodies SET ${bodyAsNew} WHERE job_id IN (SELECT id ${failed})`, parameters)
  const rows = yield* query<{ readonly lane_id: number }>(
    `UPDATE jobs SET ${asNew} WHERE id IN (SELECT id ${failed}) RETURNING lane_id`,
    parameters
  )
  const changes = emptyTally()
  for (const row of rows) tallyMove(changes, row.lane_id, "error", "ready")
  yield* applyTally(query, changes)
  return rows.length
})

/** Jobs named by their ids are found without a look at the others. */
const refreshable = ({ id }: RefreshFilter) => `FROM jobs
  WHERE ${id === undefined ? "true" : "artifact_id IN (SELECT value FROM json_each(:ids))"} AND state = :state
    AND (:reason IS NULL OR reason = :reason)
    AND (:lane IS NULL OR lane_id = (SELECT id FROM lanes WHERE key = :lane))`

const refreshParameters = ({ id, lane, reason, state }: RefreshFilter) => ({
  state,
  reason: reason ?? null,
  lane: lane ?? null,
  ...(id === undefined ? {} : { ids: JSON.stringify([id].flat()) })
})

/** How many ended jobs `refresh` would queue. */
export const countRefreshable = (query: Query, filter: RefreshFilter) =>
  Effect.map(
    query<{ readonly count: number }>(
      `SELECT count(*) AS count ${refreshable(filter)}`,
      refreshParameters(filter)
    ),
    (rows) => rows[0]?.count ?? 0
  )

/** Jobs queued again in one transaction. */
export const REFRESH_BATCH = 1_000

/**
 * Queues a batch of ended jobs behind the number `after` again, their results as their plans. Answers how many, and
 * the last one's number; fewer than `REFRESH_BATCH` means there are no more.
 */
export const refresh = Effect.fnUntraced(function* (query: Query, filter: RefreshFilter, after: number) {
  const jobs = yield* query<{ readonly id: number; readonly lane_id: number }>(
    `SELECT id, lane_id ${refreshable(filter)} AND id > :after ORDER BY id LIMIT ${REFRESH_BATCH}`,
    { ...refreshParameters(filter), after }
  )
  const batch = { jobs: JSON.stringify(jobs.map(({ id }) => id)) }
  const inBatch = "IN (SELECT value FROM json_each(:jobs))"
  yield* query(`UPDATE bodies SET ${bodyAsNew} WHERE job_id ${inBatch}`, batch)
  yield* query(`UPDATE jobs SET ${asNew} WHERE id ${inBatch}`, batch)
  const changes = emptyTally()
  for (const { lane_id } of jobs) tallyMove(changes, lane_id, filter.state, "ready")
  yield* applyTally(query, changes)
  return { queued: jobs.length, last: jobs.at(-1)?.id ?? after }
})

/** Ends an unfinished job in `skipped (cancelled)`. A running one gets a new token, so its holder's is stale. */
export const cancel = Effect.fnUntraced(function* (query: Query, id: string, now: number) {
  const [job] = yield* query<{
    readonly id: number
    readonly lane_id: number
    readonly state: JobState
    readonly available_at: number
  }>("SELECT id, lane_id, state, available_at FROM jobs WHERE artifact_id = :id", { id })
  if (job === undefined || (job.state !== "queued" && job.state !== "in_progress")) return false
  const token = yield* Sequence.take(query, 1)
  yield* query(
    `UPDATE jobs SET state = 'skipped', reason = 'cancelled', available_at = 0, finished_at = :now,
         fencing_token = :token, worker = NULL, lease_expires_at = NULL
       WHERE id = :job`,
    { job: job.id, now, token }
  )
  yield* query(
    "UPDATE bodies SET message = 'cancelled by hand' || iif(result IS NULL, '', :kept) WHERE job_id = :job",
    { job: job.id, kept: RESULT_KEPT }
  )
  const changes = emptyTally()
  tallyMove(changes, job.lane_id, counterOf(job.state, job.available_at), "skipped")
  yield* applyTally(query, changes)
  return true
})
