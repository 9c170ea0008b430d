/**
 * What a person does to the queue: try failed jobs again, cancel one.
 */
import * as Effect from "effect/Effect"
import type { JobState } from "../../Job.ts"
import type { JobFilter } from "../../WorkQueue.ts"
import { applyTally, counterOf, emptyTally, tallyMove } from "./Counters.ts"
import type { Query } from "./Database.ts"
import * as Sequence from "./Sequence.ts"

const failed = `FROM jobs WHERE state = 'error' AND (:reason IS NULL OR reason = :reason)
  AND (:lane IS NULL OR lane_id = (SELECT id FROM lanes WHERE key = :lane))`

/** Queues failed jobs again as if they were new; their history stays. */
export const retryFailed = (query: Query, filter: Omit<JobFilter, "state"> & { readonly dryRun?: boolean }) =>
  Effect.gen(function* () {
    const parameters = { reason: filter.reason ?? null, lane: filter.lane ?? null }
    if (filter.dryRun === true) {
      const [row] = yield* query<{ readonly count: number }>(`SELECT count(*) AS count ${failed}`, parameters)
      return row?.count ?? 0
    }
    yield* query(
      `UPDATE bodies SET plan = NULL, result = NULL, message = NULL WHERE job_id IN (SELECT id ${failed})`,
      parameters
    )
    const rows = yield* query<{ readonly lane_id: number }>(
      `UPDATE jobs SET state = 'queued', available_at = 0, attempts = 0, crashes = 0, reason = NULL,
         finished_at = NULL
       WHERE id IN (SELECT id ${failed}) RETURNING lane_id`,
      parameters
    )
    const changes = emptyTally()
    for (const row of rows) tallyMove(changes, row.lane_id, "error", "ready")
    yield* applyTally(query, changes)
    return rows.length
  })

/** Ends an unfinished job in `skipped (cancelled)`. A running one gets a new token, so its holder's is stale. */
export const cancel = (query: Query, id: string, now: number) =>
  Effect.gen(function* () {
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
    yield* query("UPDATE bodies SET message = 'cancelled by hand' WHERE job_id = :job", { job: job.id })
    const changes = emptyTally()
    tallyMove(changes, job.lane_id, counterOf(job.state, job.available_at), "skipped")
    yield* applyTally(query, changes)
    return true
  })
