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

/** The highest number a job ever had. */
const lastNumber = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'jobs'), 0) AS last"

/** Numbers are given here and not by SQLite, so that no row has to come back to tell which payload is whose. */
const insertJobs = Rows.inserting(
  6,
  (values) => `INSERT INTO jobs (id, artifact_id, lane_id, priority, available_at, enqueued_at, state)
    SELECT column1, column2, column3, column4, column5, column6, 'queued' FROM (${values}) WHERE true
    ON CONFLICT (artifact_id) DO NOTHING`
)

const insertBodies = Rows.inserting(2, (values) => `INSERT INTO bodies (job_id, payload) ${values}`)

const idsAbove = `SELECT ${Rows.list("id")} FROM jobs WHERE id > :last`

/** A job of a batch, with the number it gets if it is new. */
interface Entry {
  readonly id: number
  readonly job: NewJob
  readonly lane: number
  readonly dueAt: number
}

/** Inserts a batch and counts what was new; of two jobs with one id the first counts. */
export const enqueue = Effect.fnUntraced(function* (
  query: Query,
  policy: LanePolicy,
  now: number,
  jobs: ReadonlyArray<NewJob>
) {
  const first = new Map<string, NewJob>()
  for (const job of jobs) if (!first.has(job.id)) first.set(job.id, job)
  const lanes = yield* lanesOf(query, policy, first)
  const last = (yield* query<{ readonly last: number }>(lastNumber))[0]?.last ?? 0
  const entries: Array<Entry> = []
  for (const job of first.values()) {
    const lane = lanes.get(job.lane)
    if (lane === undefined) return yield* Effect.dieMessage(`lane ${job.lane} was neither found nor made`)
    entries.push({ id: last + 1 + entries.length, job, lane, dueAt: dueAt(job, now) })
  }
  yield* insertJobs(
    query,
    entries.flatMap(({ dueAt: at, id, job, lane }) => [id, job.id, lane, job.priority ?? 0, at, now])
  )
  const above = yield* Rows.listed<readonly [id: number]>(query(idsAbove, { last }))
  const made = new Set(above.map(([id]) => id))
  const added = entries.filter(({ id }) => made.has(id))
  // The write lock is held: what is numbered above is ours.
  if (added.length !== made.size) return yield* Effect.dieMessage("a job got a number nobody gave it")
  const changes = emptyTally()
  for (const { dueAt: at, lane } of added) tally(changes, lane, counterOf("queued", at), 1)
  yield* insertBodies(
    query,
    added.flatMap(({ id, job }) => [id, JSON.stringify(job.payload ?? null)])
  )
  yield* applyTally(query, changes)
  return { new: added.length, duplicate: jobs.length - added.length } satisfies EnqueueSummary
})

/** When a new job may start; 0: at once. */
const dueAt = ({ availableAt }: NewJob, now: number): number =>
  availableAt === undefined || availableAt <= now ? 0 : availableAt

/** The lanes of the jobs. A job that is in the queue already makes none: it is taken out where its lane is missing. */
const lanesOf = Effect.fnUntraced(function* (query: Query, policy: LanePolicy, jobs: Map<string, NewJob>) {
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
