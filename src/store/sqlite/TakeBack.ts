/**
 * Taking leases away from workers that are gone. It is the only way a live lease ends without its holder, and it
 * counts a crash, so that a job that kills its worker again and again comes to an end too.
 */
import * as Effect from "effect/Effect"
import { RESULT_KEPT } from "../../WorkQueue.ts"
import { applyTally, emptyTally, tallyMove } from "./Counters.ts"
import type { Query } from "./Database.ts"

export interface TakeBackRequest {
  /** Which leases, as a condition on `jobs`, and what it is matched against. */
  readonly where: "lease_expires_at <= :match" | "worker IN (SELECT value FROM json_each(:match))"
  readonly match: number | string
  readonly reason: "lease-expired" | "worker-died"
  readonly now: number
  readonly maxCrashes: number
}

interface Taken {
  readonly id: number
  readonly worker: string | null
  readonly crashes: number
  readonly attempts: number
  readonly name: string
  readonly lane: string
}

/** Queues the jobs again, or ends them in `error (crashed)` at the last crash allowed. Answers how many. */
export const takeBack = Effect.fnUntraced(function* (query: Query, request: TakeBackRequest) {
  const { maxCrashes, now, reason } = request
  const jobs = yield* query<Taken>(
    `SELECT jobs.id, worker, crashes, attempts, artifact_id AS name, lanes.key AS lane
       FROM jobs JOIN lanes ON lanes.id = lane_id WHERE state = 'in_progress' AND ${request.where}`,
    { match: request.match }
  )
  if (jobs.length === 0) return 0
  const rows = yield* query<{ readonly lane_id: number; readonly state: "queued" | "error" }>(
    `UPDATE jobs SET crashes = crashes + 1, worker = NULL, lease_expires_at = NULL,
         state = iif(crashes + 1 >= :maxCrashes, 'error', 'queued'),
         reason = iif(crashes + 1 >= :maxCrashes, 'crashed', reason),
         finished_at = iif(crashes + 1 >= :maxCrashes, :now, NULL)
       WHERE id IN (SELECT value FROM json_each(:jobs)) RETURNING lane_id, state`,
    { jobs: JSON.stringify(jobs.map((job) => job.id)), maxCrashes, now }
  )
  yield* query(
    `INSERT INTO attempts (job_id, started_at, duration_ms, step, target, class, reason, message)
       SELECT value ->> 0, :now, 0, 'lease', value ->> 1, 'crash', :reason, value ->> 2 FROM json_each(:jobs)`,
    {
      jobs: JSON.stringify(jobs.map((job) => [job.id, job.worker, crashMessage(reason, job.worker)])),
      now,
      reason
    }
  )
  yield* query(
    `UPDATE bodies SET message = value ->> 1 || iif(result IS NULL, '', :kept)
       FROM json_each(:jobs) WHERE job_id = value ->> 0`,
    {
      jobs: JSON.stringify(
        jobs
          .filter((job) => job.crashes + 1 >= maxCrashes)
          .map((job) => [job.id, `its worker died ${job.crashes + 1} times while it ran`])
      ),
      kept: RESULT_KEPT
    }
  )
  const changes = emptyTally()
  for (const row of rows)
    tallyMove(changes, row.lane_id, "in_flight", row.state === "error" ? "error" : "ready")
  yield* applyTally(query, changes)
  yield* Effect.forEach(jobs, (job) => logged(job, reason), { discard: true })
  return rows.length
})

/** A lease that ends without its holder: nobody else tells of it. */
const logged = ({ attempts, lane, name, worker }: Taken, reason: TakeBackRequest["reason"]) =>
  Effect.logInfo("reclaimed").pipe(
    Effect.annotateLogs({ event: "reclaimed", job: name, lane, attempt: attempts + 1, reason, worker })
  )

const crashMessage = (reason: TakeBackRequest["reason"], worker: string | null): string =>
  reason === "lease-expired"
    ? `the lease of worker ${worker} expired`
    : `worker ${worker} died while it held the lease`
