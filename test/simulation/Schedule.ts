/**
 * One schedule: a world drawn from a seed, a time in which everything goes wrong, and then a time in which nothing does
 * and everything has to come to its end.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { NewJob } from "../../src/Job.ts"
import { hostLane } from "../../src/Lane.ts"
import { type Chance, Machine, type Process } from "./Machine.ts"
import type { Host } from "./SimulatedOrigin.ts"
import { Broken, Watch } from "./Watch.ts"
import { type Plan, World } from "./World.ts"

/** What became of a schedule. */
export interface Played {
  readonly seed: number
  /** What happened, a line for each thing. */
  readonly history: ReadonlyArray<string>
  readonly checked: number
  /** What didn't hold. */
  readonly broken: string | undefined
}

/** How long everything may go wrong, and how long it may take until everything is over. */
const CHAOS_MS = 6000
const CALM_MS = 6 * 3_600_000
/** Looking whether something waits that shouldn't. */
const LOOK_MS = 1000

// ---------------------------------------------------------------------------------------------------------------
// Drawing
// ---------------------------------------------------------------------------------------------------------------

const drawHost = (chance: Chance, index: number): Host => {
  const often = (...times: readonly [number, ...ReadonlyArray<number>]) => chance.pick(...times)
  return {
    name: `h${index}.test`,
    slowness: chance.pick(5, 50, 400, 2000),
    ranges: chance.perMille(700),
    tags: chance.perMille(700),
    lengths: chance.perMille(800),
    faults: {
      connect: often(0, 0, 50, 200),
      status: often(0, 0, 50, 150),
      refused: often(0, 0, 60, 200),
      cut: often(0, 0, 100, 400),
      silent: often(0, 0, 0, 100),
      page: often(0, 0, 0, 100),
      changed: often(0, 0, 0, 100)
    }
  }
}

const drawPlan = (chance: Chance, store: Plan["store"] | undefined): Plan => {
  const drawn = chance.perMille(750) ? "sqlite" : "memory"
  return {
    store: store ?? drawn,
    hosts: Array.from({ length: chance.between(1, 3) }, (_, index) => drawHost(chance, index)),
    cap: chance.between(1, 3),
    gapMs: chance.pick(0, 0, 0, 200, 1000),
    workers: chance.between(1, 4),
    leaseTtlSeconds: chance.pick(1, 2, 4, 20),
    attempts: chance.between(2, 4),
    layout: chance.pick("id", "id", "content"),
    commitGapMs: chance.pick(0, 20),
    adaptivePace: chance.perMille(300),
    knowsTheDead: chance.perMille(700)
  }
}

/** A job, and whether it can be done at all. */
interface Wanted {
  readonly job: NewJob
  readonly good: boolean
}

const drawJob = (chance: Chance, plan: Plan, id: string): Wanted => {
  const host = () => plan.hosts[chance.below(plan.hosts.length)]?.name ?? ""
  const file = () => `${chance.below(6)}${chance.perMille(60) ? "-large" : ""}.pdf`
  const url = (): { readonly at: string; readonly good: boolean } => {
    const at = `https://${host()}`
    switch (chance.below(10)) {
      case 0:
        return { at: `${at}/gone/${file()}`, good: false }
      case 1:
        return { at: `${at}/login/${file()}`, good: false }
      case 2:
      case 3:
        return { at: `${at}/to/${chance.perMille(400) ? "here" : host()}/${file()}`, good: true }
      default:
        return { at: `${at}/${file()}`, good: true }
    }
  }
  const urls = Array.from({ length: chance.pick(1, 1, 2, 3) }, url)
  const [first] = urls
  return {
    job: {
      id,
      lane: hostLane(first?.at ?? ""),
      payload: { id, urls: urls.map(({ at }) => at) },
      priority: chance.below(3)
    },
    good: urls.some(({ good }) => good)
  }
}

