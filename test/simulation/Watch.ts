/**
 * What must stay true in a world, looked at while it runs: at each lease, each transition and each request, and at
 * all of it together from time to time.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { hostLane, hostOf } from "../../src/Lane.ts"
import type { JobDetail, Lease, LeaseRef } from "../../src/Job.ts"
import type { Settled, WorkQueueService } from "../../src/WorkQueue.ts"
import type { Machine, Process } from "./Machine.ts"
import { contentOf, type Refusal, type Request } from "./SimulatedOrigin.ts"
import { OUT, type Watching, type World } from "./World.ts"

/** What was broken, in words. */
export class Broken extends Error {}

/**
 * How long a host's refusal may take from its answer to the queue, and a job from its lease to its request, beside what
 * the host itself takes to send it on.
 */
const GRACE_MS = 500
/** How long a refusal may take from a process to the queue. */
const SETTLED_MS = 300
/** What a lane's cap was lowered from counts for so long: jobs that were leased under it may still run. */
const CAP_LINGERS_MS = 120_000
/** How soon a locked queue is met again, and a little. */
const RETRIED_MS = 1500
/** How long a run waits for work that is due later. */
const MAX_WAIT_MS = 20_000
/** How long something that may start may wait for a worker that is free. */
const STUCK_MS = 2500

interface Finished {
  readonly state: string
  readonly finishedAt: number | null
  readonly attempts: number
}

interface Receipt {
  readonly path: string
  readonly sha256: string
  readonly bytes: number
  readonly final_url: string
}

const isReceipt = (value: unknown): value is Receipt =>
  typeof value === "object" && value !== null && "path" in value && "sha256" in value && "final_url" in value

export class Watch {
  readonly #machine: Machine
  #world: World | undefined
  /** Statements that were looked at. */
  checked = 0
  /** Ids that were queued. */
  readonly expected = new Set<string>()
  /** Leases were taken from processes that may still be at work: until they notice, hosts see more than the cap. */
  zombies = false
  /** By how much the clock was set in all: who sleeps until a time sleeps on. */
  #jumpedMs = 0
  /** When the queue was last locked by somebody else. */
  #unlockedAt = Number.NEGATIVE_INFINITY
  /** Told when a job is leased that a process holds which stands still. */
  onTaken: (holder: Process) => void = () => undefined
  readonly #tokens = new Map<number, number>()
  readonly #holders = new Map<number, Process>()
  /** When each lane's latest job was leased, by the wall clock. */
  readonly #starts = new Map<string, number>()
  readonly #acked = new Map<number, number>()
  readonly #finished = new Map<string, Finished>()
  /** Jobs that were done once. */
  readonly #stocked = new Set<string>()
  readonly #caps = new Map<string, Array<{ readonly cap: number; readonly until: number }>>()
  /** The caps that lanes have by hand. */
  readonly #setCaps = new Map<string, number>()
  readonly #thawed = new Map<Process, number>()
  #startableSince: number | undefined

  constructor(machine: Machine) {
    this.#machine = machine
  }

  /** Looks at what the world's hosts see from now on. */
  attach(world: World): void {
    this.#world = world
    world.origin.onRequest = (request, open) => this.#request(request, open)
  }

