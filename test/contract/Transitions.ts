/** What becomes of a leased job: each transition writes what it says, under a lease that still holds. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type { Lease } from "../../src/Job.ts"
import { uniform } from "../../src/Lane.ts"
import { type Transition, turnOf } from "../../src/WorkQueue.ts"
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
  policy,
  runs
} from "./Given.ts"

const ENDINGS = ["done", "skipped", "error", "retry", "release", "hold", "stale"] as const

/** One of the ways a lease ends; a stale one has a token nobody gave. */
const ending = (how: (typeof ENDINGS)[number], of: Lease): Transition => {
  const to = { lease: how === "stale" ? { ...of, token: -1 } : of, history: [note(how)] }
  const failed = { reason: "http-500", message: "no", plan: { next: 1 } }
  switch (how) {
    case "done":
    case "stale":
      return { ...to, kind: "ack", settled: { state: "done", result: { n: 1 } } }
    case "skipped":
      return { ...to, kind: "ack", settled: { state: "skipped", reason: "robots", message: "not allowed" } }
    case "error":
      return { ...to, kind: "failAndRetry", failed: { ...failed, retryAt: null, result: [1] } }
    case "retry":
      return { ...to, kind: "failAndRetry", failed: { ...failed, retryAt: 9_000 } }
    case "release":
      return { ...to, kind: "release", released: { plan: { next: 2 } } }
    case "hold":
      return { ...to, kind: "release", released: { hold: { until: 4_000, reason: "http-429" } } }
  }
}

