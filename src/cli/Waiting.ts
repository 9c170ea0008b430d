/**
 * Why queued jobs don't run: one short text for people, the same wherever it is shown.
 */
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { JobSummary } from "../Job.ts"
import type { LaneStats } from "../Lane.ts"
import { WorkQueue, type WorkQueueError } from "../WorkQueue.ts"
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

/** The same, where it isn't plain which lane is meant. */
const ofLane = (lane: LaneStats, now: number, queuePaused: boolean): string | null => {
  const why = waiting(lane, now, queuePaused)
  return why?.startsWith("in flight") === true ? `lane ${lane.lane} ${why}` : why
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
  const held = lane === undefined ? null : ofLane(lane, now, queuePaused)
  if (due === null) return held
  const until = `not due until ${localTimeNear(due, now)}`
  return held === null || held === "not due yet" ? until : `${until}; its lane: ${held}`
}

/** A job, and what holds it back. */
export interface Waiting<A> {
  readonly job: A
  readonly waiting: string | null
}

/** Finds out for each job what holds it back; the lanes of a page of jobs are asked for together. */
export const withWaiting = <A extends JobSummary>(
  jobs: Stream.Stream<A, WorkQueueError>
): Stream.Stream<Waiting<A>, WorkQueueError, WorkQueue> =>
  Stream.mapChunksEffect(jobs, (page) =>
    Effect.gen(function* () {
      const queue = yield* WorkQueue
      const lanes = new Set(
        Chunk.toReadonlyArray(page).flatMap((job) => (job.state === "queued" ? [job.lane] : []))
      )
      if (lanes.size === 0) return Chunk.map(page, (job) => ({ job, waiting: null }))
      const stats = yield* queue.laneStats({ limit: lanes.size, lane: [...lanes] })
      const byKey = new Map(stats.map((lane) => [lane.lane, lane]))
      const paused = yield* queue.paused
      const now = yield* Clock.currentTimeMillis
      return Chunk.map(page, (job) => ({ job, waiting: jobWaiting(job, byKey.get(job.lane), now, paused) }))
    })
  )
