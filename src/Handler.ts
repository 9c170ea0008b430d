/**
 * What runs a job: the seam for programs that bring their own work instead of our downloads.
 *
 * A handler gets a leased job with its payload decoded, and ends with an outcome or with one of the failure
 * classes; the worker turns either into exactly one transition. It runs in its own fiber, is interrupted when the
 * lease is lost or the run has to stop, and may be run again for the same job, so it must be safe to repeat.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FiberRef from "effect/FiberRef"
import * as Layer from "effect/Layer"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { type Failure, Permanent } from "./Failure.ts"
import type { Attempt, Lease } from "./Job.ts"
import type { LeaseLost, Rerouted, RerouteVerdict, WorkQueueError } from "./WorkQueue.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** How a handler ends when nothing failed. */
export type Outcome = Data.TaggedEnum<{
  /** The work is done; `result` is any JSON value, kept with the job. */
  Done: { readonly result: unknown }
  /** The job was moved to another lane and waits there: there is nothing left to write. */
  Moved: {}
}>
/** The constructors of `Outcome`, and `Match` over it. */
export const { Done, Moved, $match: matchOutcome } = Data.taggedEnum<Outcome>()

/** A leased job in the handler's hands. */
export interface Job<Payload> {
  readonly lease: Lease
  readonly payload: Payload
  /**
   * Notes a try at a step; written with the job's transition. Of a handler that notes none, a failure that counts as a try
   * is kept as one, under the step `handle`.
   */
  readonly note: (attempt: Attempt) => Effect.Effect<void>
  /** See `WorkQueue.reroute`. After `queued`, end with `Moved`. */
  readonly reroute: (rerouted: Rerouted) => Effect.Effect<RerouteVerdict, LeaseLost | WorkQueueError>
}

/** Everything that can end a handler early: a failure class, or the queue itself. */
export type HandlerError = Failure | LeaseLost | WorkQueueError

// ---------------------------------------------------------------------------------------------------------------
// Service
// ---------------------------------------------------------------------------------------------------------------

/** Runs jobs whose payload nobody has looked at yet. */
export interface HandlerService {
  /**
   * Runs one job to its end; with nothing to say, it is done and leaves no result. What it needs may stay in the context
   * of the fiber it runs in.
   */
  readonly handle: (job: Job<unknown>) => Effect.Effect<Outcome | void, HandlerError>
  /** What `handle` puts into that context. Whoever has it there when the job starts saves a copy for each job. */
  readonly context?: Context.Context<never> | undefined
}

/** Whether everything of `inner` is in `outer`. */
const isWithin = (inner: Context.Context<never>, outer: Context.Context<never>): boolean => {
  for (const [key, service] of inner.unsafeMap) if (outer.unsafeMap.get(key) !== service) return false
  return true
}

/** What the worker runs jobs with; one to a queue. */
export class Handler extends Context.Tag("contentdownload/Handler")<Handler, HandlerService>() {}

// ---------------------------------------------------------------------------------------------------------------
// Constructors and layers
// ---------------------------------------------------------------------------------------------------------------

/**
 * A handler for payloads of one schema. A payload that doesn't decode ends its job in `error (bad-payload)`. One that
 * ends with nothing has done its work and leaves no result.
 */
export const make = <A, I, E extends HandlerError, R>(
  payload: Schema.Schema<A, I>,
  handle: (job: Job<A>) => Effect.Effect<Outcome | void, E, R>
): Effect.Effect<HandlerService, never, R> =>
  Effect.map(Effect.context<R>(), (context) => {
    const decode = Schema.decodeUnknownEither(payload)
    // The jobs of a run share the context they run in, so what the handler brings is added to it once, not for each.
    let inside: Context.Context<never> | undefined
    let whole: Context.Context<never> = context
    const provided = (of: Context.Context<never>) => {
      if (of !== inside) {
        inside = of
        whole = isWithin(context, of) ? of : Context.merge(of, context)
      }
      return whole
    }
    return {
      context,
      handle: (job) =>
        Either.match(decode(job.payload), {
          onLeft: (error) =>
            Effect.fail(
              new Permanent({
                reason: "bad-payload",
                message: `the payload doesn't decode: ${ParseResult.ArrayFormatter.formatErrorSync(error)
                  .map((issue) => `${issue.path.join(".") || "payload"}: ${issue.message}`)
                  .join("; ")}`
              })
            ),
          onRight: (decoded) =>
            Effect.withFiberRuntime((fiber) => {
              const own = fiber.getFiberRef(FiberRef.currentContext)
              const needed = provided(own)
              // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what it needs is in its fiber then
              const handled = handle({ ...job, payload: decoded }) as Effect.Effect<Outcome | void, E>
              // Set and not scoped, which costs a third: the fiber is the job's own, and the worker sets it back.
              return needed === own
                ? handled
                : Effect.zipRight(FiberRef.set(FiberRef.currentContext, needed), handled)
            })
        })
    }
  })

/** `make` as a layer. */
export const layer = <A, I, E extends HandlerError, R>(
  payload: Schema.Schema<A, I>,
  handle: (job: Job<A>) => Effect.Effect<Outcome | void, E, R>
): Layer.Layer<Handler, never, R> => Layer.effect(Handler, make(payload, handle))
