/** When a draining run ends, and what it says is left. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { WaitLane } from "../../src/Failure.ts"
import type { HandlerService } from "../../src/Handler.ts"
import { uniform } from "../../src/Lane.ts"
import * as WorkerIdentity from "../../src/WorkerIdentity.ts"
import { WorkQueue, type WorkQueueService } from "../../src/WorkQueue.ts"
import * as Crew from "./Crew.ts"

const drain = { drain: true, maxWait: "60 seconds" } as const

const scripted = Crew.layer({ handle: Crew.scripted })

describe("A draining run", () => {
  it.scoped("ends at once when nothing is queued", () =>
    Effect.gen(function* () {
      const report = yield* Crew.runToEnd(drain)
      expect(report).toMatchObject({ ended: "drained", nextReadyAt: null })
      expect(yield* Crew.now).toBe(0)
    }).pipe(Effect.provide(scripted))
  )

  it.scoped("ends when the last job has ended", () =>
    Effect.gen(function* () {
      yield* Crew.enqueue(
        Crew.newJob("j1", { payload: Crew.script(1_000) }),
        Crew.newJob("j2", { payload: Crew.script(3_000) })
      )
      expect(yield* Crew.runToEnd(drain)).toMatchObject({ ended: "drained", ends: { done: 2 } })
      expect(yield* Crew.now).toBe(3_000)
    }).pipe(Effect.provide(scripted))
  )

  it.scoped("waits for work that is due within maxWait, to the last moment of it", () =>
    Effect.gen(function* () {
      yield* Crew.enqueue(
        Crew.newJob("j1", { availableAt: 30_000 }),
        Crew.newJob("j2", { availableAt: 90_000 })
      )
      expect(yield* Crew.runToEnd(drain)).toMatchObject({ ended: "drained", ends: { done: 2 } })
      expect(yield* Crew.now).toBe(90_000)
    }).pipe(Effect.provide(scripted))
  )

  for (const maxWorkers of [1, 2]) {
    it.scoped(`counts only the time with nothing to do (maxWorkers ${maxWorkers})`, () =>
      Effect.gen(function* () {
        yield* Crew.enqueue(
          Crew.newJob("j1", { availableAt: 40_000, payload: Crew.script(100_000) }),
          Crew.newJob("j2", { availableAt: 190_000 })
        )
        expect(yield* Crew.runToEnd(drain)).toMatchObject({ ended: "drained", ends: { done: 2 } })
        expect(yield* Crew.now).toBe(190_000)
      }).pipe(Effect.provide(Crew.layer({ handle: Crew.scripted, scheduler: { maxWorkers } })))
    )
  }

  it.scoped("does what came free while it asked for work, also when it may not wait", () => {
    let asked = 0
    // The second answer is a second old: the job that held the lane has ended meanwhile.
    const between = (queue: WorkQueueService): WorkQueueService => ({
      ...queue,
      lease: (request) =>
        Effect.tap(queue.lease(request), () => ((asked += 1) === 2 ? Effect.sleep("1 second") : Effect.void))
    })
    return Effect.gen(function* () {
      yield* Crew.enqueue(
        Crew.newJob("j1", { payload: Crew.script(1_000) }),
        Crew.newJob("j2", { payload: Crew.script(0) })
      )
      const run = yield* Crew.start({ drain: true, maxWait: 0 })
      yield* TestClock.adjust("500 millis")
      yield* Crew.enqueue(Crew.newJob("j3", { payload: Crew.script(0) }))
      expect(yield* yield* Crew.elapse(run)).toMatchObject({ ended: "drained", ends: { done: 3 } })
    }).pipe(Effect.provide(Crew.layer({ handle: Crew.scripted, policy: uniform({ cap: 1 }), between })))
  })

  it.scoped("is deferred at once when the next work is due later than that", () =>
    Effect.gen(function* () {
      yield* Crew.enqueue(Crew.newJob("j1"), Crew.newJob("j2", { availableAt: 61_000 }))
      expect(yield* Crew.runToEnd(drain)).toMatchObject({
        ended: "deferred",
        nextReadyAt: 61_000,
        ends: { done: 1 }
      })
      expect(yield* Crew.now).toBe(0)
      expect(yield* Crew.detail("j2")).toMatchObject({ state: "queued", attempts: 0 })
    }).pipe(Effect.provide(scripted))
  )

  it.scoped("is deferred when its lane has to wait longer than that", () =>
    Effect.gen(function* () {
      yield* Crew.enqueue(Crew.newJob("j1"), Crew.newJob("j2"), Crew.newJob("j3"))
      expect(yield* Crew.runToEnd(drain)).toMatchObject({
        ended: "deferred",
        nextReadyAt: 100_000,
        ends: { waiting: 1 }
      })
      expect(yield* Crew.now).toBe(0)
    }).pipe(
      Effect.provide(
        Crew.layer({
          handle: () => new WaitLane({ reason: "http-429", message: "too many", until: 100_000 }),
          scheduler: { maxWorkers: 1 }
        })
      )
    )
  )

  it.scoped("waits for its lane within maxWait", () =>
    Effect.gen(function* () {
      yield* Crew.enqueue(Crew.newJob("j1", { payload: Crew.script(0, "wait") }))
      expect(yield* Crew.runToEnd(drain)).toMatchObject({ ended: "drained", ends: { waiting: 1, done: 1 } })
      expect(yield* Crew.now).toBe(Crew.WAIT_OVER)
    }).pipe(Effect.provide(scripted))
  )

  for (const lane of [undefined, "a"]) {
    it.scoped(`is deferred at once, to no known time, when only paused work is left (${lane ?? "all"})`, () =>
      Effect.gen(function* () {
        yield* Crew.enqueue(Crew.newJob("j1"), Crew.newJob("j2", { availableAt: 5_000 }))
        yield* (yield* WorkQueue).pause(lane)
        expect(yield* Crew.runToEnd(drain)).toMatchObject({ ended: "deferred", nextReadyAt: null })
        expect(yield* Crew.now).toBe(0)
      }).pipe(Effect.provide(scripted))
    )
  }

  it.scoped("does work that comes in while it waits", () =>
    Effect.gen(function* () {
      yield* Crew.enqueue(Crew.newJob("j1", { availableAt: 50_000 }))
      const fiber = yield* Crew.start(drain)
      yield* TestClock.adjust("10 seconds")
      yield* Crew.enqueue(Crew.newJob("j2"))
      yield* Crew.settle
      expect(yield* Crew.detail("j2")).toMatchObject({ state: "done", finishedAt: 10_000 })
      expect(yield* Crew.elapse(fiber)).toMatchObject(Exit.succeed({ ended: "drained", ends: { done: 2 } }))
    }).pipe(Effect.provide(scripted))
  )
})

/** Lanes named after how they refuse: after so many milliseconds, for so many more. Others do what the payload says. */
const refusing: HandlerService["handle"] = (job) => {
  const [, takes = "0", waits] = /^refuses-(\d+)-(\d+)/.exec(job.lease.lane) ?? []
  return waits === undefined
    ? Crew.scripted(job)
    : Effect.flatMap(Effect.delay(Crew.now, Number(takes)), (now) =>
        Effect.fail(
          new WaitLane({ reason: "http-429", message: "too many", until: now + Number(waits), plan: null })
        )
      )
}

