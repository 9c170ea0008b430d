import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type { Attempt, Lease, NewJob } from "../../src/Job.ts"
import { type LaneLimits, type LanePolicy, type LaneStats, uniform, UNLIMITED } from "../../src/Lane.ts"
import * as Memory from "../../src/store/memory/index.ts"
import { LeaseLost, WorkQueue, type WorkQueueError, type WorkQueueService } from "../../src/WorkQueue.ts"

const TTL = 60_000

const job = (id: string, lane = "host:a", more: Partial<NewJob> = {}): NewJob => ({
  id,
  lane,
  payload: { id },
  ...more
})

const enqueue = (queue: WorkQueueService, ...jobs: ReadonlyArray<NewJob>) =>
  Effect.forEach(jobs, queue.enqueue, { discard: true })

const lease = (queue: WorkQueueService, limit: number, worker = "w") =>
  queue.lease({ worker, limit, ttl: TTL })

/** The one job that is leased. */
const leaseOne = (queue: WorkQueueService, worker = "w"): Effect.Effect<Lease> =>
  Effect.flatMap(Effect.orDie(lease(queue, 1, worker)), ([first]) =>
    first === undefined ? Effect.dieMessage("nothing to lease") : Effect.succeed(first)
  )

const ids = (leases: ReadonlyArray<Lease>) => leases.map((one) => one.id)

const get = (queue: WorkQueueService, id: string) => Effect.flatten(queue.get(id))

const laneOf = (queue: WorkQueueService, lane: string) =>
  Effect.map(queue.laneStats({ lane, limit: 1 }), ([stats]) => stats)

/** Lanes with limits of their own, in pools with caps. */
const policy = (
  lanes: Readonly<Record<string, Partial<LaneLimits>>>,
  pools: Readonly<Record<string, number>> = {}
): LanePolicy => ({
  lane: (key) => ({ pool: "all", cap: 1, gapMs: 0, burst: 1, ...lanes[key] }),
  pool: (key) => pools[key] ?? UNLIMITED
})

const note = (reason: string): Attempt => ({
  startedAt: 0,
  durationMs: 1,
  step: "fetch",
  target: null,
  class: "retry",
  reason,
  message: null
})

/** Whether the write is refused because the lease is lost. */
const isLost = (write: Effect.Effect<unknown, unknown>) =>
  Effect.map(Effect.either(write), (answer) => Either.isLeft(answer) && answer.left instanceof LeaseLost)

// ---------------------------------------------------------------------------------------------------------------

const LANES = ["host:a", "host:b", "host:c", "resolver:r"] as const

const limits: LanePolicy = policy(
  {
    "host:a": { cap: 2, pool: "hosts" },
    "host:b": { cap: 1, pool: "hosts", gapMs: 3_000 },
    "host:c": { cap: 3, pool: "hosts", gapMs: 1_000, burst: 2 },
    "resolver:r": { cap: 2, pool: "resolver:r" }
  },
  { hosts: 4, "resolver:r": 1 }
)

const lane = FastCheck.constantFrom(...LANES)
const pick = FastCheck.nat(20)
const operation = FastCheck.oneof(
  FastCheck.record({
    kind: FastCheck.constant("enqueue" as const),
    id: FastCheck.nat(30),
    lane,
    priority: FastCheck.nat(2),
    delay: FastCheck.constantFrom(0, 0, 5_000)
  }),
  FastCheck.record({ kind: FastCheck.constant("lease" as const), limit: FastCheck.nat(5) }),
  FastCheck.record({
    kind: FastCheck.constant("settle" as const),
    how: FastCheck.constantFrom(...(["ack", "fail", "retry", "release", "hold", "reroute"] as const)),
    pick,
    lane
  }),
  FastCheck.record({ kind: FastCheck.constantFrom(...(["cancel", "heartbeat", "die"] as const)), pick }),
  FastCheck.record({ kind: FastCheck.constantFrom(...(["pause", "resume"] as const)), lane }),
  FastCheck.record({ kind: FastCheck.constant("pass" as const), ms: FastCheck.constantFrom(500, 3_000, TTL) })
)

