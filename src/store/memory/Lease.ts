/** Jobs go out: what is due comes back first, then lanes take turns. */
import type { Lease, LeaseRef } from "../../Job.ts"
import { isOpen, hasRoom, mayStart, start, wake } from "./Lanes.ts"
import {
  finish,
  fromJson,
  type Job,
  type Lane,
  next,
  occupy,
  queue,
  type State,
  withoutHandler
} from "./State.ts"

// ---------------------------------------------------------------------------------------------------------------
// Taking back
// ---------------------------------------------------------------------------------------------------------------

/** Takes the job from a worker that can't settle it any more: a crash is counted, but no attempt. */
const takeBack = (state: State, now: number, job: Job, reason: "lease-expired" | "worker-died"): void => {
  const { worker } = job
  job.crashes += 1
  job.history.push({
    startedAt: now,
    durationMs: 0,
    step: "lease",
    target: worker,
    class: "crash",
    reason,
    message:
      reason === "lease-expired"
        ? `the lease of worker ${worker} expired`
        : `worker ${worker} died while it held the lease`
  })
  if (job.crashes >= state.maxCrashes) {
    finish(state, job, now, {
      state: "error",
      reason: "crashed",
      message: withoutHandler(job, `its worker died ${job.crashes} times while it ran`)
    })
  } else {
    queue(state, job, job.lane, now, null)
  }
}

/** Takes back all leases of these workers; answers how many. */
export const reclaim = (state: State, now: number, workers: ReadonlyArray<string>): number => {
  const dead = new Set(workers)
  const taken = [...state.leased].filter((job) => job.worker !== null && dead.has(job.worker))
  for (const job of taken) takeBack(state, now, job, "worker-died")
  return taken.length
}

/** Everything that time alone brings about. */
const promote = (state: State, now: number): void => {
  for (const job of state.leased) {
    if (job.leaseExpiresAt !== null && job.leaseExpiresAt <= now) takeBack(state, now, job, "lease-expired")
  }
  for (const job of state.delayed) {
    if (job.availableAt !== null && job.availableAt <= now) queue(state, job, job.lane, now, null)
  }
  for (const lane of state.lanes.values()) wake(lane, now)
}

// ---------------------------------------------------------------------------------------------------------------
// Leasing
// ---------------------------------------------------------------------------------------------------------------

/**
 * Leases up to `limit` jobs: in each round every lane that may start gives its head, in the order of the lanes'
 * turns; who gave something goes to the end, who gave last to the very end. All leases of one call share a token, which is fine: no job is leased
 * twice in it.
 */
export const lease = (
  state: State,
  now: number,
  request: { readonly worker: string; readonly limit: number; readonly ttl: number }
): ReadonlyArray<Lease> => {
  promote(state, now)
  if (state.paused) return []
  const lanes = [...state.lanes.values()]
    .filter((lane) => lane.ready.length > 0 && mayStart(lane, now))
    .toSorted((a, b) => a.turn - b.turn || a.number - b.number)
  const heads: Array<Job> = []
  const served = new Set<Lane>()
  const expiresAt = now + request.ttl
  let token: number | undefined
  let given: number
  do {
    given = heads.length
    for (const lane of lanes) {
      const head = lane.ready[0]
      if (heads.length >= request.limit || head === undefined || !mayStart(lane, now)) continue
      token ??= next(state)
      occupy(state, head, lane, { worker: request.worker, token, expiresAt })
      start(lane, now)
      // A lane that gave again stands behind those that gave in between.
      served.delete(lane)
      served.add(lane)
      heads.push(head)
    }
  } while (heads.length > given)
  for (const lane of served) lane.turn = next(state)
  return heads.map((job) => ({
    job: job.number,
    token: job.token,
    id: job.id,
    lane: job.lane.key,
    worker: request.worker,
    expiresAt,
    attempts: job.attempts,
    crashes: job.crashes,
    payload: fromJson(job.payload),
    plan: fromJson(job.plan)
  }))
}

/** The job, if the lease is still the one the queue holds for it. */
export const held = (state: State, ref: LeaseRef): Job | undefined => {
  const job = state.jobs.get(ref.job)
  return job !== undefined && job.state === "in_progress" && job.token === ref.token ? job : undefined
}

/** Extends leases; answers those that are lost. */
export const heartbeat = (
  state: State,
  now: number,
  leases: ReadonlyArray<LeaseRef>,
  ttl: number
): ReadonlyArray<LeaseRef> =>
  leases.filter((ref) => {
    const job = held(state, ref)
    if (job !== undefined) job.leaseExpiresAt = now + ttl
    return job === undefined
  })

/** When a lease may find a job if nothing else happens; `null` if time alone won't help. */
export const nextReadyAt = (state: State, now: number): number | null => {
  if (state.paused) return null
  let earliest = Infinity
  for (const lane of state.lanes.values()) {
    if (lane.ready.length === 0 || !isOpen(lane)) continue
    if (lane.nextAt > 0) earliest = Math.min(earliest, lane.nextAt)
    else if (hasRoom(lane.pool)) return now
  }
  for (const { availableAt, lane } of state.delayed) {
    if (availableAt !== null && !lane.paused) {
      earliest = Math.min(earliest, Math.max(availableAt, lane.nextAt))
    }
  }
  for (const { leaseExpiresAt } of state.leased) {
    if (leaseExpiresAt !== null) earliest = Math.min(earliest, leaseExpiresAt)
  }
  return earliest === Infinity ? null : Math.max(earliest, now)
}
