/**
 * Runs one leased job through the handler and turns however that ends into exactly one transition.
 *
 * A result, a failure class, a defect, an interruption: each has its transition, in one table below. The transition
 * itself is not interrupted. A worker whose lease is gone writes nothing.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import { type Fatal, Retry } from "./Failure.ts"
import { Handler, type HandlerError, type Outcome } from "./Handler.ts"
import type { Attempt, Lease } from "./Job.ts"
import * as Telemetry from "./Telemetry.ts"
import { type LeaseLost, type Rerouted, WorkQueue, type WorkQueueError } from "./WorkQueue.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** What failed tries cost. */
export interface WorkerOptions {
  /** Tries a job gets before it ends in `error`. Default 3. */
  readonly maxAttempts?: number | undefined
  /** The wait before the first retry; it doubles with each further one. Default 60 seconds. */
  readonly backoff?: Duration.DurationInput | undefined
  /** The longest wait before a retry. Default 6 hours. */
  readonly maxBackoff?: Duration.DurationInput | undefined
  /** A span around each job. Default false: a span costs more than the rest of this module. */
  readonly spans?: boolean | undefined
}

/** How one lease ended. */
export interface JobEnd {
  /** As it was at its end: in the lane the job had come to. */
  readonly lease: Lease
  /**
   * `done`, `skipped`, `error`: the job's state. `retry`: it failed and waits. `waiting`: its lane has to wait.
   * `moved`: it goes on in another lane. `released`: interrupted. `lost`: someone else has it.
   */
  readonly end: "done" | "skipped" | "error" | "retry" | "waiting" | "moved" | "released" | "lost"
  readonly reason: string | null
  readonly message: string | null
  readonly durationMs: number
  /** An `error` that might have gone well with one more try: all of them are used up. */
  readonly exhausted?: true
}

// ---------------------------------------------------------------------------------------------------------------
// Service
// ---------------------------------------------------------------------------------------------------------------

/** Runs jobs that somebody leased. */
export interface WorkerService {
  /**
   * Runs the job and settles it. Interrupting it interrupts the handler, also in an uninterruptible region, and
   * releases the job. Fails when the run can't go on: with `Fatal` from the handler (the job is released first), or
   * with the queue's own failure.
   */
  readonly run: (
    lease: Lease,
    /** Called when the handler is done, before the transition is written: what frees a slot early. Not for `Fatal`. */
    onHandled?: () => void
  ) => Effect.Effect<JobEnd, Fatal | WorkQueueError>
}

/** The worker of a program. */
export class Worker extends Context.Tag("contentdownload/Worker")<Worker, WorkerService>() {}

// ---------------------------------------------------------------------------------------------------------------
// Constructors and layers
// ---------------------------------------------------------------------------------------------------------------

/**
 * The wait before retry number `retry` (1, 2, …) in milliseconds: exponential backoff with full jitter, a uniform
 * draw from nothing to the doubled bound (Brooker, "Exponential Backoff and Jitter", 2015).
 */
export const retryDelay = (retry: number, baseMs: number, maxMs: number): Effect.Effect<number> =>
  // Doubled no further than a number reaches: 0 * Infinity is none.
  Effect.map(Random.next, (draw) =>
    Math.round(draw * Math.min(maxMs, baseMs * 2 ** Math.min(retry - 1, 1023)))
  )

/** The run ends by it, so its slot isn't to be filled again. */
const isFatal = (exit: Exit.Exit<Outcome, HandlerError>): boolean =>
  Exit.isFailure(exit) && Option.exists(Cause.failureOption(exit.cause), ({ _tag }) => _tag === "Fatal")

/** A job that goes on in another lane, under the lease it has. */
const reroutedLog = ({ attempts, id }: Lease, from: string, lane: string) =>
  Effect.logDebug("rerouted").pipe(
    Effect.annotateLogs({ event: "rerouted", job: id, lane, from, attempt: attempts + 1 })
  )

type Ending = Omit<JobEnd, "lease" | "durationMs">

