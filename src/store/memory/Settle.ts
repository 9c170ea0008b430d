/** What becomes of a leased job. Every transition takes a job whose fencing token was checked, see `held`. */
import type { FailedTry, Released, Rerouted, RerouteVerdict, Settled } from "../../WorkQueue.ts"
import { hold, laneOf, mayStart, setAskedGap, start } from "./Lanes.ts"
import { finish, type Job, type Json, occupy, queue, type State, toJson } from "./State.ts"

/** A plan that is left out, or undefined, stays as it is. */
const planOf = (job: Job, change: { readonly plan?: unknown }): Json =>
  change.plan === undefined ? job.plan : toJson(change.plan)

/** A job that ends without a result keeps the one it has. */
const resultOf = (job: Job, result: unknown): Json =>
  result === undefined || result === null ? job.result : toJson(result)

export const ack = (state: State, now: number, job: Job, settled: Settled): void => {
  job.result = settled.state === "done" ? toJson(settled.result) : resultOf(job, settled.result)
  job.attempts += 1
  finish(state, job, now, {
    state: settled.state,
    reason: settled.state === "skipped" ? settled.reason : null,
    message: settled.state === "skipped" ? settled.message : null
  })
}

export const failAndRetry = (state: State, now: number, job: Job, failed: FailedTry): void => {
  const plan = planOf(job, failed)
  const result = resultOf(job, failed.result)
  job.plan = plan
  job.attempts += 1
  job.reason = failed.reason
  job.message = failed.message
  if (failed.retryAt === null) {
    job.result = result
    finish(state, job, now, { state: "error", reason: failed.reason, message: failed.message })
  } else {
    queue(state, job, job.lane, now, failed.retryAt)
  }
}

export const release = (state: State, now: number, job: Job, released: Released): void => {
  job.plan = planOf(job, released)
  const { hold: asked, later } = released
  if (asked?.gapMs !== undefined) setAskedGap(state, now, job.lane, asked.gapMs)
  if (asked !== undefined) hold(job.lane, now, asked.until, asked.reason)
  if (later !== undefined) {
    job.reason = later.reason
    job.message = later.message
  }
  queue(state, job, job.lane, now, later?.until ?? null)
}

/** Moves the job to another lane: under the same lease if that may start it now, else into its line. */
export const reroute = (state: State, now: number, job: Job, rerouted: Rerouted): RerouteVerdict => {
  job.plan = toJson(rerouted.plan)
  const lane = laneOf(state, rerouted.lane)
  const { leaseExpiresAt: expiresAt, token, worker } = job
  // The old place is left first: in a full pool it is the job's own slot that is free for it.
  queue(state, job, lane, now, null)
  if (state.paused || !mayStart(lane, now)) return "queued"
  occupy(state, job, lane, { worker, token, expiresAt })
  start(lane, now)
  return "granted"
}
