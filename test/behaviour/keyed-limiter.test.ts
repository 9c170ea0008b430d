import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as MetricState from "effect/MetricState"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as KeyedLimiter from "../../src/KeyedLimiter.ts"

/** What the limiter tells of its waits, in the registry that exporters read. */
const waitsFor = (cause: string | undefined) =>
  Effect.map(Metric.snapshot, (pairs) => {
    const states = pairs.flatMap(({ metricKey: { name, tags }, metricState }) =>
      name === "contentdownload.wait.duration" &&
      tags.some(({ key, value }) => key === "cause" && (cause === undefined || value === cause)) &&
      MetricState.isHistogramState(metricState)
        ? [metricState]
        : []
    )
    return states.reduce((all, { count, sum }) => ({ count: all.count + count, sum: all.sum + sum }), {
      count: 0,
      sum: 0
    })
  })

const yields = (n: number) => Effect.repeatN(Effect.yieldNow(), n)

const idle = { keys: 0, inUse: 0, waiting: 0 }

/** One effect of a random crowd; times are in turns of the scheduler, so that everything meets everything. */
const visitor = FastCheck.record({
  key: FastCheck.constantFrom("a", "a", "b", "c"),
  arrives: FastCheck.nat(4),
  stays: FastCheck.nat(12),
  ends: FastCheck.constantFrom("well", "failing", "dying"),
  interruptedAt: FastCheck.option(FastCheck.nat(30), { nil: undefined, freq: 2 }),
  tries: FastCheck.constantFrom(false, false, true)
})
type Visitor = typeof visitor extends FastCheck.Arbitrary<infer A> ? A : never

const caps: Readonly<Record<string, number>> = { a: 1, b: 2 }
const capOf = (key: string) => caps[key] ?? 3

const push = (map: Map<string, Array<number>>, key: string, i: number) =>
  map.set(key, [...(map.get(key) ?? []), i])

/** Sends the crowd through a limiter and answers what was seen. */
const visit = (crowd: ReadonlyArray<Visitor>) =>
  Effect.gen(function* () {
    const limiter = yield* KeyedLimiter.make({ cap: 3, caps: (key) => caps[key] })
    const inside = new Map<string, number>()
    const mostInside = new Map<string, number>()
    /** Who asks for a key, in the order of asking; with one key in the crowd, whether they have to wait. */
    const lined = new Map<string, Array<number>>()
    const waits = new Set<number>()
    const entered = new Map<string, Array<number>>()

    const fibers = yield* Effect.forEach(crowd, (one, i) => {
      const body = Effect.acquireUseRelease(
        Effect.sync(() => {
          const now = (inside.get(one.key) ?? 0) + 1
          inside.set(one.key, now)
          mostInside.set(one.key, Math.max(now, mostInside.get(one.key) ?? 0))
          push(entered, one.key, i)
        }),
        () => yields(one.stays),
        () => Effect.sync(() => inside.set(one.key, (inside.get(one.key) ?? 0) - 1))
      ).pipe(
        Effect.zipRight(
          one.ends === "well"
            ? Effect.succeed(i)
            : one.ends === "failing"
              ? Effect.fail("failed")
              : Effect.die("died")
        )
      )
      const asks = one.tries
        ? limiter.tryWithPermit(one.key)(body)
        : Effect.map(limiter.stats, ({ inUse }) => {
            push(lined, one.key, i)
            if (inUse >= capOf(one.key)) waits.add(i)
          }).pipe(Effect.zipRight(Effect.asSome(limiter.withPermit(one.key)(body))))
      return Effect.fork(Effect.zipRight(yields(one.arrives), asks))
    })
    yield* Effect.forEach(
      crowd,
      (one, i) => {
        const fiber = fibers[i]
        return one.interruptedAt === undefined || fiber === undefined
          ? Effect.void
          : Effect.fork(Effect.zipRight(yields(one.interruptedAt), Fiber.interruptFork(fiber)))
      },
      { discard: true }
    )
    const exits = yield* Effect.forEach(fibers, Fiber.await)
    return { limiter, exits, mostInside, lined, waits, entered, stats: yield* limiter.stats }
  })

const crowds = { crowd: FastCheck.array(visitor, { minLength: 1, maxLength: 25 }) }
const runs = { fastCheck: { numRuns: 100 } }

