/** Leases are kept alive as long as their jobs run, and no longer; one that is lost ends its job. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/TestClock"
import { Done } from "../../src/Handler.ts"
import * as Scheduler from "../../src/Scheduler.ts"
import { WorkQueue, type WorkQueueError } from "../../src/WorkQueue.ts"
import * as Crew from "./Crew.ts"

const scheduler = { maxWorkers: 2, leaseTtl: "60 seconds", heartbeat: "15 seconds" } as const

/** What another worker gets if it asks now, in vain or not. */
const stolen = Effect.flatMap(WorkQueue, (queue) =>
  queue.lease({ worker: "other", limit: 10, ttl: "60 seconds" })
)

describe("A job that takes longer than its lease lasts", () => {
  it.scoped("keeps its lease", () =>
    Effect.gen(function* () {
      yield* Crew.enqueue(Crew.newJob("j", { payload: Crew.script(300_000) }))
      const fiber = yield* Crew.start({ drain: true })
      for (let asked = 0; asked < 10; asked++) {
        expect(yield* stolen).toEqual([])
        yield* TestClock.adjust("30 seconds")
      }
      expect(yield* Crew.elapse(fiber)).toMatchObject(Exit.succeed({ ended: "drained", ends: { done: 1 } }))
      expect(yield* Crew.detail("j")).toMatchObject({ state: "done", crashes: 0, finishedAt: 300_000 })
    }).pipe(Effect.provide(Crew.layer({ handle: Crew.scripted, scheduler })))
  )

  it.scoped("keeps it also while the run stops and waits for it", () =>
    Effect.gen(function* () {
      yield* Crew.enqueue(Crew.newJob("j", { payload: Crew.script(300_000) }))
      const fiber = yield* Crew.start()
      yield* (yield* Scheduler.Scheduler).stop
      yield* TestClock.adjust("4 minutes")
      expect(yield* stolen).toEqual([])
      expect(yield* Crew.elapse(fiber)).toMatchObject(Exit.succeed({ ended: "stopped", ends: { done: 1 } }))
    }).pipe(
      Effect.provide(Crew.layer({ handle: Crew.scripted, scheduler: { ...scheduler, grace: "10 minutes" } }))
    )
  )

  it.scoped("keeps it also while another is slow to give way", () => {
    const watch = Crew.watched(({ lease }) =>
      lease.id === "stuck"
        ? Effect.uninterruptible(Effect.sleep("5 minutes")).pipe(Effect.zipRight(Effect.never))
        : Effect.never
    )
    return Effect.gen(function* () {
      yield* Crew.enqueue(Crew.newJob("stuck"), Crew.newJob("j"))
      yield* Crew.start()
      yield* (yield* WorkQueue).cancel("stuck")
      yield* TestClock.adjust("4 minutes")
      const theirs = yield* stolen
      const [started, interrupted] = [[...watch.started], [...watch.interrupted]]
      yield* TestClock.adjust("2 minutes")
      expect(theirs).toEqual([])
      expect(started).toEqual(["stuck", "j"])
      expect(interrupted).toEqual([])
      expect(watch.interrupted).toEqual(["stuck"])
      expect(yield* Crew.detail("j")).toMatchObject({ state: "in_progress", crashes: 0 })
    }).pipe(Effect.provide(Crew.layer({ handle: watch.handle, scheduler })))
  })
})

