/**
 * Putting jobs into the queue, a batch at a time. An id that is there already changes nothing.
 */
import * as Effect from "effect/Effect"
import type { NewJob } from "../../Job.ts"
import type { LanePolicy } from "../../Lane.ts"
import type { EnqueueSummary } from "../../WorkQueue.ts"
import { applyTally, counterOf, emptyTally, tally } from "./Counters.ts"
import type { Query } from "./Database.ts"
import * as Lanes from "./Lanes.ts"
import * as Rows from "./Rows.ts"

/** Jobs in one transaction: large enough to make the commit cheap, small enough not to hold others up. */
export const BATCH_SIZE = 1024

interface Made {
  readonly id: number
  readonly artifact_id: string
  readonly lane_id: number
  readonly available_at: number
}

const insertJobs = Rows.inserting(
  5,
  (values) => `INSERT INTO jobs (artifact_id, lane_id, priority, available_at, enqueued_at, state)
    SELECT column1, column2, column3, column4, column5, 'queued' FROM (${values}) WHERE true
    ON CONFLICT (artifact_id) DO NOTHING
    RETURNING id, artifact_id, lane_id, available_at`
)

const insertBodies = Rows.inserting(2, (values) => `INSERT INTO bodies (job_id, payload) ${values}`)

/** Inserts a batch and counts what was new; of two jobs with one id the first counts. */
export const enqueue = (query: Query, policy: LanePolicy, now: number, jobs: ReadonlyArray<NewJob>) =>
  Effect.gen(function* () {
    const first = new Map<string, NewJob>()
    for (const job of jobs) if (!first.has(job.id)) first.set(job.id, job)
    const lanes = yield* lanesOf(query, policy, first)
    const made = yield* insertJobs<Made>(
      query,
      Array.from(first.values(), (job) => {
        const due = job.availableAt === undefined || job.availableAt <= now
        // Every lane was found or made above.
        return [job.id, lanes.get(job.lane) ?? null, job.priority ?? 0, due ? 0 : (job.availableAt ?? 0), now]
      })
    )
    if (made.length > 0) {
      yield* insertBodies(
        query,
        made.map((row) => [row.id, JSON.stringify(first.get(row.artifact_id)?.payload ?? null)])
      )
      const changes = emptyTally()
      for (const row of made) tally(changes, row.lane_id, counterOf("queued", row.available_at), 1)
      yield* applyTally(query, changes)
    }
    return { new: made.length, duplicate: jobs.length - made.length } satisfies EnqueueSummary
  })

/** The lanes of the jobs. A job that is in the queue already makes none: it is taken out where its lane is missing. */
const lanesOf = (query: Query, policy: LanePolicy, jobs: Map<string, NewJob>) =>
  Effect.gen(function* () {
    const keys = () => [...new Set(Array.from(jobs.values(), (job) => job.lane))]
    const found = yield* Lanes.find(query, keys())
    const astray = Array.from(jobs.values()).filter((job) => !found.has(job.lane))
    if (astray.length === 0) return found
    const known = yield* query<{ readonly artifact_id: string }>(
      "SELECT artifact_id FROM jobs WHERE artifact_id IN (SELECT value FROM json_each(:ids))",
      { ids: JSON.stringify(astray.map((job) => job.id)) }
    )
    for (const { artifact_id } of known) jobs.delete(artifact_id)
    return yield* Lanes.ensure(query, policy, keys())
  })
