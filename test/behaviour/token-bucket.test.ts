import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import * as TokenBucket from "../../src/TokenBucket.ts"

/** Limits by microseconds per token, so that a simulation in integers says the same to the last millisecond. */
const limitsOf = (capacity: number, micros: number): TokenBucket.BucketLimits => ({
  capacity,
  refillPerSecond: 1_000_000 / micros
})

const micros = FastCheck.oneof(
  FastCheck.integer({ min: 1, max: 5_000 }),
  FastCheck.integer({ min: 5_000, max: 5_000_000 })
)
const capacity = FastCheck.integer({ min: 1, max: 8 })
const cost = FastCheck.integer({ min: 1, max: 4 })
const pause = FastCheck.oneof(FastCheck.nat(5), FastCheck.nat(10_000))

/** A bucket as one would explain it: a level that rises with time up to the capacity. In microseconds of refill. */
class Naive {
  level: number
  now = 0
  readonly full: number
  readonly perToken: number
  constructor(full: number, perToken: number) {
    this.full = full
    this.perToken = perToken
    this.level = full
  }
  pass(ms: number) {
    this.now += ms
    this.add(ms * 1000)
  }
  add(amount: number) {
    this.level = Math.min(this.full, this.level + amount)
  }
  waitFor(tokens: number) {
    return Math.max(0, Math.ceil((tokens * this.perToken - this.level) / 1000))
  }
}

const operation = FastCheck.oneof(
  FastCheck.record({ kind: FastCheck.constant("reserve" as const), cost }),
  FastCheck.record({ kind: FastCheck.constant("tryTake" as const), cost }),
  FastCheck.record({ kind: FastCheck.constant("refund" as const), cost }),
  FastCheck.record({ kind: FastCheck.constant("pass" as const), cost: pause })
)

/** The most tokens above what a window may hold: over all half-open windows of whole milliseconds. */
const worstExcess = (
  starts: ReadonlyArray<{ readonly at: number; readonly cost: number }>,
  b: number,
  perToken: number
) => {
  const sorted = starts.toSorted((x, y) => x.at - y.at)
  let worst = -Infinity
  sorted.forEach((from, i) => {
    let tokens = 0
    for (const start of sorted.slice(i)) {
      tokens += start.cost
      const window = start.at - from.at + 1
      worst = Math.max(worst, tokens - b - (window * 1000) / perToken)
    }
  })
  return worst
}

describe("TokenBucket, whatever is asked of it", () => {
  it.prop(
    "says what a naive simulation says",
    { capacity, micros, operations: FastCheck.array(operation, { maxLength: 60 }) },
    ({ capacity: b, micros: perToken, operations }) => {
      const limits = limitsOf(b, perToken)
      const naive = new Naive(b * perToken, perToken)
      let state = TokenBucket.FULL
      for (const { cost: n, kind } of operations) {
        if (kind === "pass") naive.pass(n)
        else if (kind === "refund") {
          state = TokenBucket.refunded(state, limits, n)
          naive.add(n * perToken)
        } else {
          const taken = TokenBucket.reserved(state, limits, naive.now, n)
          expect(taken.wait).toBe(naive.waitFor(n))
          if (kind === "tryTake" && taken.wait > 0) continue
          state = taken.state
          naive.level -= n * perToken
        }
        expect(TokenBucket.isFull(state, naive.now)).toBe(naive.level === naive.full)
      }
    },
    { fastCheck: { numRuns: 500 } }
  )

  it.effect.prop(
    "gives out at most b + r * t tokens in any window of time, penalties or not",
    {
      capacity: FastCheck.integer({ min: 4, max: 8 }),
      micros,
      asks: FastCheck.array(
        FastCheck.record({
          cost,
          after: pause,
          penalty: FastCheck.option(FastCheck.nat(20_000), { nil: undefined })
        }),
        { maxLength: 60 }
      )
    },
    ({ asks, capacity: b, micros: perToken }) =>
      Effect.gen(function* () {
        const bucket = yield* TokenBucket.makeMemory({ limits: () => limitsOf(b, perToken) })
        const starts: Array<{ at: number; cost: number }> = []
        let now = 0
        for (const ask of asks) {
          yield* TestClock.adjust(ask.after)
          now += ask.after
          if (ask.penalty !== undefined) yield* bucket.penalise("k", now + ask.penalty - 5_000)
          starts.push({ at: now + (yield* bucket.reserve("k", ask.cost)), cost: ask.cost })
        }
        expect(worstExcess(starts, b, perToken)).toBeLessThanOrEqual(1e-6)
      }),
    { fastCheck: { numRuns: 30 } }
  )

  it.effect.prop(
    "lets nothing go before a penalty ends, whatever is refunded, and never shortens one",
    {
      capacity,
      micros,
      operations: FastCheck.array(
        FastCheck.oneof(
          operation,
          FastCheck.record({ kind: FastCheck.constant("penalise" as const), cost: FastCheck.nat(30_000) })
        ),
        { maxLength: 60 }
      )
    },
    ({ capacity: b, micros: perToken, operations }) =>
      Effect.gen(function* () {
        const bucket = yield* TokenBucket.makeMemory({ limits: () => limitsOf(b, perToken) })
        let now = 0
        let notBefore = 0
        for (const { cost: n, kind } of operations) {
          if (kind === "pass") {
            yield* TestClock.adjust(n)
            now += n
          } else if (kind === "penalise") {
            yield* bucket.penalise("k", n)
            notBefore = Math.max(notBefore, n)
          } else if (kind === "refund") {
            yield* bucket.refund("k", n)
          } else {
            expect(now + (yield* bucket[kind]("k", n))).toBeGreaterThanOrEqual(Math.max(now, notBefore))
          }
        }
      }),
    { fastCheck: { numRuns: 50 } }
  )

  it.effect.prop(
    "keeps time for everyone who takes, in the order they came",
    {
      capacity,
      micros: FastCheck.integer({ min: 1, max: 100_000 }),
      takers: FastCheck.integer({ min: 1, max: 30 })
    },
    ({ capacity: b, micros: perToken, takers }) =>
      Effect.gen(function* () {
        const bucket = yield* TokenBucket.makeMemory({ limits: () => limitsOf(b, perToken) })
        const fibers = yield* Effect.forEach(Array.from({ length: takers }), () =>
          Effect.fork(Effect.zipRight(bucket.take("k"), Clock.currentTimeMillis))
        )
        yield* TestClock.adjust(takers * 101)
        const times = yield* Fiber.join(Fiber.all(fibers))
        expect(times).toEqual(times.toSorted((x, y) => x - y))
        const starts = times.map((at) => ({ at, cost: 1 }))
        expect(worstExcess(starts, b, perToken)).toBeLessThanOrEqual(1e-6)
      }),
    { fastCheck: { numRuns: 20 } }
  )
})