describe("KeyedLimiter, whatever the crowd", () => {
  it.effect.prop(
    "never lets more in at once than the key's cap",
    crowds,
    ({ crowd }) =>
      Effect.map(visit(crowd), ({ mostInside }) => {
        for (const [key, most] of mostInside) expect(most).toBeLessThanOrEqual(capOf(key))
      }),
    runs
  )

  it.effect.prop(
    "serves in the order of arrival, where one is let in at a time",
    crowds,
    ({ crowd }) =>
      Effect.map(visit(crowd.map((one) => ({ ...one, key: "a" }))), ({ entered, lined }) => {
        const served = (entered.get("a") ?? []).filter((i) => crowd[i]?.tries === false)
        expect(served).toEqual((lined.get("a") ?? []).filter((i) => served.includes(i)))
      }),
    runs
  )

  it.effect.prop(
    "serves who waits in the order of arrival, where several may go on at once",
    crowds,
    ({ crowd }) =>
      Effect.map(
        visit(crowd.map((one) => ({ ...one, key: "b" }))),
        // Who is handed a permit goes on when its fiber is run, which may be after another that was handed one at the
        // same time, or found one free: by no more places than there are permits.
        ({ entered, lined, waits }) => {
          const served = (entered.get("b") ?? []).filter((i) => waits.has(i))
          const arrived = (lined.get("b") ?? []).filter((i) => served.includes(i))
          expect(served.toSorted((x, y) => x - y)).toEqual(arrived.toSorted((x, y) => x - y))
          for (const [place, i] of served.entries()) {
            expect(
              Math.abs(place - arrived.indexOf(i)),
              `${served.join()} of ${arrived.join()}`
            ).toBeLessThanOrEqual(capOf("b"))
          }
        }
      ),
    runs
  )

  it.effect.prop(
    "ends everybody who isn't interrupted as their effect ends",
    crowds,
    ({ crowd }) =>
      Effect.map(visit(crowd), ({ exits }) => {
        crowd.forEach((one, i) => {
          const exit = exits[i]
          if (exit === undefined || one.interruptedAt !== undefined) return
          if (one.tries && Exit.isSuccess(exit) && Option.isNone(exit.value)) return
          const expected =
            one.ends === "well"
              ? Exit.succeed(Option.some(i))
              : one.ends === "failing"
                ? Exit.fail("failed")
                : Exit.die("died")
          expect(exit).toStrictEqual(expected)
        })
      }),
    runs
  )

  it.effect.prop(
    "loses no permit and makes none",
    crowds,
    ({ crowd }) =>
      Effect.gen(function* () {
        const { limiter, stats } = yield* visit(crowd)
        expect(stats).toEqual(idle)
        for (const key of ["a", "b", "c"]) {
          const all = Array.from({ length: capOf(key) + 1 }).reduce<Effect.Effect<number>>(
            (inner) =>
              Effect.map(
                limiter.tryWithPermit(key)(inner),
                Option.match({ onNone: () => 0, onSome: (n) => n + 1 })
              ),
            Effect.succeed(0)
          )
          expect(yield* all).toBe(capOf(key))
        }
        expect(yield* limiter.stats).toEqual(idle)
      }),
    runs
  )
})

