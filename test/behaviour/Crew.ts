/**
 * A whole crew in memory for the tests of Worker and Scheduler: a queue whose calls are seen, a handler that is
 * watched, and a name. Everything runs on the test's clock.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { Permanent, Retry, Skip, WaitLane } from "../../src/Failure.ts"
import { Done, Handler, type HandlerService, type Job } from "../../src/Handler.ts"
import type { Attempt, JobDetail, Lease, NewJob } from "../../src/Job.ts"
import { type LanePolicy, uniform } from "../../src/Lane.ts"
import * as Scheduler from "../../src/Scheduler.ts"
import * as Memory from "../../src/store/memory/index.ts"
import * as Worker from "../../src/Worker.ts"
import * as WorkerIdentity from "../../src/WorkerIdentity.ts"
import { turnOf, WorkQueue, WorkQueueError, type WorkQueueService } from "../../src/WorkQueue.ts"

// ---------------------------------------------------------------------------------------------------------------
// Layers
// ---------------------------------------------------------------------------------------------------------------

export interface Given {
  readonly handle: HandlerService["handle"]
  readonly policy?: LanePolicy
  readonly worker?: Worker.WorkerOptions
  readonly scheduler?: Scheduler.SchedulerOptions
  readonly identity?: Layer.Layer<WorkerIdentity.WorkerIdentity>
  /** Stands between the queue and everybody who uses it. */
  readonly between?: (queue: WorkQueueService) => WorkQueueService
}

/** The name the crew leases under. */
export const US = "us"

/** The ends the crew's worker has told of. */
class Ended extends Context.Tag("test/Ended")<Ended, Array<Worker.JobEnd>>() {}

export const layer = (
  given: Given
): Layer.Layer<
  Scheduler.Scheduler | Worker.Worker | WorkQueue | Handler | WorkerIdentity.WorkerIdentity | Ended
> => {
  const ended: Array<Worker.JobEnd> = []
  const note = (end: Worker.JobEnd) => {
    ended.push(end)
    return end
  }
  const worker = Layer.map(Worker.layer(given.worker), (context) => {
    const service = Context.get(context, Worker.Worker)
    return Context.make(Worker.Worker, {
      ...service,
      run: (lease) => Effect.map(service.run(lease), note),
      settle: (handled) => Effect.map(service.settle(handled), note),
      end: (...args) => note(service.end(...args))
    })
  })
  const memory = Memory.layer({ policy: given.policy ?? uniform({ cap: 1_000 }) })
  const queue = Layer.map(memory, (context) => {
    const between = (given.between ?? ((it) => it))(Context.get(context, WorkQueue))
    // What stands between sees the steps of a turn as well.
    return Context.make(WorkQueue, { ...between, turn: turnOf(between) })
  })
  return Scheduler.layer(given.scheduler).pipe(
    Layer.provideMerge(Layer.merge(worker, Layer.succeed(Ended, ended))),
    Layer.provideMerge(
      Layer.mergeAll(
        queue,
        Layer.succeed(Handler, { handle: given.handle }),
        given.identity ?? WorkerIdentity.layerTest(US)
      )
    )
  )
}

const noting =
  (calls: Array<string>) =>
  <A, E>(name: string, effect: Effect.Effect<A, E>) =>
    Effect.suspend(() => {
      calls.push(name)
      return effect
    })

/** Notes the name of every transition asked for. */
export const counting =
  (calls: Array<string>) =>
  (queue: WorkQueueService): WorkQueueService => {
    const noted = noting(calls)
    return {
      ...queue,
      ack: (...args) => noted("ack", queue.ack(...args)),
      failAndRetry: (...args) => noted("failAndRetry", queue.failAndRetry(...args)),
      release: (...args) => noted("release", queue.release(...args)),
      reroute: (...args) => noted("reroute", queue.reroute(...args))
    }
  }

/** Notes the name of everything a scheduler asks for by itself. */
export const countingAsked =
  (calls: Array<string>) =>
  (queue: WorkQueueService): WorkQueueService => {
    const noted = noting(calls)
    return {
      ...queue,
      lease: (request) => noted("lease", queue.lease(request)),
      heartbeat: (...args) => noted("heartbeat", queue.heartbeat(...args)),
      leases: noted("leases", queue.leases),
      stats: noted("stats", queue.stats),
      nextReadyAt: noted("nextReadyAt", queue.nextReadyAt)
    }
  }

export const broken = (reason: WorkQueueError["reason"] = "unavailable") =>
  new WorkQueueError({ reason, message: `the queue is ${reason}` })

// ---------------------------------------------------------------------------------------------------------------
// Jobs
// ---------------------------------------------------------------------------------------------------------------

export const newJob = (id: string, more: Partial<NewJob> = {}): NewJob => ({
  id,
  lane: "a",
  payload: null,
  ...more
})

export const enqueue = (...jobs: ReadonlyArray<NewJob>) =>
  Effect.flatMap(WorkQueue, (queue) => queue.enqueueAll(Stream.fromIterable(jobs)))

/** The job as the queue shows it now. */
export const detail = (id: string): Effect.Effect<JobDetail, WorkQueueError, WorkQueue> =>
  Effect.flatMap(WorkQueue, (queue) => Effect.map(queue.get(id), Option.getOrThrow))