const make = (b: number, refillPerSecond: number) =>
  TokenBucket.makeMemory({ limits: () => ({ capacity: b, refillPerSecond }) })

describe("TokenBucket", () => {
  it.effect("lets a burst go, then one after the other", () =>
    Effect.gen(function* () {
      const bucket = yield* make(2, 2)
      const waits = yield* Effect.replicateEffect(bucket.reserve("k"), 5)
      expect(waits).toEqual([0, 0, 500, 1000, 1500])
    })
  )

  it.effect("waits whole milliseconds at odd rates", () =>
    Effect.gen(function* () {
      const bucket = yield* make(1, 1 / 3)
      expect(yield* Effect.replicateEffect(bucket.reserve("k"), 3)).toEqual([0, 3000, 6000])
      const slow = yield* make(1, 0.33)
      expect(yield* Effect.replicateEffect(slow.reserve("k"), 2)).toEqual([0, 3031])
    })
  )

  it.effect("takes nothing with a tryTake that has to wait", () =>
    Effect.gen(function* () {
      const bucket = yield* make(1, 1)
      expect(yield* bucket.tryTake("k")).toBe(0)
      expect(yield* bucket.tryTake("k")).toBe(1000)
      expect(yield* bucket.tryTake("k")).toBe(1000)
      yield* TestClock.adjust(1000)
      expect(yield* bucket.tryTake("k")).toBe(0)
    })
  )

  it.effect("makes a cost above the capacity wait for the excess", () =>
    Effect.gen(function* () {
      const bucket = yield* make(2, 1)
      expect(yield* bucket.reserve("k", 5)).toBe(3000)
      expect(yield* bucket.reserve("k")).toBe(4000)
    })
  )

  it.effect("starts with one after a penalty, not with a burst", () =>
    Effect.gen(function* () {
      const bucket = yield* make(5, 1)
      yield* bucket.penalise("k", 10_000)
      yield* bucket.penalise("k", 4_000)
      expect(yield* Effect.replicateEffect(bucket.reserve("k"), 3)).toEqual([10_000, 11_000, 12_000])
    })
  )

  it.effect("makes who already sleeps line up behind a penalty", () =>
    Effect.gen(function* () {
      const bucket = yield* make(1, 1)
      const takers = yield* Effect.forEach([0, 1, 2], () =>
        Effect.fork(Effect.zipRight(bucket.take("k"), Clock.currentTimeMillis))
      )
      yield* TestClock.adjust(500)
      yield* bucket.penalise("k", 20_000)
      yield* TestClock.adjust(60_000)
      const times = yield* Fiber.join(Fiber.all(takers))
      expect(times[0]).toBe(0)
      expect(times[1]).toBeGreaterThanOrEqual(20_000)
      expect((times[2] ?? 0) - (times[1] ?? 0)).toBeGreaterThanOrEqual(1000)
    })
  )

  it.effect("keeps keys apart", () =>
    Effect.gen(function* () {
      const bucket = yield* TokenBucket.TokenBucket
      expect(yield* bucket.reserve("slow")).toBe(0)
      expect(yield* bucket.reserve("slow")).toBe(10_000)
      expect(yield* bucket.reserve("fast")).toBe(0)
      expect(yield* bucket.reserve("fast")).toBe(100)
    }).pipe(
      Effect.provide(
        TokenBucket.layerMemory({
          limits: (key) => ({ capacity: 1, refillPerSecond: key === "slow" ? 0.1 : 10 })
        })
      )
    )
  )

  it.effect("forgets keys whose buckets are full again, and no others", () =>
    Effect.gen(function* () {
      const bucket = yield* make(1, 1)
      yield* bucket.penalise("held", 10_000_000)
      let most = 0
      for (let i = 0; i < 2_000; i++) {
        yield* bucket.reserve(`host-${i}`)
        if (i % 10 === 9) yield* TestClock.adjust(1000)
        most = Math.max(most, yield* bucket.keys)
      }
      // Twenty are not full at any time.
      expect(most).toBeLessThanOrEqual(80)
      expect(yield* bucket.reserve("held")).toBe(10_000_000 - 200_000)
    })
  )

  it.effect("refuses limits that can't be kept as a defect", () =>
    Effect.gen(function* () {
      for (const [b, r] of [
        [0, 1],
        [1, 0],
        [Number.NaN, 1],
        [1, -1]
      ] as const) {
        const bucket = yield* make(b, r)
        const exit = yield* Effect.exit(bucket.reserve("k"))
        expect(Exit.isFailure(exit) && Cause.isDieType(exit.cause) && exit.cause.defect).toBeInstanceOf(
          RangeError
        )
      }
    })
  )
})
