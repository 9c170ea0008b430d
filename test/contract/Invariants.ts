/**
 * What must hold after every step of any history, of one queue, seen through its contract alone.
 *
 * What `watch` answers is shown the queue after each step and compares with the look before. What is looked at is the state as
 * the queue tells it; what happened in between is told by whoever carried the step out.
 */
import * as Option from "effect/Option"
import type { JobState, JobSummary } from "../../src/Job.ts"
import type { LaneOverrides, LanePolicy, LaneStats } from "../../src/Lane.ts"
import { must, same } from "./Given.ts"
import type { Look } from "./Look.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** A job that began to run in a lane, by a lease or by being rerouted. */
export interface Start {
  readonly job: number
  readonly lane: string
  /** The token of a new lease; a rerouted job goes on under its old one. */
  readonly token?: number
}

/** What a step did. */
export interface Step {
  readonly now: number
  readonly starts: ReadonlyArray<Start>
  /** Set when it asked for leases. */
  readonly limit?: number
  /** Jobs whose leases may have ended before anything started. */
  readonly ended?: ReadonlySet<number>
  /** Ids that came in, and the ones that were removed for good. */
  readonly queued?: ReadonlyArray<string>
  readonly pruned?: (job: JobSummary) => boolean
  /** The job's lane waits until then. */
  readonly held?: { readonly job: number; readonly until: number }
  readonly policy?: LanePolicy
  /** Limits that were set by hand. */
  readonly set?: { readonly lane: string; readonly overrides: LaneOverrides | null }
}

const changesLimits = (step: Step): boolean => step.policy !== undefined || step.set !== undefined

// ---------------------------------------------------------------------------------------------------------------
// Invariants of one look
// ---------------------------------------------------------------------------------------------------------------

type Counts = Record<"ready" | "delayed" | "inFlight" | "done" | "skipped" | "error", number>

const placeOf = ({ availableAt, state }: JobSummary): keyof Counts =>
  state === "queued"
    ? availableAt === null
      ? "ready"
      : "delayed"
    : state === "in_progress"
      ? "inFlight"
      : state

/** What is counted is what a recount finds. */
const countersAddUp = ({ jobs, lanes, stats }: Look): void => {
  const states: Record<JobState, number> = { queued: 0, in_progress: 0, done: 0, skipped: 0, error: 0 }
  const byLane = new Map<string, Counts>()
  for (const one of jobs.values()) {
    states[one.state] += 1
    const counts = byLane.get(one.lane) ?? {
      ready: 0,
      delayed: 0,
      inFlight: 0,
      done: 0,
      skipped: 0,
      error: 0
    }
    counts[placeOf(one)] += 1
    byLane.set(one.lane, counts)
  }
  same(stats, { ...states, total: jobs.size })
  for (const { delayed, done, error, inFlight, lane, ready, skipped } of lanes) {
    const recount = byLane.get(lane) ?? { ready: 0, delayed: 0, inFlight: 0, done: 0, skipped: 0, error: 0 }
    same({ lane, ready, delayed, inFlight, done, skipped, error }, { lane, ...recount })
    byLane.delete(lane)
  }
  same([...byLane.keys()], [])
}

/** Who is in progress has one lease, and nobody else has any. */
const leasesBelongToJobs = ({ jobs, leases }: Look): void => {
  const running = [...jobs.values()].filter((one) => one.state === "in_progress")
  same(
    leases.map((one) => [one.job, one.worker, one.expiresAt]),
    running.map((one) => [one.job, one.worker, one.leaseExpiresAt])
  )
  for (const one of jobs.values()) {
    if (one.state === "in_progress") continue
    must(one.worker === null && one.leaseExpiresAt === null, "who doesn't run has no worker", one)
    must((one.finishedAt === null) === (one.state === "queued"), "who has ended knows when", one)
  }
}

const poolsOf = ({ lanes }: Look): ReadonlyMap<string, number> => {
  const pools = new Map<string, number>()
  for (const one of lanes) pools.set(one.pool, (pools.get(one.pool) ?? 0) + one.inFlight)
  return pools
}

