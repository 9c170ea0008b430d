/**
 * Runs one leased job through the handler and turns however that ends into exactly one transition.
 *
 * The transition itself is not interrupted. A worker whose lease is gone writes nothing.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import * as Layer from "effect/Layer"
import * as RuntimeFlags from "effect/RuntimeFlags"
import type { Fatal } from "./Failure.ts"
import { Done, Handler, type HandlerError, type Job, type Outcome } from "./Handler.ts"
import type { Attempt, Lease } from "./Job.ts"
import * as Telemetry from "./Telemetry.ts"
import { type Costs, type Decision, decide, done, fault, lost } from "./worker/Decision.ts"
import { whenFree } from "./worker/Locked.ts"
import { type Rerouted, settle as settleBy, WorkQueue, type WorkQueueError } from "./WorkQueue.ts"

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
  /**
   * A span for each job, with one for each of its steps under it; see `Tracing`. Default false: a span costs more than
   * the rest of this module.
   */
  readonly spans?: Telemetry.Tracing | undefined
}

/** How one lease ended. */
export interface JobEnd {
  /** As it was at its end: in the lane the job had come to. */
  readonly lease: Lease
  /**
   * `done`, `skipped`, `error`: the job's state. `retry`: it failed and waits. `waiting`: it or its lane has to wait.
   * `moved`: it goes on in another lane. `released`: interrupted. `lost`: someone else has it.
   */
  readonly end: "done" | "skipped" | "error" | "retry" | "waiting" | "moved" | "released" | "lost"
  readonly reason: string | null
  readonly message: string | null
  readonly durationMs: number
  /** An `error` that might have gone well with one more try: all of them are used up. */
  readonly exhausted?: true
}

/** `JobEnd` before it is known when. */
export type Ending = Omit<JobEnd, "lease" | "durationMs">

/** A job whose handler is done. Its lease goes on until the transition is written. */
export interface Handled extends Decision {
  /** As it is now: in the lane the job has come to. */
  readonly lease: Lease
  /** When the worker got it, and when its handler was done, in milliseconds since the epoch. */
  readonly startedAt: number
  readonly handledAt: number
  /** Its span, if it has one. */
  readonly trace?: Telemetry.JobTrace
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
  readonly run: (lease: Lease) => Effect.Effect<JobEnd, Fatal | WorkQueueError>
  /** The first half of `run`: runs the handler, and decides what is to be written. */
  readonly handle: (lease: Lease) => Effect.Effect<Handled>
  /** The second half of `run`: writes it. */
  readonly settle: (handled: Handled) => Effect.Effect<JobEnd, Fatal | WorkQueueError>
  /** How the lease ended, for whoever wrote the transition in a turn of the queue and knows what became of it. */
  readonly end: (handled: Handled, verdict: "ok" | "lost") => JobEnd
  /** See `HandlerService.context`. */
  readonly context?: Context.Context<never> | undefined
}

export { retryDelay } from "./worker/Decision.ts"

/** The worker of a program. */
export class Worker extends Context.Tag("contentdownload/Worker")<Worker, WorkerService>() {}

// ---------------------------------------------------------------------------------------------------------------
// Constructors and layers
// ---------------------------------------------------------------------------------------------------------------

/** The outcome of a handler that says nothing. */
const NOTHING: Outcome = Done({ result: null })

/** A job that goes on in another lane, under the lease it has. */
const reroutedLog = ({ attempts, id }: Lease, from: string, lane: string) =>
  Effect.logDebug("rerouted").pipe(
    Effect.annotateLogs({ event: "rerouted", job: id, lane, from, attempt: attempts + 1 })
  )

