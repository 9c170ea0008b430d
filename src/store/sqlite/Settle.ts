/**
 * The fenced transitions: ack, failAndRetry, release and reroute, a batch in one transaction.
 *
 * Each counts only while its job is in progress under the very token it names. The verdicts answer in the order
 * of the batch; a job stands at most once in a batch.
 */
import * as Effect from "effect/Effect"
import type { Attempt, JobState, Lease } from "../../Job.ts"
import type { LanePolicy } from "../../Lane.ts"
import type { Rerouted, RerouteVerdict, Transition } from "../../WorkQueue.ts"
import { applyTally, counterOf, emptyTally, tallyMove } from "./Counters.ts"
import type { Query, Value } from "./Database.ts"
import * as Lanes from "./Lanes.ts"
import { reroute } from "./Reroute.ts"
import * as Rows from "./Rows.ts"

/** What is written about a leased job: what ends its lease, or moves it. */
export type Step = Transition | Reroute

/** See `WorkQueue.reroute`. */
export interface Reroute {
  readonly kind: "reroute"
  readonly lease: Lease
  readonly history: ReadonlyArray<Attempt>
  readonly rerouted: Rerouted
}

/** `lost`: the token is stale and nothing was changed. */
export type Verdict = "ok" | "lost" | RerouteVerdict

/** What a transition writes to its job; what is `undefined` stays as it is. */
interface Change {
  readonly state: JobState
  readonly availableAt: number
  readonly counts: boolean
  readonly reason: string | null | undefined
  readonly final: boolean
  readonly plan?: unknown
  readonly result?: unknown
  readonly message?: string | null
}

const changeOf = (transition: Transition, now: number): Change => {
  switch (transition.kind) {
    case "ack": {
      const { settled } = transition
      return settled.state === "done"
        ? {
            state: "done",
            availableAt: 0,
            counts: true,
            reason: null,
            final: true,
            result: settled.result ?? null,
            message: null
          }
        : {
            state: "skipped",
            availableAt: 0,
            counts: true,
            reason: settled.reason,
            final: true,
            result: settled.result ?? undefined,
            message: settled.message
          }
    }
    case "failAndRetry": {
      const { message, plan, reason, result, retryAt } = transition.failed
      return retryAt === null
        ? {
            state: "error",
            availableAt: 0,
            counts: true,
            reason,
            final: true,
            plan,
            result: result ?? undefined,
            message
          }
        : {
            state: "queued",
            availableAt: retryAt > now ? retryAt : 0,
            counts: true,
            reason,
            final: false,
            plan,
            message
          }
    }
    case "release": {
      const { later, plan } = transition.released
      const release: Change = {
        state: "queued",
        availableAt: later !== undefined && later.until > now ? later.until : 0,
        counts: false,
        reason: later?.reason,
        final: false,
        plan
      }
      return later === undefined ? release : { ...release, message: later.message }
    }
  }
}

const findHeld = Rows.joining(
  2,
  (values) => `WITH s (id, token) AS (${values})
  SELECT ${Rows.list("jobs.id, jobs.fencing_token, jobs.lane_id, lanes.pool_id")} FROM s CROSS JOIN jobs
    ON jobs.id = s.id AND jobs.fencing_token = s.token AND jobs.state = 'in_progress'
    CROSS JOIN lanes ON lanes.id = jobs.lane_id`
)

const updateJobs = Rows.among(
  (ids) => `UPDATE jobs
  SET state = :state, available_at = :availableAt, attempts = attempts + :counts,
    reason = iif(:keepReason, reason, :reason), finished_at = :finishedAt, worker = NULL, lease_expires_at = NULL
  WHERE id IN (${ids})`
)

/** What most transitions write: a result, and no message. */
const updateResults = Rows.joining(
  2,
  (values) => `WITH s (id, result) AS (${values})
  UPDATE bodies SET result = s.result, message = NULL FROM s WHERE bodies.job_id = s.id`
)

const updateBodies = Rows.joining(
  7,
  (values) => `WITH s (id, has_plan, plan, has_result, result, has_message, message) AS (${values})
  UPDATE bodies
  SET plan = iif(s.has_plan, s.plan, bodies.plan), result = iif(s.has_result, s.result, bodies.result),
    message = iif(s.has_message, s.message, bodies.message)
  FROM s WHERE bodies.job_id = s.id`
)

const insertAttempts = Rows.inserting(
  8,
  (values) =>
    `INSERT INTO attempts (job_id, started_at, duration_ms, step, target, class, reason, message) ${values}`
)

const hold = `UPDATE lanes
  SET blocked_reason = iif(:until > next_at, :reason, blocked_reason), next_at = max(next_at, :until),
    held_until = max(held_until, :until)
  WHERE id = :lane`

const attemptRow = (job: number, attempt: Attempt): Rows.Cells => [
  job,
  attempt.startedAt,
  attempt.durationMs,
  attempt.step,
  attempt.target,
  attempt.class,
  attempt.reason,
  attempt.message
]