export const transitionsContract = (makeLayer: MakeLayer) =>
  describe("a transition", () => {
    it.scoped("retries later with its plan, then fails with its reason", () =>
      onQueue(makeLayer({ policy: uniform() }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, job("a"))
          const first = yield* leaseOne(queue)
          const failed = { reason: "http-503", message: "come back" }
          yield* queue.failAndRetry(first, { ...failed, retryAt: 1_000, plan: { next: 1 } }, [
            note("http-503")
          ])
          expect(yield* get(queue, "a")).toMatchObject({
            state: "queued",
            availableAt: 1_000,
            attempts: 1,
            reason: "http-503",
            message: "come back"
          })
          yield* TestClock.adjust(1_000)
          const second = yield* leaseOne(queue)
          expect(second).toMatchObject({ attempts: 1, plan: { next: 1 } })
          yield* queue.failAndRetry(second, {
            reason: "http-404",
            message: "gone",
            retryAt: null,
            result: [1]
          })
          expect(yield* get(queue, "a")).toMatchObject({
            state: "error",
            attempts: 2,
            reason: "http-404",
            plan: { next: 1 },
            result: [1],
            history: [note("http-503")],
            finishedAt: 1_000
          })
        })
      )
    )

    it.scoped("ends a job with its result, or with the reason why there was nothing to do", () =>
      onQueue(makeLayer({ policy: uniform({ cap: 9 }) }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, job("a"), job("b"))
          const [a, b] = yield* leaseTwo(queue)
          yield* TestClock.adjust(7)
          yield* queue.ack(a, { state: "done", result: { bytes: 3 } }, [note("first"), note("second")])
          yield* queue.ack(b, { state: "skipped", reason: "robots", message: "not allowed" })
          expect(yield* get(queue, "a")).toMatchObject({
            state: "done",
            attempts: 1,
            result: { bytes: 3 },
            reason: null,
            message: null,
            worker: null,
            leaseExpiresAt: null,
            finishedAt: 7,
            history: [note("first"), note("second")]
          })
          expect(yield* get(queue, "b")).toMatchObject({
            state: "skipped",
            attempts: 1,
            result: null,
            reason: "robots",
            message: "not allowed",
            finishedAt: 7
          })
          expect(yield* isLost(queue.ack(a, done))).toBe(true)
          expect(yield* queue.stats).toMatchObject({ done: 1, skipped: 1, total: 2 })
        })
      )
    )

    it.scoped("keeps a result beside an end only, never beside a retry", () =>
      onQueue(makeLayer({ policy: uniform() }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, job("a"))
          const failed = { reason: "r", message: "m" }
          yield* queue.failAndRetry(yield* leaseOne(queue), { ...failed, retryAt: 0, result: "early" })
          expect(yield* get(queue, "a")).toMatchObject({ state: "queued", result: null })
          yield* queue.failAndRetry(yield* leaseOne(queue), { ...failed, retryAt: null })
          expect(yield* get(queue, "a")).toMatchObject({ state: "error", result: null })
        })
      )
    )

    it.scoped("releases a job to its old place, and holds its lane for all", () =>
      onQueue(makeLayer({ policy: uniform({ cap: 9 }) }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, job("a"), job("b"), job("c"))
          const [a, b] = yield* leaseTwo(queue)
          yield* queue.release(a, { hold: { until: 3_000, reason: "http-429" } })
          yield* queue.release(b, { hold: { until: 1_000, reason: "http-503" } })
          expect(yield* laneOf(queue, "host:a")).toMatchObject({ nextAt: 3_000, blockedReason: "http-429" })
          yield* TestClock.adjust(2_999)
          expect(yield* lease(queue, 9)).toEqual([])
          expect(yield* queue.nextReadyAt).toEqual(Option.some(3_000))
          yield* TestClock.adjust(1)
          const again = yield* lease(queue, 9)
          expect(ids(again)).toEqual(["a", "b", "c"])
          expect(again[0]?.attempts).toBe(0)
          expect(yield* laneOf(queue, "host:a")).toMatchObject({ nextAt: null, blockedReason: null })
        })
      )
    )

    it.scoped("releases a job until later, without a try, and nobody else waits for it", () =>
      onQueue(makeLayer({ policy: uniform() }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, job("a"), job("b"))
          const later = { until: 3_000, reason: "resolver-rate", message: "asked to wait" }
          yield* queue.release(yield* leaseOne(queue), { later, plan: 1 })
          expect(yield* get(queue, "a")).toMatchObject({
            state: "queued",
            reason: "resolver-rate",
            message: "asked to wait",
            plan: 1,
            attempts: 0
          })
          yield* queue.ack(yield* leaseOne(queue), done)
          yield* TestClock.adjust(2_999)
          expect(yield* lease(queue, 9)).toEqual([])
          expect(yield* queue.nextReadyAt).toEqual(Option.some(3_000))
          yield* TestClock.adjust(1)
          const again = yield* leaseOne(queue)
          expect(again).toMatchObject({ id: "a", attempts: 0 })
          // What is over is no wait.
          yield* queue.release(again, { later })
          expect((yield* leaseOne(queue)).id).toBe("a")
        })
      )
    )

    it.scoped("keeps a plan that it doesn't name", () =>
      onQueue(makeLayer({ policy: uniform() }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, job("a"))
          yield* queue.release(yield* leaseOne(queue), { plan: { cursor: 1 } })
          yield* queue.release(yield* leaseOne(queue))
          const one = yield* leaseOne(queue)
          expect(one.plan).toEqual({ cursor: 1 })
          yield* queue.failAndRetry(one, { reason: "r", message: "m", retryAt: 0, plan: null })
          expect((yield* leaseOne(queue)).plan).toBe(null)
        })
      )
    )

    it.scoped("reroutes into a lane with room under the same lease", () =>
      onQueue(makeLayer({ policy: policy({ "host:b": { gapMs: 1_000 } }, { all: 1 }) }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, job("a", "resolver:r"), job("c", "resolver:r"))
          const one = yield* leaseOne(queue)
          expect(yield* queue.reroute(one, { lane: "resolver:r", plan: "same" })).toBe("granted")
          expect(yield* queue.reroute(one, { lane: "host:b", plan: ["url"] })).toBe("granted")
          expect(yield* get(queue, "a")).toMatchObject({
            state: "in_progress",
            lane: "host:b",
            plan: ["url"],
            leaseExpiresAt: one.expiresAt
          })
          expect(yield* laneOf(queue, "host:b")).toMatchObject({ inFlight: 1, nextAt: 1_000 })
          expect(yield* laneOf(queue, "resolver:r")).toMatchObject({ inFlight: 0, ready: 1 })
          yield* queue.ack(one, done)
          // The pace of the new lane has noted the start.
          const other = yield* leaseOne(queue)
          expect(yield* queue.reroute(other, { lane: "host:b", plan: null })).toBe("queued")
        })
      )
    )

    it.scoped(
      "reroutes within a lane as if it came from elsewhere: by its pace, its hold and its pause",
      () =>
        onQueue(makeLayer({ policy: uniform({ gapMs: 1_000 }) }), (queue) =>
          Effect.gen(function* () {
            yield* enqueue(queue, job("a"))
            const again = { lane: "host:a", plan: "next" }
            expect(yield* queue.reroute(yield* leaseOne(queue), again)).toBe("queued")
            expect(yield* lease(queue, 9)).toEqual([])
            yield* TestClock.adjust(1_000)
            const second = yield* leaseOne(queue)
            expect(second).toMatchObject({ plan: "next", attempts: 0 })
            yield* TestClock.adjust(1_000)
            expect(yield* queue.reroute(second, again)).toBe("granted")
            expect(yield* lease(queue, 9)).toEqual([])
            yield* TestClock.adjust(1_000)
            yield* queue.pause("host:a")
            expect(yield* queue.reroute(second, again)).toBe("queued")
          })
        )
    )

    it.scoped("reroutes into the line of a lane that is full, held, paused or in a full pool", () =>
      onQueue(
        makeLayer({
          policy: policy(
            {
              "resolver:r": { cap: 9, pool: "r" },
              "host:poor": { pool: "poor" },
              "host:rich": { pool: "poor" }
            },
            { poor: 1 }
          )
        }),
        (queue) =>
          Effect.gen(function* () {
            yield* enqueue(
              queue,
              job("full", "host:full"),
              job("poor", "host:poor"),
              job("held", "host:held"),
              job("paused", "host:paused")
            )
            const [, , held] = yield* lease(queue, 3)
            if (held === undefined) throw new Error("three leases expected")
            yield* queue.release(held, { hold: { until: 9_000, reason: "http-429" } })
            yield* queue.pause("host:paused")
            for (const host of ["full", "held", "paused", "rich"]) {
              yield* enqueue(queue, job(`to-${host}`, "resolver:r"))
              const one = yield* leaseOne(queue)
              expect(yield* queue.reroute(one, { lane: `host:${host}`, plan: host })).toBe("queued")
              expect(yield* get(queue, one.id)).toMatchObject({
                state: "queued",
                lane: `host:${host}`,
                attempts: 0,
                worker: null,
                plan: host
              })
              expect(yield* isLost(queue.release(one))).toBe(true)
            }
            expect(yield* laneOf(queue, "resolver:r")).toMatchObject({ inFlight: 0, ready: 0 })
          })
      )
    )

    it.scoped("doesn't go on in another lane while the whole queue is paused", () =>
      onQueue(makeLayer({ policy: uniform() }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, job("a"))
          const one = yield* leaseOne(queue)
          yield* queue.pause()
          expect(yield* queue.reroute(one, { lane: "host:b", plan: 1 })).toBe("queued")
          expect(yield* get(queue, "a")).toMatchObject({ state: "queued", lane: "host:b" })
        })
      )
    )

    it.scoped.prop(
      "counts once for each lease, however many arrive at once",
      {
        jobs: FastCheck.integer({ min: 1, max: 12 }),
        calls: FastCheck.array(
          FastCheck.record({
            pick: FastCheck.nat(11),
            how: FastCheck.constantFrom("ack", "fail", "release", "reroute")
          }),
          { minLength: 1, maxLength: 30 }
        )
      },
      ({ calls, jobs }) =>
        onQueue(makeLayer({ policy: policy({ "host:b": { cap: 2 } }) }), (queue) =>
          Effect.gen(function* () {
            yield* Effect.forEach(Array.from({ length: jobs }), (_, i) =>
              queue.enqueue(job(`job-${i}`, `from:${i}`))
            )
            const leases = yield* lease(queue, jobs)
            const answers = yield* Effect.forEach(
              calls,
              ({ how, pick }) => {
                const one = leases[pick % leases.length]
                if (one === undefined) return Effect.dieMessage("nothing leased")
                const written =
                  how === "ack"
                    ? queue.ack(one, done)
                    : how === "fail"
                      ? queue.failAndRetry(one, { reason: "r", message: "m", retryAt: null })
                      : how === "release"
                        ? queue.release(one)
                        : queue.reroute(one, { lane: "host:b", plan: null })
                return Effect.map(
                  Effect.either(Effect.asVoid(written).pipe(Effect.zipRight(queue.get(one.id)))),
                  (answer) => ({ job: one.job, how, good: answer._tag === "Right" })
                )
              },
              { concurrency: "unbounded" }
            )
            // A job that was ended or put back by one call can't be by another; a reroute may go before.
            for (const one of leases) {
              const last = answers.filter((answer) => answer.job === one.job && answer.how !== "reroute")
              expect(last.filter((answer) => answer.good).length).toBeLessThanOrEqual(1)
            }
            expect((yield* laneOf(queue, "host:b"))?.inFlight ?? 0).toBeLessThanOrEqual(2)
            expect((yield* queue.stats).total).toBe(jobs)
            expect((yield* queue.stats).in_progress).toBe((yield* queue.leases).length)
          })
        ),
      runs(15)
    )

    it.scoped("counts once where a turn has it twice", () =>
      onQueue(makeLayer({ policy: uniform() }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, job("a"))
          const one = ending("retry", yield* leaseOne(queue))
          const { verdicts } = yield* queue.turn([one, one, ending("done", one.lease)])
          expect(verdicts).toEqual(["ok", "lost", "lost"])
          const { attempts, history, state } = yield* get(queue, "a")
          expect({ attempts, state, notes: history.length }).toEqual({
            attempts: 1,
            state: "queued",
            notes: 1
          })
        })
      )
    )

    it.scoped.prop(
      "counts in a turn as it would alone, and the turn's lease finds what it freed",
      {
        jobs: FastCheck.integer({ min: 1, max: 12 }),
        ends: FastCheck.array(
          FastCheck.record({
            pick: FastCheck.nat(11),
            how: FastCheck.constantFrom(...ENDINGS)
          }),
          { maxLength: 12 }
        ),
        limit: FastCheck.constantFrom(undefined, 0, 1, 3, 20)
      },
      ({ ends, jobs, limit }) => {
        /** What is seen of a queue on which this was done, by `turn` itself or by the steps it is made of. */
        const seen = (together: boolean) =>
          onQueue(makeLayer({ policy: uniform({ cap: 2 }) }), (queue) =>
            Effect.gen(function* () {
              yield* Effect.forEach(Array.from({ length: 2 * jobs }), (_, i) =>
                queue.enqueue(job(`job-${i}`, `host:${i % 4}`))
              )
              const leases = yield* lease(queue, jobs)
              const transitions = new Map<number, Transition>()
              for (const { how, pick } of ends) {
                const one = leases[pick % leases.length]
                if (one !== undefined && !transitions.has(one.job)) transitions.set(one.job, ending(how, one))
              }
              const turn = together ? queue.turn : turnOf(queue)
              const request = limit === undefined ? undefined : { worker: "w", limit, ttl: 5_000 }
              const answer = yield* turn([...transitions.values()], request)
              const jobsAfter = [...(yield* Stream.runCollect(queue.details({})))]
              return {
                verdicts: answer.verdicts,
                leased: answer.leases.map(({ attempts, id }) => ({ id, attempts })),
                jobs: jobsAfter.map((one) => ({ ...one, job: null })),
                lanes: yield* queue.laneStats({ limit: 9 }),
                stale: [...transitions.values()].map(({ lease: { token } }) => token < 0)
              }
            })
          )
        return Effect.gen(function* () {
          const at = yield* seen(true)
          expect(at).toEqual(yield* seen(false))
          expect(at.verdicts).toEqual(at.stale.map((is) => (is ? "lost" : "ok")))
        })
      },
      runs(25)
    )
  })