/** A worker over the queue and the handler. It holds no state: it may run any number of jobs at once. */
export const make = (options: WorkerOptions = {}): Effect.Effect<WorkerService, never, WorkQueue | Handler> =>
  Effect.gen(function* () {
    const queue = yield* WorkQueue
    const handler = yield* Handler
    const clock = yield* Effect.clock
    const costs: Costs = {
      maxAttempts: options.maxAttempts ?? 3,
      backoffMs: Duration.toMillis(options.backoff ?? "60 seconds"),
      maxBackoffMs: Duration.toMillis(options.maxBackoff ?? "6 hours")
    }

    // Every job of every program goes through here: as few steps as there can be.
    const handle: WorkerService["handle"] = (lease) =>
      Effect.withFiberRuntime<Handled>((fiber, { runtimeFlags }) => {
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
        const job: Job<unknown> = {
          lease,
          payload: lease.payload,
          note: (attempt) => Effect.sync(() => void notes.push(attempt)),
          reroute: (rerouted) => whenFree(reroute(rerouted))
        }
        const told = (decision: Decision): Handled => ({
          lease: lane === lease.lane ? lease : { ...lease, lane },
          startedAt,
          handledAt: clock.unsafeCurrentTimeMillis(),
          ...decision
        })
        /** In the context the fiber had before, whatever the handler has set. */
        const handled = (decided: Effect.Effect<Handled>): Effect.Effect<Handled> =>
          fiber.getFiberRef(FiberRef.currentContext) === context
            ? decided
            : Effect.zipRight(FiberRef.set(FiberRef.currentContext, context), decided)
        const decideBy = (exit: Exit.Exit<Outcome, HandlerError>) => {
          const interrupted = !Cause.isEmpty(fiber.getFiberRef(FiberRef.interruptedCause))
          return handled(
            Effect.map(decide(costs, lease, exit, { startedAt, moved, interrupted }, notes), told)
          )
        }
        const whole = Effect.matchCauseEffect(
          Effect.interruptible(Effect.suspend(() => handler.handle(job))),
          {
            onFailure: (cause) => decideBy(Exit.failCause(cause)),
            onSuccess: (said) => {
              const outcome = said ?? NOTHING
              return outcome._tag === "Done"
                ? handled(Effect.succeed(told(done(lease, outcome, notes))))
                : decideBy(Exit.succeed(outcome))
            }
          }
        )
        return RuntimeFlags.interruption(runtimeFlags) ? Effect.uninterruptible(whole) : whole
      })

    const end: WorkerService["end"] = ({ ending, handledAt, lease, startedAt, trace }, verdict) => {
      const now = clock.unsafeCurrentTimeMillis()
      const told: JobEnd = {
        lease,
        ...(verdict === "ok" ? ending : lost(lease)),
        durationMs: now - startedAt
      }
      Telemetry.jobEnded(told.end, told.reason, told.durationMs, now - handledAt)
      trace?.end(Exit.succeed(told))
      return told
    }

    /** Someone else's lease is an end like others; what couldn't be written is a fault of the handler. */
    const settleUntold: WorkerService["settle"] = (handled) => {
      const { failure, lease, transition } = handled
      const written =
        transition === null ? Effect.succeed(handled) : Effect.as(settleBy(queue, transition), handled)
      if (failure !== undefined) return Effect.zipRight(Effect.ignoreLogged(written), Effect.fail(failure))
      return written.pipe(
        Effect.catchAllDefect((defect) =>
          Effect.flatMap(fault(costs, lease, Cause.die(defect), transition?.history ?? []), (decision) =>
            Effect.as(decision.transition === null ? Effect.void : settleBy(queue, decision.transition), {
              ...handled,
              ...decision
            })
          )
        ),
        Effect.map((after) => end(after, "ok")),
        Effect.catchTag("LeaseLost", () => Effect.sync(() => end(handled, "lost"))),
        Effect.uninterruptible
      )
    }

    const settle: WorkerService["settle"] = (handled) =>
      handled.trace === undefined
        ? settleUntold(handled)
        : Effect.onError(settleUntold(handled), (cause) =>
            Effect.sync(() => handled.trace?.end(Exit.failCause(cause)))
          )

    const spans = options.spans ?? false
    const watched: WorkerService["handle"] =
      spans === false ? handle : (lease) => Telemetry.job(spans, lease, handle(lease))

    return {
      run: (lease) => Effect.uninterruptible(Effect.flatMap(watched(lease), settle)),
      handle: watched,
      settle,
      end,
      context: handler.context
    }
  })

/** `make` as a layer. */
export const layer = (options: WorkerOptions = {}): Layer.Layer<Worker, never, WorkQueue | Handler> =>
  Layer.effect(Worker, make(options))
