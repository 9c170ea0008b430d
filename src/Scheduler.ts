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
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import * as Runtime from "effect/Runtime"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Fatal } from "./Failure.ts"
import type { Lease, LeaseRef } from "./Job.ts"
import type { Handler } from "./Handler.ts"
import { type JobEnd, layer as layerWorker, Worker, type WorkerOptions } from "./Worker.ts"
import { layer as layerIdentity, WorkerIdentity } from "./WorkerIdentity.ts"
import { type HeldLease, WorkQueue, type WorkQueueError, type WorkQueueService } from "./WorkQueue.ts"

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
}

/** When a run ends by itself, and who is told of what it does. */
export interface RunOptions {
  /** End when the queue has nothing more to do. Default false: go on until stopped. */
  readonly drain?: boolean | undefined
  /** Draining, the longest time to wait with nothing to do for work that is due later. Default 15 minutes. */
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
  /** Every end of a lease from the time of subscription on; a slow subscriber misses the oldest. */
  readonly ends: Stream.Stream<JobEnd>
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

/** A leased job and the fiber it runs in. */
interface Running {
  readonly lease: Lease
  readonly fiber: Fiber.RuntimeFiber<unknown>
}

const keyOf = (lease: LeaseRef) => `${lease.job} ${lease.token}`

/** How often the leases of the queue are looked at: those of dead processes, and our own that are gone. */
const LOOK_EVERY = Duration.seconds(2)

/** How long a job whose lease is gone may still be about to end by itself: its last write may just be done. */
const SETTLING = Duration.millis(250)

/** The least time to sleep: between looking at the queue and leasing, others may have taken what was ready. */
const MIN_SLEEP_MS = 5

/** What to do when nothing can be leased now: sleep until something happens, at most until a time; or end. */
type Idle =
  | { readonly _tag: "Sleep"; readonly until: Option.Option<number> }
  | { readonly _tag: "End"; readonly report: Omit<RunReport, "ends"> }

const end = (ended: "drained" | "deferred", nextReadyAt: Option.Option<number>): Idle => ({
  _tag: "End",
  report: { ended, nextReadyAt: Option.getOrNull(nextReadyAt) }
})

/** Decides what an idle dispatcher does. It remembers since when there has been nothing to do for this process. */
const makeIdle = (queue: WorkQueueService, options: RunOptions) => {
  const maxWaitMs = Duration.toMillis(options.maxWait ?? "15 minutes")
  let idleSince: number | undefined

  const decide = (running: number): Effect.Effect<Idle, WorkQueueError> =>
    Effect.gen(function* () {
      const next = yield* queue.nextReadyAt
      if (running > 0 || options.drain !== true) return { _tag: "Sleep", until: next }
      const { in_progress, queued } = yield* queue.stats
      if (queued + in_progress === 0) return end("drained", Option.none())
      const now = yield* Clock.currentTimeMillis
      // What came free since the last lease was asked for is worth another look, also if nothing is worth waiting for.
      const unseen = idleSince === undefined && Option.exists(next, (at) => at <= now)
      idleSince ??= now
      const deadline = idleSince + maxWaitMs
      // Jobs of other processes may free a lane, fail or be left behind at any time.
      const worthWaiting = in_progress > 0 || Option.exists(next, (at) => at <= deadline)
      if (!worthWaiting || (now >= deadline && !unseen)) return end("deferred", next)
      return {
        _tag: "Sleep",
        until: Option.some(
          Math.min(
            deadline,
            Option.getOrElse(next, () => deadline)
          )
        )
      }
    })

  return {
    decide,
    /** Something was leased; it may have ended again before anyone asks what to do next. */
    leased: () => {
      idleSince = undefined
    }
  }
}

/** Waits for an event, at most until a time. */
const awaitUntil = (event: Effect.Effect<void>, until: Option.Option<number>): Effect.Effect<void> =>
  Option.match(until, {
    onNone: () => event,
    onSome: (at) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.asVoid(Effect.timeoutOption(event, Duration.millis(Math.max(MIN_SLEEP_MS, at - now))))
      )
  })

