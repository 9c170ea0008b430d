/**
 * The contract of the queue: a persistent set of jobs with idempotent enqueue, fair leasing over lanes and
 * fenced transitions.
 *
 * - An id is queued once, however often it is enqueued.
 * - A job has at most one live lease, no lane or pool has more jobs in flight than its cap, and none starts
 *   before its lane's time. This holds over all processes on one queue.
 * - Whoever's token is stale changes nothing and is told so.
 *
 * Nothing here knows SQL or HTTP; the implementations stand in `store/`.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type { Attempt, JobDetail, JobState, JobSummary, Lease, LeaseRef, NewJob } from "./Job.ts"
import type { LaneOverrides, LanePolicy, LaneStats } from "./Lane.ts"
import type { HeldLease, JobFilter, LaneFilter, RefreshFilter, Stats, Wait } from "./queue/Reading.ts"
import type {
  FailedTry,
  Released,
  Rerouted,
  RerouteVerdict,
  Settled,
  Transition
} from "./queue/Transition.ts"
import type { LeaseRequest, Turn } from "./queue/Turn.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** What became of an enqueued job. */
export type Enqueued = "new" | "duplicate"

/** What became of many. */
export interface EnqueueSummary {
  readonly new: number
  readonly duplicate: number
}

export type * from "./queue/Reading.ts"
export * from "./queue/Transition.ts"
export * from "./queue/Turn.ts"

// ---------------------------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------------------------

/** The lease named is no longer the job's: it expired and was taken away, or its job was settled already. */
export class LeaseLost extends Data.TaggedError("LeaseLost")<{
  readonly id: string
  readonly token: number
}> {
  override get message() {
    return `the lease on ${this.id} is lost (fencing token ${this.token})`
  }
}

/**
 * The queue can't be read or written.
 * - `busy`: another process holds it for longer than the configured time-out.
 * - `full`: no space is left on the disk.
 * - `corrupt`: the file is damaged.
 * - `foreign`: the file is something else than a queue.
 * - `newer`: a newer version of the program wrote it.
 * - `unavailable`: it can't be opened or written (permissions, a missing folder, an I/O error).
 * - `internal`: a statement failed that shouldn't; a bug.
 */
export class WorkQueueError extends Data.TaggedError("WorkQueueError")<{
  readonly reason: "busy" | "full" | "corrupt" | "foreign" | "newer" | "unavailable" | "internal"
  readonly message: string
  readonly cause?: unknown
}> {}

// ---------------------------------------------------------------------------------------------------------------
// Service
// ---------------------------------------------------------------------------------------------------------------

/** One queue. Times are milliseconds since the epoch, by Effect's Clock. */
export interface WorkQueueService {
  /** Queues one job, unless its id is there already. Durable, also against a power cut, before it answers. */
  readonly enqueue: (job: NewJob) => Effect.Effect<Enqueued, WorkQueueError>

  /**
   * Queues a stream of jobs in batches, in constant memory, and counts. Durable like `enqueue` when it answers;
   * when the stream fails or is interrupted, whole batches before that point are in the queue.
   */
  readonly enqueueAll: <E, R>(
    jobs: Stream.Stream<NewJob, E, R>
  ) => Effect.Effect<EnqueueSummary, E | WorkQueueError, R>

  /**
   * Leases at most `limit` jobs that may start now, lanes taking turns, for `ttl`. Never waits: no job is an
   * empty answer. Expired leases are taken back first, each counted as a crash of its job.
   */
  readonly lease: (request: LeaseRequest) => Effect.Effect<ReadonlyArray<Lease>, WorkQueueError>

  /** Extends leases to `ttl` from now. Answers those that are lost; the work under them has to stop. */
  readonly heartbeat: (
    leases: ReadonlyArray<LeaseRef>,
    ttl: Duration.DurationInput
  ) => Effect.Effect<ReadonlyArray<LeaseRef>, WorkQueueError>

  /** Ends a job in `done` or `skipped`; counts an attempt. */
  readonly ack: (
    lease: Lease,
    settled: Settled,
    history?: ReadonlyArray<Attempt>
  ) => Effect.Effect<void, LeaseLost | WorkQueueError>

  /** Ends a try that failed: queued again for `retryAt`, or `error`; counts an attempt. */
  readonly failAndRetry: (
    lease: Lease,
    failed: FailedTry,
    history?: ReadonlyArray<Attempt>
  ) => Effect.Effect<void, LeaseLost | WorkQueueError>

  /** Puts a job back to where it stood in its lane; counts no attempt. */
  readonly release: (
    lease: Lease,
    released?: Released,
    history?: ReadonlyArray<Attempt>
  ) => Effect.Effect<void, LeaseLost | WorkQueueError>

  /**
   * Moves a leased job to another lane. If that lane may start one now, its slot is taken in the same step and the
   * lease goes on under the same token; else the job waits there with its plan. Counts no attempt.
   */
  readonly reroute: (
    lease: Lease,
    rerouted: Rerouted,
    history?: ReadonlyArray<Attempt>
  ) => Effect.Effect<RerouteVerdict, LeaseLost | WorkQueueError>