/** Leases one job, under our own name unless another is given. */
export const leaseOne = (worker = US): Effect.Effect<Lease, WorkQueueError, WorkQueue> =>
  Effect.gen(function* () {
    const [lease] = yield* (yield* WorkQueue).lease({ worker, limit: 1, ttl: "60 seconds" })
    return yield* Effect.orDie(Effect.fromNullable(lease))
  })

export const stats = Effect.flatMap(WorkQueue, (queue) => queue.stats)
export const leases = Effect.flatMap(WorkQueue, (queue) => queue.leases)

export const attempt = (step: string): Attempt => ({
  startedAt: 0,
  durationMs: 5,
  step,
  target: null,
  class: "ok",
  reason: null,
  message: null
})

// ---------------------------------------------------------------------------------------------------------------
// Handlers
// ---------------------------------------------------------------------------------------------------------------

/** What a job of these tests does: takes its time, then ends. */
export interface Script {
  readonly ms: number
  readonly end: "done" | "skip" | "permanent" | "retry" | "wait" | "die"
}

export const script = (ms: number, ends: Script["end"] = "done"): Script => ({ ms, end: ends })

const isScript = (payload: unknown): payload is Script =>
  typeof payload === "object" && payload !== null && "ms" in payload && "end" in payload

const why = { reason: "told-so", message: "the script says so" }

/** Jobs that wait for their lane wait until then, and are done afterwards. */
export const WAIT_OVER = 20_000

/** Does what the payload says. */
export const scripted: HandlerService["handle"] = ({ payload }) =>
  Effect.gen(function* () {
    const { end, ms } = isScript(payload) ? payload : script(0)
    if (ms > 0) yield* Effect.sleep(ms)
    switch (end) {
      case "done":
        return Done({ result: null })
      case "skip":
        return yield* new Skip(why)
      case "permanent":
        return yield* new Permanent(why)
      case "retry":
        return yield* new Retry(why)
      case "wait":
        if ((yield* Clock.currentTimeMillis) >= WAIT_OVER) return Done({ result: null })
        return yield* new WaitLane({ ...why, until: WAIT_OVER })
      case "die":
        return yield* Effect.die("the script has a fault")
    }
  })

/** A handler that never ends by itself. */
export const endless: HandlerService["handle"] = () => Effect.never

/** What was seen of a handler's runs. */
export interface Watch {
  readonly handle: HandlerService["handle"]
  readonly started: Array<string>
  readonly ended: Array<string>
  readonly interrupted: Array<string>
  readonly inside: Set<Job<unknown>>
  most: number
  /** The most runs at once, by lane. */
  readonly mostIn: Map<string, number>
}

export const watched = (handle: HandlerService["handle"]): Watch => {
  const watch: Watch = {
    started: [],
    ended: [],
    interrupted: [],
    inside: new Set(),
    most: 0,
    mostIn: new Map(),
    handle: (job) =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          const { id, lane } = job.lease
          watch.started.push(id)
          watch.inside.add(job)
          watch.most = Math.max(watch.most, watch.inside.size)
          const here = [...watch.inside].filter((other) => other.lease.lane === lane).length
          watch.mostIn.set(lane, Math.max(here, watch.mostIn.get(lane) ?? 0))
        }),
        () => handle(job),
        (_, exit) =>
          Effect.sync(() => {
            watch.inside.delete(job)
            const interrupted = exit._tag === "Failure" && Cause.isInterruptedOnly(exit.cause)
            watch[interrupted ? "interrupted" : "ended"].push(job.lease.id)
          })
      )
  }
  return watch
}

// ---------------------------------------------------------------------------------------------------------------
// Time
// ---------------------------------------------------------------------------------------------------------------

/** Lets the fibers that can go on do so, without any time passing. */
export const settle = TestClock.adjust(0)

/** Lets time pass, a second at a time, until the fiber ends; a fiber that never does is a fault. */
export const elapse = <A, E>(fiber: Fiber.RuntimeFiber<A, E>, limit = 600): Effect.Effect<Exit.Exit<A, E>> =>
  Effect.gen(function* () {
    yield* settle
    for (let second = 0; second < limit; second++) {
      const exit = yield* Fiber.poll(fiber)
      if (Option.isSome(exit)) return exit.value
      yield* TestClock.adjust("1 second")
    }
    return yield* Effect.dieMessage(`it didn't end in ${limit} seconds`)
  })

/** Starts the scheduler and lets it do what it can at once. */
export const start = (options?: Scheduler.RunOptions) =>
  Effect.gen(function* () {
    const { run } = yield* Scheduler.Scheduler
    return yield* Effect.zipLeft(Effect.fork(run(options)), settle)
  })

/** Every end of a lease from now on. */
export const collectEnds = Effect.map(Ended, (ended) => {
  ended.length = 0
  return ended
})

/** How many there are of each kind. */
export const tally = (kinds: ReadonlyArray<string>): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const kind of kinds) counts[kind] = (counts[kind] ?? 0) + 1
  return counts
}

/** Runs the scheduler until it ends by itself. */
export const runToEnd = (options: Scheduler.RunOptions = { drain: true }, limit?: number) =>
  Effect.gen(function* () {
    const { run } = yield* Scheduler.Scheduler
    return yield* yield* elapse(yield* Effect.fork(run(options)), limit)
  })

export const now = Clock.currentTimeMillis

/** The times and names of something that happens. */
export class Log extends Data.Class<{ readonly lines: Array<string> }> {
  note(name: string) {
    return Effect.map(now, (at) => void this.lines.push(`${at} ${name}`))
  }
}
