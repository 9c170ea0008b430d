/**
 * The whole queue as plain maps, and the four moves of a job: `queue`, `occupy`, `finish` and `forget`.
 *
 * Every job stands in exactly one place: its lane's `ready`, the `delayed`, the three `leased` sets of queue, lane
 * and pool, or none of them when it is final. Only the moves change that, so nothing has to be counted: what is in
 * flight is the size of a set.
 */
import type { Attempt, FinalState, JobState } from "../../Job.ts"
import type { LaneOverrides, LanePolicy } from "../../Lane.ts"
import { RESULT_KEPT } from "../../WorkQueue.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** A JSON value as text: what goes in and what comes out share nothing. */
export type Json = string

export interface Pool {
  readonly key: string
  cap: number
  readonly leased: Set<Job>
}

export interface Lane {
  readonly number: number
  readonly key: string
  pool: Pool
  cap: number
  gapMs: number
  burst: number
  /** The limits set by hand. */
  overrides: LaneOverrides
  /** What the host asked for as the time between two starts. */
  askedGapMs: number
  /** The latest time anyone asked to wait for. */
  heldUntil: number
  /** Where it stands among the lanes; a lane that was served goes to the end. */
  turn: number
  /** When its pace allows a full burst again, see `start` in `Lanes.ts`. */
  tat: number
  /** The lane sleeps until then; 0 when it is awake. */
  nextAt: number
  blockedReason: string | null
  paused: boolean
  /** By priority, then by number. */
  readonly ready: Array<Job>
  readonly leased: Set<Job>
}

export interface Job {
  readonly number: number
  readonly id: string
  readonly priority: number
  readonly payload: Json
  readonly enqueuedAt: number
  state: JobState
  lane: Lane
  availableAt: number | null
  /** Of its latest lease; meaningful while it is in progress. */
  token: number
  worker: string | null
  leaseExpiresAt: number | null
  attempts: number
  crashes: number
  plan: Json
  result: Json
  reason: string | null
  message: string | null
  finishedAt: number | null
  readonly history: Array<Attempt>
}

export interface State {
  /** The limits of the lanes to come. */
  policy: LanePolicy
  /** A job that lost its worker so many times ends in `error`. */
  readonly maxCrashes: number
  /** The one counter that turns and fencing tokens are taken from. */
  sequence: number
  /** The number of the latest job; numbers aren't used twice. */
  lastJob: number
  paused: boolean
  /** By number, ascending. */
  readonly jobs: Map<number, Job>
  readonly byId: Map<string, Job>
  readonly lanes: Map<string, Lane>
  readonly pools: Map<string, Pool>
  readonly delayed: Set<Job>
  readonly leased: Set<Job>
}

// ---------------------------------------------------------------------------------------------------------------
// Constructors
// ---------------------------------------------------------------------------------------------------------------

export const empty = (policy: LanePolicy, maxCrashes: number): State => ({
  policy,
  maxCrashes,
  sequence: 0,
  lastJob: 0,
  paused: false,
  jobs: new Map(),
  byId: new Map(),
  lanes: new Map(),
  pools: new Map(),
  delayed: new Set(),
  leased: new Set()
})

/** The value as JSON, `undefined` as null. Throws for what JSON can't hold, so it comes before any change. */
export const toJson = (value: unknown): Json => JSON.stringify(value) ?? "null"

export const fromJson = (json: Json): unknown => JSON.parse(json)

export const hasResult = (job: Job): boolean => job.result !== "null"

/** The message of a job that ends without its handler. */
export const withoutHandler = (job: Job, message: string): string =>
  hasResult(job) ? message + RESULT_KEPT : message

/** The next number of the sequence. */
export const next = (state: State): number => {
  state.sequence += 1
  return state.sequence
}

// ---------------------------------------------------------------------------------------------------------------
// Moves
// ---------------------------------------------------------------------------------------------------------------

const isBefore = (a: Job, b: Job) =>
  a.priority < b.priority || (a.priority === b.priority && a.number < b.number)

/** Where the job stands in `ready`, or would have to stand. */
const placeOf = (ready: ReadonlyArray<Job>, job: Job): number => {
  let from = 0
  let to = ready.length
  while (from < to) {
    const middle = (from + to) >>> 1
    const other = ready[middle]
    if (other !== undefined && isBefore(other, job)) from = middle + 1
    else to = middle
  }
  return from
}

/** Takes the job out of the place it stands in. */
const leave = (state: State, job: Job): void => {
  if (job.state === "queued") {
    if (job.availableAt !== null) state.delayed.delete(job)
    else {
      const { ready } = job.lane
      const place = placeOf(ready, job)
      // A new job is not in there yet.
      if (ready[place] === job) ready.splice(place, 1)
    }
  } else if (job.state === "in_progress") {
    state.leased.delete(job)
    job.lane.leased.delete(job)
    job.lane.pool.leased.delete(job)
  }
  job.availableAt = null
  job.worker = null
  job.leaseExpiresAt = null
}

/** Puts the job into the lane's line, or aside until `availableAt` if that is still to come. */
export const queue = (state: State, job: Job, lane: Lane, now: number, availableAt: number | null): void => {
  leave(state, job)
  job.state = "queued"
  job.lane = lane
  if (availableAt !== null && availableAt > now) {
    job.availableAt = availableAt
    state.delayed.add(job)
  } else {
    lane.ready.splice(placeOf(lane.ready, job), 0, job)
  }
}

/** Gives the job to a worker, in the lane. */
export const occupy = (
  state: State,
  job: Job,
  lane: Lane,
  lease: { readonly worker: string | null; readonly token: number; readonly expiresAt: number | null }
): void => {
  leave(state, job)
  job.state = "in_progress"
  job.lane = lane
  job.worker = lease.worker
  job.token = lease.token
  job.leaseExpiresAt = lease.expiresAt
  state.leased.add(job)
  lane.leased.add(job)
  lane.pool.leased.add(job)
}

/** Ends the job. */
export const finish = (
  state: State,
  job: Job,
  now: number,
  end: { readonly state: FinalState; readonly reason: string | null; readonly message: string | null }
): void => {
  leave(state, job)
  job.state = end.state
  job.reason = end.reason
  job.message = end.message
  job.finishedAt = now
}

/** Removes the job from the queue. */
export const forget = (state: State, job: Job): void => {
  leave(state, job)
  state.jobs.delete(job.number)
  state.byId.delete(job.id)
}
