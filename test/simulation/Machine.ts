/**
 * A simulated machine: one clock, and the only order in which anything on it happens.
 *
 * Effect's fibers run on schedulers of this machine, their clock is its clock, and what takes time is an event of its
 * own. So everything that happens is a choice drawn from one seed, a process can be killed or frozen between any two
 * steps without a word to it, and the same seed plays the same history again.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Scheduler } from "effect/Scheduler"
import { PCGRandom } from "effect/Utils"

/** Draws from a seed. */
export class Chance {
  readonly #random: PCGRandom
  constructor(seed: number) {
    this.#random = new PCGRandom(seed)
  }
  /** A whole number from 0 to below `count`. */
  below(count: number): number {
    return count < 2 ? 0 : this.#random.integer(Math.floor(count))
  }
  between(from: number, to: number): number {
    return from + this.below(to - from + 1)
  }
  /** True so many times in a thousand. */
  perMille(times: number): boolean {
    return this.below(1000) < times
  }
  pick<A>(first: A, ...others: ReadonlyArray<A>): A {
    return [first, ...others][this.below(others.length + 1)] ?? first
  }
}

/** A process of the machine: it runs, stands still, or is dead. */
export class Process {
  readonly name: string
  alive = true
  frozen = false
  /** Steps that its fibers have taken. */
  steps = 0
  /** What befalls it after so many of them. */
  fate: { readonly steps: number; readonly befall: () => void } | undefined
  /** What befalls it when it has given a file its name, and is about to report. */
  atName: (() => void) | undefined
  /** Ends its standing still before its time. */
  goOn: () => void = () => undefined
  /** What its end does on the machine, as the kernel would: its connections are closed. */
  readonly onDeath = new Set<() => void>()
  constructor(name: string) {
    this.name = name
  }
}

interface Event {
  readonly at: number
  readonly order: number
  readonly owner: Process | undefined
  readonly run: () => void
  cancelled: boolean
}

interface Task {
  readonly owner: Process
  readonly run: () => void
}

/** Nobody's: of the world outside. */
type Owner = Process | undefined

/** The wall clock's time when a history begins. */
const START = Date.UTC(2026, 0, 1)

/** Steps at one moment that never come to an end. */
const ENDLESS = 100_000

/** How far from the head of the line a step may be taken. */
const REACH = 8

export class Machine {
  readonly chance: Chance
  readonly history: Array<string> = []
  readonly clock: Clock.Clock
  /** How many of a thousand steps are taken out of turn. */
  readonly shuffled: number
  /** Milliseconds since the start, which nothing sets. */
  #elapsed = 0
  #jumped = 0
  #order = 0
  #events: Array<Event> = []
  #ready: Array<Task> = []
  #held: Array<Task | Event> = []
  /** What was found broken: nothing happens from then on. */
  broken: Error | undefined

  constructor(seed: number) {
    this.chance = new Chance(seed)
    this.shuffled = this.chance.pick(0, 0, 100, 500)
    const millis = () => START + this.#elapsed + this.#jumped
    this.clock = {
      [Clock.ClockTypeId]: Clock.ClockTypeId,
      unsafeCurrentTimeMillis: millis,
      unsafeCurrentTimeNanos: () => BigInt(millis()) * 1_000_000n,
      currentTimeMillis: Effect.sync(millis),
      currentTimeNanos: Effect.sync(() => BigInt(millis()) * 1_000_000n),
      sleep: (duration) => this.sleep(undefined, Duration.toMillis(duration))
    }
  }

  /** Milliseconds since the start. */
  get elapsed(): number {
    return this.#elapsed
  }

  /** What the wall clock shows. */
  get wall(): number {
    return this.clock.unsafeCurrentTimeMillis()
  }

  /** Somebody sets the wall clock. What sleeps isn't woken by it. */
  jump(ms: number): void {
    this.#jumped += ms
  }

  /** Somebody sets it right; answers by how much. */
  setRight(): number {
    const ms = -this.#jumped
    this.#jumped = 0
    return ms
  }

  note(what: string): void {
    this.history.push(`${this.#elapsed} ${what}`)
  }

