/**
 * The failure classes: everything a handler may fail with, and what each does to the job.
 *
 * | class     | transition                                                                                  |
 * |-----------|---------------------------------------------------------------------------------------------|
 * | Retry     | `failAndRetry`: the try counts, the job waits with exponential backoff; `atLast`, or `error`   |
 * | WaitLane  | the job's lane starts nothing before `until`; the job is released, no try is counted          |
 * | Later     | the job itself isn't due before `until`, others of its lane are; no try is counted            |
 * | Skip      | `ack` as `skipped`                                                                            |
 * | Permanent | `failAndRetry` without a retry: `error`                                                       |
 * | Fatal     | the job is released and the run stops                                                         |
 *
 * `reason` is a stable word for scripts and statistics, `message` one line for a person.
 */
import * as Data from "effect/Data"

/** The same may go well a little later: a reset connection, a 503 without a hint. */
export class Retry extends Data.TaggedError("Retry")<{
  readonly reason: string
  readonly message: string
  /** Not before this time, if the other side named one. */
  readonly notBefore?: number
  /** What the next try gets as its plan. Left out: the plan stays as it is. */
  readonly plan?: unknown
  /** What else there is to wait for when no try is left. Left out: nothing, and the job ends in `error`. */
  readonly atLast?: Later
}> {}

/** The lane has to wait, whatever the job: a 429, a Retry-After, an open breaker. */
export class WaitLane extends Data.TaggedError("WaitLane")<{
  readonly reason: string
  readonly message: string
  readonly until: number
  /** The milliseconds the other side wants between two starts, from now on. */
  readonly gapMs?: number | undefined
  readonly plan?: unknown
}> {}

/** The job has to wait for something that its lane hasn't: a quota of somebody else. */
export class Later extends Data.TaggedError("Later")<{
  readonly reason: string
  readonly message: string
  readonly until: number
  readonly plan?: unknown
}> {}

/** There is nothing to do for this job, and that is no failure. Without a result, the job keeps the one it has. */
export class Skip extends Data.TaggedError("Skip")<{
  readonly reason: string
  readonly message: string
  readonly result?: unknown
}> {}

/** Trying again is no use. Without a result, the job keeps the one it has. */
export class Permanent extends Data.TaggedError("Permanent")<{
  readonly reason: string
  readonly message: string
  readonly result?: unknown
}> {}

/** The run itself can't go on: the disk is full, the output folder can't be written. */
export class Fatal extends Data.TaggedError("Fatal")<{
  readonly reason: string
  readonly message: string
}> {}

/** Any of the classes. */
export type Failure = Retry | WaitLane | Later | Skip | Permanent | Fatal