describe("KeyedLimiter", () => {
  it.effect("lets nobody barge: who comes back at once stands behind who waits", () =>
    Effect.gen(function* () {
      const limiter = yield* KeyedLimiter.make({ cap: 1 })
      const order: Array<string> = []
      const enter = (name: string) => limiter.withPermit("k")(Effect.sync(() => order.push(name)))
      const held = yield* Deferred.make<void>()
      const greedy = yield* Effect.fork(
        limiter
          .withPermit("k")(Deferred.await(held))
          .pipe(Effect.zipRight(Effect.repeatN(enter("greedy"), 99)))
      )
      yield* yields(3)
      const patient = yield* Effect.fork(enter("patient"))
      yield* yields(3)
      yield* Deferred.succeed(held, undefined)
      yield* Fiber.join(patient)
      yield* Fiber.join(greedy)
      expect(order[0]).toBe("patient")
      expect(order).toHaveLength(101)
    })
  )

  it.effect("passes the permit on when a waiter is interrupted just after it was handed over", () =>
    Effect.gen(function* () {
      const limiter = yield* KeyedLimiter.make({ cap: 1 })
      const held = yield* Deferred.make<void>()
      const first = yield* Effect.fork(limiter.withPermit("k")(Deferred.await(held)))
      yield* yields(2)
      const second = yield* Effect.fork(limiter.withPermit("k")(Effect.succeed("second")))
      const third = yield* Effect.fork(limiter.withPermit("k")(Effect.succeed("third")))
      yield* yields(2)
      expect(yield* limiter.stats).toEqual({ keys: 1, inUse: 1, waiting: 2 })
      // The first hands its permit over before the second has run on, and the interruption is already on its way.
      yield* Deferred.succeed(held, undefined)
      yield* Fiber.interruptFork(second)
      expect(yield* Fiber.join(third)).toBe("third")
      yield* Fiber.await(second)
      yield* Fiber.join(first)
      expect(yield* limiter.stats).toEqual(idle)
    })
  )

  it.effect("doesn't make keys wait for each other", () =>
    Effect.gen(function* () {
      const limiter = yield* KeyedLimiter.make({ cap: 1 })
      const stuck = yield* Effect.fork(limiter.withPermit("slow")(Effect.never))
      yield* yields(2)
      expect(yield* limiter.withPermit("fast")(Effect.succeed(1))).toBe(1)
      yield* Fiber.interrupt(stuck)
    })
  )

  it.effect("answers None at once when it is full, without running the effect", () =>
    Effect.gen(function* () {
      const limiter = yield* KeyedLimiter.make({ cap: 1 })
      let ran = false
      const answer = yield* limiter.withPermit("k")(
        limiter.tryWithPermit("k")(
          Effect.sync(() => {
            ran = true
          })
        )
      )
      expect(answer).toEqual(Option.none())
      expect(ran).toBe(false)
    })
  )

  it.effect("forgets keys that nobody uses", () =>
    Effect.gen(function* () {
      const limiter = yield* KeyedLimiter.make({ cap: 2 })
      let most = 0
      yield* Effect.forEach(
        Array.from({ length: 2_000 }, (_, i) => `host-${i}`),
        (key) =>
          limiter.withPermit(key)(
            Effect.map(limiter.stats, ({ keys }) => {
              most = Math.max(most, keys)
            })
          ),
        { concurrency: 4, discard: true }
      )
      expect(most).toBeLessThanOrEqual(4)
      expect(yield* limiter.stats).toEqual(idle)
    })
  )

  it.effect("takes a cap below one as one", () =>
    Effect.gen(function* () {
      const limiter = yield* KeyedLimiter.make({ cap: 0, caps: () => Number.NaN })
      expect(yield* limiter.withPermit("k")(Effect.succeed(1))).toBe(1)
    })
  )

  it.effect("measures the wait in seconds", () =>
    Effect.gen(function* () {
      const limiter = yield* KeyedLimiter.KeyedLimiter
      const before = yield* waitsFor("permit")
      const first = yield* Effect.fork(limiter.withPermit("k")(Effect.sleep("3 seconds")))
      const second = yield* Effect.fork(limiter.withPermit("k")(Effect.void))
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.joinAll([first, second])
      const after = yield* waitsFor("permit")
      expect(after.count - before.count).toBe(2)
      expect(after.sum - before.sum).toBeCloseTo(3)
    }).pipe(Effect.provide(Layer.fresh(KeyedLimiter.layer({ cap: 1 }))))
  )

  it.effect("calls its waits as it is told, or doesn't measure them", () =>
    Effect.gen(function* () {
      const [parser, all] = [yield* waitsFor("parser"), yield* waitsFor(undefined)]
      yield* (yield* KeyedLimiter.make({ cap: 1, cause: "parser" })).withPermit("k")(Effect.void)
      yield* (yield* KeyedLimiter.make({ cap: 1, cause: null })).withPermit("k")(Effect.void)
      expect((yield* waitsFor("parser")).count - parser.count).toBe(1)
      expect((yield* waitsFor(undefined)).count - all.count).toBe(1)
    })
  )
})

describe("A cap that changes while its key is in use", () => {
  it.scoped(
    "counts from the next permit that is asked for or given back, or a recheck, for those who wait first",
    () =>
      Effect.gen(function* () {
        let cap = 1
        const limiter = yield* KeyedLimiter.make({ cap: 9, caps: () => cap })
        const running: Array<string> = []
        const leave = new Map<string, Deferred.Deferred<void>>()
        const enter = (name: string) =>
          Effect.gen(function* () {
            const gate = yield* Deferred.make<void>()
            leave.set(name, gate)
            yield* Effect.fork(
              limiter.withPermit("k")(
                Effect.suspend(() => {
                  running.push(name)
                  return Deferred.await(gate)
                })
              )
            )
            yield* yields(5)
          })
        const letGo = (name: string) =>
          Effect.zipRight(
            Effect.flatMap(Effect.orDie(Effect.fromNullable(leave.get(name))), (gate) =>
              Deferred.succeed(gate, undefined)
            ),
            yields(5)
          )
        yield* Effect.forEach(["a", "b", "c"], enter)
        expect(running).toEqual(["a"])
        cap = 3
        yield* enter("d")
        expect(running).toEqual(["a", "b", "c"])
        cap = 1
        yield* letGo("a")
        yield* letGo("b")
        expect(running).toEqual(["a", "b", "c"])
        yield* letGo("c")
        expect(running).toEqual(["a", "b", "c", "d"])
        cap = 2
        yield* enter("e")
        yield* enter("f")
        expect(running).toEqual(["a", "b", "c", "d", "e"])
        cap = 3
        yield* Effect.zipRight(limiter.recheck, yields(5))
        expect(running).toEqual(["a", "b", "c", "d", "e", "f"])
        yield* Effect.forEach(["d", "e", "f"], letGo)
        expect(yield* limiter.stats).toEqual(idle)
      })
  )
})
