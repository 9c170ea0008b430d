/**
 * Running the queue: the layers of a download run put together, with its progress, its signals and its summary.
 * `queue run` and the demo are the same run.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { lanePolicy, resolverBucket } from "../config/Limits.ts"
import { Config, type Settings } from "../Config.ts"
import * as Download from "../download/index.ts"
import type { Fatal, Retry } from "../Failure.ts"
import * as KeyedLimiter from "../KeyedLimiter.ts"
import * as Scheduler from "../Scheduler.ts"
import * as TokenBucket from "../TokenBucket.ts"
import * as Worker from "../Worker.ts"
import * as WorkerIdentity from "../WorkerIdentity.ts"
import { WorkQueue, type WorkQueueError } from "../WorkQueue.ts"
import { Exited, ExitCode } from "./Exit.ts"
import { note, type Output } from "./Output.ts"
import * as JobLog from "./JobLog.ts"
import * as Network from "./Network.ts"
import { display } from "./progress/Display.ts"
import * as Observer from "./progress/Observer.ts"
import * as View from "./progress/View.ts"
import { COMMIT_GAP } from "./Setup.ts"
import { exitCode, Signals } from "./Signals.ts"
import { mostFrequent, type Summary, tally } from "./Summary.ts"
import * as Telling from "./telemetry/Telling.ts"
import { count } from "./Text.ts"

// ---------------------------------------------------------------------------------------------------------------
// Layers
// ---------------------------------------------------------------------------------------------------------------

/** How often the caps that were set by hand are looked up, for the connections this process opens. */
const LOOK_EVERY = Duration.seconds(1)

/** The caps of the lanes, once more where the connections are opened; also those set by hand meanwhile. */
export const layerLimiter = (settings: Settings): Layer.Layer<KeyedLimiter.KeyedLimiter, never, WorkQueue> =>
  Layer.scoped(
    KeyedLimiter.KeyedLimiter,
    Effect.gen(function* () {
      const queue = yield* WorkQueue
      const policy = lanePolicy(settings)
      let byHand: ReadonlyMap<string, number> = new Map()
      const limiter = yield* KeyedLimiter.make({
        cap: settings.orchestrator.max_per_host,
        caps: (key) => byHand.get(key) ?? policy.lane(key).cap
      })
      const look = queue.laneStats({ limit: Number.MAX_SAFE_INTEGER, overridden: true }).pipe(
        Effect.flatMap((lanes) => {
          byHand = new Map(lanes.map((lane) => [lane.lane, lane.cap]))
          return limiter.recheck
        }),
        // Whoever leases next meets the same failure and reports it.
        Effect.catchAll((error) => Effect.logDebug(error.message))
      )
      yield* look
      yield* Effect.forkScoped(Effect.schedule(look, Schedule.spaced(LOOK_EVERY)))
      return limiter
    })
  )

/** A scheduler whose handler downloads, by the settings; over the queue. */
export const layer = (
  settings: Settings,
  options: Pick<Worker.WorkerOptions, "spans"> = {}
): Layer.Layer<
  Scheduler.Scheduler | Download.Storage.Storage | WorkerIdentity.WorkerIdentity,
  Exited,
  WorkQueue
> => {
  const { orchestrator } = settings
  return Scheduler.layer({
    turnGap: COMMIT_GAP,
    maxWorkers: orchestrator.max_workers,
    leaseTtl: Duration.seconds(orchestrator.lease_ttl_seconds),
    heartbeat: Duration.seconds(orchestrator.heartbeat_seconds),
    grace: Duration.seconds(orchestrator.grace_seconds)
  }).pipe(
    Layer.provide(
      Worker.layer({
        maxAttempts: orchestrator.max_job_attempts,
        backoff: Duration.seconds(orchestrator.retry_backoff_seconds),
        ...options
      })
    ),
    Layer.provideMerge(
      Layer.unwrapEffect(Effect.map(Network.environment, (env) => Download.layer(settings, { env })))
    ),
    Layer.provide([layerLimiter(settings), TokenBucket.layerMemory({ limits: resolverBucket(settings) })]),
    Layer.provideMerge(WorkerIdentity.layer)
  )
}

// ---------------------------------------------------------------------------------------------------------------
// Running
// ---------------------------------------------------------------------------------------------------------------

export interface RunArguments {
  readonly drain: boolean
  readonly progress: boolean
  /** Nothing but data and trouble is wanted. */
  readonly quiet: boolean
  /** Whether a log was asked for. Default: when a setting of it isn't its default. */
  readonly logAsked?: boolean
}

/** The display of a queue that is looked at. */
export const showing = (observer: Observer.Observer) =>
  display({
    living: (room) => Effect.map(observer.now, (now) => View.lines(...now, room)),
    plain: Effect.map(observer.now, (now) => View.headline(...now))
  })

/**
 * Whether each transition of a job is logged: whoever asks for a log gets it, and whoever has no display; beside the
 * display the log is quiet.
 */