/** Carries out a batch; see `WorkQueue.ack` and its neighbours. */
export const settle = Effect.fnUntraced(function* (
  query: Query,
  policy: LanePolicy,
  now: number,
  batch: ReadonlyArray<Step>
) {
  const { laneOf, poolOf, tokenOf } = yield* lanesHeld(query, batch)
  const changes = new Map<number, Change>()
  /**
   * One batch may have a job twice, under the lease it has and one that expired, or under the same lease: the first that
   * holds it counts.
   */
  const counted = new Set<number>()
  const holds: Array<Extract<Transition, { kind: "release" }>> = []
  for (const [place, transition] of batch.entries()) {
    if (transition.kind === "reroute") continue
    const { job, token } = transition.lease
    if (tokenOf.get(job) !== token || changes.has(job)) continue
    counted.add(place)
    changes.set(job, changeOf(transition, now))
    if (transition.kind === "release" && transition.released.hold !== undefined) holds.push(transition)
  }
  const counts = emptyTally()
  const held = Array.from(changes)
  yield* writeJobs(query, held, now)
  yield* writeBodies(query, held)
  for (const [job, change] of held) {
    const lane = laneOf.get(job)
    if (lane !== undefined) tallyMove(counts, lane, "in_flight", counterOf(change.state, change.availableAt))
  }

  for (const { lease, released } of holds) {
    const lane = laneOf.get(lease.job)
    if (lane === undefined || released.hold === undefined) continue
    const { gapMs, reason, until } = released.hold
    if (gapMs !== undefined) yield* Lanes.setAskedGap(query, now, lane, gapMs)
    if (until > now) yield* query(hold, { lane, until, reason })
  }
  const verdicts: Array<Verdict> = []
  const attempts: Array<Value> = []
  for (const [place, transition] of batch.entries()) {
    const { lease } = transition
    const verdict: Verdict =
      transition.kind === "reroute"
        ? yield* reroute(query, policy, now, lease, transition.rerouted, counts)
        : counted.has(place)
          ? "ok"
          : "lost"
    verdicts.push(verdict)
    if (verdict !== "lost")
      for (const attempt of transition.history) attempts.push(...attemptRow(lease.job, attempt))
  }
  yield* insertAttempts(query, attempts)
  yield* applyTally(query, counts, poolOf)
  return verdicts
})

/** The lanes of the jobs that are in progress under the tokens the batch names, and the pools of those lanes. */
const lanesHeld = (query: Query, batch: ReadonlyArray<Step>) =>
  Effect.map(
    Rows.listed<readonly [job: number, token: number, lane: number, pool: number]>(
      findHeld(
        query,
        batch.flatMap(({ kind, lease }) => (kind === "reroute" ? [] : [lease.job, lease.token]))
      )
    ),
    (held) => {
      const laneOf = new Map<number, number>()
      const poolOf = new Map<number, number>()
      const tokenOf = new Map<number, number>()
      for (const [job, token, lane, pool] of held) {
        tokenOf.set(job, token)
        laneOf.set(job, lane)
        poolOf.set(lane, pool)
      }
      return { laneOf, poolOf, tokenOf }
    }
  )

/** What changes, by job. */
type Changes = ReadonlyArray<readonly [job: number, change: Change]>

const sameRow = (a: Change, b: Change): boolean =>
  a.state === b.state && a.availableAt === b.availableAt && a.counts === b.counts && a.reason === b.reason

/** Writes the jobs, those that change alike with one statement. */
const writeJobs = (query: Query, held: Changes, now: number) => {
  const alike: Array<{ readonly change: Change; readonly jobs: Array<number> }> = []
  for (const [job, change] of held) {
    const group = alike.find((other) => sameRow(other.change, change))
    if (group === undefined) alike.push({ change, jobs: [job] })
    else group.jobs.push(job)
  }
  return Rows.each(alike, ({ change, jobs }) =>
    updateJobs(query, jobs, {
      state: change.state,
      availableAt: change.availableAt,
      counts: change.counts ? 1 : 0,
      keepReason: change.reason === undefined ? 1 : 0,
      reason: change.reason ?? null,
      finishedAt: change.final ? now : null
    })
  )
}

/** Writes what the transitions say beyond the job's row. */
const writeBodies = (query: Query, held: Changes) => {
  const results: Array<Value> = []
  const bodies: Array<Value> = []
  for (const [job, { message, plan, result }] of held) {
    if (plan === undefined && result !== undefined && message === null) results.push(job, Rows.json(result))
    else if (plan !== undefined || result !== undefined || message !== undefined) {
      bodies.push(
        job,
        plan === undefined ? 0 : 1,
        Rows.json(plan),
        result === undefined ? 0 : 1,
        Rows.json(result),
        message === undefined ? 0 : 1,
        message ?? null
      )
    }
  }
  return Effect.zipRight(updateResults(query, results), updateBodies(query, bodies))
}
