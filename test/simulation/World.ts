/**
 * Everything a schedule needs put together on one machine: a queue, a disk, hosts, and processes that run the real
 * scheduler, worker and pipeline over them.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { layerLimiter, prepare } from "../../src/cli/Run.ts"
import { lanePolicy } from "../../src/config/Limits.ts"
import { Settings } from "../../src/config/Settings.ts"
import { Disk } from "../../src/download/Disk.ts"
import * as Pipeline from "../../src/download/Pipeline.ts"
import * as Storage from "../../src/download/Storage.ts"
import { Http } from "../../src/http/Http.ts"
import { PdfReader } from "../../src/pdf/PdfReader.ts"
import * as Resolvers from "../../src/resolver/Resolvers.ts"
import * as Scheduler from "../../src/Scheduler.ts"
import * as Memory from "../../src/store/memory/index.ts"
import type * as Database from "../../src/store/sqlite/Database.ts"
import * as SqliteWorkQueue from "../../src/store/sqlite/SqliteWorkQueue.ts"
import * as TokenBucket from "../../src/TokenBucket.ts"
import * as Worker from "../../src/Worker.ts"
import { WorkerIdentity } from "../../src/WorkerIdentity.ts"
import { WorkQueue, WorkQueueError, type WorkQueueService } from "../../src/WorkQueue.ts"
import { emptyDatabase } from "./EmptyDatabase.ts"
import { type Machine, Process } from "./Machine.ts"
import { SimulatedDisk } from "./SimulatedDisk.ts"
import { type Host, SimulatedOrigin } from "./SimulatedOrigin.ts"

/** Where everything is stored. */
export const OUT = "/out"

const defaults = Schema.decodeSync(Settings)({})

/** What differs between schedules. */
export interface Plan {
  readonly store: "sqlite" | "memory"
  readonly hosts: ReadonlyArray<Host>
  readonly cap: number
  readonly gapMs: number
  readonly workers: number
  readonly leaseTtlSeconds: number
  readonly attempts: number
  readonly adaptivePace: boolean
  readonly layout: "id" | "content"
  readonly commitGapMs: number
  /** Whether a process can tell that another is dead; else its leases have to expire. */
  readonly knowsTheDead: boolean
}

export const settingsOf = (plan: Plan): Settings => ({
  ...defaults,
  orchestrator: {
    ...defaults.orchestrator,
    max_workers: plan.workers,
    max_per_host: plan.cap,
    hosts: Object.fromEntries(
      plan.hosts.map(({ name }) => [name, { max: plan.cap, gap_ms: plan.gapMs, burst: 1 }])
    ),
    lease_ttl_seconds: plan.leaseTtlSeconds,
    heartbeat_seconds: plan.leaseTtlSeconds / 4,
    max_job_attempts: plan.attempts,
    retry_backoff_seconds: 1,
    jitter_seconds: 1,
    grace_seconds: 5
  },
  http: {
    ...defaults.http,
    adaptive_pace: plan.adaptivePace,
    breaker_pause_seconds: 1,
    min_bytes_per_second: 0
  },
  robots: { ...defaults.robots, enabled: false },
  download: { ...defaults.download, out: OUT, structure: false, identity: "off" },
  storage: { ...defaults.storage, min_free_bytes: 0 },
  resolvers: { ...defaults.resolvers, order: [] }
})

/** What is seen of a queue that one process uses. */
export type Watching = (queue: WorkQueueService, process: Process) => WorkQueueService

/** A process that runs the queue, and how to talk to it. */
export interface Running {
  readonly process: Process
  readonly scheduler: () => Scheduler.SchedulerService | undefined
  /** It was told to stop, and leases nothing more. */
  stopping: boolean
  /** How the run ended, when it has. */
  ended: string | undefined
}

/** The world's own calls to the queue are made by nobody who can be killed. */
const OUTSIDE = new Process("outside")

