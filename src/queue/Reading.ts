/**
 * What a queue is asked for and what it tells: filters over jobs and lanes, the jobs by state, and why those that wait
 * do so.
 */
import type { FinalState, JobState, LeaseRef } from "../Job.ts"

/** Jobs by state; `total` is their sum. */
export interface Stats {
  readonly queued: number
  readonly in_progress: number
  readonly done: number
  readonly skipped: number
  readonly error: number
  readonly total: number
}

/**
 * Why queued jobs aren't running, and how many.
 * - `worker`: only a free worker is missing. Of a lane that may start some now, no more than these.
 * - `cap`: their lane, or its pool, has as many jobs in flight as it may, or will have with those that may start.
 * - `pace`: their lane's next start isn't due, or won't be after those that may start.
 * - `hold`: their lane was asked to wait; `reason` says why, such as `http-429`.
 * - `later`: they aren't due themselves, such as a retry.
 * - `paused`: their lane is paused. A pause of the whole queue stands above all this and isn't told here.
 */
export interface Wait {
  readonly cause: "worker" | "cap" | "pace" | "hold" | "later" | "paused"
  /** Only of a `hold`. */
  readonly reason: string | null
  readonly jobs: number
  /** The lanes they stand in. */
  readonly lanes: number
  /** The earliest time at which one of them may go on; `null` when that is no matter of time. */
  readonly until: number | null
}

/** A lease as the queue holds it. */
export interface HeldLease extends LeaseRef {
  readonly worker: string
  readonly expiresAt: number
}

/** Which jobs are meant; a field that is left out doesn't restrict. */
export interface JobFilter {
  readonly state?: JobState | undefined
  readonly lane?: string | undefined
  readonly reason?: string | undefined
  /** Only jobs that have a result, whatever became of them since. */
  readonly hasResult?: true | undefined
}

/** Which ended jobs are to be had again. */
export interface RefreshFilter {
  readonly state: FinalState
  /** This job, or these. */
  readonly id?: string | ReadonlyArray<string> | undefined
  readonly lane?: string | undefined
  readonly reason?: string | undefined
  readonly dryRun?: boolean | undefined
}

/** Which lanes are meant; a field that is left out doesn't restrict. */
export interface LaneFilter {
  readonly limit: number
  /** This lane, or these. */
  readonly lane?: string | ReadonlyArray<string> | undefined
  /** Only lanes with limits set by hand. */
  readonly overridden?: boolean | undefined
}
