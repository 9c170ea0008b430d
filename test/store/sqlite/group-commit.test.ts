import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import * as GroupCommit from "../../../src/store/sqlite/GroupCommit.ts"
import { runs } from "../../contract/Given.ts"

interface Item {
  readonly key: number
  readonly value: number
}

/** Items by callers that come at different turns. */
const items = FastCheck.array(FastCheck.record({ key: FastCheck.nat(6), turns: FastCheck.nat(5) }), {
  maxLength: 60
})

/** Writes in some turns, and remembers what it wrote; two writes at once are an error of its own. */
const recorder = (options: {
  readonly turns: number
  readonly refuses?: (batch: ReadonlyArray<Item>) => boolean
}) => {
  const batches: Array<ReadonlyArray<Item>> = []
  let writing = false
  const submit = GroupCommit.make<Item, number, "refused">({
    key: (item) => item.key,
    write: (batch) =>
      Effect.gen(function* () {
        if (writing) return yield* Effect.dieMessage("two writes at once")
        writing = true
        for (let i = 0; i < options.turns; i++) yield* Effect.yieldNow()
        writing = false
        batches.push(batch)
        if (options.refuses?.(batch) === true) return yield* Effect.fail("refused" as const)
        return batch.map((item) => item.value * 2)
      })
  })
  return { batches, submit }
}

describe("group commit", () => {
  it.effect.prop(
    "writes each item once, in its callers' order, and answers each with its own answer",
    { items, turns: FastCheck.nat(3) },
    ({ items: given, turns }) =>
      Effect.gen(function* () {
        const { batches, submit } = recorder({ turns })
        const answers = yield* Effect.forEach(
          given,
          ({ key, turns: late }, value) =>
            Effect.zipRight(Effect.repeatN(Effect.yieldNow(), late), submit({ key, value })),
          { concurrency: "unbounded" }
        )
        expect(answers).toEqual(given.map((_, value) => value * 2))
        expect(
          batches
            .flat()
            .map((item) => item.value)
            .toSorted((a, b) => a - b)
        ).toEqual(given.map((_, i) => i))
        for (const batch of batches) expect(new Set(batch.map((item) => item.key)).size).toBe(batch.length)
      }),
    runs(60)
  )

  it.effect.prop(
    "keeps the order of the items of one key",
    { keys: FastCheck.array(FastCheck.nat(3), { maxLength: 30 }) },
    ({ keys }) =>
      Effect.gen(function* () {
        const { batches, submit } = recorder({ turns: 1 })
        yield* Effect.forEach(keys, (key, value) => submit({ key, value }), { concurrency: "unbounded" })
        for (const key of new Set(keys)) {
          const written = batches.flat().filter((item) => item.key === key)
          expect(written.map((item) => item.value)).toEqual(
            keys.flatMap((other, i) => (other === key ? i : []))
          )
        }
      }),
    runs(40)
  )

  it.effect("shares a write among those that come together, and doesn't let it grow without bound", () =>
    Effect.gen(function* () {
      const { batches, submit } = recorder({ turns: 0 })
      yield* Effect.forEach(
        Array.from({ length: 1_000 }, (_, i) => i),
        (i) => submit({ key: i, value: i }),
        { concurrency: "unbounded" }
      )
      expect(batches.length).toBeLessThan(20)
      for (const batch of batches) expect(batch.length).toBeLessThanOrEqual(256)
    })
  )

  it.effect.prop(
    "tells a failure to those it happened to, and goes on with the others",
    { items, bad: FastCheck.nat(6) },
    ({ bad, items: given }) =>
      Effect.gen(function* () {
        const { batches, submit } = recorder({
          turns: 1,
          refuses: (batch) => batch.some((item) => item.key === bad)
        })
        const answers = yield* Effect.forEach(
          given,
          ({ key, turns }, value) =>
            Effect.zipRight(Effect.repeatN(Effect.yieldNow(), turns), Effect.either(submit({ key, value }))),
          { concurrency: "unbounded" }
        )
        for (const batch of batches) {
          const refused = batch.some((item) => item.key === bad)
          for (const item of batch) expect(answers[item.value]?._tag).toBe(refused ? "Left" : "Right")
        }
        expect(batches.flat()).toHaveLength(given.length)
      }),
    runs(40)
  )

  it.effect("goes on after a bug in a write", () =>
    Effect.gen(function* () {
      let broken = true
      const submit = GroupCommit.make<Item, string, never>({
        key: (item) => item.key,
        write: (batch) =>
          Effect.suspend(() =>
            broken ? Effect.dieMessage("a bug") : Effect.succeed(batch.map(() => "written"))
          )
      })
      expect((yield* Effect.exit(submit({ key: 1, value: 1 })))._tag).toBe("Failure")
      broken = false
      expect(yield* submit({ key: 1, value: 1 })).toBe("written")
    })
  )

  it.effect("writes what was handed in, also when nobody waits for it any more", () =>
    Effect.gen(function* () {
      const { batches, submit } = recorder({ turns: 3 })
      const callers = yield* Effect.forEach([1, 2, 3], (i) => Effect.fork(submit({ key: i, value: i })))
      yield* Effect.yieldNow()
      yield* Fiber.interruptAll(callers)
      expect(batches.flat().map((item) => item.value)).toEqual([1, 2, 3])
      expect(yield* submit({ key: 4, value: 4 })).toBe(8)
    })
  )

  it.effect("answers the first to come, however many come after", () =>
    Effect.gen(function* () {
      const stop = yield* Deferred.make<void>()
      // Every write is followed by another item, for as long as the first caller has no answer.
      const submit: (item: Item) => Effect.Effect<string> = GroupCommit.make<Item, string, never>({
        key: (item) => item.key,
        write: (batch) =>
          Effect.gen(function* () {
            if (!(yield* Deferred.isDone(stop))) {
              yield* Effect.fork(submit({ key: 1, value: 1 })).pipe(Effect.zipRight(Effect.yieldNow()))
            }
            return batch.map(() => "written")
          })
      })
      expect(yield* submit({ key: 0, value: 0 })).toBe("written")
      yield* Deferred.succeed(stop, undefined)
    })
  )

  it.effect("waits out the gap after a write while more are expected, and no longer", () =>
    Effect.gen(function* () {
      const batches: Array<ReadonlyArray<number>> = []
      let expected = 3
      const submit = GroupCommit.make<number, number, never>({
        key: (item) => item,
        write: (batch) => {
          batches.push(batch)
          expected -= batch.length
          return Effect.succeed(batch)
        },
        gapMs: 5,
        expectsMore: (waiting) => waiting < expected
      })
      yield* submit(1)
      // Two are expected still: the second waits for the third.
      const second = yield* Effect.fork(submit(2))
      yield* TestClock.adjust(4)
      expect(batches).toEqual([[1]])
      const third = yield* Effect.fork(submit(3))
      yield* TestClock.adjust(1)
      expect(yield* Fiber.join(second)).toBe(2)
      expect(yield* Fiber.join(third)).toBe(3)
      expect(batches).toEqual([[1], [2, 3]])
      // No more is expected: it is written at once, though nothing but the clock would say so.
      expect(yield* submit(4)).toBe(4)
    })
  )
})
