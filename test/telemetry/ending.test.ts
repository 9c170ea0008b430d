/** The time that sending has at the end of a run. */
import { expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as TestClock from "effect/TestClock"
import * as Delivery from "../../src/cli/otlp/Delivery.ts"

it.effect("the signals share a time; each has a little of it at least", () =>
  Effect.gen(function* () {
    const ending = Delivery.makeEnding()
    expect(yield* ending.left).toBe(Number.POSITIVE_INFINITY)
    yield* ending.begin
    expect(yield* ending.left).toBe(1500)
    yield* TestClock.adjust("400 millis")
    yield* ending.begin
    expect(yield* ending.left).toBe(1100)
    yield* TestClock.adjust("2 seconds")
    expect(yield* ending.left).toBe(0)
    yield* ending.begin
    expect(yield* ending.left).toBe(500)
  })
)

it.effect.prop(
  "two signals that use all they have are over within two seconds, whatever lies between them",
  { between: FastCheck.nat(10_000) },
  ({ between }) =>
    Effect.gen(function* () {
      const ending = Delivery.makeEnding()
      const use = Effect.gen(function* () {
        yield* ending.begin
        const left = yield* ending.left
        yield* TestClock.adjust(Duration.millis(left))
        return left
      })
      const first = yield* use
      yield* TestClock.adjust(Duration.millis(between))
      expect(first + (yield* use)).toBeLessThanOrEqual(2000)
    })
)