  /**
   * Carries out transitions and then, with what they freed, leases: all in one step, and each counts as if it had come
   * alone, after those before it; so of several under one lease the first counts. It is what a scheduler does again and
   * again, and the cheapest way to do it.
   */
  readonly turn: (
    transitions: ReadonlyArray<Transition>,
    request?: LeaseRequest
  ) => Effect.Effect<Turn, WorkQueueError>

  /**
   * Ends a job in `skipped (cancelled)`, also a running one: its lease is gone, and whoever runs it notices. A result of
   * an earlier end stays. False: it isn't there, or final.
   */
  readonly cancel: (id: string) => Effect.Effect<boolean, WorkQueueError>

  /** Jobs by state. Kept, not counted: costs the same at any size. */
  readonly stats: Effect.Effect<Stats, WorkQueueError>

  /** Lanes, those with unfinished jobs first, the fullest first. */
  readonly laneStats: (options: LaneFilter) => Effect.Effect<ReadonlyArray<LaneStats>, WorkQueueError>

  /**
   * The queued jobs by what they wait for, in the order of cause and reason; none that is empty. Looks at every lane
   * once: for a display, not for every job.
   */
  readonly waits: Effect.Effect<ReadonlyArray<Wait>, WorkQueueError>

  /** Jobs in the order they were queued, read page by page in constant memory. */
  readonly list: (
    filter: JobFilter & { readonly limit?: number }
  ) => Stream.Stream<JobSummary, WorkQueueError>

  /** Jobs with their payloads, results and history, in the order they were queued. */
  readonly details: (
    filter: JobFilter & { readonly limit?: number }
  ) => Stream.Stream<JobDetail, WorkQueueError>

  /** The job of this id, with everything the queue knows of it. */
  readonly get: (id: string) => Effect.Effect<Option.Option<JobDetail>, WorkQueueError>

  /** Queues jobs in `error` again, as `refresh` does; `dryRun` only counts them. */
  readonly retryFailed: (
    filter: Omit<JobFilter, "state" | "hasResult"> & { readonly dryRun?: boolean }
  ) => Effect.Effect<number, WorkQueueError>

  /**
   * Queues jobs in a final state again, with their attempts and crashes forgotten. A job's result becomes its plan,
   * `{ refresh: result }`: the handler decides what is still good. The result itself stays, too, until the job is done
   * anew or ends with another: a try in vain loses nothing. `dryRun` only counts them.
   */
  readonly refresh: (filter: RefreshFilter) => Effect.Effect<number, WorkQueueError>

  /** Stops leasing from one lane, or from all; running jobs go on. False: there is no such lane. */
  readonly pause: (lane?: string) => Effect.Effect<boolean, WorkQueueError>
  /** Undoes `pause` of the same lane, or of the whole. False: there is no such lane. */
  readonly resume: (lane?: string) => Effect.Effect<boolean, WorkQueueError>
  /**
   * Sets limits of one lane by hand, also of one that has no jobs yet; those left out stay as they are, and `null`
   * gives the lane back to the policy. Stored in the queue: it holds at once, for all processes, whatever policy they
   * apply. A lower cap takes nothing away from what runs. A stricter pace counts from the latest start, a milder one
   * at once; what a server asked for stays.
   */
  readonly setLane: (lane: string, overrides: LaneOverrides | null) => Effect.Effect<void, WorkQueueError>
  /** Whether the queue as a whole is paused. */
  readonly paused: Effect.Effect<boolean, WorkQueueError>

  /**
   * Removes jobs in a final state that ended before `finishedBefore`; `dryRun` only counts them. Their ids may be
   * queued again afterwards.
   */
  readonly prune: (filter: {
    readonly finishedBefore: number
    readonly state?: JobState | undefined
    readonly dryRun?: boolean | undefined
  }) => Effect.Effect<number, WorkQueueError>

  /**
   * The earliest time at which a lease may find a job if nothing else happens: now, the end of a wait, the expiry
   * of a lease. `None`: nothing is queued or leased that time alone would free.
   */
  readonly nextReadyAt: Effect.Effect<Option.Option<number>, WorkQueueError>

  /** All leases held now, by whatever worker. */
  readonly leases: Effect.Effect<ReadonlyArray<HeldLease>, WorkQueueError>

  /** Takes back, at once, all leases of workers known to be dead; each counts as a crash of its job. */
  readonly reclaim: (workers: ReadonlyArray<string>) => Effect.Effect<number, WorkQueueError>

  /**
   * Gives every lane and pool the limits of this policy, but for what was set by hand; seen at once by all processes
   * on the queue.
   */
  readonly applyPolicy: (policy: LanePolicy) => Effect.Effect<void, WorkQueueError>

  /**
   * A tick whenever the queue may hold something new to lease: a hint, sent for changes by this process and by
   * others, possibly too often, never a replacement for `nextReadyAt`.
   */
  readonly changes: Stream.Stream<void>
}

/** The queue of a program. */
export class WorkQueue extends Context.Tag("contentdownload/WorkQueue")<WorkQueue, WorkQueueService>() {}
