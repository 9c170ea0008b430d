/** Interruption and lost leases: a job is released or left alone, but never forgotten and never overwritten. */
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { Done, type HandlerService, Moved } from "../../src/Handler.ts"
import * as Worker from "../../src/Worker.ts"
import { WorkQueue, type WorkQueueService } from "../../src/WorkQueue.ts"
import * as Crew from "./Crew.ts"

const note = Crew.attempt("fetch")

/** Everything the queue writes takes a second; it can be interrupted before it is written. */
const slow = (queue: WorkQueueService): WorkQueueService => ({
  ...queue,
  ack: (...args) => Effect.delay(queue.ack(...args), "1 second"),
  failAndRetry: (...args) => Effect.delay(queue.failAndRetry(...args), "1 second"),
  release: (...args) => Effect.delay(queue.release(...args), "1 second"),
  reroute: (...args) => Effect.delay(queue.reroute(...args), "1 second")
})

/** Queues and leases a job, and starts it. */
const start = Effect.gen(function* () {
  yield* Crew.enqueue(Crew.newJob("j"))
  const lease = yield* Crew.leaseOne()
  const fiber = yield* Effect.fork((yield* Worker.Worker).run(lease))
  yield* Crew.settle
  return { fiber, lease }
})

const released = { state: "queued", attempts: 0, crashes: 0, reason: null, worker: null }

const noted: HandlerService["handle"] = (job) => Effect.zipRight(job.note(note), Effect.never)

const moves: HandlerService["handle"] = (job) =>
  job.note(note).pipe(Effect.zipRight(job.reroute({ lane: "full", plan: { n: 1 } })), Effect.as(Moved()))

describe("An interrupted job", () => {
  it.scoped("is released without a try, its notes kept", () => {
    const calls: Array<string> = []
    return Effect.gen(function* () {
      const { fiber } = yield* start
      yield* Fiber.interrupt(fiber)
      expect(calls).toEqual(["release"])
      const job = yield* Crew.detail("j")
      expect(job).toMatchObject(released)
      expect(job.history).toEqual([note])
    }).pipe(Effect.provide(Crew.layer({ handle: noted, between: Crew.counting(calls) })))
  })

  it.scoped("is released also in a fiber that isn't interruptible, and says so", () =>
    Effect.gen(function* () {
      yield* Crew.enqueue(Crew.newJob("j"))
      const lease = yield* Crew.leaseOne()
      const fiber = yield* Effect.uninterruptible(Effect.fork((yield* Worker.Worker).run(lease)))
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.interruptFork(fiber)
      expect(yield* Crew.elapse(fiber)).toMatchObject(
        Exit.succeed({ lease, end: "released", reason: "interrupted", durationMs: 3_000 })
      )
      expect(yield* Crew.detail("j")).toMatchObject(released)
    }).pipe(Effect.provide(Crew.layer({ handle: noted })))
  )

  for (const uninterruptible of [false, true]) {
    it.scoped(
      `that hadn't begun is released, and doesn't begin (uninterruptible: ${uninterruptible})`,
      () => {
        const watch = Crew.watched(Crew.endless)
        return Effect.gen(function* () {
          const { run } = yield* Worker.Worker
          yield* Crew.enqueue(Crew.newJob("j"))
          const lease = yield* Crew.leaseOne()
          // The interruption is there before the worker is asked.
          const asked = Effect.zipRight(
            Effect.sleep("1 second"),
            uninterruptible ? run(lease) : Effect.interruptible(run(lease))
          )
          const fiber = yield* Effect.uninterruptible(Effect.fork(asked))
          yield* Crew.settle
          yield* Fiber.interruptFork(fiber)
          const exit = yield* Crew.elapse(fiber)
          expect(watch.started).toEqual([])
          if (!uninterruptible) return expect(Exit.isInterrupted(exit)).toBe(true)
          expect(exit).toMatchObject(Exit.succeed({ end: "released" }))
          expect(yield* Crew.detail("j")).toMatchObject(released)
        }).pipe(Effect.provide(Crew.layer({ handle: watch.handle })))
      }
    )
  }

  it.scoped("is released in time when the handler cleans up first", () => {
    const log = new Crew.Log({ lines: [] })
    return Effect.gen(function* () {
      const { fiber } = yield* start
      yield* Fiber.interruptFork(fiber)
      yield* TestClock.adjust("1 second")
      expect(yield* Crew.detail("j")).toMatchObject({ state: "in_progress" })
      yield* Crew.elapse(fiber)
      expect(log.lines).toEqual(["2000 cleaned"])
      expect(yield* Crew.detail("j")).toMatchObject(released)
    }).pipe(
      Effect.provide(
        Crew.layer({
          handle: () =>
            Effect.ensuring(Effect.never, Effect.zipRight(Effect.sleep("2 seconds"), log.note("cleaned")))
        })
      )
    )
  })

  it.scoped("is released also when its clean-up has a fault: that is no failed try", () =>
    Effect.gen(function* () {
      const { fiber } = yield* start
      yield* Fiber.interrupt(fiber)
      expect(yield* Crew.detail("j")).toMatchObject(released)
    }).pipe(Effect.provide(Crew.layer({ handle: () => Effect.ensuring(Effect.never, Effect.die("fault")) })))
  )
})