/** The lanes in which a job may start at this moment. */
const startable = (seen: Look, policy: LanePolicy): ReadonlyMap<string, LaneStats> => {
  const pools = poolsOf(seen)
  return new Map(
    seen.lanes
      .filter(
        (one) =>
          !seen.paused &&
          !one.paused &&
          one.ready > 0 &&
          one.nextAt === null &&
          one.inFlight < one.cap &&
          (pools.get(one.pool) ?? 0) < policy.pool(one.pool)
      )
      .map((one) => [one.lane, one])
  )
}

// ---------------------------------------------------------------------------------------------------------------
// Invariants over steps
// ---------------------------------------------------------------------------------------------------------------

/** Watches one queue from its beginning; call the answer after each step, with a look at the queue then. */
export const watch = (first: LanePolicy) => {
  let given = first
  const sets = new Map<string, LaneOverrides>()
  /** What holds: what was set by hand, over what was given. */
  const policy: LanePolicy = {
    lane: (key) => {
      const { burst, cap, gapMs, pool } = given.lane(key)
      const set = sets.get(key) ?? {}
      return { pool, cap: set.cap ?? cap, gapMs: set.gapMs ?? gapMs, burst: set.burst ?? burst }
    },
    pool: (key) => given.pool(key)
  }
  let before: Look = {
    stats: { queued: 0, in_progress: 0, done: 0, skipped: 0, error: 0, total: 0 },
    lanes: [],
    jobs: new Map(),
    waits: [],
    leases: [],
    nextReadyAt: Option.none(),
    paused: false
  }
  const ids = new Set<string>()
  const gone = new Set<number>()
  const tokens = new Map<number, number>()
  const heldUntil = new Map<string, number>()
  /** Starts by lane, since its pace last changed. */
  const starts = new Map<string, Array<number>>()
  /** For each lane that waits: who in its pool went before it, since it last had its turn. */
  const passedBy = new Map<string, Set<string>>()

  /** Every id that ever came in and wasn't pruned is there, once, and numbers aren't used again. */
  const nothingIsLost = (step: Step, after: Look) => {
    for (const id of step.queued ?? []) ids.add(id)
    for (const one of before.jobs.values()) {
      if (step.pruned?.(one) !== true) continue
      ids.delete(one.id)
      gone.add(one.job)
    }
    const present = [...after.jobs.values()].map((one) => one.id)
    same(present.toSorted(), [...ids].toSorted())
    for (const number of after.jobs.keys()) must(!gone.has(number), "a job's number isn't used again", number)
    for (const one of before.jobs.values()) {
      const is = after.jobs.get(one.job)
      must(is === undefined || one.result === null || is.result !== null, "a result is never lost", one, is)
    }
  }

  /** A lowered cap takes nothing away, but lets nothing in. */
  const capsHold = (step: Step, after: Look) => {
    const earlier = new Map(before.lanes.map((one) => [one.lane, one.inFlight]))
    for (const one of after.lanes) {
      same({ pool: one.pool, cap: one.cap, gapMs: one.gapMs, burst: one.burst }, policy.lane(one.lane))
      same(one.overrides, sets.get(one.lane) ?? {})
      must(one.inFlight <= Math.max(one.cap, earlier.get(one.lane) ?? 0), "a lane keeps its cap", one)
    }
    for (const { lane } of step.starts) {
      const started = after.lanes.find((one) => one.lane === lane)
      must((started?.inFlight ?? Infinity) <= policy.lane(lane).cap, "nothing starts above the cap", started)
    }
    // Lanes may have changed their pools.
    if (step.policy !== undefined) return
    const poolsBefore = poolsOf(before)
    for (const [pool, inFlight] of poolsOf(after)) {
      must(
        inFlight <= Math.max(policy.pool(pool), poolsBefore.get(pool) ?? 0),
        "a pool keeps its cap",
        pool,
        inFlight
      )
    }
  }

  /** Nothing starts that is paused, held, not due or somebody else's. */
  const startsAreAllowed = (step: Step, after: Look) => {
    const expired = new Set(before.leases.filter((one) => one.expiresAt <= step.now).map((one) => one.job))
    for (const { job, lane, token } of step.starts) {
      const was = before.jobs.get(job)
      must(!before.paused, "nothing starts while all is paused", job)
      must(
        before.lanes.find((one) => one.lane === lane)?.paused !== true,
        "nothing starts in a paused lane",
        lane
      )
      must(step.now >= (heldUntil.get(lane) ?? 0), "nothing starts before a hold is over", lane, step.now)
      must((was?.availableAt ?? 0) <= step.now, "nothing starts before its time", was)
      const is = after.jobs.get(job)
      must(is?.state === "in_progress" && is.lane === lane, "what started runs, in its lane", is)
      if (token === undefined) continue
      must(
        was?.state === "queued" || expired.has(job) || step.ended?.has(job) === true,
        "only what nobody holds is leased",
        was
      )
      must(token > (tokens.get(job) ?? 0), "tokens grow", job, token, tokens.get(job))
      tokens.set(job, token)
    }
    same(new Set(step.starts.map((one) => one.job)).size, step.starts.length)
    for (const one of after.leases) same(one.token, tokens.get(one.job))
  }

  /** Of any burst + 1 starts in a lane, the last is at least one gap after the first. */
  const paceHolds = (step: Step) => {
    if (changesLimits(step)) starts.clear()
    for (const { lane } of step.starts) {
      const times = starts.get(lane) ?? []
      const { burst, gapMs } = policy.lane(lane)
      const earlier = times.at(-burst)
      if (times.length >= burst && earlier !== undefined) {
        must(step.now - earlier >= gapMs, "a lane keeps its pace", lane, times, step.now)
      }
      starts.set(lane, [...times, step.now])
    }
  }

  /** A lease leaves nothing that may start while there is a slot, and no lane goes twice before one that waits. */
  const lanesTakeTurns = (step: Step, after: Look) => {
    const waiting = startable(after, policy)
    const waited = startable(before, policy)
    if (step.limit !== undefined && step.starts.length < step.limit) same([...waiting.keys()], [])
    for (const lane of passedBy.keys()) {
      if (!waited.has(lane) || !waiting.has(lane) || changesLimits(step)) passedBy.delete(lane)
    }
    if (step.limit === undefined) return
    for (const { lane } of step.starts) {
      const pool = policy.lane(lane).pool
      passedBy.delete(lane)
      for (const [other, { pool: its }] of waiting) {
        if (other === lane || its !== pool || !waited.has(other)) continue
        const others = passedBy.get(other) ?? new Set()
        must(!others.has(lane), "no lane goes twice before one that waits", lane, other)
        passedBy.set(other, others.add(lane))
      }
    }
  }

  /** The time to look again is told, it isn't over, and a lease that found nothing isn't sent back at once. */
  const timeIsTold = (step: Step, after: Look) => {
    const at = Option.getOrElse(after.nextReadyAt, () => Infinity)
    must(at >= step.now, "the time to come isn't over", at)
    if (startable(after, policy).size > 0) same(at, step.now)
    if (step.limit !== undefined && step.starts.length < step.limit)
      must(at > step.now, "who found too little isn't sent back at once", at)
    const expiries = after.leases.map((one) => one.expiresAt)
    if (expiries.length > 0 && !after.paused) {
      must(at <= Math.max(step.now, Math.min(...expiries)), "an expiry is a time to come back", at, expiries)
    }
  }

  return (step: Step, after: Look): void => {
    if (step.policy !== undefined) given = step.policy
    if (step.set !== undefined) {
      const { lane, overrides } = step.set
      if (overrides === null) sets.delete(lane)
      else sets.set(lane, { ...sets.get(lane), ...overrides })
    }
    countersAddUp(after)
    leasesBelongToJobs(after)
    nothingIsLost(step, after)
    capsHold(step, after)
    startsAreAllowed(step, after)
    paceHolds(step)
    lanesTakeTurns(step, after)
    timeIsTold(step, after)
    const held = step.held === undefined ? undefined : before.jobs.get(step.held.job)
    if (step.held !== undefined && held !== undefined) {
      heldUntil.set(held.lane, Math.max(heldUntil.get(held.lane) ?? 0, step.held.until))
    }
    before = after
  }
}
