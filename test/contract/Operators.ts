/** What a person does to the queue and sees of it. */
import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type { Lease } from "../../src/Job.ts"
import { uniform } from "../../src/Lane.ts"
import type { LeaseLost, WorkQueueError } from "../../src/WorkQueue.ts"
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
  type MakeLayer,
  note,
  onQueue,
  policy,
  TTL
} from "./Given.ts"

export const operatorsContract = (makeLayer: MakeLayer) =>
  describe("a person", () => {
    it.scoped("cancels what isn't final, and a holder loses its lease", () =>
      onQueue(makeLayer({ policy: uniform() }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, job("a"), job("b", "host:b"), job("c", "host:c", { availableAt: TTL }))
          const one = yield* leaseOne(queue)
          expect(yield* queue.cancel("a")).toBe(true)
          expect(yield* queue.cancel("b")).toBe(true)
          expect(yield* queue.cancel("c")).toBe(true)
          expect(yield* queue.cancel("a")).toBe(false)
          expect(yield* queue.cancel("nowhere")).toBe(false)
          expect(yield* isLost(queue.ack(one, { state: "done", result: 1 }))).toBe(true)
          expect(yield* queue.heartbeat([one], TTL)).toEqual([one])
          expect(yield* get(queue, "a")).toMatchObject({ state: "skipped", reason: "cancelled", attempts: 0 })
          expect(yield* get(queue, "c")).toMatchObject({ state: "skipped", availableAt: null })
          expect(yield* lease(queue, 9)).toEqual([])
          expect(yield* queue.stats).toMatchObject({ skipped: 3, total: 3 })
        })
      )
    )

    it.scoped("retries what failed, as new but for its history and its result", () =>
      onQueue(makeLayer({ policy: uniform({ cap: 9 }) }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, job("a"), job("b"), job("c", "host:c"))
          for (const one of yield* lease(queue, 9)) {
            const reason = one.id === "a" ? "http-404" : "http-500"
            yield* queue.failAndRetry(one, { reason, message: "m", retryAt: null, plan: 1, result: 2 }, [
              note(reason)
            ])
          }
          const filter = { reason: "http-500", lane: "host:a" }
          expect(yield* queue.retryFailed({ ...filter, dryRun: true })).toBe(1)
          expect((yield* queue.stats).error).toBe(3)
          expect(yield* queue.retryFailed(filter)).toBe(1)
          expect(yield* get(queue, "b")).toMatchObject({
            state: "queued",
            attempts: 0,
            reason: null,
            message: null,
            plan: { refresh: 2 },
            result: 2,
            finishedAt: null,
            history: [note("http-500")]
          })
          expect(ids(yield* lease(queue, 9))).toEqual(["b"])
          expect(yield* queue.retryFailed({ lane: "host:nowhere" })).toBe(0)
          expect(yield* queue.retryFailed({})).toBe(2)
        })
      )
    )

    it.scoped("has what is done looked at again, with what it ended with", () =>
      onQueue(makeLayer({ policy: uniform({ cap: 9 }) }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, job("a"), job("b", "host:b"), job("c"), job("d"), job("e"))
          const [a, b, c, d] = yield* lease(queue, 4)
          if (a === undefined || b === undefined || c === undefined || d === undefined) {
            throw new Error("four leases expected")
          }
          yield* queue.ack(a, { state: "done", result: { path: "x" } }, [note("old")])
          yield* queue.ack(b, { state: "done", result: null })
          yield* queue.ack(c, { state: "skipped", reason: "same", message: "m", result: { path: "y" } })
          yield* queue.ack(d, { state: "skipped", reason: "other", message: "m" })
          expect(yield* queue.refresh({ state: "done", dryRun: true })).toBe(2)
          expect(yield* queue.refresh({ state: "done", id: c.id })).toBe(0)
          expect(yield* queue.refresh({ state: "done", lane: "host:nowhere" })).toBe(0)
          expect((yield* queue.stats).queued).toBe(1)
          expect(yield* queue.refresh({ state: "done", id: a.id })).toBe(1)
          expect(yield* get(queue, a.id)).toMatchObject({
            state: "queued",
            attempts: 0,
            plan: { refresh: { path: "x" } },
            result: { path: "x" },
            finishedAt: null,
            history: [note("old")]
          })
          expect(yield* queue.refresh({ state: "done" })).toBe(1)
          expect(yield* get(queue, b.id)).toMatchObject({ state: "queued", plan: null })
          expect(yield* queue.refresh({ state: "skipped", reason: "same" })).toBe(1)
          expect(yield* get(queue, c.id)).toMatchObject({ plan: { refresh: { path: "y" } }, message: null })
          expect(yield* queue.stats).toMatchObject({ queued: 4, done: 0, skipped: 1, total: 5 })
          expect((yield* lease(queue, 9)).map(({ id }) => id).toSorted()).toEqual(
            [a.id, b.id, c.id, "e"].toSorted()
          )
        })
      )
    )

    it.scoped("keeps the result of what is queued again until there is another", () =>
      onQueue(makeLayer({ policy: uniform({ cap: 9 }), maxCrashes: 1 }), (queue) =>
        Effect.gen(function* () {
          const kept = { path: "x" }
          const ends = {
            skipped: (one: Lease) => queue.ack(one, { state: "skipped", reason: "r", message: "m" }),
            failed: (one: Lease) =>
              queue.failAndRetry(one, { reason: "r", message: "m", retryAt: null, plan: "own" }),
            tried: (one: Lease) =>
              queue.failAndRetry(one, { reason: "r", message: "m", retryAt: TTL, result: 1 }),
            cancelled: (one: Lease) => queue.cancel(one.id),
            crashed: (one: Lease) => queue.reclaim([one.worker]),
            told: (one: Lease) =>
              queue.ack(one, { state: "skipped", reason: "r", message: "m", result: "other" }),
            refused: (one: Lease) =>
              queue.failAndRetry(one, { reason: "r", message: "m", retryAt: null, result: "other" }),
            replaced: (one: Lease) => queue.ack(one, { state: "done", result: "other" }),
            emptied: (one: Lease) => queue.ack(one, { state: "done", result: null })
          }
          const names = Object.keys(ends)
          const endOf: ReadonlyMap<
            string,
            (one: Lease) => Effect.Effect<unknown, LeaseLost | WorkQueueError>
          > = new Map(Object.entries(ends))
          yield* enqueue(queue, ...names.map((name) => job(name)))
          for (const one of yield* lease(queue, 9)) yield* queue.ack(one, { state: "done", result: kept })
          const withResult = () =>
            Effect.map(Stream.runCollect(queue.list({ hasResult: true })), (jobs) =>
              ids(Chunk.toReadonlyArray(jobs))
            )
          yield* enqueue(queue, job("new", "host:b", { availableAt: TTL }))
          expect(yield* withResult()).toEqual(names)
          expect(yield* queue.refresh({ state: "done", id: [...names, "nowhere"] })).toBe(names.length)
          expect(yield* withResult()).toEqual(names)
          for (const name of names) {
            const one = yield* leaseOne(queue, name)
            expect(one.plan).toEqual({ refresh: kept })
            yield* endOf.get(one.id)?.(one) ?? Effect.dieMessage(`${one.id} has no end`)
          }
          const resultsOf = Effect.forEach(names, (name) =>
            Effect.map(get(queue, name), ({ result }) => result)
          )
          const results = [kept, kept, kept, kept, kept, "other", "other", "other", null]
          expect(yield* resultsOf).toEqual(results)
          for (const name of ["cancelled", "crashed"]) {
            expect((yield* get(queue, name)).message).toMatch(/.; its earlier result is kept$/)
          }
          expect((yield* get(queue, "skipped")).message).toBe("m")
          // Whatever end it was, the next try is told of the file, too.
          expect(yield* queue.retryFailed({})).toBe(3)
          expect(yield* get(queue, "failed")).toMatchObject({ plan: { refresh: kept }, result: kept })
          expect(yield* get(queue, "refused")).toMatchObject({ plan: { refresh: "other" } })
          expect(yield* resultsOf).toEqual(results)
          expect(yield* queue.refresh({ state: "error" })).toBe(0)
          expect(yield* queue.refresh({ state: "skipped", id: ["cancelled", "failed"] })).toBe(1)
          expect(yield* get(queue, "cancelled")).toMatchObject({ plan: { refresh: kept }, message: null })
        })
      )
    )

    it.scoped("prunes what ended long ago, and may queue it again", () =>
      onQueue(makeLayer({ policy: uniform({ cap: 9 }) }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, job("done"), job("failed"), job("late"), job("waiting"))
          const [first, failed, late] = yield* lease(queue, 3)
          if (first === undefined || failed === undefined || late === undefined) {
            throw new Error("three leases expected")
          }
          yield* queue.ack(first, { state: "done", result: 1 }, [note("old")])
          yield* queue.failAndRetry(failed, { reason: "r", message: "m", retryAt: null })
          yield* TestClock.adjust(1_000)
          yield* queue.ack(late, { state: "done", result: 1 })
          expect(yield* queue.prune({ finishedBefore: 1_000, dryRun: true })).toBe(2)
          expect(yield* queue.prune({ finishedBefore: 1_000, state: "error", dryRun: true })).toBe(1)
          expect((yield* queue.stats).total).toBe(4)
          expect(yield* queue.prune({ finishedBefore: 1_000, state: "error" })).toBe(1)
          expect(yield* queue.prune({ finishedBefore: 1_000 })).toBe(1)
          expect(yield* queue.stats).toEqual({
            queued: 1,
            in_progress: 0,
            done: 1,
            skipped: 0,
            error: 0,
            total: 2
          })
          expect(yield* laneOf(queue, "host:a")).toMatchObject({ done: 1, error: 0, ready: 1 })
          expect(yield* queue.get("done")).toEqual(Option.none())
          expect(yield* queue.enqueue(job("done"))).toBe("new")
          // The namesake has neither the old one's history nor its number, so its leases can't be mixed up.
          expect(yield* get(queue, "done")).toMatchObject({ history: [], result: null, attempts: 0 })
          expect((yield* get(queue, "done")).job).not.toBe(first.job)
        })
      )
    )

    it.scoped("prunes the latest job, and a lease on it is none on its namesake", () =>
      onQueue(makeLayer({ policy: uniform() }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, job("a"))
          const old = yield* leaseOne(queue)
          yield* queue.ack(old, done)
          yield* TestClock.adjust(1)
          expect(yield* queue.prune({ finishedBefore: 1 })).toBe(1)
          yield* enqueue(queue, job("a"))
          const held = yield* leaseOne(queue)
          expect(held.job).not.toBe(old.job)
          expect(yield* isLost(queue.ack(old, done))).toBe(true)
          expect(yield* queue.heartbeat([old, held], TTL)).toEqual([old])
          yield* queue.ack(held, done)
        })
      )
    )

    it.scoped("doesn't prune what isn't final, whatever is asked", () =>
      onQueue(makeLayer({ policy: uniform() }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, job("a"), job("b"))
          yield* leaseOne(queue)
          yield* TestClock.adjust(1)
          for (const state of [undefined, "queued", "in_progress"] as const) {
            expect(yield* queue.prune({ finishedBefore: TTL, state })).toBe(0)
          }
          expect((yield* queue.stats).total).toBe(2)
        })
      )
    )

    it.scoped("prunes any number at once", () =>
      onQueue(makeLayer({ policy: uniform({ cap: 9_999 }) }), (queue) =>
        Effect.gen(function* () {
          yield* queue.enqueueAll(Stream.map(Stream.range(1, 2_500), (i) => job(`job-${i}`)))
          for (const one of yield* lease(queue, 2_400)) yield* queue.ack(one, done)
          yield* TestClock.adjust(1)
          expect(yield* queue.prune({ finishedBefore: 1 })).toBe(2_400)
          expect(yield* queue.stats).toMatchObject({ queued: 100, done: 0, total: 100 })
        })
      )
    )

    it.scoped("changes the limits of all lanes and pools at once", () =>
      onQueue(makeLayer({ policy: policy({}, { all: 1 }) }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, job("a1"), job("a2"), job("a3"), job("b1", "host:b"), job("b2", "host:b"))
          expect(ids(yield* lease(queue, 9))).toEqual(["a1"])
          const roomy = { cap: 9, pool: "own" }
          yield* queue.applyPolicy(policy({ "host:a": roomy, "host:b": { cap: 2 } }, { own: 2, all: 9 }))
          // The job in flight counts in the new pool, and no longer in the old one.
          expect(ids(yield* lease(queue, 9))).toEqual(["b1", "a2", "b2"])
          expect(yield* laneOf(queue, "host:a")).toMatchObject({ ...roomy, inFlight: 2, ready: 1 })
        })
      )
    )

    it.scoped("changes the limits of lanes to come, too", () =>
      onQueue(makeLayer({ policy: uniform({ cap: 9 }) }), (queue) =>
        Effect.gen(function* () {
          yield* queue.applyPolicy(uniform({ cap: 1 }))
          yield* enqueue(queue, job("a"), job("b"))
          expect(ids(yield* lease(queue, 9))).toEqual(["a"])
          expect(yield* laneOf(queue, "host:a")).toMatchObject({ cap: 1 })
        })
      )
    )

    it.scoped(
      "lowers a cap below what runs: nothing is taken away, and nothing starts until there is room",
      () =>
        onQueue(makeLayer({ policy: uniform({ cap: 3 }) }), (queue) =>
          Effect.gen(function* () {
            yield* enqueue(queue, ...["a", "b", "c", "d"].map((id) => job(id)))
            const leases = yield* lease(queue, 9)
            expect(leases).toHaveLength(3)
            yield* queue.applyPolicy(uniform({ cap: 1 }))
            for (const one of leases) {
              expect(yield* lease(queue, 9)).toEqual([])
              yield* queue.ack(one, done)
            }
            expect(ids(yield* lease(queue, 9))).toEqual(["d"])
          })
        )
    )

    it.scoped("makes a pace stricter for the starts that were, too", () =>
      onQueue(makeLayer({ policy: uniform({ cap: 9, gapMs: 1_000, burst: 3 }) }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, ...["a", "b", "c", "d"].map((id) => job(id)))
          expect(ids(yield* lease(queue, 9))).toEqual(["a", "b", "c"])
          yield* TestClock.adjust(1_000)
          yield* queue.applyPolicy(uniform({ cap: 9, gapMs: 1_000 }))
          expect(yield* lease(queue, 9)).toEqual([])
          expect(yield* queue.nextReadyAt).toEqual(Option.some(3_000))
          yield* TestClock.adjust(2_000)
          expect(ids(yield* lease(queue, 9))).toEqual(["d"])
        })
      )
    )

    it.scoped("makes a pace stricter without holding up the lanes behind", () =>
      onQueue(makeLayer({ policy: uniform({ cap: 9, gapMs: 1_000, burst: 3 }) }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, ...["a", "b", "c"].map((id) => job(id)))
          yield* lease(queue, 2)
          yield* enqueue(queue, job("other", "host:b"))
          yield* queue.applyPolicy(uniform({ cap: 9, gapMs: 1_000 }))
          expect(ids(yield* lease(queue, 1))).toEqual(["other"])
        })
      )
    )

    it.scoped("gives a lane's pace up", () =>
      onQueue(makeLayer({ policy: uniform({ cap: 9, gapMs: 1_000, burst: 3 }) }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, ...["a", "b", "c", "d"].map((id) => job(id)))
          expect(ids(yield* lease(queue, 2))).toEqual(["a", "b"])
          yield* queue.applyPolicy(uniform({ cap: 9 }))
          expect(ids(yield* lease(queue, 1))).toEqual(["c"])
          expect(ids(yield* lease(queue, 1))).toEqual(["d"])
        })
      )
    )

    it.scoped("sees jobs in the order they came, and lanes by what is left to do", () =>
      onQueue(makeLayer({ policy: uniform() }), (queue) =>
        Effect.gen(function* () {
          yield* enqueue(queue, job("z"), job("y", "host:c"), job("x", "host:c"), job("w", "host:b"))
          const listed = yield* Stream.runCollect(queue.list({}))
          expect(ids(Chunk.toReadonlyArray(listed))).toEqual(["z", "y", "x", "w"])
          const some = yield* Stream.runCollect(queue.details({ lane: "host:c", state: "queued", limit: 1 }))
          expect(Chunk.toReadonlyArray(some)).toMatchObject([{ id: "y", payload: { id: "y" }, history: [] }])
          expect((yield* queue.laneStats({ limit: 9 })).map((one) => one.lane)).toEqual([
            "host:c",
            "host:a",
            "host:b"
          ])
          expect(yield* queue.laneStats({ limit: 1 })).toHaveLength(1)
          expect(yield* queue.laneStats({ limit: 9, lane: "host:nowhere" })).toEqual([])
          yield* lease(queue, 1, "me")
          expect(yield* queue.leases).toMatchObject([{ worker: "me", expiresAt: TTL }])
        })
      )
    )

    it.scoped("tells what queued jobs wait for", () =>
      onQueue(
        makeLayer({
          policy: policy({ paced: { cap: 9, gapMs: 500 }, full: {}, tight: { pool: "p" } }, { p: 1 })
        }),
        (queue) =>
          Effect.gen(function* () {
            expect(yield* queue.waits).toEqual([])
            for (const lane of ["paced", "full", "tight", "held", "stopped"]) {
              yield* enqueue(queue, ...["a", "b", "c"].map((id) => job(`${lane} ${id}`, lane)))
            }
            yield* queue.pause("stopped")
            const leased = yield* lease(queue, 9)
            const held = leased.find((one) => one.lane === "held")
            if (held === undefined) return expect.fail("no lease on the lane to hold")
            yield* queue.release(held, { hold: { until: 70_000, reason: "http-429" } })
            yield* enqueue(
              queue,
              job("later", "full", { availableAt: 900 }),
              job("free", "free"),
              job("next", "free")
            )
            expect(yield* queue.waits).toEqual([
              { cause: "cap", reason: null, jobs: 5, lanes: 3, until: null },
              { cause: "hold", reason: "http-429", jobs: 3, lanes: 1, until: 70_000 },
              { cause: "later", reason: null, jobs: 1, lanes: 1, until: 900 },
              { cause: "pace", reason: null, jobs: 2, lanes: 1, until: 500 },
              { cause: "paused", reason: null, jobs: 3, lanes: 1, until: null },
              { cause: "worker", reason: null, jobs: 1, lanes: 1, until: null }
            ])
          })
      )
    )

    it.scoped("lists what a filter lets through, and no more than was asked for", () =>
      onQueue(makeLayer({ policy: uniform({ cap: 9_999 }) }), (queue) =>
        Effect.gen(function* () {
          yield* queue.enqueueAll(
            Stream.map(Stream.range(1, 1_300), (i) => job(`job-${i}`, i % 2 === 0 ? "even" : "odd"))
          )
          for (const one of yield* lease(queue, 100)) {
            yield* queue.failAndRetry(one, { reason: `r-${one.lane}`, message: "m", retryAt: null })
          }
          const count = (filter: Parameters<typeof queue.list>[0]) =>
            Effect.zip(Stream.runCount(queue.list(filter)), Stream.runCount(queue.details(filter)))
          expect(yield* count({})).toEqual([1_300, 1_300])
          expect(yield* count({ limit: 0 })).toEqual([0, 0])
          expect(yield* count({ limit: 501 })).toEqual([501, 501])
          expect(yield* count({ state: "error" })).toEqual([100, 100])
          expect(yield* count({ state: "queued", lane: "odd" })).toEqual([600, 600])
          expect(yield* count({ reason: "r-even" })).toEqual([50, 50])
          expect(yield* count({ lane: "neither" })).toEqual([0, 0])
        })
      )
    )
  })