describe("A lost lease", () => {
  it.scoped("has its job interrupted within some two seconds, and its slot freed", () => {
    const watch = Crew.watched(Crew.endless)
    return Effect.gen(function* () {
      const ends = yield* Crew.collectEnds
      yield* Crew.enqueue(Crew.newJob("j1"), Crew.newJob("j2"), Crew.newJob("j3"))
      const fiber = yield* Crew.start()
      yield* (yield* WorkQueue).cancel("j1")
      expect(watch.interrupted).toEqual([])
      yield* TestClock.adjust("2250 millis")
      expect(watch.interrupted).toEqual(["j1"])
      expect(watch.started).toEqual(["j1", "j2", "j3"])
      expect(watch.inside.size).toBe(2)
      expect(ends).toMatchObject([{ lease: { id: "j1" }, end: "lost", reason: "lease-lost" }])
      expect(yield* Crew.detail("j1")).toMatchObject({ state: "skipped", reason: "cancelled", attempts: 0 })
      yield* (yield* Scheduler.Scheduler).stopNow
      expect(yield* Crew.elapse(fiber)).toMatchObject(Exit.succeed({ ends: { lost: 1, released: 2 } }))
    }).pipe(Effect.provide(Crew.layer({ handle: watch.handle, scheduler })))
  })

  it.scoped("of a job that someone else has now is not this one's to write", () => {
    const watch = Crew.watched(Crew.endless)
    return Effect.gen(function* () {
      const queue = yield* WorkQueue
      yield* Crew.enqueue(Crew.newJob("j"))
      const fiber = yield* Crew.start()
      yield* queue.reclaim([Crew.US])
      const [theirs] = yield* stolen
      yield* TestClock.adjust("15 seconds")
      expect(watch.interrupted).toEqual(["j"])
      expect(yield* queue.leases).toMatchObject([{ worker: "other", token: theirs?.token }])
      expect(fiber.unsafePoll()).toBeNull()
      yield* fiber.interruptAsFork(fiber.id())
      yield* Crew.elapse(fiber)
      expect(yield* queue.leases).toMatchObject([{ worker: "other", token: theirs?.token }])
    }).pipe(Effect.provide(Crew.layer({ handle: watch.handle, scheduler: { ...scheduler, maxWorkers: 1 } })))
  })
})

/** A logger that keeps the warnings. */
const warned = () => {
  const warnings: Array<unknown> = []
  const keep = Logger.make(({ logLevel, message }) => {
    if (logLevel._tag === "Warning") warnings.push(message)
  })
  return { warnings, logger: Logger.replace(Logger.defaultLogger, keep) }
}

describe("A look at the leases", () => {
  for (const [what, answerMs, jobMs] of [
    // The first look delays the start by `answerMs`, the second is two seconds later, when the first job is settled but
    // not over: that takes another 100 ms.
    ["what just ended by itself", 20, 1_990],
    ["what was leased during the look", 300, 1_950]
  ] as const) {
    it.scoped(`leaves alone ${what}`, () => {
      const watch = Crew.watched(Crew.scripted)
      const { logger, warnings } = warned()
      return Effect.gen(function* () {
        const ends = yield* Crew.collectEnds
        yield* Crew.enqueue(
          Crew.newJob("ends", { payload: Crew.script(jobMs) }),
          Crew.newJob("next", { payload: Crew.script(60_000) })
        )
        const fiber = yield* Crew.start({ drain: true, onEnd: () => Effect.sleep("100 millis") })
        yield* TestClock.adjust("90 seconds")
        expect(watch.interrupted).toEqual([])
        expect(warnings).toEqual([])
        expect(ends.map(({ end }) => end)).toEqual(["done", "done"])
        expect(yield* Crew.elapse(fiber)).toMatchObject(Exit.succeed({ ends: { done: 2, lost: 0 } }))
      }).pipe(
        Effect.provide(
          Crew.layer({
            handle: watch.handle,
            scheduler: { ...scheduler, maxWorkers: 1 },
            // The answer is old when it comes.
            between: (queue) => ({ ...queue, leases: Effect.tap(queue.leases, () => Effect.sleep(answerMs)) })
          }).pipe(Layer.provideMerge(logger))
        )
      )
    })
  }

  it.scoped("tells a job once that its lease is lost, however slow it is to give way", () => {
    const { logger, warnings } = warned()
    return Effect.gen(function* () {
      yield* Crew.enqueue(Crew.newJob("stuck"))
      yield* Crew.start()
      yield* (yield* WorkQueue).cancel("stuck")
      yield* TestClock.adjust("2 minutes")
      expect(warnings).toHaveLength(1)
      yield* TestClock.adjust("5 minutes")
    }).pipe(
      Effect.provide(
        Crew.layer({
          handle: () => Effect.uninterruptible(Effect.as(Effect.sleep("5 minutes"), Done({ result: null }))),
          scheduler
        }).pipe(Layer.provideMerge(logger))
      )
    )
  })
})