const crew = (handle = refusing) => Effect.provide(Crew.layer({ handle, scheduler: { maxWorkers: 4 } }))

describe("A draining run whose lanes refuse for ever", () => {
  it.scoped("ends when what it waited for one after the other is longer than maxWait", () => {
    const watch = Crew.watched(refusing)
    return Effect.gen(function* () {
      yield* Crew.enqueue(
        Crew.newJob("j1", { lane: "refuses-0-1000" }),
        Crew.newJob("j2", { lane: "refuses-0-1500" })
      )
      expect(yield* Crew.runToEnd({ drain: true, maxWait: "8 seconds" }, 60)).toMatchObject({
        ended: "deferred",
        nextReadyAt: expect.any(Number),
        ends: { done: 0, error: 0 }
      })
      expect(yield* Crew.now).toBe(8_000)
      expect(yield* Crew.detail("j1")).toMatchObject({ state: "queued", attempts: 0 })
      expect(watch.started.length).toBeGreaterThan(9)
    }).pipe(crew(watch.handle))
  })

  it.scoped("ends also when there are so many that one is always being asked", () =>
    Effect.gen(function* () {
      yield* Crew.enqueue(
        ...Array.from({ length: 40 }, (_, n) =>
          Crew.newJob(`j${n}`, { lane: `refuses-${1500 + n * 10}-1000 ${n}` })
        )
      )
      expect(yield* Crew.runToEnd(drain)).toMatchObject({ ended: "deferred", ends: { done: 0, released: 0 } })
      expect(yield* Crew.now).toBeLessThanOrEqual(120_000)
    }).pipe(crew())
  )

  it.scoped("goes on as long as something comes of others", () =>
    Effect.gen(function* () {
      yield* Crew.enqueue(
        Crew.newJob("j1", { lane: "refuses-0-1000" }),
        ...[50_000, 100_000, 150_000].map((availableAt, n) => Crew.newJob(`other${n}`, { availableAt }))
      )
      expect(yield* Crew.runToEnd(drain)).toMatchObject({ ended: "deferred", ends: { done: 3 } })
      expect(yield* Crew.now).toBe(210_000)
    }).pipe(crew())
  )

  it.scoped("goes on as long as a job is at work, and does what comes free beside it", () =>
    Effect.gen(function* () {
      yield* Crew.enqueue(
        Crew.newJob("j1", { lane: "refuses-0-1000" }),
        Crew.newJob("long", { payload: Crew.script(500_000) }),
        Crew.newJob("later", { availableAt: 130_000 })
      )
      expect(yield* Crew.runToEnd(drain, 1_000)).toMatchObject({ ended: "deferred", ends: { done: 2 } })
      const { finishedAt } = yield* Crew.detail("later")
      expect(finishedAt).toBeLessThanOrEqual(130_000 + 60_000)
      expect(yield* Crew.now).toBe(560_000)
    }).pipe(crew())
  )
})

