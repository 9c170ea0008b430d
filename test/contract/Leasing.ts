/** How jobs go out: lanes take turns, caps, paces and waits hold, and a lease belongs to one worker at a time. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { uniform } from "../../src/Lane.ts"
import { limits, lane } from "./History.ts"
import {
  done,
  enqueue,
  ids,
  job,
  laneOf,
  lease,
  leaseOne,
  type MakeLayer,
  onQueue,
  policy,
  runs,
  TTL
} from "./Given.ts"

export const leasingContract = (makeLayer: MakeLayer) =>
  describe("lease", () => {
    it.scoped("gives lanes turns, and the heads of a lane by priority, then age", () =>
      onQueue(makeLayer({ policy: uniform({ cap: 9 }) }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(
            queue,
            job("a1", "host:a"),
            job("a2", "host:a"),
            job("a0", "host:a", { priority: -1 }),
            job("b1", "host:b"),
            job("b2", "host:b"),
            job("c1", "host:c")
          )
          expect(ids(yield* lease(queue, 4))).toEqual(["a0", "b1", "c1", "a1"])
          // A lane that comes now stands behind all that were there; a was served last of those.
          yield* enqueue(queue, job("d1", "host:d"))
          expect(ids(yield* lease(queue, 1))).toEqual(["b2"])
          expect(ids(yield* lease(queue, 9))).toEqual(["a2", "d1"])
        })
      )
    )

    it.scoped.prop(
      "passes no lane over: of k lanes with work, each gets one of every k leases",
      { lanes: FastCheck.integer({ min: 1, max: 6 }), rounds: FastCheck.integer({ min: 1, max: 5 }) },
      ({ lanes, rounds }) =>
        onQueue(makeLayer({ policy: uniform({ cap: 99 }) }), (queue) =>
          Effect.gen(function* () {
            for (let i = 0; i < lanes * rounds; i++) {
              yield* queue.enqueue(job(`job-${i}`, `host:${i % lanes}`, { priority: i % 3 }))
            }
            const served: Array<string> = []
            for (let i = 0; i < lanes * rounds; i++) {
              const one = yield* leaseOne(queue)
              served.push(one.lane)
              // Lanes whose jobs end at once have no advantage over those whose jobs run on.
              if (one.lane === "host:0") yield* queue.ack(one, done)
            }
            for (let from = 0; from + lanes <= served.length; from++) {
              expect(new Set(served.slice(from, from + lanes)).size).toBe(lanes)
            }
          })
        ),
      runs(20)
    )

    it.scoped.prop(
      "gives lanes equal shares, whatever the sizes of the leases",
      {
        lanes: FastCheck.integer({ min: 2, max: 5 }),
        sizes: FastCheck.array(FastCheck.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 8 })
      },
      ({ lanes, sizes }) =>
        onQueue(makeLayer({ policy: uniform({ cap: 999 }) }), (queue) =>
          Effect.gen(function* () {
            const served = new Map<string, number>()
            for (let i = 0; i < lanes; i++) {
              served.set(`host:${i}`, 0)
              yield* enqueue(queue, ...Array.from({ length: 40 }, (_, n) => job(`${i}-${n}`, `host:${i}`)))
            }
            for (const size of sizes) {
              for (const one of yield* lease(queue, size))
                served.set(one.lane, (served.get(one.lane) ?? 0) + 1)
              const counts = [...served.values()]
              expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
            }
          })
        ),
      runs(10)
    )

    it.scoped("keeps the lane's cap and the pool's", () =>
      onQueue(
        makeLayer({ policy: policy({ "host:a": { cap: 2 }, "host:b": { cap: 2 } }, { all: 3 }) }),
        (queue) =>
          Effect.gen(function* () {
            yield* enqueue(queue, ...["1", "2", "3"].flatMap((n) => [job(`a${n}`), job(`b${n}`, "host:b")]))
            const [first, ...others] = yield* lease(queue, 9)
            expect([first?.id, ...ids(others)]).toEqual(["a1", "b1", "a2"])
            expect(yield* queue.nextReadyAt).toEqual(Option.some(TTL))
            if (first !== undefined) yield* queue.ack(first, done)
            expect(yield* lease(queue, 9)).toHaveLength(1)
          })
      )
    )

    it.scoped(
      "doesn't let full lanes hide those behind them, and waits for them no shorter than it must",
      () =>
        onQueue(makeLayer({ policy: uniform() }), (queue) =>
          Effect.gen(function* () {
            yield* enqueue(queue, job("a1"), job("a2"), job("b", "host:b"))
            expect(ids(yield* lease(queue, 1))).toEqual(["a1"])
            expect(ids(yield* lease(queue, 1))).toEqual(["b"])
            expect(yield* lease(queue, 1)).toEqual([])
            expect(yield* queue.nextReadyAt).toEqual(Option.some(TTL))
          })
        )
    )

    it.scoped("doesn't let a full pool's lanes hide those of another", () =>
      onQueue(
        makeLayer({
          policy: policy(
            { "host:a": { pool: "full" }, "host:b": { pool: "full" }, "host:c": { pool: "full" } },
            { full: 1 }
          )
        }),
        (queue) =>
          Effect.gen(function* () {
            yield* enqueue(queue, job("a"), job("b", "host:b"), job("c", "host:c"), job("z", "host:z"))
            expect(ids(yield* lease(queue, 1))).toEqual(["a"])
            expect(ids(yield* lease(queue, 1))).toEqual(["z"])
          })
      )
    )

    it.scoped("starts in a lane at its pace, with its burst after a quiet time", () =>
      onQueue(makeLayer({ policy: uniform({ cap: 9, gapMs: 1_000, burst: 2 }) }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, ...["a", "b", "c", "d", "e", "f"].map((id) => job(id)))
          expect(ids(yield* lease(queue, 9))).toEqual(["a", "b"])
          expect(yield* laneOf(queue, "host:a")).toMatchObject({ nextAt: 1_000, blockedReason: null })
          expect(yield* queue.nextReadyAt).toEqual(Option.some(1_000))
          yield* TestClock.adjust(999)
          expect(yield* lease(queue, 9)).toEqual([])
          yield* TestClock.adjust(1)
          expect(ids(yield* lease(queue, 9))).toEqual(["c"])
          yield* TestClock.adjust(5_000)
          expect(ids(yield* lease(queue, 9))).toEqual(["d", "e"])
        })
      )
    )

    it.scoped("gives nothing from what is paused", () =>
      onQueue(makeLayer({ policy: uniform() }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, job("a"), job("b", "host:b"))
          expect(yield* queue.pause("host:a")).toBe(true)
          expect(yield* queue.pause("host:nowhere")).toBe(false)
          expect(ids(yield* lease(queue, 9))).toEqual(["b"])
          expect(yield* queue.pause()).toBe(true)
          expect(yield* queue.paused).toBe(true)
          yield* queue.resume("host:a")
          expect(yield* lease(queue, 9)).toEqual([])
          expect(yield* queue.nextReadyAt).toEqual(Option.none())
          yield* queue.resume()
          expect(ids(yield* lease(queue, 9))).toEqual(["a"])
        })
      )
    )

    it.scoped("waits for a job's time", () =>
      onQueue(makeLayer({ policy: uniform() }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, job("a", "host:a", { availableAt: 500 }))
          expect(yield* laneOf(queue, "host:a")).toMatchObject({ ready: 0, delayed: 1 })
          expect(yield* queue.nextReadyAt).toEqual(Option.some(500))
          yield* TestClock.adjust(499)
          expect(yield* lease(queue, 1)).toEqual([])
          yield* TestClock.adjust(1)
          expect(ids(yield* lease(queue, 1))).toEqual(["a"])
        })
      )
    )

    it.scoped("answers nothing when nothing is asked for, or nothing is there", () =>
      onQueue(makeLayer({ policy: uniform() }), (queue) =>
        Effect.gen(function* () {
          expect(yield* lease(queue, 5)).toEqual([])
          expect(yield* queue.nextReadyAt).toEqual(Option.none())
          yield* enqueue(queue, job("a"))
          expect(yield* lease(queue, 0)).toEqual([])
          expect(yield* queue.heartbeat([], TTL)).toEqual([])
          expect(yield* queue.reclaim([])).toBe(0)
          expect(yield* queue.nextReadyAt).toEqual(Option.some(0))
        })
      )
    )

    it.scoped.prop(
      "says when the next may start: never too late, and not again and again for nothing",
      {
        jobs: FastCheck.array(FastCheck.record({ lane, delay: FastCheck.nat(8_000) }), {
          minLength: 1,
          maxLength: 12
        })
      },
      ({ jobs }) =>
        onQueue(makeLayer({ policy: limits }), (queue) =>
          Effect.gen(function* () {
            yield* Effect.forEach(jobs, (one, i) =>
              queue.enqueue(job(`job-${i}`, one.lane, { availableAt: one.delay }))
            )
            let now = 0
            let settled = 0
            let before = -1
            while (settled < jobs.length) {
              const at = Option.getOrElse(yield* queue.nextReadyAt, () => Infinity)
              expect(at).toBeGreaterThanOrEqual(now)
              // A job that is due in a lane that sleeps may be named too early, once: a lease then puts it in line.
              expect(at).toBeGreaterThan(before)
              if (at - 1 > now) {
                yield* TestClock.setTime(at - 1)
                expect(yield* lease(queue, 10)).toEqual([])
              }
              now = at
              yield* TestClock.setTime(now)
              const leases = yield* lease(queue, 10)
              for (const one of leases) yield* queue.ack(one, done)
              settled += leases.length
              before = leases.length === 0 ? now : -1
            }
            expect(yield* queue.nextReadyAt).toEqual(Option.none())
          })
        ),
      runs(12)
    )
  })
