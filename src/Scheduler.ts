/**
 * Keeps a bounded pool of workers busy: one dispatcher that leases, one heartbeat for all leases of the process.
 *
 * - The dispatcher never leases more than there are free slots, and sleeps until a slot frees, a lane's time comes
 *   or the queue changes.
 * - A lease that turns out lost, such as that of a cancelled job, has its job's fiber interrupted, within some two
 *   seconds.
 * - Stopping lets running jobs finish for a grace time, then interrupts them, which releases their leases; nothing
 *   outlives `run`.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Fatal } from "./Failure.ts"
import type { Lease } from "./Job.ts"
import type { Handler } from "./Handler.ts"
import * as Idle from "./scheduler/Idle.ts"
import * as LeaseWatch from "./scheduler/LeaseWatch.ts"
import { Running } from "./scheduler/Running.ts"
import * as Turns from "./scheduler/Turns.ts"
import * as Wake from "./scheduler/Wake.ts"
import { isLocked, pause } from "./worker/Locked.ts"
import * as Telemetry from "./Telemetry.ts"
import { type JobEnd, layer as layerWorker, Worker, type WorkerOptions } from "./Worker.ts"
import { layer as layerIdentity, WorkerIdentity } from "./WorkerIdentity.ts"
import { WorkQueue, type WorkQueueError } from "./WorkQueue.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** How much a scheduler runs at once, and how it keeps its leases. */
export interface SchedulerOptions {
  /** Jobs at once. Default 8. */
  readonly maxWorkers?: number | undefined
  /** How long a lease lasts without a heartbeat. Default 10 minutes. */
  readonly leaseTtl?: Duration.DurationInput | undefined
  /** Time between heartbeats, well below a third of the TTL. Default 30 seconds. */
  readonly heartbeat?: Duration.DurationInput | undefined
  /** How long running jobs may go on after `stop`. Default 30 seconds. */
  readonly grace?: Duration.DurationInput | undefined
  /**
   * The least time from one transaction that writes ends to the next, as long as other jobs run whose ends may share
   * it. Many small jobs that end one by one then hold up the event loop less, and their slots are filled later. Where a
   * transaction takes more than an eighth of it, the gap grows with it, up to four times. Default: none.
   */
  readonly turnGap?: Duration.DurationInput | undefined
}

/** When a run ends by itself, and who is told of what it does. */
export interface RunOptions {
  /** End when the queue has nothing more to do. Default false: go on until stopped. */
  readonly drain?: boolean | undefined
  /**
   * Draining, the longest time to wait for work that is due later, with nothing to do or with nothing that comes of it:
   * a lease that ends in another wait ends no wait. Default 15 minutes.
   */
  readonly maxWait?: Duration.DurationInput | undefined
  /** Told of each lease, before its handler starts. */
  readonly onStart?: ((lease: Lease) => Effect.Effect<void>) | undefined
  /** Told of the end of each lease, before its slot is free again. */
  readonly onEnd?: ((end: JobEnd) => Effect.Effect<void>) | undefined
}

/** How a run ended, and how many of its leases ended in which way. */
export interface RunReport {
  /** `drained`: nothing is left. `deferred`: what is left is due later than the run may wait. `stopped`: by request. */
  readonly ended: "drained" | "deferred" | "stopped"
  /** When the deferred work is due; `null` when no time is known, as for a paused lane. */
  readonly nextReadyAt: number | null
  readonly ends: Readonly<Record<JobEnd["end"], number>>
}

// ---------------------------------------------------------------------------------------------------------------
// Service
// ---------------------------------------------------------------------------------------------------------------

/** One pool of job fibers over one queue. */
export interface SchedulerService {
  /**
   * Runs jobs until drained or stopped. Interrupting it interrupts the running jobs and releases them. Fails when a
   * handler fails with `Fatal` or the queue can't be used; the leases are released first where that is possible.
   */
  readonly run: (options?: RunOptions) => Effect.Effect<RunReport, Fatal | WorkQueueError>
  /**
   * Leases no more, and ends the run when its jobs have ended, after the grace time at the latest. It is final: a later
   * `run` of this scheduler ends at once.
   */
  readonly stop: Effect.Effect<void>
  /** `stop` without the grace time: running jobs are interrupted and released. */
  readonly stopNow: Effect.Effect<void>
  /** The leases of the jobs that run now. */
  readonly running: Effect.Effect<ReadonlyArray<Lease>>
}

/** The scheduler of a program. */
export class Scheduler extends Context.Tag("contentdownload/Scheduler")<Scheduler, SchedulerService>() {}

// ---------------------------------------------------------------------------------------------------------------
// Constructors and layers
// ---------------------------------------------------------------------------------------------------------------

const noEnds = (): Record<JobEnd["end"], number> => ({
  done: 0,
  skipped: 0,
  error: 0,
  retry: 0,
  waiting: 0,
  moved: 0,
  released: 0,
  lost: 0
})

/** A turn that nothing came of: somebody else holds the queue. */
const AGAIN: Turns.Taken = { leased: 0, exhausted: false }