type How = "ack" | "fail" | "retry" | "release" | "hold" | "reroute"

const settle = (queue: WorkQueueService, how: How, held: Lease, to: string, now: number) => {
  const failed = { reason: "http-500", message: "no" }
  const transitions: Readonly<Record<How, Effect.Effect<unknown, LeaseLost | WorkQueueError>>> = {
    ack: queue.ack(held, { state: "done", result: held.id }),
    fail: queue.failAndRetry(held, { ...failed, retryAt: null }),
    retry: queue.failAndRetry(held, { ...failed, retryAt: now + 2_000 }),
    release: queue.release(held),
    hold: queue.release(held, { hold: { until: now + 4_000, reason: "http-429" } }),
    reroute: queue.reroute(held, { lane: to, plan: to })
  }
  return Effect.either(transitions[how])
}

/** What must hold after each operation. */
const checkCounts = (queue: WorkQueueService, total: number) =>
  Effect.gen(function* () {
    const lanes = yield* queue.laneStats({ limit: 100 })
    const sum = (count: (one: LaneStats) => number, pool?: string) =>
      lanes.reduce((all, one) => (pool === undefined || one.pool === pool ? all + count(one) : all), 0)
    for (const one of lanes) expect(one.inFlight).toBeLessThanOrEqual(limits.lane(one.lane).cap)
    for (const pool of ["hosts", "resolver:r"]) {
      expect(sum((one) => one.inFlight, pool)).toBeLessThanOrEqual(limits.pool(pool))
    }
    expect(yield* queue.stats).toEqual({
      queued: sum((one) => one.ready + one.delayed),
      in_progress: (yield* queue.leases).length,
      done: sum((one) => one.done),
      skipped: sum((one) => one.skipped),
      error: sum((one) => one.error),
      total
    })
  })