describe("A draining run beside another worker's job", () => {
  it.scoped("waits until it has ended", () =>
    Effect.gen(function* () {
      yield* Crew.enqueue(Crew.newJob("j1"))
      const lease = yield* Crew.leaseOne("other")
      const fiber = yield* Crew.start(drain)
      yield* TestClock.adjust("20 seconds")
      expect(fiber.unsafePoll()).toBeNull()
      yield* (yield* WorkQueue).ack(lease, { state: "done", result: null })
      expect(yield* Crew.elapse(fiber)).toMatchObject(Exit.succeed({ ended: "drained", ends: { done: 0 } }))
      expect(yield* Crew.now).toBe(20_000)
    }).pipe(Effect.provide(scripted))
  )

  it.scoped("takes up what the other gives back", () =>
    Effect.gen(function* () {
      yield* Crew.enqueue(Crew.newJob("j1"))
      const lease = yield* Crew.leaseOne("other")
      const fiber = yield* Crew.start(drain)
      yield* TestClock.adjust("20 seconds")
      yield* (yield* WorkQueue).release(lease)
      expect(yield* Crew.elapse(fiber)).toMatchObject(Exit.succeed({ ended: "drained", ends: { done: 1 } }))
      expect(yield* Crew.now).toBe(20_000)
    }).pipe(Effect.provide(scripted))
  )

  it.scoped("takes it over when its lease expires", () =>
    Effect.gen(function* () {
      yield* Crew.enqueue(Crew.newJob("j1"))
      yield* Crew.leaseOne("other")
      expect(yield* Crew.runToEnd(drain)).toMatchObject({ ended: "drained", ends: { done: 1 } })
      expect(yield* Crew.detail("j1")).toMatchObject({ state: "done", crashes: 1, finishedAt: 60_000 })
    }).pipe(Effect.provide(scripted))
  )

  it.scoped("waits no longer than maxWait", () =>
    Effect.gen(function* () {
      yield* Crew.enqueue(Crew.newJob("j1"))
      const lease = yield* Crew.leaseOne("other")
      yield* (yield* WorkQueue).heartbeat([lease], "5 minutes")
      expect(yield* Crew.runToEnd(drain)).toMatchObject({ ended: "deferred", nextReadyAt: 300_000 })
      expect(yield* Crew.now).toBe(60_000)
    }).pipe(Effect.provide(scripted))
  )

  it.scoped("takes it over at the start when that worker is known to be dead", () =>
    Effect.gen(function* () {
      yield* Crew.enqueue(Crew.newJob("j1"), Crew.newJob("j2"))
      yield* Crew.leaseOne("dead")
      yield* Crew.leaseOne("alive")
      const fiber = yield* Crew.start()
      expect(yield* Crew.detail("j1")).toMatchObject({ state: "done", crashes: 1, finishedAt: 0 })
      expect(yield* Crew.detail("j2")).toMatchObject({ state: "in_progress", worker: "alive", crashes: 0 })
      yield* fiber.interruptAsFork(fiber.id())
    }).pipe(
      Effect.provide(
        Crew.layer({ handle: Crew.scripted, identity: WorkerIdentity.layerTest(Crew.US, ["dead"]) })
      )
    )
  )

  it.scoped("takes it over soon after that worker has died", () => {
    const dead = new Set<string>()
    const identity = Layer.succeed(WorkerIdentity.WorkerIdentity, {
      worker: Crew.US,
      isDead: (name) => dead.has(name)
    })
    return Effect.gen(function* () {
      yield* Crew.enqueue(Crew.newJob("j1"))
      yield* Crew.leaseOne("other")
      const fiber = yield* Crew.start(drain)
      yield* TestClock.adjust("20 seconds")
      expect(yield* Crew.detail("j1")).toMatchObject({ state: "in_progress" })
      dead.add("other")
      expect(yield* Crew.elapse(fiber, 10)).toMatchObject(
        Exit.succeed({ ended: "drained", ends: { done: 1 } })
      )
      expect(yield* Crew.detail("j1")).toMatchObject({ state: "done", crashes: 1 })
    }).pipe(Effect.provide(Crew.layer({ handle: Crew.scripted, identity })))
  })
})
