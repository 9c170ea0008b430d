/** A lease once given: whose it is, how it ends, and that whoever lost it changes nothing. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { uniform } from "../../src/Lane.ts"
import {
  done,
  enqueue,
  get,
  ids,
  isLost,
  job,
  laneOf,
  lease,
  leaseOne,
  leaseTwo,
  type MakeLayer,
  note,
  onQueue,
  TTL
} from "./Given.ts"

export const fencingContract = (makeLayer: MakeLayer) =>
  describe("a lease", () => {
    it.scoped("is taken back when it has expired, as a crash and not as an attempt", () =>
      onQueue(makeLayer({ policy: uniform(), maxCrashes: 2 }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, job("a"))
          const first = yield* leaseOne(queue, "w1")
          yield* TestClock.adjust(TTL - 1)
          expect(yield* lease(queue, 1, "w2")).toEqual([])
          yield* TestClock.adjust(1)
          const second = yield* leaseOne(queue, "w2")
          expect(second).toMatchObject({ id: "a", attempts: 0, crashes: 1 })
          expect(second.token).toBeGreaterThan(first.token)
          expect(yield* isLost(queue.ack(first, { state: "done", result: 1 }))).toBe(true)
          expect(yield* queue.heartbeat([first, second], TTL)).toEqual([first])
          expect((yield* get(queue, "a")).history).toMatchObject([
            {
              class: "crash",
              step: "lease",
              reason: "lease-expired",
              target: "w1",
              startedAt: TTL,
              durationMs: 0
            }
          ])
          expect(yield* queue.reclaim(["w1", "w2"])).toBe(1)
          expect(yield* get(queue, "a")).toMatchObject({
            state: "error",
            reason: "crashed",
            crashes: 2,
            attempts: 0,
            worker: null,
            finishedAt: TTL
          })
        })
      )
    )

    it.scoped("that is lost changes nothing in one batch with the next one of its job either", () =>
      onQueue(makeLayer({ policy: uniform() }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, job("a"))
          for (const isFirst of [true, false]) {
            const lost = yield* leaseOne(queue)
            yield* TestClock.adjust(TTL)
            const held = yield* leaseOne(queue)
            const stale = { kind: "ack", lease: lost, settled: done, history: [note("stale")] } as const
            const release = { kind: "release", lease: held, released: {}, history: [] } as const
            const { verdicts } = yield* queue.turn(isFirst ? [stale, release] : [release, stale])
            expect(verdicts).toEqual(isFirst ? ["lost", "ok"] : ["ok", "lost"])
            const { history, state } = yield* get(queue, "a")
            expect(state).toBe("queued")
            expect(history.map(({ reason }) => reason)).not.toContain("stale")
          }
        })
      )
    )

    it.scoped("is still good after its expiry as long as nobody took it away", () =>
      onQueue(makeLayer({ policy: uniform() }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, job("a"), job("b", "host:b"))
          const [a, b] = yield* leaseTwo(queue)
          yield* TestClock.adjust(TTL * 2)
          yield* queue.ack(a, { state: "done", result: { bytes: 1 } })
          expect(yield* queue.heartbeat([a, b], TTL)).toEqual([a])
          expect(yield* lease(queue, 2)).toEqual([])
          expect(yield* get(queue, "a")).toMatchObject({
            state: "done",
            result: { bytes: 1 },
            attempts: 1
          })
          expect(yield* get(queue, "b")).toMatchObject({ crashes: 0, leaseExpiresAt: TTL * 3 })
        })
      )
    )

    it.scoped("changes nothing once it is lost, not even the history", () =>
      onQueue(makeLayer({ policy: uniform() }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, job("a"))
          const old = yield* leaseOne(queue, "same")
          yield* queue.release(old)
          yield* leaseOne(queue, "same")
          const before = yield* get(queue, "a")
          const failed = { reason: "r", message: "m", retryAt: 0 }
          const hold = { until: TTL, reason: "http-429" }
          expect(yield* isLost(queue.ack(old, { state: "done", result: 1 }, [note("late")]))).toBe(true)
          expect(yield* isLost(queue.failAndRetry(old, failed, [note("late")]))).toBe(true)
          expect(yield* isLost(queue.release(old, { plan: 1, hold }, [note("late")]))).toBe(true)
          expect(yield* isLost(queue.reroute(old, { lane: "host:b", plan: 1 }, [note("late")]))).toBe(true)
          expect(yield* get(queue, "a")).toEqual(before)
          expect(yield* laneOf(queue, "host:a")).toMatchObject({ nextAt: null, inFlight: 1 })
        })
      )
    )

    it.scoped("isn't extended by who held the one before", () =>
      onQueue(makeLayer({ policy: uniform() }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, job("a"))
          const old = yield* leaseOne(queue, "same")
          yield* queue.release(old)
          const held = yield* leaseOne(queue, "same")
          expect(yield* queue.heartbeat([old], TTL * 5)).toEqual([old])
          expect(yield* get(queue, "a")).toMatchObject({ leaseExpiresAt: TTL })
          expect(yield* queue.heartbeat([held], TTL * 2)).toEqual([])
          expect(yield* get(queue, "a")).toMatchObject({ leaseExpiresAt: TTL * 2 })
        })
      )
    )

    it.scoped("is taken back at once from workers that are dead, and from no other", () =>
      onQueue(makeLayer({ policy: uniform({ cap: 9 }) }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, job("a"), job("b"), job("c"))
          yield* leaseOne(queue, "dead")
          const kept = yield* leaseOne(queue, "alive")
          yield* leaseOne(queue, "dead too")
          expect(yield* queue.reclaim(["dead", "dead too", "unknown"])).toBe(2)
          expect(yield* queue.leases).toMatchObject([{ job: kept.job, token: kept.token, worker: "alive" }])
          expect((yield* get(queue, "a")).history).toMatchObject([{ class: "crash", reason: "worker-died" }])
          expect(ids(yield* lease(queue, 9))).toEqual(["a", "c"])
        })
      )
    )
  })