/** A scheduler that hasn't run yet. */
export const make = (
  options: SchedulerOptions = {}
): Effect.Effect<SchedulerService, never, WorkQueue | Worker | WorkerIdentity | Scope.Scope> =>
  Effect.gen(function* () {
    const queue = yield* WorkQueue
    const worker = yield* Worker
    const identity = yield* WorkerIdentity
    yield* Telemetry.start
    const maxWorkers = options.maxWorkers ?? 8
    const leaseTtl = Duration.decode(options.leaseTtl ?? "10 minutes")
    const heartbeatEvery = Duration.decode(options.heartbeat ?? "30 seconds")
    const grace = Duration.decode(options.grace ?? "30 seconds")

    const stopping = yield* Deferred.make<void>()
    const stoppingNow = yield* Deferred.make<void>()
    const running = new Running()
    const { heartbeats, look, looks } = LeaseWatch.make({
      queue,
      identity,
      running,
      leaseTtl,
      heartbeatEvery
    })
    /** Something may have changed for the dispatcher: a slot came free, a lane, or a request to stop. */
    const wake = yield* Wake.make

    const run = (runOptions: RunOptions = {}) =>
      Effect.gen(function* () {
        const counts = noEnds()
        /** The dispatcher's report, or the first thing that went wrong, in whatever fiber. */
        const outcome = yield* Deferred.make<Omit<RunReport, "ends">, Fatal | WorkQueueError>()
        const orFail = <A>(effect: Effect.Effect<A, Fatal | WorkQueueError>) =>
          Effect.catchAllCause(effect, (cause) => Deferred.failCause(outcome, cause))
        const idle = yield* Idle.make(queue, runOptions)
        const turns = yield* Turns.make({
          queue,
          worker,
          running,
          name: identity.worker,
          maxWorkers,
          leaseTtl,
          gapMs: Duration.toMillis(options.turnGap ?? 0),
          onStart: runOptions.onStart,
          onEnd: runOptions.onEnd,
          count: (end) => {
            counts[end] += 1
            idle.ended(end)
          },
          fail: (cause) => Deferred.failCause(outcome, cause),
          ring: wake.ring
        })
        yield* look

        /** Fibers that are ready to run get to end their jobs first. */
        const turn = (mayLease: boolean) =>
          Effect.yieldNow().pipe(
            Effect.zipRight(turns.gap),
            Effect.zipRight(wake.hush),
            Effect.zipRight(turns.take(mayLease)),
            Effect.catchIf(isLocked, (error) => Effect.as(pause(error), AGAIN))
          )

        const loop: Effect.Effect<Omit<RunReport, "ends">, WorkQueueError, Scope.Scope> = Effect.gen(
          function* () {
            while (!(yield* Deferred.isDone(stopping))) {
              const held = idle.held(running.size)
              const taken = yield* turn(held === undefined)
              if (taken.leased > 0) idle.leased()
              if (taken === AGAIN || turns.pending()) continue
              const next: Idle.Idle =
                taken.exhausted || (held !== undefined && running.size === 0)
                  ? yield* idle.decide(running.size)
                  : { _tag: "Sleep", until: Option.fromNullable(held) }
              if (next._tag === "End") return next.report
              yield* wake.sleep(next.until)
            }
            return { ended: "stopped", nextReadyAt: null }
          }
        )

        yield* heartbeats.pipe(orFail, Effect.forkScoped)
        yield* looks.pipe(orFail, Effect.forkScoped)
        yield* queue.changes.pipe(
          Stream.runForEach(() => Effect.sync(wake.ring)),
          orFail,
          Effect.forkScoped
        )

        const allEnded = Effect.gen(function* () {
          while (running.size > 0) {
            yield* turn(false)
            if (running.size > 0 && !turns.pending()) yield* wake.next
          }
        })
        const finish = allEnded.pipe(
          Effect.timeoutOption(grace),
          Effect.raceFirst(Deferred.await(stoppingNow))
        )
        const dispatcher = yield* loop.pipe(
          Effect.zipLeft(finish),
          Effect.intoDeferred(outcome),
          Effect.forkScoped
        )
        const interruptJobs = Effect.suspend(() => Fiber.interruptAll(running.fibers()))
        // All at once: their releases then share a transaction. The dispatcher has to be gone before, or it would
        // lease anew what they release, or still be given what it asked for.
        const interruptAll = Effect.gen(function* () {
          yield* Fiber.interrupt(dispatcher)
          yield* interruptJobs
          yield* turns.rest
          // Who is told of their ends is waited for.
          yield* interruptJobs
        })
        const report = yield* Effect.ensuring(Deferred.await(outcome), interruptAll)
        return { ...report, ends: counts } satisfies RunReport
      }).pipe(Effect.scoped)

    return {
      run,
      stop: Effect.zipRight(Deferred.succeed(stopping, undefined), Effect.sync(wake.ring)),
      stopNow: Deferred.succeed(stoppingNow, undefined).pipe(
        Effect.zipRight(Deferred.succeed(stopping, undefined)),
        Effect.zipRight(Effect.sync(wake.ring))
      ),
      running: Effect.sync(() => running.leases())
    }
  })

/** `make` as a layer; it runs nothing until it is told to. */
export const layer = (
  options: SchedulerOptions = {}
): Layer.Layer<Scheduler, never, WorkQueue | Worker | WorkerIdentity> =>
  Layer.scoped(Scheduler, make(options))

/**
 * The scheduler with its worker and this process's identity: everything a program needs over its queue and its
 * handler.
 */
export const layerWith = (
  options: SchedulerOptions & WorkerOptions = {}
): Layer.Layer<Scheduler, never, WorkQueue | Handler> =>
  Layer.provide(layer(options), [layerWorker(options), layerIdentity])