// ---------------------------------------------------------------------------------------------------------------
// Playing
// ---------------------------------------------------------------------------------------------------------------

class Play {
  readonly machine: Machine
  readonly world: World
  readonly watch: Watch
  readonly #wanted = new Map<string, Wanted>()
  readonly #cancelled = new Set<string>()
  readonly #caps = new Map<string, number>()
  #ids = 0

  constructor(machine: Machine, world: World, watch: Watch) {
    this.machine = machine
    this.world = world
    this.watch = watch
  }

  /** Queues some jobs, now and then one that is there. */
  async enqueue(count: number): Promise<void> {
    const { chance } = this.machine
    const jobs = Array.from({ length: count }, () => {
      const again = [...this.#wanted.values()][chance.below(this.#wanted.size)]
      if (again !== undefined && chance.perMille(150)) return again.job
      const wanted = drawJob(chance, this.world.plan, `job-${(this.#ids += 1)}`)
      this.#wanted.set(wanted.job.id, wanted)
      return wanted.job
    })
    this.machine.note(`${jobs.length} jobs are queued`)
    await this.world.ask(this.world.queue.enqueueAll(Stream.fromIterable(jobs)))
    for (const { id } of jobs) this.watch.expected.add(id)
  }

  #lane(): string {
    const { hosts } = this.world.plan
    return hostLane(`https://${hosts[this.machine.chance.below(hosts.length)]?.name ?? ""}`)
  }