/** A locked queue is met again at the next round, long before the leases expire. */
const unlessBusy = (effect: Effect.Effect<void, WorkQueueError>) =>
  Effect.catchIf(
    effect,
    (error) => error.reason === "busy",
    (error) => Effect.logWarning(error.message)
  )

/** A scheduler that hasn't run yet. */
export const make = (
  options: SchedulerOptions = {}
): Effect.Effect<SchedulerService, never, WorkQueue | Worker | WorkerIdentity | Scope.Scope> =>
  Effect.gen(function* () {
    const queue = yield* WorkQueue
    const worker = yield* Worker
    const identity = yield* WorkerIdentity
    const maxWorkers = options.maxWorkers ?? 8
    const leaseTtl = Duration.decode(options.leaseTtl ?? "10 minutes")
    const heartbeatEvery = Duration.decode(options.heartbeat ?? "30 seconds")
    const grace = Duration.decode(options.grace ?? "30 seconds")

    const stopping = yield* Deferred.make<void>()
    const stoppingNow = yield* Deferred.make<void>()
    const running = new Map<string, Running>()
    const leases = () => Array.from(running.values(), ({ lease }) => lease)
    /** Those of them that were interrupted because their leases are lost. */
    const interrupted = new Set<string>()
    /** Something may have changed for the dispatcher: a slot came free, a lane, or a request to stop. */
    const wake = yield* Queue.sliding<void>(1)
    const ends = yield* Effect.acquireRelease(PubSub.sliding<JobEnd>(4096), PubSub.shutdown)

    /** Leases of this machine's dead processes are free at once; those of others when they expire. */
    const reclaimDead = (held: ReadonlyArray<HeldLease>) =>
      Effect.gen(function* () {
        const workers = new Set(held.map((lease) => lease.worker))
        const dead = [...workers].filter((name) => identity.isDead(name))
        if (dead.length === 0) return
        const count = yield* queue.reclaim(dead)
        if (count > 0) yield* Effect.logInfo(`took back ${count} leases of ${dead.length} dead workers`)
      })

    const interruptLost = (lost: ReadonlyArray<LeaseRef>) =>
      Effect.gen(function* () {
        for (const lease of lost) {
          const key = keyOf(lease)
          const job = running.get(key)
          // It ended by itself meanwhile, or was told already and is slow to give way.
          if (job === undefined || interrupted.has(key)) continue
          interrupted.add(key)
          yield* Effect.logWarning(`the lease on ${job.lease.id} is lost; its job is interrupted`)
          // Not waited for: a job that is slow to give way must not cost the others their heartbeat.
          yield* Fiber.interruptFork(job.fiber)
        }
      })

    /** Looks at all leases once: takes back those of the dead, and interrupts the jobs whose own are gone. */
    const look = Effect.gen(function* () {
      // Before the queue is asked: what is leased meanwhile can't be in its answer.
      const ours = leases()
      const held = yield* queue.leases
      yield* reclaimDead(held)
      const there = new Set(held.map(keyOf))
      const gone = ours.filter((lease) => !there.has(keyOf(lease)))
      if (gone.length === 0) return
      yield* Effect.sleep(SETTLING)
      yield* interruptLost(gone)
    })

    const heartbeat = Effect.flatMap(
      Effect.suspend(() => queue.heartbeat(leases(), leaseTtl)),
      interruptLost
    )

    const run = (runOptions: RunOptions = {}) =>
      Effect.gen(function* () {
        const counts = noEnds()
        /** Handlers that run now. A job whose handler is done has given its slot free, though it is still to be written. */
        let handling = 0
        /** The dispatcher's report, or the first thing that went wrong, in whatever fiber. */
        const outcome = yield* Deferred.make<Omit<RunReport, "ends">, Fatal | WorkQueueError>()
        const orFail = <A>(effect: Effect.Effect<A, Fatal | WorkQueueError>) =>
          Effect.catchAllCause(effect, (cause) => Deferred.failCause(outcome, cause))
        const idle = makeIdle(queue, runOptions)
        // Jobs' fibers start uninterruptible, and aren't children of the dispatcher.
        const fork = Runtime.runFork(yield* Effect.uninterruptible(Effect.runtime()))
        yield* look

        /** Once for each job: when its handler is done, or at its end if it came to none. */
        const freeSlot = () => {
          let taken = true
          return () => {
            if (taken) handling -= 1
            taken = false
            wake.unsafeOffer(undefined)
          }
        }

        /** Uninterruptible: the worker alone lets interruption in, and how the job then ended is told, too. */
        const runJob = (lease: Lease) =>
          Effect.suspend(() => {
            const handled = freeSlot()
            return Effect.zipRight(
              runOptions.onStart?.(lease) ?? Effect.void,
              worker.run(lease, handled)
            ).pipe(
              Effect.flatMap((jobEnd) => {
                counts[jobEnd.end] += 1
                return Effect.zipRight(
                  PubSub.publish(ends, jobEnd),
                  runOptions.onEnd?.(jobEnd) ?? Effect.void
                )
              }),
              orFail,
              Effect.ensuring(
                Effect.sync(() => {
                  running.delete(keyOf(lease))
                  interrupted.delete(keyOf(lease))
                  handled()
                })
              )
            )
          }).pipe(Effect.uninterruptible)

        /**
         * Leases for every free slot; true: there was less than that. From the lease to the job's fiber nothing may
         * come between, or the lease would be nobody's.
         */
        const dispatch = Effect.gen(function* () {
          const free = maxWorkers - handling
          if (free === 0) return false
          const leased = yield* queue.lease({ worker: identity.worker, limit: free, ttl: leaseTtl })
          if (leased.length > 0) idle.leased()
          for (const lease of leased) {
            handling += 1
            running.set(keyOf(lease), { lease, fiber: fork(runJob(lease), { immediate: false }) })
          }
          return leased.length < free
        }).pipe(Effect.uninterruptible)

        const loop: Effect.Effect<Omit<RunReport, "ends">, WorkQueueError> = Effect.gen(function* () {
          while (!(yield* Deferred.isDone(stopping))) {
            const exhausted = yield* dispatch
            const next: Idle = exhausted
              ? yield* idle.decide(running.size)
              : { _tag: "Sleep", until: Option.none() }
            if (next._tag === "End") return next.report
            yield* awaitUntil(Queue.take(wake), next.until)
          }
          return { ended: "stopped", nextReadyAt: null }
        })

        yield* unlessBusy(heartbeat).pipe(
          Effect.schedule(Schedule.spaced(heartbeatEvery)),
          orFail,
          Effect.forkScoped
        )
        yield* unlessBusy(look).pipe(Effect.schedule(Schedule.spaced(LOOK_EVERY)), orFail, Effect.forkScoped)
        yield* queue.changes.pipe(
          Stream.runForEach(() => Queue.offer(wake, undefined)),
          orFail,
          Effect.forkScoped
        )

        const allEnded = Effect.repeat(Queue.take(wake), { until: () => running.size === 0 }).pipe(
          Effect.unless(() => running.size === 0)
        )
        const finish = allEnded.pipe(
          Effect.timeoutOption(grace),
          Effect.raceFirst(Deferred.await(stoppingNow))
        )
        const dispatcher = yield* loop.pipe(
          Effect.zipLeft(finish),
          Effect.intoDeferred(outcome),
          Effect.forkScoped
        )
        // All at once: their releases then share a transaction. The dispatcher has to be gone before, or it would
        // lease anew what they release, or still be given what it asked for.
        const interruptAll = Effect.zipRight(
          Fiber.interrupt(dispatcher),
          Effect.suspend(() => Fiber.interruptAll(Array.from(running.values(), ({ fiber }) => fiber)))
        )
        const report = yield* Effect.ensuring(Deferred.await(outcome), interruptAll)
        return { ...report, ends: counts } satisfies RunReport
      }).pipe(Effect.scoped)

    return {
      run,
      stop: Effect.zipRight(Deferred.succeed(stopping, undefined), Queue.offer(wake, undefined)),
      stopNow: Deferred.succeed(stoppingNow, undefined).pipe(
        Effect.zipRight(Deferred.succeed(stopping, undefined)),
        Effect.zipRight(Queue.offer(wake, undefined))
      ),
      running: Effect.sync(leases),
      ends: Stream.fromPubSub(ends)
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