describe("A queue that is busy", () => {
  it.scoped("for long is met again, with what has ended meanwhile and what is to be leased", () => {
    let [leasing, settling] = [0, 0]
    const locked = Effect.map(Crew.now, (now) => now >= 60_000 && now < 180_000)
    const unless = <A, E>(effect: Effect.Effect<A, E>, met: () => void) =>
      Effect.flatMap(locked, (is): Effect.Effect<A, E | WorkQueueError> => {
        if (!is) return effect
        met()
        return Crew.broken("busy")
      })
    return Effect.gen(function* () {
      yield* Crew.enqueue(Crew.newJob("a", { payload: Crew.script(90_000) }))
      const fiber = yield* Crew.start({ drain: false })
      yield* TestClock.adjust("100 seconds")
      yield* Crew.enqueue(Crew.newJob("b", { payload: Crew.script(1_000) }))
      yield* TestClock.adjust("70 seconds")
      expect(settling).toBeGreaterThan(10)
      expect((yield* Crew.detail("a")).state).toBe("in_progress")
      yield* TestClock.adjust("20 seconds")
      expect(yield* Crew.detail("a")).toMatchObject({ state: "done", crashes: 0, attempts: 1 })
      expect(yield* Crew.detail("b")).toMatchObject({ state: "done" })
      expect(leasing).toBeGreaterThan(10)
      yield* Fiber.interrupt(fiber)
    }).pipe(
      Effect.provide(
        Crew.layer({
          handle: Crew.scripted,
          scheduler,
          between: (queue) => ({
            ...queue,
            lease: (request) => unless(queue.lease(request), () => (leasing += 1)),
            ack: (...of) => unless(queue.ack(...of), () => (settling += 1))
          })
        })
      )
    )
  })

  it.scoped("keeps a job that moves to another lane waiting, with its notes", () => {
    let asked = 0
    return Effect.gen(function* () {
      yield* Crew.enqueue(Crew.newJob("j"))
      const fiber = yield* Crew.start({ drain: true })
      yield* Crew.elapse(fiber)
      expect(asked).toBe(3)
      expect(yield* Crew.detail("j")).toMatchObject({
        state: "done",
        lane: "b",
        crashes: 0,
        history: [{ step: "resolve" }]
      })
    }).pipe(
      Effect.provide(
        Crew.layer({
          handle: (job) =>
            job
              .note({
                startedAt: 0,
                durationMs: 1,
                step: "resolve",
                target: null,
                class: "ok",
                reason: null,
                message: null
              })
              .pipe(
                Effect.zipRight(job.reroute({ lane: "b", plan: null })),
                Effect.as(Done({ result: null }))
              ),
          scheduler,
          between: (queue) => ({
            ...queue,
            reroute: (...of) =>
              Effect.suspend(() => ((asked += 1) < 3 ? Crew.broken("busy") : queue.reroute(...of)))
          })
        })
      )
    )
  })

  for (const what of ["heartbeat", "leases"] as const) {
    it.scoped(`for a moment is met again at the next round (${what})`, () => {
      let busy = 0
      const fails = <A>(effect: Effect.Effect<A, WorkQueueError>) =>
        Effect.flatMap(Crew.now, (now) => {
          // Not at the start, which is no round.
          if (now === 0 || ++busy > 2) return effect
          return Crew.broken("busy")
        })
      return Effect.gen(function* () {
        yield* Crew.enqueue(Crew.newJob("j", { payload: Crew.script(300_000) }))
        const fiber = yield* Crew.start({ drain: true })
        yield* TestClock.adjust("2 minutes")
        expect(yield* stolen).toEqual([])
        expect(yield* Crew.elapse(fiber)).toMatchObject(Exit.succeed({ ended: "drained", ends: { done: 1 } }))
        expect(busy).toBeGreaterThan(2)
        expect(yield* Crew.detail("j")).toMatchObject({ state: "done", crashes: 0 })
      }).pipe(
        Effect.provide(
          Crew.layer({
            handle: Crew.scripted,
            scheduler,
            between: (queue) => ({
              ...queue,
              ...(what === "leases"
                ? { leases: fails(queue.leases) }
                : { heartbeat: (refs, ttl) => fails(queue.heartbeat(refs, ttl)) })
            })
          })
        )
      )
    })
  }
})