describe("the queue in memory, whatever is done to it", () => {
  it.scoped.prop(
    "keeps caps and paces, gives a job to one at a time and loses none",
    { operations: FastCheck.array(operation, { maxLength: 80 }) },
    ({ operations }) =>
      Effect.gen(function* () {
        const queue = yield* Memory.make({ policy: limits, maxCrashes: 3 })
        const handed: Array<Lease> = []
        const queued = new Set<string>()
        const tokens = new Map<number, number>()
        const starts = new Map<string, Array<number>>()
        let now = 0
        const started = (key: string) => starts.set(key, [...(starts.get(key) ?? []), now])

        for (const op of operations) {
          const held = "pick" in op ? handed[op.pick % Math.max(1, handed.length)] : undefined
          const before = held === undefined ? undefined : yield* get(queue, held.id)
          const good =
            held !== undefined && before?.state === "in_progress" && tokens.get(held.job) === held.token
          switch (op.kind) {
            case "enqueue": {
              const id = `job-${op.id}`
              const more = { priority: op.priority, availableAt: now + op.delay }
              const answer = yield* queue.enqueue(job(id, op.lane, more))
              expect(answer).toBe(queued.has(id) ? "duplicate" : "new")
              queued.add(id)
              break
            }
            case "lease":
              for (const one of yield* lease(queue, op.limit, `w-${handed.length % 3}`)) {
                expect(one.token).toBeGreaterThan(tokens.get(one.job) ?? 0)
                tokens.set(one.job, one.token)
                handed.push(one)
                started(one.lane)
              }
              break
            case "settle": {
              if (held === undefined) break
              const answer = yield* settle(queue, op.how, held, op.lane, now)
              expect(Either.isRight(answer)).toBe(good)
              if (!good) expect(yield* get(queue, held.id)).toEqual(before)
              const granted = Either.isRight(answer) && answer.right === "granted"
              if (granted && op.lane !== before?.lane) started(op.lane)
              break
            }
            case "cancel":
              if (held === undefined) break
              expect(yield* queue.cancel(held.id)).toBe(before?.finishedAt === null)
              break
            case "heartbeat":
              if (held === undefined) break
              expect(yield* queue.heartbeat([held], TTL)).toEqual(good ? [] : [held])
              break
            case "die":
              if (held !== undefined) yield* queue.reclaim([held.worker])
              break
            case "pass":
              now += op.ms
              yield* TestClock.adjust(op.ms)
              break
            case "pause":
            case "resume":
              yield* queue[op.kind](op.lane)
          }
          yield* checkCounts(queue, queued.size)
        }

        for (const [key, times] of starts) {
          const { burst, gapMs } = limits.lane(key)
          times.forEach((time, i) => {
            const earlier = times[i - burst]
            if (earlier !== undefined) expect(time - earlier).toBeGreaterThanOrEqual(gapMs)
          })
        }
      }),
    { fastCheck: { numRuns: 60 } }
  )

  it.scoped.prop(
    "says when a lease may find something: neither later nor for nothing",
    {
      jobs: FastCheck.array(FastCheck.record({ lane, delay: FastCheck.nat(8_000) }), {
        minLength: 1,
        maxLength: 12
      })
    },
    ({ jobs }) =>
      Effect.gen(function* () {
        const queue = yield* Memory.make({ policy: limits })
        yield* Effect.forEach(jobs, (one, i) =>
          queue.enqueue(job(`job-${i}`, one.lane, { availableAt: one.delay }))
        )
        let now = 0
        let done = 0
        while (done < jobs.length) {
          const at = Option.getOrElse(yield* queue.nextReadyAt, () => Infinity)
          expect(at).toBeGreaterThanOrEqual(now)
          if (at - 1 > now) {
            yield* TestClock.setTime(at - 1)
            expect(yield* lease(queue, 10)).toEqual([])
          }
          now = at
          yield* TestClock.setTime(now)
          const leases = yield* lease(queue, 10)
          expect(leases.length).toBeGreaterThan(0)
          for (const one of leases) yield* queue.ack(one, { state: "done", result: null })
          done += leases.length
        }
        expect(yield* queue.nextReadyAt).toEqual(Option.none())
      }),
    { fastCheck: { numRuns: 25 } }
  )
})

describe("enqueue", () => {
  it.scoped("takes an id once", () =>
    Effect.gen(function* () {
      const queue = yield* Memory.make({ policy: uniform() })
      expect(yield* queue.enqueue(job("a"))).toBe("new")
      expect(yield* queue.enqueue(job("a", "host:other"))).toBe("duplicate")
      const many = Stream.fromIterable(["a", "b", "c", "b"]).pipe(Stream.map((id) => job(id)))
      expect(yield* queue.enqueueAll(many)).toEqual({ new: 2, duplicate: 2 })
      expect((yield* queue.stats).total).toBe(3)
      expect((yield* queue.laneStats({ limit: 10 })).map((one) => one.lane)).toEqual(["host:a"])
    })
  )

  it.scoped("shares nothing with what was brought or handed out", () =>
    Effect.gen(function* () {
      const queue = yield* Memory.make({ policy: uniform() })
      const payload = { urls: ["one"], gone: undefined }
      yield* queue.enqueue(job("a", "host:a", { payload }))
      payload.urls.push("two")
      const first = yield* leaseOne(queue)
      expect(first.payload).toStrictEqual({ urls: ["one"] })
      Object.assign(Object(first.payload), { urls: [] })
      expect((yield* get(queue, "a")).payload).toStrictEqual({ urls: ["one"] })
    })
  )
})