export class World {
  readonly machine: Machine
  readonly plan: Plan
  readonly settings: Settings
  readonly disk: SimulatedDisk
  readonly origin: SimulatedOrigin
  readonly runs: Array<Running> = []
  readonly outside = OUTSIDE
  /** Whether the queue is locked by somebody else now. */
  locked = false
  readonly #queueOf: (process: Process) => WorkQueueService
  readonly #hear = new Map<Process, () => void>()
  readonly #watching: Watching
  /** The queue as it is, for looks from outside. */
  readonly queue: WorkQueueService
  #count = 0
  #changes = 0

  private constructor(
    machine: Machine,
    plan: Plan,
    watching: Watching,
    queueOf: (world: World) => (process: Process) => WorkQueueService
  ) {
    this.machine = machine
    this.plan = plan
    this.settings = settingsOf(plan)
    this.disk = new SimulatedDisk(machine)
    this.origin = new SimulatedOrigin(machine, plan.hosts)
    this.#watching = watching
    this.#queueOf = queueOf(this)
    this.queue = this.#queueOf(OUTSIDE)
  }

  /** An empty world; what it opened is closed with the scope. */
  static async make(machine: Machine, plan: Plan, watching: Watching, scope: Scope.Scope): Promise<World> {
    const policy = lanePolicy(settingsOf(plan))
    const maxCrashes = 1000
    if (plan.store === "memory") {
      const queue = await Effect.runPromise(Scope.extend(Memory.make({ policy, maxCrashes }), scope))
      return new World(machine, plan, watching, () => () => queue)
    }
    const options = { path: ":memory:", policy, maxCrashes, commitGap: `${plan.commitGapMs} millis` as const }
    const opened = await emptyDatabase()
    return new World(
      machine,
      plan,
      watching,
      (world) => (process) =>
        Effect.runSync(SqliteWorkQueue.over(world.#databaseOf(opened, process), options))
    )
  }

  /** The database as one process has it: it may be locked, and a commit may be the last thing its process did. */
  #databaseOf(opened: Database.Database, process: Process): Database.Database {
    const busy = new WorkQueueError({ reason: "busy", message: "the queue is locked" })
    type Write = Database.Database["write"]
    const writing =
      (write: Write): Write =>
      (body) =>
        Effect.suspend(() =>
          this.locked && process !== OUTSIDE
            ? Effect.fail(busy)
            : write((query) =>
                Effect.zip(
                  body(query),
                  query<{ readonly changes: number }>("SELECT total_changes() AS changes")
                )
              )
        ).pipe(Effect.flatMap(([answer, [row]]) => Effect.as(committed(row?.changes ?? 0), answer)))
    /** What changed nothing is heard by nobody. */
    const committed = (changes: number) =>
      Effect.suspend(() => {
        if (changes === this.#changes) return Effect.void
        this.#changes = changes
        for (const [other, hear] of this.#hear) {
          if (other !== process) this.machine.after(this.machine.chance.below(250), other, hear)
        }
        if (process === OUTSIDE || !this.machine.chance.perMille(this.killsAtCommit)) return Effect.void
        this.machine.kill(process)
        return Effect.never
      })
    return { ...opened, write: writing(opened.write), writeDurably: writing(opened.writeDurably) }
  }

  /** After how many of a thousand commits a process is killed, before it knows of them. */
  killsAtCommit = 0

  /** Looks at something without a step of the machine: what nobody may notice, and what waits for nothing. */
  look<A, E>(effect: Effect.Effect<A, E>): A {
    return Effect.runSync(Effect.withClock(effect, this.machine.clock))
  }

  /** Carries out an effect that belongs to no process, one step among the others. */
  async ask<A, E>(effect: Effect.Effect<A, E>): Promise<A> {
    let exit: Exit.Exit<A, E> | undefined
    const fiber = Effect.runFork(this.#on(OUTSIDE, effect), { scheduler: this.machine.schedulerOf(OUTSIDE) })
    fiber.addObserver((done) => {
      exit = done
    })
    await this.machine.run(() => exit !== undefined, 60_000)
    if (exit === undefined) throw new Error("a question to the queue got no answer")
    return Exit.getOrElse(exit, (cause) => {
      throw new Error(`a question to the queue failed: ${cause.toString()}`)
    })
  }

  #on<A, E>(process: Process, effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return effect.pipe(
      Effect.withClock(this.machine.clockOf(process)),
      Effect.withRandom(Random.make(this.machine.chance.below(2 ** 31))),
      Logger.withMinimumLogLevel(LogLevel.None)
    )
  }

  /** Starts a process that runs the queue until it is drained. */
  start(): Running {
    const process = new Process(`p${(this.#count += 1)}`)
    const { machine, plan, settings } = this
    const shared = this.#queueOf(process)
    const heard = Effect.runSync(Queue.sliding<void>(1))
    this.#hear.set(process, () => void heard.unsafeOffer(undefined))
    const queue = this.#watching(
      { ...shared, changes: Stream.merge(shared.changes, Stream.fromQueue(heard)) },
      process
    )
    let scheduler: Scheduler.SchedulerService | undefined
    const { orchestrator } = settings
    const layer = Scheduler.layer({
      maxWorkers: orchestrator.max_workers,
      leaseTtl: `${orchestrator.lease_ttl_seconds} seconds`,
      heartbeat: `${orchestrator.heartbeat_seconds} seconds`,
      grace: `${orchestrator.grace_seconds} seconds`,
      turnGap: `${plan.commitGapMs} millis`
    }).pipe(
      Layer.provide(
        Worker.layer({
          maxAttempts: orchestrator.max_job_attempts,
          backoff: `${orchestrator.retry_backoff_seconds} seconds`,
          maxBackoff: "8 seconds"
        })
      ),
      Layer.provide(Pipeline.layer(settings)),
      Layer.provide(Layer.effect(Resolvers.Resolvers, Resolvers.makeWith([]))),
      Layer.provide([
        layerLimiter(settings),
        TokenBucket.layerMemory({ limits: () => ({ capacity: 1, refillPerSecond: 1 }) }),
        Layer.succeed(PdfReader, { read: () => Effect.die("no PDF is opened here") }),
        Layer.succeed(Http, this.origin.httpOf(process))
      ]),
      Layer.provideMerge(
        Storage.layer({ out: OUT, min_free_bytes: 0, layout: plan.layout }).pipe(
          Layer.provide(Layer.succeed(Disk, this.disk.viewOf(process)))
        )
      ),
      Layer.provideMerge(
        Layer.succeedContext(
          Context.make(WorkQueue, queue).pipe(
            Context.add(WorkerIdentity, {
              worker: process.name,
              isDead: (name) =>
                plan.knowsTheDead &&
                this.runs.some((other) => other.process.name === name && !other.process.alive)
            })
          )
        )
      )
    )
    const program = Effect.gen(function* () {
      yield* prepare
      yield* queue.applyPolicy(lanePolicy(settings))
      scheduler = yield* Scheduler.Scheduler
      return (yield* scheduler.run({ drain: true, maxWait: "20 seconds" })).ended
    }).pipe(Effect.provide(layer))
    const running: Running = { process, scheduler: () => scheduler, stopping: false, ended: undefined }
    this.runs.push(running)
    machine.note(`${process.name} starts`)
    Effect.runFork(this.#on(process, program), { scheduler: machine.schedulerOf(process) }).addObserver(
      (exit) => {
        running.ended = Exit.match(exit, {
          onSuccess: (ended) => ended,
          onFailure: (cause) => cause.toString().split("\n", 1)[0] ?? ""
        })
        machine.note(`${process.name} ended: ${running.ended}`)
        process.alive = false
        this.#hear.delete(process)
      }
    )
    return running
  }

  /** Those that are at work, whether or not they stand still. */
  live(): ReadonlyArray<Running> {
    return this.runs.filter(({ process }) => process.alive)
  }
}