/** A worker over the queue and the handler. It holds no state: it may run any number of jobs at once. */
export const make = (options: WorkerOptions = {}): Effect.Effect<WorkerService, never, WorkQueue | Handler> =>
  Effect.gen(function* () {
    const queue = yield* WorkQueue
    const handler = yield* Handler
    const clock = yield* Effect.clock
    const maxAttempts = options.maxAttempts ?? 3
    const baseMs = Duration.toMillis(options.backoff ?? "60 seconds")
    const maxMs = Duration.toMillis(options.maxBackoff ?? "6 hours")

    /** A failed try: to be had again later, or the end. */
    const retry = (lease: Lease, failure: Retry, history: ReadonlyArray<Attempt>) =>
      Effect.gen(function* () {
        const tries = lease.attempts + 1
        const { message, plan, reason } = failure
        if (tries >= maxAttempts) {
          yield* queue.failAndRetry(lease, { reason, message, retryAt: null, plan }, history)
          return { end: "error", reason, message, exhausted: true } satisfies Ending
        }
        const now = yield* Clock.currentTimeMillis
        const retryAt = Math.max(now + (yield* retryDelay(tries, baseMs, maxMs)), failure.notBefore ?? 0)
        Telemetry.waits.note((retryAt - now) / 1000, "backoff")
        yield* queue.failAndRetry(lease, { reason, message, retryAt, plan }, history)
        return { end: "retry", reason, message } satisfies Ending
      })

    const failed = (
      lease: Lease,
      error: HandlerError,
      history: ReadonlyArray<Attempt>
    ): Effect.Effect<Ending, LeaseLost | Fatal | WorkQueueError> => {
      switch (error._tag) {
        case "Retry":
          return retry(lease, error, history)
        case "WaitLane": {
          const { message, plan, reason, until } = error
          Telemetry.waits.note(Math.max(0, until - clock.unsafeCurrentTimeMillis()) / 1000, "hold")
          return Effect.as(queue.release(lease, { plan, hold: { until, reason } }, history), {
            end: "waiting",
            reason,
            message
          })
        }
        case "Skip": {
          const { message, reason, result } = error
          return Effect.as(queue.ack(lease, { state: "skipped", reason, message, result }, history), {
            end: "skipped",
            reason,
            message
          })
        }
        case "Permanent": {
          const { message, reason, result } = error
          return Effect.as(queue.failAndRetry(lease, { reason, message, retryAt: null, result }, history), {
            end: "error",
            reason,
            message
          })
        }
        case "Fatal":
          // It is why the run ends, whether or not the job can be released.
          return Effect.zipRight(Effect.ignoreLogged(queue.release(lease, {}, history)), Effect.fail(error))
        case "LeaseLost":
        case "WorkQueueError":
          return Effect.fail(error)
      }
    }

    /** A bug, of the handler or in what it wants written: a failed try, so that it doesn't go on for ever. */
    const fault = (lease: Lease, cause: Cause.Cause<unknown>, history: ReadonlyArray<Attempt>) =>
      Effect.zipRight(
        Effect.logError("the handler has a fault", cause),
        retry(
          lease,
          new Retry({
            reason: "internal-fault",
            message: Cause.pretty(cause).split("\n", 1)[0] ?? "unknown"
          }),
          history
        )
      )

    const settle = (
      lease: Lease,
      exit: Exit.Exit<Outcome, HandlerError>,
      seen: { readonly moved: boolean; readonly interrupted: boolean },
      history: ReadonlyArray<Attempt>
    ): Effect.Effect<Ending, LeaseLost | Fatal | WorkQueueError> => {
      const moved = Effect.succeed<Ending>({ end: "moved", reason: null, message: null })
      if (Exit.isSuccess(exit)) {
        if (exit.value._tag === "Done") {
          return Effect.as(queue.ack(lease, { state: "done", result: exit.value.result }, history), {
            end: "done",
            reason: null,
            message: null
          })
        }
        // A job that only says so would be left to the expiry of its lease.
        return seen.moved
          ? moved
          : fault(lease, Cause.die("the handler ended with Moved, but the job is where it was"), history)
      }
      const { cause } = exit
      const error = Cause.failureOption(cause)
      if (Option.isSome(error)) return failed(lease, error.value, history)
      // Only an interruption from outside gives the job back as it was: one that the handler brings about by itself
      // would come again with each lease. What a clean-up has to say afterwards doesn't change that.
      if (!seen.interrupted || !Cause.isInterrupted(cause)) return fault(lease, cause, history)
      const released = seen.moved
        ? moved
        : Effect.as(queue.release(lease, {}, history), {
            end: "released",
            reason: "interrupted",
            message: null
          } satisfies Ending)
      return Cause.isInterruptedOnly(cause)
        ? released
        : Effect.zipRight(Effect.logError("the handler has a fault in its clean-up", cause), released)
    }

    /** What settling itself ended with: someone else's lease is an end like others; what couldn't be written is a fault. */
    const settled = (
      lease: Lease,
      cause: Cause.Cause<LeaseLost | Fatal | WorkQueueError>,
      history: ReadonlyArray<Attempt>
    ): Effect.Effect<Ending, Fatal | WorkQueueError> => {
      const defect = Cause.dieOption(cause)
      const ending: Effect.Effect<Ending, LeaseLost | Fatal | WorkQueueError> = Option.isSome(defect)
        ? fault(lease, Cause.die(defect.value), history)
        : Effect.failCause(cause)
      return Effect.catchTag(ending, "LeaseLost", ({ message }) =>
        Effect.succeed<Ending>({ end: "lost", reason: "lease-lost", message })
      )
    }

    // Every job of every program goes through here: as few steps as there can be.
    const run: WorkerService["run"] = (lease, onHandled) =>
      Effect.uninterruptible(
        Effect.withFiberRuntime((fiber) => {
          const startedAt = clock.unsafeCurrentTimeMillis()
          const context = fiber.getFiberRef(FiberRef.currentContext)
          /** Notes are written once, with the first transition that follows them. */
          const notes: Array<Attempt> = []
          let moved = false
          /** Where the job is now: a granted reroute goes on under the same lease. */
          let lane = lease.lane
          const reroute = (rerouted: Rerouted) =>
            Effect.suspend(() => {
              const taken = [...notes]
              return Effect.flatMap(queue.reroute(lease, rerouted, taken), (verdict) => {
                notes.splice(0, taken.length)
                moved = verdict === "queued"
                if (moved) return Effect.succeed(verdict)
                const from = lane
                lane = rerouted.lane
                return Effect.as(reroutedLog(lease, from, lane), verdict)
              })
            })
          const handle = Effect.suspend(() =>
            handler.handle({
              lease,
              payload: lease.payload,
              note: (attempt) => Effect.sync(() => void notes.push(attempt)),
              reroute: (rerouted) => Effect.uninterruptible(reroute(rerouted))
            })
          )
          const handled = (exit: Exit.Exit<Outcome, HandlerError>) => {
            if (!isFatal(exit)) onHandled?.()
            const handledAt = clock.unsafeCurrentTimeMillis()
            const interrupted = !Cause.isEmpty(fiber.getFiberRef(FiberRef.interruptedCause))
            const settling = settle(lease, exit, { moved, interrupted }, notes)
            const restored =
              fiber.getFiberRef(FiberRef.currentContext) === context
                ? settling
                : Effect.zipRight(FiberRef.set(FiberRef.currentContext, context), settling)
            const jobEnd = ({ end, exhausted, message, reason }: Ending): JobEnd => {
              const now = clock.unsafeCurrentTimeMillis()
              const durationMs = now - startedAt
              Telemetry.jobEnded(end, reason, durationMs, now - handledAt)
              const held = lane === lease.lane ? lease : { ...lease, lane }
              return exhausted === true
                ? { lease: held, end, reason, message, durationMs, exhausted }
                : { lease: held, end, reason, message, durationMs }
            }
            return Effect.matchCauseEffect(restored, {
              onFailure: (cause) => Effect.map(settled(lease, cause, notes), jobEnd),
              onSuccess: (ending) => Effect.succeed(jobEnd(ending))
            })
          }
          return Effect.matchCauseEffect(Effect.interruptible(handle), {
            onFailure: (cause) => handled(Exit.failCause(cause)),
            onSuccess: (outcome) => handled(Exit.succeed(outcome))
          })
        })
      )

    return {
      run:
        options.spans === true
          ? (lease, onHandled) =>
              Effect.withSpan(run(lease, onHandled), "job", {
                attributes: { "job.id": lease.id, "job.lane": lease.lane }
              })
          : run
    }
  })

/** `make` as a layer. */
export const layer = (options: WorkerOptions = {}): Layer.Layer<Worker, never, WorkQueue | Handler> =>
  Layer.effect(Worker, make(options))
