/** What a person does to jobs: queue failed ones again, cancel one, remove old ones. */
import type { JobState } from "../../Job.ts"
import type { JobFilter, RefreshFilter } from "../../WorkQueue.ts"
import {
  finish,
  forget,
  fromJson,
  hasResult,
  type Job,
  next,
  queue,
  type State,
  toJson,
  withoutHandler
} from "./State.ts"
import { matching } from "./Read.ts"

/** Queues an ended job as if it were new, but for its history and its result, which is its plan, too. */
const again = (state: State, job: Job, now: number): void => {
  job.attempts = 0
  job.crashes = 0
  job.reason = null
  job.message = null
  job.finishedAt = null
  job.plan = hasResult(job) ? toJson({ refresh: fromJson(job.result) }) : "null"
  queue(state, job, job.lane, now, null)
}

/** Queues jobs in `error` again; answers how many. */
export const retryFailed = (
  state: State,
  now: number,
  filter: Omit<JobFilter, "state" | "hasResult"> & { readonly dryRun?: boolean }
): number => {
  const failed = [...matching(state, { ...filter, state: "error" })]
  if (filter.dryRun === true) return failed.length
  for (const job of failed) again(state, job, now)
  return failed.length
}

/** Queues ended jobs again, their results as their plans; answers how many. */
export const refresh = (state: State, now: number, filter: RefreshFilter): number => {
  const wanted = filter.id === undefined ? undefined : new Set([filter.id].flat())
  const ended = [...matching(state, filter)].filter(({ id }) => wanted === undefined || wanted.has(id))
  if (filter.dryRun === true) return ended.length
  for (const job of ended) again(state, job, now)
  return ended.length
}

/** Ends a job unless it is final. Who holds it has a stale token from here on. */
export const cancel = (state: State, now: number, id: string): boolean => {
  const job = state.byId.get(id)
  if (job === undefined || (job.state !== "queued" && job.state !== "in_progress")) return false
  if (job.state === "in_progress") job.token = next(state)
  const message = withoutHandler(job, "cancelled by hand")
  finish(state, job, now, { state: "skipped", reason: "cancelled", message })
  return true
}

/** Removes final jobs that ended before the time, or only counts them; answers how many. */
export const prune = (
  state: State,
  filter: {
    readonly finishedBefore: number
    readonly state?: JobState | undefined
    readonly dryRun?: boolean | undefined
  }
): number => {
  const past = [...matching(state, { state: filter.state })].filter(
    (job) => job.finishedAt !== null && job.finishedAt < filter.finishedBefore
  )
  if (filter.dryRun !== true) for (const job of past) forget(state, job)
  return past.length
}