describe("lease", () => {
  it.scoped("gives lanes turns, and the heads of a lane by priority, then age", () =>
    Effect.gen(function* () {
      const queue = yield* Memory.make({ policy: uniform({ cap: 9 }) })
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
      // A lane that comes now stands behind all that were there.
      yield* enqueue(queue, job("d1", "host:d"))
      expect(ids(yield* lease(queue, 1))).toEqual(["a2"])
      expect(ids(yield* lease(queue, 9))).toEqual(["b2", "d1"])
    })
  )

  it.scoped("keeps the lane's cap and the pool's", () =>
    Effect.gen(function* () {
      const queue = yield* Memory.make({
        policy: policy({ "host:a": { cap: 2 }, "host:b": { cap: 2 } }, { all: 3 })
      })
      yield* enqueue(queue, ...["1", "2", "3"].flatMap((n) => [job(`a${n}`), job(`b${n}`, "host:b")]))
      const first = yield* lease(queue, 9)
      expect(ids(first)).toEqual(["a1", "b1", "a2"])
      expect(yield* queue.nextReadyAt).toEqual(Option.some(TTL))
      for (const one of first.slice(0, 1)) yield* queue.ack(one, { state: "done", result: null })
      expect(ids(yield* lease(queue, 9))).toEqual(["a3"])
    })
  )

  it.scoped("starts in a lane at its pace, with its burst after a quiet time", () =>
    Effect.gen(function* () {
      const queue = yield* Memory.make({ policy: uniform({ cap: 9, gapMs: 1_000, burst: 2 }) })
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

  it.scoped("gives nothing from what is paused", () =>
    Effect.gen(function* () {
      const queue = yield* Memory.make({ policy: uniform() })
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

  it.scoped("waits for a job's time", () =>
    Effect.gen(function* () {
      const queue = yield* Memory.make({ policy: uniform() })
      yield* enqueue(queue, job("a", "host:a", { availableAt: 500 }))
      expect(yield* laneOf(queue, "host:a")).toMatchObject({ ready: 0, delayed: 1 })
      expect(yield* lease(queue, 1)).toEqual([])
      expect(yield* queue.nextReadyAt).toEqual(Option.some(500))
      yield* TestClock.adjust(500)
      expect(ids(yield* lease(queue, 1))).toEqual(["a"])
    })
  )
})

describe("a lease", () => {
  it.scoped("is taken back when it has expired, as a crash and not as an attempt", () =>
    Effect.gen(function* () {
      const queue = yield* Memory.make({ policy: uniform(), maxCrashes: 2 })
      yield* enqueue(queue, job("a"))
      const first = yield* leaseOne(queue, "w1")
      yield* TestClock.adjust(TTL)
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

  it.scoped("is still good after its expiry as long as nobody took it away", () =>
    Effect.gen(function* () {
      const queue = yield* Memory.make({ policy: uniform() })
      yield* enqueue(queue, job("a"), job("b", "host:b"))
      const [a, b] = yield* lease(queue, 2)
      if (a === undefined || b === undefined) throw new Error("two leases expected")
      yield* TestClock.adjust(TTL * 2)
      yield* queue.ack(a, { state: "done", result: { bytes: 1 } })
      expect(yield* queue.heartbeat([a, b], TTL)).toEqual([a])
      expect(yield* lease(queue, 2)).toEqual([])
      expect(yield* get(queue, "a")).toMatchObject({ state: "done", result: { bytes: 1 }, attempts: 1 })
      expect(yield* get(queue, "b")).toMatchObject({ crashes: 0, leaseExpiresAt: TTL * 3 })
    })
  )

  it.scoped("changes nothing once it is lost, not even the history", () =>
    Effect.gen(function* () {
      const queue = yield* Memory.make({ policy: uniform() })
      yield* enqueue(queue, job("a"))
      const old = yield* leaseOne(queue, "same")
      yield* queue.release(old)
      yield* leaseOne(queue, "same")
      const before = yield* get(queue, "a")
      const failed = { reason: "r", message: "m", retryAt: 0 }
      expect(yield* isLost(queue.ack(old, { state: "done", result: 1 }, [note("late")]))).toBe(true)
      expect(yield* isLost(queue.failAndRetry(old, failed, [note("late")]))).toBe(true)
      expect(yield* isLost(queue.release(old, { plan: 1 }, [note("late")]))).toBe(true)
      expect(yield* isLost(queue.reroute(old, { lane: "host:b", plan: 1 }, [note("late")]))).toBe(true)
      expect(yield* get(queue, "a")).toEqual(before)
    })
  )
})

describe("a transition", () => {
  it.scoped("retries later with its plan, then fails with its reason", () =>
    Effect.gen(function* () {
      const queue = yield* Memory.make({ policy: uniform() })
      yield* enqueue(queue, job("a"))
      const first = yield* leaseOne(queue)
      const failed = { reason: "http-503", message: "come back" }
      yield* queue.failAndRetry(first, { ...failed, retryAt: 1_000, plan: { next: 1 } }, [note("http-503")])
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
      yield* queue.failAndRetry(second, { reason: "http-404", message: "gone", retryAt: null, result: [1] })
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

  it.scoped("releases a job to its old place, and holds its lane for all", () =>
    Effect.gen(function* () {
      const queue = yield* Memory.make({ policy: uniform({ cap: 9 }) })
      yield* enqueue(queue, job("a"), job("b"), job("c"))
      const [a, b] = yield* lease(queue, 2)
      if (a === undefined || b === undefined) throw new Error("two leases expected")
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

  it.scoped("reroutes into a lane with room under the same lease", () =>
    Effect.gen(function* () {
      const queue = yield* Memory.make({ policy: policy({ "host:b": { gapMs: 1_000 } }, { all: 1 }) })
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
      yield* queue.ack(one, { state: "done", result: null })
      // The pace of the new lane has noted the start.
      const other = yield* leaseOne(queue)
      expect(yield* queue.reroute(other, { lane: "host:b", plan: null })).toBe("queued")
    })
  )

  it.scoped("reroutes into the line of a lane that is full, held, paused or in a full pool", () =>
    Effect.gen(function* () {
      const queue = yield* Memory.make({
        policy: policy(
          {
            "resolver:r": { cap: 9, pool: "r" },
            "host:poor": { pool: "poor" },
            "host:rich": { pool: "poor" }
          },
          { poor: 1 }
        )
      })
      yield* enqueue(queue, job("full", "host:full"), job("poor", "host:poor"), job("held", "host:held"))
      yield* enqueue(queue, job("paused", "host:paused"))
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
})

describe("a person", () => {
  it.scoped("cancels what isn't final, and a holder loses its lease", () =>
    Effect.gen(function* () {
      const queue = yield* Memory.make({ policy: uniform() })
      yield* enqueue(queue, job("a"), job("b", "host:b"))
      const one = yield* leaseOne(queue)
      expect(yield* queue.cancel("a")).toBe(true)
      expect(yield* queue.cancel("b")).toBe(true)
      expect(yield* queue.cancel("a")).toBe(false)
      expect(yield* queue.cancel("nowhere")).toBe(false)
      expect(yield* isLost(queue.ack(one, { state: "done", result: 1 }))).toBe(true)
      expect(yield* get(queue, "a")).toMatchObject({ state: "skipped", reason: "cancelled", attempts: 0 })
      expect(yield* lease(queue, 9)).toEqual([])
    })
  )

  it.scoped("retries what failed, as new but for its history", () =>
    Effect.gen(function* () {
      const queue = yield* Memory.make({ policy: uniform({ cap: 9 }) })
      yield* enqueue(queue, job("a"), job("b"), job("c", "host:c"))
      for (const one of yield* lease(queue, 9)) {
        const reason = one.id === "a" ? "http-404" : "http-500"
        yield* queue.failAndRetry(one, { reason, message: "m", retryAt: null, plan: 1 }, [note(reason)])
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
        plan: null,
        finishedAt: null,
        history: [note("http-500")]
      })
      expect(ids(yield* lease(queue, 9))).toEqual(["b"])
    })
  )

  it.scoped("prunes what ended long ago, and may queue it again", () =>
    Effect.gen(function* () {
      const queue = yield* Memory.make({ policy: uniform({ cap: 9 }) })
      yield* enqueue(queue, job("done"), job("failed"), job("late"), job("waiting"))
      const [done, failed, late] = yield* lease(queue, 3)
      if (done === undefined || failed === undefined || late === undefined) throw new Error("three expected")
      yield* queue.ack(done, { state: "done", result: 1 })
      yield* queue.failAndRetry(failed, { reason: "r", message: "m", retryAt: null })
      yield* TestClock.adjust(1_000)
      yield* queue.ack(late, { state: "done", result: 1 })
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
    })
  )

  it.scoped("changes the limits of all lanes and pools at once", () =>
    Effect.gen(function* () {
      const queue = yield* Memory.make({ policy: policy({}, { all: 1 }) })
      yield* enqueue(queue, job("a1"), job("a2"), job("a3"), job("b1", "host:b"), job("b2", "host:b"))
      expect(ids(yield* lease(queue, 9))).toEqual(["a1"])
      const roomy = { cap: 9, pool: "own" }
      yield* queue.applyPolicy(policy({ "host:a": roomy, "host:b": { cap: 2 } }, { own: 2, all: 9 }))
      // The job in flight counts in the new pool, and no longer in the old one.
      expect(ids(yield* lease(queue, 9))).toEqual(["b1", "a2", "b2"])
      expect(yield* laneOf(queue, "host:a")).toMatchObject({ ...roomy, inFlight: 2, ready: 1 })
    })
  )

  it.scoped("makes a pace stricter for the starts that were, too", () =>
    Effect.gen(function* () {
      const queue = yield* Memory.make({ policy: uniform({ cap: 9, gapMs: 1_000, burst: 3 }) })
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

  it.scoped("sees jobs in the order they came, and lanes by what is left to do", () =>
    Effect.gen(function* () {
      const queue = yield* Memory.make({ policy: uniform() })
      yield* enqueue(queue, job("z"), job("y", "host:c"), job("x", "host:c"), job("w", "host:b"))
      const listed = yield* Stream.runCollect(queue.list({}))
      expect(Chunk.toReadonlyArray(listed).map((one) => one.id)).toEqual(["z", "y", "x", "w"])
      const some = yield* Stream.runCollect(queue.details({ lane: "host:c", state: "queued", limit: 1 }))
      expect(Chunk.toReadonlyArray(some)).toMatchObject([{ id: "y", payload: { id: "y" }, history: [] }])
      expect((yield* queue.laneStats({ limit: 9 })).map((one) => one.lane)).toEqual([
        "host:c",
        "host:a",
        "host:b"
      ])
      expect(yield* queue.laneStats({ limit: 1 })).toHaveLength(1)
      yield* lease(queue, 1, "me")
      expect(yield* queue.leases).toMatchObject([{ job: 1, worker: "me", expiresAt: TTL }])
    })
  )
})

describe("changes", () => {
  it.scoped("ticks when something new may be leased, and not for a duplicate", () =>
    Effect.gen(function* () {
      const queue = yield* WorkQueue
      let ticks = 0
      const count = Stream.runForEach(queue.changes, () => Effect.sync(() => (ticks += 1)))
      const watcher = yield* Effect.fork(count)
      const seen = Effect.zipRight(
        Effect.repeatN(Effect.yieldNow(), 20),
        Effect.sync(() => ticks)
      )
      yield* seen
      yield* queue.enqueue(job("a"))
      expect(yield* seen).toBe(1)
      yield* queue.enqueue(job("a"))
      expect(yield* seen).toBe(1)
      const one = yield* leaseOne(queue)
      expect(yield* seen).toBe(1)
      yield* queue.release(one)
      expect(yield* seen).toBe(2)
      yield* queue.pause()
      yield* queue.resume()
      expect(yield* seen).toBe(3)
      yield* Fiber.interrupt(watcher)
    }).pipe(Effect.provide(Memory.layer({ policy: uniform() })))
  )
})
