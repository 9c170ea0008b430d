/** Caps and paces set by hand while everything runs: stored in the queue, over whatever policy is applied. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { uniform } from "../../src/Lane.ts"
import { done, enqueue, ids, job, laneOf, lease, leaseOne, type MakeLayer, onQueue, policy } from "./Given.ts"

const jobs = (...names: ReadonlyArray<string>) => names.map((id) => job(id))

/** A host that asks for so much time between two starts. */
const asking = (gapMs: number, until: number) => ({ hold: { until, reason: "robots-txt", gapMs } })

export const limitsContract = (makeLayer: MakeLayer) =>
  describe("setLane", () => {
    it.scoped("raises a cap, which counts at once", () =>
      onQueue(makeLayer({ policy: uniform({ cap: 1 }) }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, ...jobs("a", "b", "c", "d"))
          expect(ids(yield* lease(queue, 9))).toEqual(["a"])
          yield* queue.setLane("host:a", { cap: 3 })
          expect(ids(yield* lease(queue, 9))).toEqual(["b", "c"])
          expect(yield* laneOf(queue, "host:a")).toMatchObject({ cap: 3, overrides: { cap: 3 }, inFlight: 3 })
        })
      )
    )

    it.scoped("lowers a cap: nothing is taken away, and nothing starts until there is room", () =>
      onQueue(makeLayer({ policy: uniform({ cap: 3 }) }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, ...jobs("a", "b", "c", "d", "e"), job("moving", "host:b"))
          const leases = (yield* lease(queue, 9)).filter((one) => one.id !== "moving")
          expect(leases).toHaveLength(3)
          yield* queue.setLane("host:a", { cap: 1 })
          for (const one of leases) {
            expect(yield* lease(queue, 9)).toEqual([])
            yield* queue.ack(one, done)
          }
          expect(ids(yield* lease(queue, 9))).toEqual(["d"])
        })
      )
    )

    it.scoped("keeps a job from being rerouted into a lane whose cap was lowered", () =>
      onQueue(makeLayer({ policy: uniform({ cap: 3 }) }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, job("a"), job("b", "host:b"))
          const leases = yield* lease(queue, 9)
          const moving = leases.find((one) => one.id === "b")
          if (moving === undefined) throw new Error("two leases expected")
          yield* queue.setLane("host:a", { cap: 1 })
          expect(yield* queue.reroute(moving, { lane: "host:a", plan: null })).toBe("queued")
        })
      )
    )

    it.scoped("outlives the policies that are applied, and gives way to them when it is taken back", () =>
      onQueue(makeLayer({ policy: uniform({ cap: 1 }) }), (queue) =>
        Effect.gen(function* () {
          yield* queue.setLane("host:a", { cap: 2 })
          yield* enqueue(queue, ...jobs("a", "b", "c", "d"))
          yield* queue.applyPolicy(uniform({ cap: 5, gapMs: 10, burst: 7 }))
          expect(yield* laneOf(queue, "host:a")).toMatchObject({
            cap: 2,
            gapMs: 10,
            burst: 7,
            overrides: { cap: 2 }
          })
          yield* queue.setLane("host:a", null)
          expect(yield* laneOf(queue, "host:a")).toMatchObject({ cap: 5, gapMs: 10, burst: 7, overrides: {} })
          expect(yield* lease(queue, 9)).toHaveLength(4)
        })
      )
    )

    it.scoped("starts what its pace held back no more, though the clock was put back since", () =>
      onQueue(makeLayer({ policy: uniform({ cap: 9, gapMs: 1000 }) }), (queue) =>
        Effect.gen(function* () {
          yield* TestClock.setTime(4_000_000)
          yield* enqueue(queue, ...jobs("a", "b", "c"))
          expect(ids(yield* lease(queue, 9))).toEqual(["a"])
          yield* TestClock.adjust(1000)
          // Wakes the lane, and takes nothing.
          yield* queue.pause()
          yield* lease(queue, 9)
          yield* queue.resume()
          yield* TestClock.setTime(1_000_000)
          expect(ids(yield* lease(queue, 9))).toEqual(["b"])
          expect(yield* queue.nextReadyAt).toEqual(Option.some(1_001_000))
          yield* TestClock.adjust(1000)
          expect(ids(yield* lease(queue, 9))).toEqual(["c"])
        })
      )
    )

    it.scoped("has its pace still when it gave it up for a while", () =>
      onQueue(makeLayer({ policy: uniform({ cap: 9, gapMs: 4000, burst: 3 }) }), (queue) =>
        Effect.gen(function* () {
          yield* TestClock.setTime(1_000_000)
          yield* enqueue(queue, ...jobs("a", "b", "c"))
          expect(ids(yield* lease(queue, 1))).toEqual(["a"])
          yield* queue.applyPolicy(uniform({ cap: 9 }))
          expect(ids(yield* lease(queue, 1))).toEqual(["b"])
          yield* queue.applyPolicy(uniform({ cap: 9, gapMs: 4000 }))
          expect(ids(yield* lease(queue, 1))).toEqual([])
          expect(yield* queue.nextReadyAt).toEqual(Option.some(1_004_000))
        })
      )
    )

    it.scoped("keeps what was set before and isn't named", () =>
      onQueue(makeLayer({ policy: uniform({ cap: 1 }) }), (queue) =>
        Effect.gen(function* () {
          yield* queue.setLane("host:a", { cap: 2 })
          yield* queue.setLane("host:a", { gapMs: 100, burst: 3 })
          expect(yield* laneOf(queue, "host:a")).toMatchObject({
            overrides: { cap: 2, gapMs: 100, burst: 3 }
          })
          yield* enqueue(queue, job("b", "host:b"))
          expect(yield* queue.laneStats({ limit: 9, overridden: true })).toMatchObject([{ lane: "host:a" }])
        })
      )
    )

    it.scoped("sets a lane that has no jobs yet, and no other", () =>
      onQueue(makeLayer({ policy: policy({ "host:a": { cap: 9 } }) }), (queue) =>
        Effect.gen(function* () {
          yield* queue.setLane("host:a", { cap: 1 })
          yield* enqueue(queue, ...jobs("a", "b"), job("c", "host:c"), job("d", "host:d"))
          expect(ids(yield* lease(queue, 9))).toEqual(["a", "c", "d"])
          expect(yield* laneOf(queue, "host:c")).toMatchObject({ cap: 1, overrides: {} })
        })
      )
    )

    it.scoped("slows a lane down from its latest start on", () =>
      onQueue(makeLayer({ policy: uniform({ cap: 9, gapMs: 1_000 }) }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, ...jobs("a", "b", "c"))
          expect(ids(yield* lease(queue, 9))).toEqual(["a"])
          yield* TestClock.adjust(500)
          yield* queue.setLane("host:a", { gapMs: 4_000 })
          yield* TestClock.adjust(3_499)
          expect(yield* lease(queue, 9)).toEqual([])
          yield* TestClock.adjust(1)
          expect(ids(yield* lease(queue, 9))).toEqual(["b"])
          expect(yield* laneOf(queue, "host:a")).toMatchObject({ nextAt: 8_000 })
        })
      )
    )

    it.scoped("speeds a lane up at once", () =>
      onQueue(makeLayer({ policy: uniform({ cap: 9, gapMs: 3_600_000 }) }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, ...jobs("a", "b", "c", "d"))
          expect(ids(yield* lease(queue, 9))).toEqual(["a"])
          yield* queue.setLane("host:a", { gapMs: 1_000 })
          yield* TestClock.adjust(999)
          expect(yield* lease(queue, 9)).toEqual([])
          yield* TestClock.adjust(1)
          expect(ids(yield* lease(queue, 9))).toEqual(["b"])
          yield* queue.setLane("host:a", { gapMs: 0 })
          expect(ids(yield* lease(queue, 9))).toEqual(["c", "d"])
        })
      )
    )

    it.scoped("starts no faster than a host has asked for, until it asks for something else", () =>
      onQueue(makeLayer({ policy: uniform({ cap: 9, gapMs: 100 }) }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, ...jobs("a", "b", "c", "d", "e"))
          const gap = Effect.map(queue.laneStats({ lane: "host:a", limit: 1 }), ([one]) => one?.gapMs)
          yield* queue.release(yield* leaseOne(queue), asking(2_000, 2_000))
          expect(yield* lease(queue, 9)).toEqual([])
          yield* TestClock.adjust(2_000)
          expect(ids(yield* lease(queue, 9))).toEqual(["a"])
          yield* TestClock.adjust(1_999)
          expect(yield* lease(queue, 9)).toEqual([])
          // A run that begins with the same settings, or with others, doesn't undo it.
          yield* queue.applyPolicy(uniform({ cap: 9, gapMs: 50 }))
          expect(yield* gap).toBe(2_000)
          yield* TestClock.adjust(1)
          const b = yield* leaseOne(queue)
          expect(b.id).toBe("b")
          // What is set by hand goes before.
          yield* queue.setLane("host:a", { gapMs: 10 })
          expect(yield* gap).toBe(10)
          yield* queue.setLane("host:a", null)
          expect(yield* gap).toBe(2_000)
          yield* queue.release(b, asking(0, 0))
          expect(yield* gap).toBe(50)
        })
      )
    )

    it.scoped("doesn't shorten what a server asked for, whichever pace covered it", () =>
      onQueue(makeLayer({ policy: uniform({ cap: 9, gapMs: 60_000 }) }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, ...jobs("a", "b"))
          // The pace holds the lane for longer than the server asks.
          const one = yield* leaseOne(queue)
          yield* queue.release(one, { hold: { until: 5_000, reason: "http-429" } })
          yield* queue.setLane("host:a", { gapMs: 0 })
          expect(yield* lease(queue, 9)).toEqual([])
          yield* TestClock.adjust(4_999)
          expect(yield* lease(queue, 9)).toEqual([])
          yield* TestClock.adjust(1)
          expect(yield* lease(queue, 9)).toHaveLength(2)
        })
      )
    )
  })
