/** A job type: what goes into the queue through it, and what its handler is given. */
import { describe, expect, it } from "@effect/vitest"
import { JobType, Scheduler, WorkQueue } from "contentdownload"
import { layerTest } from "contentdownload/testing"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { Permanent, Retry, Skip, WaitLane } from "../../src/Failure.ts"
import { Done, type Handler } from "../../src/Handler.ts"

const Visit = JobType.make({
  payload: Schema.Struct({ who: Schema.NonEmptyString, on: Schema.Date }),
  id: ({ who }) => who,
  lane: ({ on }) => `day:${on.toISOString().slice(0, 10)}`,
  priority: ({ on }) => on.getUTCHours()
})
type Visit = typeof Visit.payload.Type

const at = (who: string, hour: number): Visit => ({ who, on: new Date(Date.UTC(2024, 4, 17, hour)) })

const drain = Effect.flatMap(Scheduler.Scheduler, ({ run }) => run({ drain: true, maxWait: 0 }))
const get = (id: string) =>
  Effect.flatMap(WorkQueue.WorkQueue, (queue) => Effect.map(queue.get(id), Option.getOrThrow))

/** A handler that notes what it was given, one job at a time, over a queue of its own. */
const noting = (seen: Array<Visit>) =>
  layerTest({ maxWorkers: 1 }).pipe(
    Layer.provide(Visit.handler(({ payload }) => Effect.sync(() => void seen.push(payload))))
  )

describe("A job type", () => {
  it.effect("queues a payload encoded, under its id, in its lane, with its priority", () =>
    Effect.gen(function* () {
      expect(yield* Visit.enqueue(at("ada", 9))).toBe("new")
      expect(yield* get("ada")).toMatchObject({
        lane: "day:2024-05-17",
        priority: 9,
        payload: { who: "ada", on: "2024-05-17T09:00:00.000Z" },
        availableAt: null
      })
    }).pipe(Effect.provide(noting([])))
  )

  it.effect("gives the handler the payload decoded, in the order of priority", () => {
    const seen: Array<Visit> = []
    return Effect.gen(function* () {
      expect(yield* Visit.enqueueAll([at("bob", 14), at("ada", 9), at("bob", 8)])).toEqual({
        new: 2,
        duplicate: 1
      })
      yield* drain
      expect(seen).toEqual([at("ada", 9), at("bob", 14)])
    }).pipe(Effect.provide(noting(seen)))
  })

  it.effect("takes a stream, and what the stream fails with", () => {
    const visits = Stream.make(at("ada", 9), at("bob", 14))
    return Effect.gen(function* () {
      expect(yield* Visit.enqueueAll(visits)).toEqual({ new: 2, duplicate: 0 })
      const broken = Stream.concat(visits, Stream.fail("torn" as const))
      expect(yield* Effect.either(Visit.enqueueAll(broken))).toEqual(Either.left("torn"))
    }).pipe(Effect.provide(noting([])))
  })

  it.effect("refuses a payload that its Schema refuses, and queues nothing", () =>
    Effect.gen(function* () {
      const one = yield* Effect.flip(Visit.enqueue(at("", 9)))
      const many = yield* Effect.flip(Visit.enqueueAll([at("", 9)]))
      expect([one._tag, many._tag]).toEqual(["ParseError", "ParseError"])
      const queue = yield* WorkQueue.WorkQueue
      expect(yield* queue.stats).toMatchObject({ total: 0 })
    }).pipe(Effect.provide(noting([])))
  )

  it.effect("keeps a job until its time", () => {
    const seen: Array<Visit> = []
    return Effect.gen(function* () {
      yield* Visit.enqueue(at("ada", 9), { availableAt: 60_000 })
      yield* Visit.enqueueAll([at("bob", 9)], { availableAt: 30_000 })
      expect(yield* drain).toMatchObject({ ended: "deferred", nextReadyAt: 30_000 })
      yield* TestClock.setTime(30_000)
      yield* drain
      expect(seen.map(({ who }) => who)).toEqual(["bob"])
      yield* TestClock.setTime(60_000)
      expect(yield* drain).toMatchObject({ ended: "drained" })
      expect(seen.map(({ who }) => who)).toEqual(["bob", "ada"])
    }).pipe(Effect.provide(noting(seen)))
  })

  it.effect("keeps a job for as long as it is told, from now, and no shorter than until its time", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_000)
      yield* Visit.enqueue(at("ada", 9), { delay: "1 minute" })
      yield* Visit.enqueue(at("bob", 9), { delay: "1 minute", availableAt: 90_000 })
      yield* Visit.enqueue(at("cyd", 9), { delay: "1 minute", availableAt: 30_000 })
      const times = yield* Effect.forEach(["ada", "bob", "cyd"], (id) =>
        Effect.map(get(id), (job) => job.availableAt)
      )
      expect(times).toEqual([61_000, 90_000, 61_000])
    }).pipe(Effect.provide(noting([])))
  )

  it.effect("lets one job before those of its type", () => {
    const seen: Array<Visit> = []
    return Effect.gen(function* () {
      yield* Visit.enqueueAll([at("ada", 9), at("bob", 14)])
      yield* Visit.enqueue(at("cyd", 20), { priority: 0 })
      yield* drain
      expect(seen.map(({ who }) => who)).toEqual(["cyd", "ada", "bob"])
    }).pipe(Effect.provide(noting(seen)))
  })

  it.effect("names its jobs and lanes for the queue's own operations", () => {
    const seen: Array<Visit> = []
    return Effect.gen(function* () {
      const queue = yield* WorkQueue.WorkQueue
      yield* Visit.enqueueAll([at("ada", 9), at("bob", 14)])
      expect(yield* queue.cancel(Visit.id(at("ada", 9)))).toBe(true)
      yield* queue.pause(Visit.lane(at("bob", 14)))
      expect(yield* drain).toMatchObject({ ended: "deferred", nextReadyAt: null })
      expect(seen).toEqual([])
    }).pipe(Effect.provide(noting(seen)))
  })

  it.effect("doesn't show its handler what was queued in another shape", () => {
    const seen: Array<Visit> = []
    return Effect.gen(function* () {
      const queue = yield* WorkQueue.WorkQueue
      yield* queue.enqueue({ id: "old", lane: "a", payload: { name: "ada" } })
      yield* drain
      expect(yield* get("old")).toMatchObject({ state: "error", reason: "bad-payload" })
      expect(seen).toEqual([])
    }).pipe(Effect.provide(noting(seen)))
  })
})

