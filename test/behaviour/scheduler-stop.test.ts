/** Stopping: running jobs end in time or are released, and nothing outlives the run. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { uniform } from "../../src/Lane.ts"
import * as Scheduler from "../../src/Scheduler.ts"
import type { WorkQueueService } from "../../src/WorkQueue.ts"
import * as Crew from "./Crew.ts"

const scheduler = { maxWorkers: 2, grace: "30 seconds" } as const

const three = (ms: number) =>
  Crew.enqueue(...["j1", "j2", "j3"].map((id, i) => Crew.newJob(id, { payload: Crew.script(ms * (i + 1)) })))

const untouched = { state: "queued", attempts: 0, crashes: 0, reason: null }

describe("stop", () => {
  it.scoped("lets running jobs finish within the grace time, and starts no other", () => {
    const watch = Crew.watched(Crew.scripted)
    return Effect.gen(function* () {
      const { stop } = yield* Scheduler.Scheduler
      yield* three(10_000)
      const fiber = yield* Crew.start()
      yield* TestClock.adjust("5 seconds")
      yield* stop
      yield* Crew.enqueue(Crew.newJob("late"))
      expect(yield* Crew.elapse(fiber)).toMatchObject(
        Exit.succeed({ ended: "stopped", nextReadyAt: null, ends: { done: 2, released: 0 } })
      )
      expect(yield* Crew.now).toBe(20_000)
      expect(watch.started).toEqual(["j1", "j2"])
      expect(yield* Crew.detail("j3")).toMatchObject(untouched)
    }).pipe(Effect.provide(Crew.layer({ handle: watch.handle, scheduler })))
  })

  it.scoped("interrupts and releases what runs on after the grace time, without a try", () => {
    const watch = Crew.watched(Crew.scripted)
    return Effect.gen(function* () {
      const { stop } = yield* Scheduler.Scheduler
      const ends = yield* Crew.collectEnds
      yield* three(30_000)
      const fiber = yield* Crew.start()
      yield* TestClock.adjust("5 seconds")
      yield* stop
      yield* TestClock.adjust("29 seconds")
      expect(watch.ended).toEqual(["j1"])
      expect(fiber.unsafePoll()).toBeNull()
      yield* TestClock.adjust("1 second")
      expect(fiber.unsafePoll()).toMatchObject(
        Exit.succeed({ ended: "stopped", ends: { done: 1, released: 1 } })
      )
      expect(watch.interrupted).toEqual(["j2"])
      expect(yield* Crew.detail("j2")).toMatchObject(untouched)
      expect(yield* Crew.leases).toEqual([])
      expect(ends.map(({ end, lease }) => `${lease.id} ${end}`)).toEqual(["j1 done", "j2 released"])
    }).pipe(Effect.provide(Crew.layer({ handle: watch.handle, scheduler })))
  })

  it.scoped("ends an idle run at once", () =>
    Effect.gen(function* () {
      const fiber = yield* Crew.start()
      yield* (yield* Scheduler.Scheduler).stop
      yield* Crew.settle
      expect(fiber.unsafePoll()).toMatchObject(Exit.succeed({ ended: "stopped" }))
    }).pipe(Effect.provide(Crew.layer({ handle: Crew.scripted, scheduler })))
  )

  it.scoped("is final: a later run starts nothing and ends at once", () =>
    Effect.gen(function* () {
      const { run, stop } = yield* Scheduler.Scheduler
      yield* stop
      yield* stop
      yield* three(1_000)
      expect(yield* run({ drain: true })).toMatchObject({ ended: "stopped", ends: { done: 0, released: 0 } })
      expect(yield* Crew.stats).toMatchObject({ queued: 3 })
    }).pipe(Effect.provide(Crew.layer({ handle: Crew.scripted, scheduler })))
  )
})

describe("stopNow", () => {
  for (const after of ["a while", "stop"] as const) {
    it.scoped(`interrupts and releases at once (after ${after})`, () => {
      const watch = Crew.watched(Crew.endless)
      return Effect.gen(function* () {
        const { stop, stopNow } = yield* Scheduler.Scheduler
        const ends = yield* Crew.collectEnds
        yield* three(1)
        const fiber = yield* Crew.start()
        yield* TestClock.adjust("5 seconds")
        if (after === "stop") yield* Effect.zipRight(stop, TestClock.adjust("5 seconds"))
        yield* stopNow
        yield* Crew.settle
        expect(fiber.unsafePoll()).toMatchObject(Exit.succeed({ ended: "stopped", ends: { released: 2 } }))
        expect(watch.started).toEqual(["j1", "j2"])
        expect(ends.map(({ end }) => end)).toEqual(["released", "released"])
        for (const id of ["j1", "j2", "j3"]) expect(yield* Crew.detail(id)).toMatchObject(untouched)
      }).pipe(Effect.provide(Crew.layer({ handle: watch.handle, scheduler })))
    })
  }

  it.scoped("waits for the clean-up of the jobs it interrupts", () =>
    Effect.gen(function* () {
      yield* three(1)
      const fiber = yield* Crew.start()
      yield* (yield* Scheduler.Scheduler).stopNow
      yield* TestClock.adjust("2 seconds")
      expect(fiber.unsafePoll()).toBeNull()
      expect(yield* Crew.leases).toHaveLength(2)
      yield* TestClock.adjust("1 second")
      expect(fiber.unsafePoll()).toMatchObject(Exit.succeed({ ends: { released: 2 } }))
      expect(yield* Crew.leases).toEqual([])
    }).pipe(
      Effect.provide(
        Crew.layer({ handle: () => Effect.ensuring(Effect.never, Effect.sleep("3 seconds")), scheduler })
      )
    )
  )
})

describe("Interrupting run", () => {
  it.scoped("releases its jobs, and starts no other in their place", () => {
    const watch = Crew.watched(Crew.endless)
    return Effect.gen(function* () {
      const ends = yield* Crew.collectEnds
      yield* three(1)
      const fiber = yield* Crew.start()
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.interruptFork(fiber)
      expect(Exit.isInterrupted(yield* Crew.elapse(fiber))).toBe(true)
      expect(watch.started).toEqual(["j1", "j2"])
      expect(watch.interrupted.toSorted()).toEqual(["j1", "j2"])
      expect(ends.map(({ end }) => end)).toEqual(["released", "released"])
      for (const id of ["j1", "j2", "j3"]) expect(yield* Crew.detail(id)).toMatchObject(untouched)
      expect(yield* Crew.leases).toEqual([])
    }).pipe(Effect.provide(Crew.layer({ handle: watch.handle, scheduler })))
  })

  it.scoped("starts no other also while the clean-up of one takes its time", () => {
    const watch = Crew.watched(({ lease }) =>
      lease.id === "j1" ? Effect.ensuring(Effect.never, Effect.sleep("10 seconds")) : Effect.never
    )
    return Effect.gen(function* () {
      yield* three(1)
      const fiber = yield* Crew.start()
      yield* Fiber.interruptFork(fiber)
      yield* TestClock.adjust("5 seconds")
      expect(watch.started).toEqual(["j1", "j2"])
      yield* Crew.elapse(fiber)
      expect(yield* Crew.leases).toEqual([])
      expect(watch.started).toEqual(["j1", "j2"])
    }).pipe(Effect.provide(Crew.layer({ handle: watch.handle, scheduler })))
  })
})

describe("Jobs that are being leased when the run ends", () => {
  for (const way of ["interrupted", "stopped now"] as const) {
    it.scoped(`are released, too (${way})`, () =>
      Effect.gen(function* () {
        yield* three(30_000)
        const fiber = yield* Crew.start()
        // They are leased, but the answer is still on its way.
        expect(yield* Crew.leases).toHaveLength(2)
        yield* way === "interrupted" ? Fiber.interruptFork(fiber) : (yield* Scheduler.Scheduler).stopNow
        yield* Crew.elapse(fiber)
        yield* TestClock.adjust("5 seconds")
        expect(yield* Crew.leases).toEqual([])
        for (const id of ["j1", "j2", "j3"]) expect(yield* Crew.detail(id)).toMatchObject(untouched)
      }).pipe(
        Effect.provide(
          Crew.layer({
            handle: Crew.scripted,
            scheduler,
            between: (queue) => ({
              ...queue,
              lease: (request) => Effect.zipLeft(queue.lease(request), Effect.sleep("1 second"))
            })
          })
        )
      )
    )
  }
})

describe("After any end", () => {
  const ways = ["stop", "stopNow", "stop, then stopNow", "interrupt", "stop, then interrupt"] as const

  it.scoped.prop(
    "no lease is left, no try is lost, and nothing runs on",
    {
      way: FastCheck.constantFrom(...ways),
      after: FastCheck.nat(8_000),
      turns: FastCheck.nat(20),
      jobs: FastCheck.array(FastCheck.oneof(FastCheck.constant(0), FastCheck.nat(10_000)), { maxLength: 12 }),
      cleanUp: FastCheck.constantFrom(0, 500),
      slowness: FastCheck.constantFrom(0, 200)
    },
    ({ after, cleanUp, jobs, slowness, turns, way }) => {
      const calls: Array<string> = []
      const watch = Crew.watched((job) =>
        cleanUp === 0
          ? Crew.scripted(job)
          : Effect.onInterrupt(Crew.scripted(job), () => Effect.sleep(cleanUp))
      )
      return Effect.gen(function* () {
        const { run, running, stop, stopNow } = yield* Scheduler.Scheduler
        const ends = yield* Crew.collectEnds
        yield* Crew.enqueue(...jobs.map((ms, i) => Crew.newJob(`j${i}`, { payload: Crew.script(ms) })))
        const fiber = yield* Effect.fork(run())
        if (after > 1_000) yield* TestClock.adjust(after - 1_000)
        yield* Effect.repeatN(Effect.yieldNow(), turns)
        if (way.startsWith("stop,")) yield* Effect.zipRight(stop, TestClock.adjust("500 millis"))
        if (way === "stop") yield* stop
        else if (way.endsWith("stopNow")) yield* stopNow
        else yield* Fiber.interruptFork(fiber)
        const exit = yield* Crew.elapse(fiber)
        expect(yield* Crew.leases).toEqual([])
        expect(yield* running).toEqual([])
        expect(watch.inside.size).toBe(0)
        const stats = yield* Crew.stats
        expect(stats).toMatchObject({ in_progress: 0, done: watch.ended.length })
        const told = Crew.tally(ends.map(({ end }) => end))
        expect(told["done"] ?? 0).toBe(watch.ended.length)
        expect(told["released"] ?? 0).toBeGreaterThanOrEqual(watch.interrupted.length)
        if (Exit.isSuccess(exit)) {
          const counted = Object.entries(exit.value.ends).filter(([, count]) => count > 0)
          expect(Object.fromEntries(counted)).toEqual(told)
        }
        for (const [i] of jobs.entries()) {
          const { attempts, crashes, state } = yield* Crew.detail(`j${i}`)
          expect([attempts, crashes]).toEqual([state === "done" ? 1 : 0, 0])
        }
        const asked = calls.length
        yield* Crew.enqueue(Crew.newJob("late"))
        yield* TestClock.adjust("1 minute")
        expect(calls.length).toBe(asked)
      }).pipe(
        Effect.provide(
          Crew.layer({
            handle: watch.handle,
            policy: uniform({ cap: 5 }),
            scheduler: { maxWorkers: 3, grace: "5 seconds" },
            between: (queue) => {
              const counted = Crew.countingAsked(calls)(queue)
              // What was leased is known to the asker only a little later.
              const lease: WorkQueueService["lease"] = (request) =>
                Effect.zipLeft(counted.lease(request), Effect.sleep(slowness))
              return { ...counted, lease }
            }
          })
        )
      )
    },
    { fastCheck: { numRuns: 60 } }
  )
})