  #holds(isTrue: boolean, what: () => string): void {
    this.checked += 1
    if (isTrue) return
    // Thrown in a fiber, it would be a fault of its job and no more.
    this.#machine.broken ??= new Broken(what())
    throw this.#machine.broken
  }

  /** A lane's cap is set to another; both may be seen for a while, as it isn't known when it counts. */
  capChanged(lane: string, from: number, to: number): void {
    const before = this.#caps.get(lane) ?? []
    const until = this.#machine.elapsed + CAP_LINGERS_MS
    this.#caps.set(lane, [...before, { cap: from, until }, { cap: to, until }])
    this.#setCaps.set(lane, to)
  }

  #allowed(lane: string, now: number): number {
    const lingering = (this.#caps.get(lane) ?? []).filter(({ until }) => until >= this.#machine.elapsed)
    return Math.max(now, ...lingering.map(({ cap }) => cap))
  }

  /**
   * Somebody sets the clock by so much: who sleeps until a time sleeps on, and paces start anew. When it is put back, what
   * hosts have asked for may have passed by the clock before.
   */
  clockSet(ms: number): void {
    this.#jumpedMs += Math.abs(ms)
    this.#starts.clear()
    if (ms < 0) this.#world?.origin.refusals.clear()
  }

  /** The queue can be written again: what could not be told meanwhile is told in a moment. */
  unlocked(): void {
    this.#unlockedAt = this.#machine.elapsed
  }

  thawed(process: Process): void {
    this.#thawed.set(process, this.#machine.elapsed)
  }

  /** A person queues jobs in a final state again. */
  forget(): void {
    this.#finished.clear()
    for (const job of this.#acked.keys()) this.#acked.delete(job)
  }

  /** Between the queue and a process: every lease and every transition is looked at. */
  readonly queue: Watching = (queue, process) => {
    const note = (what: string) => this.#machine.note(`${process.name} ${what}`)
    const told =
      <Arguments extends readonly [LeaseRef, ...ReadonlyArray<unknown>], A, E>(
        name: string,
        call: (...args: Arguments) => Effect.Effect<A, E>
      ) =>
      (...args: Arguments) =>
        Effect.tapBoth(call(...args), {
          onSuccess: (answer) =>
            Effect.sync(() => {
              note(`${name} ${args[0].job}.${args[0].token}${typeof answer === "string" ? ` ${answer}` : ""}`)
            }),
          onFailure: () =>
            Effect.sync(() => {
              note(`${name} ${args[0].job}.${args[0].token} refused`)
              this.#unheard(process)
            })
        })
    const settles = (lease: LeaseRef) => {
      const { job, token } = lease
      this.#holds(!this.#acked.has(job), () => `job ${job} is acknowledged twice`)
      this.#holds(
        this.#tokens.get(job) === token,
        () => `job ${job} is acknowledged by token ${token}, not by its latest`
      )
      this.#acked.set(job, token)
    }
    const acked = (lease: Lease, settled: Settled) => {
      settles(lease)
      if (settled.state !== "done") return
      this.#stored(lease.id, settled.result)
      this.#stocked.add(lease.id)
    }
    const leased = (leases: ReadonlyArray<Lease>) => this.#leased(leases, process, note)
    return {
      ...queue,
      lease: (request) => Effect.tap(queue.lease(request), (leases) => Effect.sync(() => leased(leases))),
      turn: (transitions, request) =>
        Effect.tap(queue.turn(transitions, request), ({ leases, verdicts }) =>
          Effect.sync(() => {
            for (const [index, transition] of transitions.entries()) {
              const { job, token } = transition.lease
              note(`${transition.kind} ${job}.${token} ${verdicts[index]}`)
              if (verdicts[index] === "lost") this.#unheard(process)
              if (transition.kind === "ack" && verdicts[index] === "ok")
                acked(transition.lease, transition.settled)
            }
            leased(leases)
          })
        ),
      ack: (lease, settled, history) =>
        Effect.tap(told("acks", queue.ack)(lease, settled, history), () =>
          Effect.sync(() => acked(lease, settled))
        ),
      failAndRetry: told("fails", queue.failAndRetry),
      release: told("releases", queue.release),
      reroute: told("reroutes", queue.reroute)
    } satisfies WorkQueueService
  }

  #leased(leases: ReadonlyArray<Lease>, process: Process, note: (what: string) => void): void {
    for (const { expiresAt, job, lane, token } of leases) {
      note(`leases ${job}.${token} in ${lane}`)
      this.#holds(
        token > (this.#tokens.get(job) ?? 0),
        () => `job ${job} gets token ${token} after ${this.#tokens.get(job)}`
      )
      this.#tokens.set(job, token)
      const holder = this.#holders.get(job)
      if (holder?.frozen === true) this.onTaken(holder)
      this.#holders.set(job, process)
      this.#paced(lane, expiresAt)
      const refusal = this.#world?.origin.refusals.get(hostOf(lane) ?? "")
      this.#holds(
        refusal === undefined || !this.#isBinding(refusal, SETTLED_MS) || this.#machine.wall >= refusal.until,
        () => `job ${job} starts in ${lane} before the time its host named`
      )
    }
  }

  /** Two jobs of a lane start no sooner after each other than its pace allows, in whatever processes. */
  #paced(lane: string, expiresAt: number): void {
    const { gapMs, leaseTtlSeconds } = this.#world?.plan ?? { gapMs: 0, leaseTtlSeconds: 0 }
    const at = expiresAt - leaseTtlSeconds * 1000
    const before = this.#starts.get(lane)
    if (before !== undefined && gapMs > 0) {
      // Who leased earlier may be heard of later.
      const apart = Math.abs(at - before)
      this.#holds(apart >= gapMs, () => `${lane} starts two jobs within ${apart} ms, its pace is ${gapMs}`)
    }
    this.#starts.set(lane, Math.max(at, before ?? 0))
  }

  /** What was said to be done is on the disk, whole, durably, and is what its host had. */
  #stored(id: string, result: unknown): void {
    const world = this.#world
    if (world === undefined || !isReceipt(result))
      throw new Broken(`${id} was done, and is without a receipt`)
    const { hostname, pathname } = new URL(result.final_url)
    this.#holds(
      world.origin.hashes(hostname, pathname).has(result.sha256),
      () => `${id} is not what its host has`
    )
    const edition = [...world.origin.hashes(hostname, pathname)].indexOf(result.sha256)
    const content = world.disk.content(`${OUT}/${result.path}`, true)
    this.#holds(
      content?.equals(contentOf(hostname, pathname, edition).bytes) === true,
      () => `${id} was done, and its file isn't whole and durable`
    )
  }

  #request({ at, host, process }: Request, open: ReadonlyArray<Request>): void {
    const world = this.#world
    if (world === undefined) return
    const here = open.filter((other) => other.host === host && (!this.zombies || other.process === process))
    const lane = hostLane(`https://${host}`)
    const cap = this.#allowed(lane, this.#setCaps.get(lane) ?? world.plan.cap)
    this.#holds(here.length <= cap, () => `${host} sees ${here.length} requests at once, its cap is ${cap}`)
    const refusal = world.origin.refusals.get(host)
    const slowness = world.plan.hosts.find(({ name }) => name === host)?.slowness ?? 0
    const isBinding = refusal !== undefined && this.#isBinding(refusal, slowness + GRACE_MS)
    const thawed = (this.#thawed.get(process) ?? Number.NEGATIVE_INFINITY) + GRACE_MS >= this.#machine.elapsed
    this.#holds(
      !isBinding || thawed || at >= refusal.until,
      () => `${host} is asked ${(refusal?.until ?? 0) - at} ms before the time it named`
    )
  }

  /** Who has lost its lease changes nothing: what a host has told it meanwhile is lost, too. */
  #unheard(process: Process): void {
    const refusals = this.#world?.origin.refusals
    for (const [host, refusal] of refusals ?? []) if (refusal.process === process) refusals?.delete(host)
  }

  /** Whoever was told had the time to tell the queue, and those on their way have arrived. */
  #isBinding({ process, saidAt }: Refusal, graceMs: number): boolean {
    const thawed = this.#thawed.get(process) ?? Number.NEGATIVE_INFINITY
    const { elapsed } = this.#machine
    const isTold = saidAt > this.#unlockedAt || this.#unlockedAt + RETRIED_MS < elapsed
    return (
      process.alive &&
      !process.frozen &&
      thawed <= saidAt &&
      saidAt + graceMs < elapsed &&
      isTold &&
      this.#world?.locked !== true
    )
  }

  /** A worker is free, something may start, and nobody starts it. */
  stuck(nextReadyAt: Option.Option<number>, running: ReadonlyMap<Process, number>, paused: boolean): void {
    const world = this.#world
    if (world === undefined) return
    const isStartable =
      Option.exists(nextReadyAt, (at) => at <= this.#machine.wall) && !paused && !world.locked
    const isFree = [...running].some(
      ([process, count]) => process.alive && !process.frozen && count < world.plan.workers
    )
    if (!isStartable || !isFree) {
      this.#startableSince = undefined
      return
    }
    this.#startableSince ??= this.#machine.elapsed
    const waited = this.#machine.elapsed - this.#startableSince
    this.#holds(
      waited <= STUCK_MS + (this.#jumpedMs > 0 ? this.#jumpedMs + MAX_WAIT_MS : 0),
      () => `something may start, a worker is free, and for ${waited} ms nothing was leased`
    )
  }

  /** Everything the queue holds, against itself and against what it held before. */
  all(): ReadonlyArray<JobDetail> {
    const world = this.#world
    if (world === undefined) return []
    const { queue } = world
    const { jobs, lanes, leases, stats } = world.look(
      Effect.all({
        jobs: Effect.map(Stream.runCollect(queue.details({})), (chunk) => [...chunk]),
        lanes: queue.laneStats({ limit: 1000 }),
        leases: queue.leases,
        stats: queue.stats
      })
    )
    const count = (lane: string, test: (job: JobDetail) => boolean) =>
      jobs.filter((job) => job.lane === lane && test(job)).length
    for (const one of lanes) {
      const recount = {
        ready: count(one.lane, ({ availableAt, state }) => state === "queued" && availableAt === null),
        delayed: count(one.lane, ({ availableAt, state }) => state === "queued" && availableAt !== null),
        inFlight: count(one.lane, ({ state }) => state === "in_progress"),
        done: count(one.lane, ({ state }) => state === "done"),
        skipped: count(one.lane, ({ state }) => state === "skipped"),
        error: count(one.lane, ({ state }) => state === "error")
      }
      // A job that came due a moment ago may still be counted as delayed.
      this.#holds(
        one.ready + one.delayed === recount.ready + recount.delayed,
        () => `${one.lane}: queued jobs miscounted`
      )
      for (const name of ["inFlight", "done", "skipped", "error"] as const) {
        this.#holds(
          one[name] === recount[name],
          () => `${one.lane}: ${name} is ${one[name]}, counted ${recount[name]}`
        )
      }
      const cap = this.#allowed(one.lane, one.cap)
      this.#holds(one.inFlight <= cap, () => `${one.lane}: ${one.inFlight} in flight, its cap is ${cap}`)
    }
    this.#holds(jobs.length === stats.total, () => `${jobs.length} jobs, counted ${stats.total}`)
    const held = jobs.filter(({ state }) => state === "in_progress").length
    this.#holds(leases.length === held, () => `${leases.length} leases on ${held} jobs`)
    const ids = new Set(jobs.map(({ id }) => id))
    this.#holds(ids.size === jobs.length, () => "an id is there twice")
    for (const id of this.expected) this.#holds(ids.has(id), () => `${id} is lost`)
    for (const job of jobs) {
      const before = this.#finished.get(job.id)
      const { attempts, finishedAt, id, state } = job
      if (before !== undefined) {
        this.#holds(
          before.state === state && before.finishedAt === finishedAt && before.attempts === attempts,
          () => `${id} was ${before.state}, and is ${state}`
        )
      } else if (finishedAt !== null) {
        this.#finished.set(id, { state, finishedAt, attempts })
      }
      // What has once had a file keeps it, whatever becomes of it later.
      if (state === "done") this.#stocked.add(id)
      if (this.#stocked.has(id)) this.#stored(id, job.result)
    }
    return jobs
  }
}