/** The job as the queue has it after one run of its handler. */
const ending = (handler: Layer.Layer<Handler>) =>
  Effect.gen(function* () {
    yield* Visit.enqueue(at("ada", 9))
    yield* drain
    return yield* get("ada")
  }).pipe(Effect.provide(Layer.provide(layerTest(), handler)))

describe("Its handler", () => {
  it.effect("that ends with nothing is done, without a result", () =>
    Effect.map(ending(Visit.handler(() => Effect.void)), (job) =>
      expect(job).toMatchObject({ state: "done", result: null })
    )
  )

  it.effect("that ends with an outcome leaves its result", () =>
    Effect.map(ending(Visit.handler(({ payload }) => Effect.succeed(Done({ result: payload.who })))), (job) =>
      expect(job).toMatchObject({ state: "done", result: "ada" })
    )
  )

  it.effect("that fails with a class ends as the class says", () => {
    const handler = Visit.handler(() => new Permanent({ reason: "closed", message: "there is nobody" }))
    return Effect.map(ending(handler), (job) =>
      expect(job).toMatchObject({ state: "error", reason: "closed", message: "there is nobody" })
    )
  })
})

describe("The history of a job whose handler notes nothing", () => {
  const one = { startedAt: 0, durationMs: 0, step: "handle", target: null }
  const why = { reason: "closed", message: "there is nobody" }
  it.effect("has each failed try, with its cause", () =>
    Effect.gen(function* () {
      const failures: Array<() => Effect.Effect<void, Retry | WaitLane | Permanent>> = [
        () => Effect.fail(new Retry(why)),
        () => Effect.die(new Error("a bug")),
        () => Effect.fail(new WaitLane({ ...why, until: 0 })),
        () => Effect.fail(new Permanent(why))
      ]
      const handler = Visit.handler(() => failures.shift()?.() ?? Effect.void)
      const history = yield* Effect.gen(function* () {
        yield* Visit.enqueue(at("ada", 9))
        yield* drain
        return (yield* get("ada")).history
      }).pipe(Effect.provide(Layer.provide(layerTest({ maxAttempts: 9, backoff: 0 }), handler)))
      expect(history).toEqual([
        { ...one, class: "retry", ...why },
        { ...one, class: "retry", reason: "internal-fault", message: "Error: a bug" },
        { ...one, class: "permanent", ...why }
      ])
    })
  )

  it.effect("has a skip, and nothing where all went well", () =>
    Effect.gen(function* () {
      const skipped = yield* ending(Visit.handler(() => Effect.fail(new Skip(why))))
      expect(skipped.history).toEqual([{ ...one, class: "skip", ...why }])
      expect((yield* ending(Visit.handler(() => Effect.void))).history).toEqual([])
    })
  )
})

describe("The layer for tests", () => {
  it.effect("leases under the name it is given, and begins with an empty queue", () => {
    const handler = Visit.handler(({ lease }) => Effect.succeed(Done({ result: lease.worker })))
    const worker = (name?: string) =>
      Effect.gen(function* () {
        expect(yield* Visit.enqueue(at("ada", 9))).toBe("new")
        yield* drain
        return (yield* get("ada")).result
      }).pipe(Effect.provide(Layer.provide(layerTest({ worker: name }), handler)))
    return Effect.gen(function* () {
      expect(yield* worker()).toBe("test")
      expect(yield* worker("us")).toBe("us")
    })
  })
})