  /** Does something `ms` from now, unless it is cancelled or its owner is dead by then. */
  after(ms: number, owner: Owner, run: () => void): () => void {
    const event: Event = {
      at: this.#elapsed + Math.max(0, ms),
      order: (this.#order += 1),
      owner,
      run,
      cancelled: false
    }
    let low = 0
    let high = this.#events.length
    while (low < high) {
      const middle = (low + high) >> 1
      const other = this.#events[middle]
      // The latest stands first: the next is taken from the end.
      if (
        other !== undefined &&
        (other.at > event.at || (other.at === event.at && other.order < event.order))
      )
        low = middle + 1
      else high = middle
    }
    this.#events.splice(low, 0, event)
    return () => {
      event.cancelled = true
    }
  }

  /** A clock whose sleepers never wake when their process is dead. */
  clockOf(owner: Process): Clock.Clock {
    return { ...this.clock, sleep: (duration) => this.sleep(owner, Duration.toMillis(duration)) }
  }

  private sleep(owner: Owner, ms: number): Effect.Effect<void> {
    return Effect.async((resume) => {
      if (!Number.isFinite(ms)) return
      const cancel = this.after(Math.ceil(ms), owner, () => resume(Effect.void))
      return Effect.sync(cancel)
    })
  }

  /** What runs the fibers of a process: never on their own, only when the machine takes a step. */
  schedulerOf(owner: Process): Scheduler {
    return {
      shouldYield: () => false,
      scheduleTask: (run) => {
        if (owner.alive) this.#ready.push({ owner, run })
      }
    }
  }

  /** The process is gone, without a chance to do anything. */
  kill(process: Process): void {
    if (!process.alive) return
    process.alive = false
    this.#ready = this.#ready.filter(({ owner }) => owner.alive)
    for (const end of process.onDeath) end()
    this.note(`${process.name} killed after ${process.steps} steps`)
  }

  /** The process stands still for a time at most, as after SIGSTOP; it doesn't know. */
  freeze(process: Process, ms: number, thawed: () => void): void {
    if (process.frozen || !process.alive) return
    process.frozen = true
    this.note(`${process.name} stands still for ${ms}`)
    const goOn = () => {
      if (!process.frozen || process.goOn !== goOn) return
      process.frozen = false
      this.note(`${process.name} goes on`)
      thawed()
      const held = this.#held
      this.#held = []
      for (const one of held) {
        if (one.owner?.frozen === true) this.#held.push(one)
        else if ("at" in one) this.fire(one)
        else this.#ready.push(one)
      }
    }
    process.goOn = goOn
    this.after(ms, undefined, goOn)
  }

  /**
   * Lets things happen until `isOver`, or until there is nothing left that could. False: it ran out of time. Throws what
   * was found broken meanwhile, in whatever fiber.
   */
  async run(isOver: () => boolean, longestMs: number): Promise<boolean> {
    const end = this.#elapsed + longestMs
    for (;;) {
      await this.settle()
      if (this.broken !== undefined) throw this.broken
      if (isOver()) return true
      const event = this.#events.pop()
      if (event === undefined) return false
      if (event.cancelled) continue
      if (event.at > end) {
        this.#events.push(event)
        return false
      }
      this.#elapsed = event.at
      if (event.owner?.frozen === true) this.#held.push(event)
      else this.fire(event)
    }
  }

  private fire(event: Event): void {
    if (!event.cancelled && event.owner?.alive !== false) event.run()
  }

  /** Takes all steps that can be taken now, one at a time. */
  private async settle(): Promise<void> {
    let steps = 0
    do {
      for (;;) {
        const from = this.chance.perMille(this.shuffled)
          ? this.chance.below(Math.min(REACH, this.#ready.length))
          : 0
        const [task] = this.#ready.splice(from, 1)
        if (task === undefined || this.broken !== undefined) break
        const { owner } = task
        if (owner.frozen) {
          this.#held.push(task)
          continue
        }
        task.run()
        steps += 1
        if (steps > ENDLESS) this.broken ??= new Error(`${owner.name} goes on for ever without time passing`)
        owner.steps += 1
        const { fate } = owner
        if (fate !== undefined && owner.steps >= fate.steps) {
          owner.fate = undefined
          fate.befall()
        }
      }
      // Promises go on by themselves; here all of them have come to what takes time, or to a fiber.
      await new Promise((resolve) => setImmediate(resolve))
    } while (this.#ready.length > 0 && this.broken === undefined)
  }
}
