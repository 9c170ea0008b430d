/** Jobs come in: an id once, into the lane it names. */
import type { NewJob } from "../../Job.ts"
import type { Enqueued } from "../../WorkQueue.ts"
import { laneOf } from "./Lanes.ts"
import { type Job, queue, type State, toJson } from "./State.ts"

export const enqueue = (state: State, now: number, job: NewJob): Enqueued => {
  if (state.byId.has(job.id)) return "duplicate"
  const payload = toJson(job.payload)
  const lane = laneOf(state, job.lane)
  state.lastJob += 1
  const queued: Job = {
    number: state.lastJob,
    id: job.id,
    priority: job.priority ?? 0,
    payload,
    enqueuedAt: now,
    state: "queued",
    lane,
    availableAt: null,
    token: 0,
    worker: null,
    leaseExpiresAt: null,
    attempts: 0,
    crashes: 0,
    plan: "null",
    result: "null",
    reason: null,
    message: null,
    finishedAt: null,
    history: []
  }
  state.jobs.set(queued.number, queued)
  state.byId.set(queued.id, queued)
  queue(state, queued, lane, now, job.availableAt ?? null)
  return "new"
}