describe("An interruption while the transition is written", () => {
  const ends: ReadonlyArray<readonly [string, HandlerService["handle"], object]> = [
    ["of a job that is done", () => Effect.succeed(Done({ result: 1 })), { state: "done", result: 1 }],
    ["of a job that failed", () => Effect.die("fault"), { state: "queued", attempts: 1 }]
  ]
  for (const [name, handle, expected] of ends) {
    it.scoped(`doesn't lose it (${name})`, () =>
      Effect.gen(function* () {
        const { fiber } = yield* start
        yield* Fiber.interruptFork(fiber)
        yield* Crew.elapse(fiber)
        expect(yield* Crew.detail("j")).toMatchObject(expected)
        expect(yield* Crew.leases).toEqual([])
      }).pipe(Effect.provide(Crew.layer({ handle, between: slow })))
    )
  }

  it.scoped("doesn't lose a move, nor the notes that go with it", () => {
    return Effect.gen(function* () {
      const queue = yield* WorkQueue
      yield* Crew.enqueue(Crew.newJob("other", { lane: "full" }))
      yield* queue.pause("full")
      const { fiber } = yield* start
      yield* Fiber.interruptFork(fiber)
      yield* Crew.elapse(fiber)
      const job = yield* Crew.detail("j")
      expect(job).toMatchObject({ state: "queued", lane: "full", plan: { n: 1 } })
      expect(job.history).toEqual([note])
    }).pipe(Effect.provide(Crew.layer({ handle: moves, between: slow })))
  })
})

describe("A worker whose lease is gone", () => {
  const ends: ReadonlyArray<readonly [string, (go: Effect.Effect<void>) => Effect.Effect<never>]> = [
    ["failed", (go) => Effect.zipRight(go, Effect.die("fault"))],
    ["was interrupted", () => Effect.never]
  ]
  const results: ReadonlyArray<
    readonly [string, (go: Effect.Effect<void>) => ReturnType<HandlerService["handle"]>]
  > = [["is done", (go) => Effect.as(go, Done({ result: "stale" }))], ...ends]
  for (const [name, handle] of results) {
    it.scoped(`writes nothing over its successor (the handler ${name})`, () =>
      Effect.gen(function* () {
        const go = yield* Deferred.make<void>()
        yield* Effect.gen(function* () {
          yield* Crew.enqueue(Crew.newJob("j"))
          const stale = yield* Crew.leaseOne()
          const fiber = yield* Effect.uninterruptible(Effect.fork((yield* Worker.Worker).run(stale)))
          yield* TestClock.adjust("61 seconds")
          const fresh = yield* Crew.leaseOne()
          const before = yield* Crew.detail("j")
          yield* Deferred.succeed(go, undefined)
          yield* Crew.settle
          yield* Fiber.interruptFork(fiber)
          expect(yield* Crew.elapse(fiber)).toMatchObject(
            Exit.succeed({ lease: stale, end: "lost", reason: "lease-lost" })
          )
          expect(yield* Crew.detail("j")).toEqual(before)
          expect(before).toMatchObject({ state: "in_progress", crashes: 1 })
          yield* (yield* WorkQueue).ack(fresh, { state: "done", result: "fresh" })
          expect(yield* Crew.detail("j")).toMatchObject({ state: "done", result: "fresh" })
        }).pipe(Effect.provide(Crew.layer({ handle: () => handle(Deferred.await(go)) })))
      })
    )
  }
})
