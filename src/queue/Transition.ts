/**
 * How a lease ends, or goes on in another lane, as data: what the transitions of a queue are given. A stale lease makes
 * each of them count for nothing.
 */
import type { Attempt, Lease } from "../Job.ts"

/**
 * Where a job ends well: with a result to keep, or with a reason why there is nothing to do. Skipped without a result, it
 * keeps the one it has.
 */
export type Settled =
  | { readonly state: "done"; readonly result: unknown }
  | {
      readonly state: "skipped"
      readonly reason: string
      readonly message: string
      readonly result?: unknown
    }

/** A failed try. */
export interface FailedTry {
  readonly reason: string
  readonly message: string
  /** When to try again; `null` ends the job in `error`. */
  readonly retryAt: number | null
  /** What the next lease gets as its plan. Left out: the plan stays as it is. */
  readonly plan?: unknown
  /** Kept beside an `error`, like the result beside a `done`. Without one, a result the job has stays. */
  readonly result?: unknown
}

/** What is added to the message of a job that ended without its handler, though it has a result of an earlier end. */
export const RESULT_KEPT = "; its earlier result is kept"

/** Why a job is put back unfinished, and what its lane waits for. */
export interface Released {
  readonly plan?: unknown
  /** Nothing starts in the job's lane before `until`; an earlier time than the lane already has changes nothing. */
  readonly hold?: LaneHold | undefined
  /** The job itself isn't due before `until`. */
  readonly later?: { readonly until: number; readonly reason: string; readonly message: string } | undefined
}

/** What a lane was asked for. */
export interface LaneHold {
  readonly until: number
  readonly reason: string
  /**
   * The milliseconds between two starts that were asked for, until something else is: the lane's pace, where the
   * policy's is shorter and none was set by hand. Left out: what was asked for before stays.
   */
  readonly gapMs?: number | undefined
}

/** Where a job goes on: in the lane of the host its plan leads to. */
export interface Rerouted {
  readonly lane: string
  readonly plan: unknown
}

/** What ends a lease, as data: see the operations of the same names in `WorkQueue`. */
export type Transition = { readonly lease: Lease; readonly history: ReadonlyArray<Attempt> } & (
  | { readonly kind: "ack"; readonly settled: Settled }
  | { readonly kind: "failAndRetry"; readonly failed: FailedTry }
  | { readonly kind: "release"; readonly released: Released }
)

/** `granted`: the new lane had room, the lease goes on there. `queued`: the job waits there, the lease is over. */
export type RerouteVerdict = "granted" | "queued"