  #someone(): Process | undefined {
    const live = this.world.live()
    return live[this.machine.chance.below(live.length)]?.process
  }

  /** One thing that may go wrong, or that somebody does meanwhile. */
  async happen(): Promise<void> {
    const { machine, watch, world } = this
    const { chance } = machine
    const { queue } = world
    const said = (what: string) => machine.note(what)
    switch (chance.below(19)) {
      case 0:
      case 1:
      case 2: {
        const someone = this.#someone()
        if (someone === undefined) return
        someone.fate = {
          steps: someone.steps + chance.between(1, chance.pick(30, 200)),
          befall: () => machine.kill(someone)
        }
        return
      }
      case 3:
      case 15: {
        const someone = this.#someone()
        if (someone === undefined || someone.frozen) return
        const ms = chance.pick(500, 5000, 9000, 25_000)
        watch.zombies = true
        const befall = () => machine.freeze(someone, ms, () => watch.thawed(someone))
        if (chance.perMille(500)) someone.atName = befall
        else someone.fate = { steps: someone.steps + chance.between(1, chance.pick(10, 100)), befall }
        // Somebody else finds its leases expired.
        if (world.live().length < 3) world.start()
        return
      }
      case 4: {
        const running = world.live()[chance.below(world.live().length)]
        const scheduler = running?.scheduler()
        if (running === undefined || scheduler === undefined) return
        const isNow = chance.perMille(400)
        said(`${running.process.name} is to stop${isNow ? " at once" : ""}`)
        running.stopping = true
        await world.ask(isNow ? scheduler.stopNow : scheduler.stop)
        return
      }
      case 5: {
        const lane = chance.perMille(700) ? this.#lane() : undefined
        said(`${lane ?? "everything"} is paused`)
        await world.ask(queue.pause(lane))
        machine.after(chance.between(500, 8000), undefined, () => {
          said(`${lane ?? "everything"} goes on`)
          Effect.runFork(queue.resume(lane).pipe(Effect.withClock(machine.clock)), {
            scheduler: machine.schedulerOf(world.outside)
          })
        })
        return
      }
      case 6: {
        const lane = this.#lane()
        const cap = chance.between(1, 4)
        watch.capChanged(lane, this.#caps.get(lane) ?? world.plan.cap, cap)
        this.#caps.set(lane, cap)
        said(`${lane} gets cap ${cap}`)
        await world.ask(queue.setLane(lane, { cap }))
        return
      }
      case 7: {
        const id = `job-${chance.between(1, this.#ids)}`
        // Whoever runs it notices only when he looks.
        watch.zombies = true
        const isCancelled = await world.ask(queue.cancel(id))
        said(`${id} is ${isCancelled ? "" : "not "}cancelled`)
        if (isCancelled) this.#cancelled.add(id)
        return
      }
      case 8: {
        const ms = chance.pick(-90_000, -5000, 5000, 20_000, 90_000)
        watch.clockSet(ms)
        if (ms > 0) watch.zombies = true
        said(`the clock is set by ${ms}`)
        machine.jump(ms)
        return
      }
      case 9: {
        const ms = chance.between(100, 4000)
        said(`the queue is locked for ${ms}`)
        // Leases that can't be extended meanwhile expire.
        if (ms >= world.plan.leaseTtlSeconds * 500) watch.zombies = true
        world.locked = true
        machine.after(ms, undefined, () => {
          world.locked = false
          watch.unlocked()
        })
        return
      }
      case 10: {
        const code = chance.pick("ENOSPC", "EIO", "EMFILE")
        const often = chance.pick(50, 300, 1000)
        const operations =
          code === "EMFILE"
            ? ["open"]
            : code === "EIO"
              ? ["read", "write", "sync", "rename"]
              : ["write", "open"]
        said(`the disk answers ${code} now and then`)
        world.disk.fault = (operation) =>
          operations.includes(operation) && chance.perMille(often) ? code : undefined
        machine.after(chance.between(200, 3000), undefined, () => {
          world.disk.fault = () => undefined
        })
        return
      }
      case 11:
        return this.enqueue(chance.between(1, 3))
      case 12:
        if (world.live().length < 3) world.start()
        return
      case 13:
        said("the power fails")
        for (const { process } of world.live()) machine.kill(process)
        world.disk.cutPower()
        watch.all()
        return
      case 14: {
        const again = await world.ask(queue.retryFailed({}))
        said(`${again} failed jobs are to be tried again`)
        watch.forget()
        return
      }
      case 16:
      case 17: {
        const state = chance.pick("done", "done", "skipped")
        const again = await world.ask(queue.refresh({ state }))
        // Who was cancelled is wanted again.
        if (state === "skipped") this.#cancelled.clear()
        said(`${again} jobs that have ended are looked at again`)
        watch.forget()
        return
      }
      default:
        world.killsAtCommit = chance.pick(0, 20, 100)
    }
  }

  /** Lets time pass. */
  async sleep(ms: number, isOver: () => boolean = () => false): Promise<void> {
    let isTime = false
    this.machine.after(ms, undefined, () => {
      isTime = true
    })
    await this.machine.run(() => isTime || isOver(), ms)
  }

  /** Lets time pass, and looks whether anything waits that shouldn't. */
  async pass(ms: number, isOver: () => boolean = () => false): Promise<void> {
    const end = this.machine.elapsed + ms
    while (this.machine.elapsed < end && !isOver()) {
      await this.sleep(Math.min(LOOK_MS, end - this.machine.elapsed), isOver)
      const { nextReadyAt, paused } = this.world.look(
        Effect.all({ nextReadyAt: this.world.queue.nextReadyAt, paused: this.world.queue.paused })
      )
      const running = new Map<Process, number>()
      for (const { process, scheduler, stopping } of this.world.live()) {
        const at = scheduler()
        if (at !== undefined && !stopping) running.set(process, this.world.look(at.running).length)
      }
      this.watch.stuck(nextReadyAt, running, paused)
    }
  }

  async chaos(): Promise<void> {
    const { chance } = this.machine
    const until = this.machine.elapsed + chance.between(3000, CHAOS_MS)
    while (this.machine.elapsed < until) {
      await this.pass(chance.pick(10, 100, 500, 1500))
      await this.happen()
      if (chance.perMille(300)) this.watch.all()
      if (this.world.live().length === 0 && chance.perMille(500)) this.world.start()
    }
  }

  /** Nothing goes wrong any more. */
  async calm(): Promise<void> {
    const { machine, watch, world } = this
    world.origin.faulty = false
    world.killsAtCommit = 0
    world.disk.fault = () => undefined
    if (world.locked) watch.unlocked()
    world.locked = false
    for (const { process } of world.runs) {
      process.fate = undefined
      process.atName = undefined
    }
    const ms = machine.setRight()
    if (ms !== 0) {
      watch.clockSet(ms)
      // Leases that were taken under a clock that was behind are over.
      watch.zombies = true
    }
    machine.note("everything is well from here on")
    for (const lane of [undefined, ...world.plan.hosts.map(({ name }) => hostLane(`https://${name}`))]) {
      await world.ask(world.queue.resume(lane))
    }
    const end = machine.elapsed + CALM_MS
    for (let round = 0; round < 3; round++) {
      for (;;) {
        await this.pass(CALM_MS, () => world.live().length === 0)
        const { nextReadyAt, stats } = world.look(
          Effect.all({ nextReadyAt: world.queue.nextReadyAt, stats: world.queue.stats })
        )
        const left = stats.queued + stats.in_progress
        if (left === 0) break
        if (machine.elapsed >= end) throw new Broken(`${left} jobs don't come to an end`)
        // What is left is due later than a run waits; nobody runs meanwhile.
        const due = Option.getOrElse(nextReadyAt, () => machine.wall)
        await this.sleep(Math.max(0, due - machine.wall))
        world.start()
      }
      watch.all()
      if ((await world.ask(world.queue.retryFailed({}))) === 0) break
      watch.forget()
      if (round < 2) world.start()
    }
    // What the dead left unfinished is swept by the next run that starts.
    if (this.#unfinished().length > 0) {
      world.start()
      await this.pass(CALM_MS, () => world.live().length === 0)
    }
    this.theEnd(watch.all())
  }

  #unfinished(): ReadonlyArray<string> {
    return this.world.disk.files().filter((path) => path.includes("/.partial/"))
  }

  /** What is left is what was wanted. */
  theEnd(jobs: ReturnType<Watch["all"]>): void {
    let done = 0
    for (const { id, reason, state } of jobs) {
      const wanted = this.#wanted.get(id)
      if (state === "done" || reason === "not-modified") done += 1
      else if (this.#cancelled.has(id)) {
        if (state !== "skipped") throw new Broken(`${id} was cancelled, and is ${state}`)
      } else if (wanted?.good === true) throw new Broken(`${id} can be had, and is ${state} (${reason})`)
    }
    const unfinished = this.#unfinished()
    if (unfinished.length > 0) throw new Broken(`unfinished files are left: ${unfinished.join()}`)
    this.machine.note(`the end: ${done} of ${jobs.length} done`)
  }
}

/** Plays the schedule of a seed; the same seed, the same history. */
export const play = async (
  seed: number,
  options: { readonly store?: Plan["store"] | undefined } = {}
): Promise<Played> => {
  const machine = new Machine(seed)
  const { chance } = machine
  const watch = new Watch(machine)
  const scope = await Effect.runPromise(Scope.make())
  let broken: string | undefined
  try {
    const world = await World.make(machine, drawPlan(chance, options.store), watch.queue, scope)
    watch.attach(world)
    const playing = new Play(machine, world, watch)
    watch.onTaken = (holder) => {
      // It goes on while its successor is at work, so that both may be about to report.
      if (chance.perMille(700)) machine.after(chance.below(600), undefined, () => holder.goOn())
    }
    await playing.enqueue(chance.between(1, 6))
    for (let n = chance.between(1, 2); n > 0; n--) world.start()
    await playing.chaos()
    await playing.calm()
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause
    broken = cause instanceof Broken ? cause.message : (cause.stack ?? cause.message)
  } finally {
    await Effect.runPromise(Scope.close(scope, Exit.void))
  }
  return { seed, history: machine.history, checked: watch.checked, broken }
}
