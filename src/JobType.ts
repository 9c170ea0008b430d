/**
 * The jobs of an embedding program: the Schema of their payload, and each payload's id and lane.
 *
 * What is queued is encoded with that Schema and what is handled was decoded with it, so a handler never sees a
 * payload of another shape, also when an older version of the program queued it. A queue holds jobs of one type: a
 * program with several kinds of work makes their payload a union. Beneath are `WorkQueue` and `Handler`, which stay
 * there to be used directly.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type { ParseError } from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Handler from "./Handler.ts"
import type { NewJob } from "./Job.ts"
import { type Enqueued, type EnqueueSummary, WorkQueue, type WorkQueueError } from "./WorkQueue.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** What makes a type of jobs. The functions must be pure: a payload has one id and one lane, whoever asks. */
export interface JobTypeOptions<A, I> {
  /** What the jobs carry. Its encoded side must be JSON; changing it has to keep decoding what is queued already. */
  readonly payload: Schema.Schema<A, I>
  /** The name of the work, at most 1024 characters: while it is in the queue, the same id is not queued again. */
  readonly id: (payload: A) => string
  /** The key of the lane whose cap and pace the job waits for, such as `domain:example.org`. */
  readonly lane: (payload: A) => string
  /** Order inside the lane, lower first. Default: all 0. */
  readonly priority?: ((payload: A) => number) | undefined
}

/** What a job has that doesn't follow from its payload. */
export interface EnqueueOptions {
  /** Not before this time, in milliseconds since the epoch. Default: at once. */
  readonly availableAt?: number | undefined
  /** Not before this long from now; beside `availableAt`, the later of both. Default: at once. */
  readonly delay?: Duration.DurationInput | undefined
  /** Order inside the lane, lower first, in place of the type's own. */
  readonly priority?: number | undefined
}

/** Typed doors to a queue of such jobs. A payload that its own Schema refuses to encode is a `ParseError`. */
export interface JobType<A, I = A> {
  readonly payload: Schema.Schema<A, I>

  /** The id of a payload's job, as `WorkQueue.get` and `WorkQueue.cancel` take it. */
  readonly id: (payload: A) => string

  /** The lane of a payload's job, as `WorkQueue.setLane` and `WorkQueue.pause` take it. */
  readonly lane: (payload: A) => string

  /** The job as the queue takes it. */
  readonly newJob: (payload: A, options?: EnqueueOptions) => Effect.Effect<NewJob, ParseError>

  /** See `WorkQueue.enqueue`: `new`, or `duplicate` if its id is there already. */
  readonly enqueue: (
    payload: A,
    options?: EnqueueOptions
  ) => Effect.Effect<Enqueued, ParseError | WorkQueueError, WorkQueue>

  /** See `WorkQueue.enqueueAll`: a list or a stream, in batches and in constant memory. */
  readonly enqueueAll: <E = never, R = never>(
    payloads: Iterable<A> | Stream.Stream<A, E, R>,
    options?: EnqueueOptions
  ) => Effect.Effect<EnqueueSummary, E | ParseError | WorkQueueError, R | WorkQueue>

  /**
   * The handler of these jobs, as a layer that needs what the handler needs. It may end with nothing, which is done
   * without a result; with an outcome; or with a failure class, which decides what becomes of the job.
   */
  readonly handler: <E extends Handler.HandlerError, R>(
    handle: (job: Handler.Job<A>) => Effect.Effect<Handler.Outcome | void, E, R>
  ) => Layer.Layer<Handler.Handler, never, R>
}

// ---------------------------------------------------------------------------------------------------------------
// Constructor
// ---------------------------------------------------------------------------------------------------------------

const isStream = (input: object): input is Stream.Stream<unknown, unknown, unknown> =>
  Predicate.hasProperty(input, Stream.StreamTypeId)

/** The time that is a delay from now, and no earlier than the one given. */
const due = (delay: Duration.DurationInput, availableAt = 0): Effect.Effect<number> =>
  Effect.map(Clock.currentTimeMillis, (now) =>
    Math.max(availableAt, now + Math.ceil(Duration.toMillis(delay)))
  )

/** A type of jobs. It holds no state: the same one serves any queue. */
export const make = <A, I>(options: JobTypeOptions<A, I>): JobType<A, I> => {
  const encode = Schema.encode(options.payload)

  const newJob: JobType<A, I>["newJob"] = (payload, { availableAt, delay, priority } = {}) =>
    Effect.zipWith(
      encode(payload),
      delay === undefined ? Effect.succeed(availableAt) : due(delay, availableAt),
      (encoded, time) => ({
        id: options.id(payload),
        lane: options.lane(payload),
        payload: encoded,
        priority: priority ?? options.priority?.(payload),
        availableAt: time
      })
    )

  return {
    payload: options.payload,
    id: options.id,
    lane: options.lane,
    newJob,
    enqueue: (payload, more) =>
      Effect.flatMap(newJob(payload, more), (job) =>
        Effect.flatMap(WorkQueue, (queue) => queue.enqueue(job))
      ),
    enqueueAll: <E = never, R = never>(
      payloads: Iterable<A> | Stream.Stream<A, E, R>,
      more?: EnqueueOptions
    ) =>
      Effect.flatMap(WorkQueue, (queue) =>
        queue.enqueueAll(
          Stream.mapEffect(isStream(payloads) ? payloads : Stream.fromIterable(payloads), (payload) =>
            newJob(payload, more)
          )
        )
      ),
    handler: (handle) => Handler.layer(options.payload, handle)
  }
}
