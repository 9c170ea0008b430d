/**
 * What stands in the queue: a job, its states, the lease a worker holds on it and the record of each try.
 *
 * ```
 * enqueue ──▶ queued ──lease──▶ in_progress ──ack──▶ done | skipped
 *               ▲                 │   │  └─failAndRetry, no try left──▶ error
 *               │  failAndRetry   │   │
 *               └─────────────────┘   └─ release, reroute, lease expired ──▶ queued
 * ```
 *
 * A retry is a queued job with a later `availableAt`; there is no other state. Times are integer milliseconds
 * since the epoch, taken from Effect's Clock.
 */
import * as Schema from "effect/Schema"

/** Every state a job can be in. */
export const JobState = Schema.Literal("queued", "in_progress", "done", "skipped", "error")
export type JobState = typeof JobState.Type

/** The states a job doesn't leave by itself. */
export const FinalState = Schema.Literal("done", "skipped", "error")
export type FinalState = typeof FinalState.Type

/** The longest id a job may have, in UTF-16 code units. */
export const MAX_ID_LENGTH = 1024

/** The bounds of a priority, either way: whatever JSON, CSV and the stores keep exactly. */
export const MAX_PRIORITY = 1_000_000_000

/** What a caller brings to the queue. `payload` is any JSON value; the queue doesn't look into it. */
export interface NewJob {
  /** The caller's name for the work, unique in the queue. */
  readonly id: string
  /** The lane whose cap and pace it waits for, such as `host:arxiv.org`. */
  readonly lane: string
  readonly payload: unknown
  /** Order inside the lane, lower first; a whole number. Default 0. */
  readonly priority?: number | undefined
  /** Not to be leased before this time. Default: at once. */
  readonly availableAt?: number | undefined
}

/**
 * The name of a lease. A write about a job carries it and counts only while the queue still holds the same
 * fencing token for the job: tokens grow with every lease and are never used twice for a job.
 */
export interface LeaseRef {
  /** The queue's own number of the job. */
  readonly job: number
  readonly token: number
}

/** A claim on a job: the job as it stood when it was leased, and the token to write with. */
export interface Lease extends LeaseRef {
  readonly id: string
  readonly lane: string
  readonly worker: string
  readonly expiresAt: number
  /** Tries that came to an end before this lease. */
  readonly attempts: number
  /** Leases that ended with the death of their worker. */
  readonly crashes: number
  readonly payload: unknown
  /** What an earlier lease left for this one, `null` at first. Any JSON value. */
  readonly plan: unknown
}

/**
 * One try at one step of a job, kept append-only. `class` is the failure class it ended with, or `ok`.
 */
export const Attempt = Schema.Struct({
  startedAt: Schema.Int,
  durationMs: Schema.Int,
  /** What was tried: `resolve`, `fetch`, or a word of the embedding program. */
  step: Schema.String,
  /** What it was tried on: a URL, a service. `null` where there is none. */
  target: Schema.NullOr(Schema.String),
  class: Schema.Literal("ok", "retry", "wait", "try-next", "skip", "permanent", "fatal", "crash"),
  /** A stable word for the cause, such as `http-404` or `idle-timeout`. */
  reason: Schema.NullOr(Schema.String),
  /** One line for a person. */
  message: Schema.NullOr(Schema.String)
})
export type Attempt = typeof Attempt.Type

/** A job as `list` shows it. */
export interface JobSummary {
  readonly job: number
  readonly id: string
  readonly state: JobState
  readonly lane: string
  readonly priority: number
  /** The time a queued job waits for; `null` when it waits for its lane only. */
  readonly availableAt: number | null
  readonly attempts: number
  readonly crashes: number
  readonly reason: string | null
  readonly worker: string | null
  readonly leaseExpiresAt: number | null
  readonly enqueuedAt: number
  readonly finishedAt: number | null
}

/** A job with everything the queue knows of it, as `get` answers it. */
export interface JobDetail extends JobSummary {
  readonly payload: unknown
  readonly plan: unknown
  /**
   * What the handler left with its latest outcome that left anything; `null` while there is none. A job that is queued
   * again keeps it until it is done anew or ends with another.
   */
  readonly result: unknown
  readonly message: string | null
  readonly history: ReadonlyArray<Attempt>
}
