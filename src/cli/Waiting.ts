/**
 * Why queued jobs don't run: one short text for people, the same wherever it is shown.
 */
import type { JobSummary } from "../Job.ts"
import type { LaneStats } from "../Lane.ts"
import { localTimeNear } from "./Text.ts"

/** What holds a lane's queued jobs back at `now`; `null` when nothing does, or none is queued. */
export const waiting = (lane: LaneStats, now: number, queuePaused: boolean): string | null => {
  if (lane.ready + lane.delayed === 0) return null
  if (queuePaused) return "the queue is paused"
  if (lane.paused) return "paused"
  if (lane.nextAt !== null && lane.nextAt > now) {
    return `until ${localTimeNear(lane.nextAt, now)} (${lane.blockedReason ?? "pace"})`
  }
  if (lane.ready > 0 && lane.inFlight >= lane.cap) return `in flight ${lane.inFlight}/${lane.cap}`
  return lane.ready === 0 ? "not due yet" : null
}

/** What holds a queued job back at `now`; `null` for a job that isn't queued, or that may start. */
export const jobWaiting = (
  job: JobSummary,
  lane: LaneStats | undefined,
  now: number,
  queuePaused: boolean
): string | null => {
  if (job.state !== "queued") return null
  const due = job.availableAt !== null && job.availableAt > now ? job.availableAt : null
  const held = lane === undefined ? null : waiting(lane, now, queuePaused)
  if (due === null) return held
  const until = `not due until ${localTimeNear(due, now)}`
  return held === null || held === "not due yet" ? until : `${until}; its lane: ${held}`
}