const logsJobs = (args: RunArguments) =>
  Effect.map(Config, ({ origins }) => {
    const asked =
      args.logAsked ??
      ["log.level", "log.format"].some(
        (name) => !["default", "flag --quiet"].includes(origins[name] ?? "default")
      )
    return asked || (!args.progress && !args.quiet)
  })

/** A folder that can't be written right now ends the run before it began: there is nothing to try again yet. */
const asExit = (error: Retry) => new Exited({ code: ExitCode.fatal, message: error.message })

/**
 * Makes sure that files can be stored, and removes what dead workers left of theirs. Their leases may not have been
 * taken back yet; the parts under them are nobody's all the same.
 */
export const prepare = Effect.gen(function* () {
  const queue = yield* WorkQueue
  const storage = yield* Download.Storage.Storage
  const identity = yield* WorkerIdentity.WorkerIdentity
  yield* storage.check
  const live = Effect.map(queue.leases, (leases) => {
    const alive = leases.filter(({ worker }) => !identity.isDead(worker))
    const held = new Set(alive.map(({ job, token }) => `${job} ${token}`))
    return (job: number, token: number) => held.has(`${job} ${token}`)
  })
  // What a job that isn't over may go on with stays.
  const unfinished = (id: string, job: number) =>
    Effect.map(
      queue.get(id),
      Option.exists((found) => found.job === job && found.finishedAt === null)
    )
  const removed = yield* storage.recover(live, unfinished)
  if (removed > 0) yield* Effect.logInfo(`removed ${count(removed, "unfinished file")} of earlier runs`)
}).pipe(Effect.catchTag("Retry", asExit))

/** The first signal lets the running jobs end, the second doesn't. */
const obeySignals = (scheduler: Scheduler.SchedulerService) =>
  Effect.gen(function* () {
    const signals = yield* Signals
    yield* signals.first
    yield* scheduler.stop
    const running = (yield* scheduler.running).length
    if (running > 0) {
      yield* note(
        `Finishing ${running} running ${running === 1 ? "job" : "jobs"}; Ctrl-C again to stop at once.`
      )
    }
    yield* signals.second
    yield* scheduler.stopNow
  })

/** Runs the queue until it is drained, or until a signal. */
export const run = (
  args: RunArguments
): Effect.Effect<Summary, Exited | Fatal | WorkQueueError, Config | WorkQueue | Output | Signals> =>
  Effect.gen(function* () {
    const { settings } = yield* Config
    const queue = yield* WorkQueue
    const telling = yield* Telling.make(settings)
    return yield* Effect.gen(function* () {
      const scheduler = yield* Scheduler.Scheduler
      const workers = {
        all: settings.orchestrator.max_workers,
        busy: Effect.map(scheduler.running, (leases) => leases.length)
      }
      yield* telling.metrics(workers)
      yield* prepare
      yield* queue.applyPolicy(lanePolicy(settings))
      yield* Effect.forkScoped(obeySignals(scheduler))
      const seen = tally()
      const logging = yield* logsJobs(args)
      if (!settings.robots.enabled) {
        yield* note("robots.txt is not asked for: robots.enabled is false; hosts may not want this.")
      }
      const bytesBefore = yield* Observer.receivedBytes
      const startedAt = yield* Clock.currentTimeMillis
      const observer = yield* Observer.make({
        workers,
        failing: Effect.sync(() => mostFrequent(seen, "error")),
        maxBytesPerSecond: settings.http.max_bytes_per_second || undefined
      })
      const progress = args.progress
        ? yield* Effect.forkScoped(Effect.scoped(Effect.zipRight(showing(observer), Effect.never)))
        : undefined
      const report = yield* scheduler.run({
        drain: args.drain,
        maxWait: Duration.seconds(settings.orchestrator.max_wait_seconds),
        ...(logging ? { onStart: JobLog.started } : {}),
        onEnd: (end) =>
          Effect.zipRight(
            Effect.sync(() => seen.note(end)),
            logging ? JobLog.ended(end) : Effect.void
          )
      })
      if (progress !== undefined) yield* Fiber.interrupt(progress)
      const at = yield* Clock.currentTimeMillis
      return {
        report,
        tally: seen,
        stats: yield* queue.stats,
        elapsedMs: at - startedAt,
        bytes: (yield* Observer.receivedBytes) - bytesBefore,
        waited: yield* observer.waited,
        duplicates: null,
        at
      } satisfies Summary
    }).pipe(Effect.scoped, Effect.provide(layer(settings, { spans: telling.spans })), telling.traced)
  }).pipe(Effect.scoped)

/** What the exit code says of a run that came to its end; 0 fails with nothing. */
export const ending = (summary: Summary): Effect.Effect<void, Exited, Signals> =>
  Effect.gen(function* () {
    const { report, stats } = summary
    switch (report.ended) {
      case "stopped": {
        const signals = yield* Signals
        return yield* new Exited({ code: exitCode(yield* signals.first) })
      }
      case "deferred":
        return yield* new Exited({ code: ExitCode.deferred })
      case "drained":
        if (stats.error > 0) return yield* new Exited({ code: ExitCode.failedJobs })
    }
  })
