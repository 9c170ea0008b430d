import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import { type Signal, Signals, untilSignal } from "../../src/cli/Signals.ts"

/** Signals that a test sends. */
const remote = Effect.gen(function* () {
  const first = yield* Deferred.make<Signal>()
  const second = yield* Deferred.make<Signal>()
  return {
    first: (signal: Signal) => Deferred.succeed(first, signal),
    second: (signal: Signal) => Deferred.succeed(second, signal),
    layer: Layer.succeed(Signals, { first: Deferred.await(first), second: Deferred.await(second) })
  }
})

const codeOf = (exit: Exit.Exit<unknown, { readonly code: number }>) =>
  Exit.match(exit, {
    onSuccess: () => 0,
    onFailure: (cause) => (cause._tag === "Fail" ? cause.error.code : -1)
  })

describe("a command under signals", () => {
  it.effect("ends as it does without them", () =>
    Effect.gen(function* () {
      const signals = yield* remote
      expect(yield* Effect.provide(untilSignal(Effect.succeed(1)), signals.layer)).toBe(1)
      const failed = yield* Effect.either(Effect.provide(untilSignal(Effect.fail("no")), signals.layer))
      expect(failed).toEqual(Either.left("no"))
    })
  )

  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143]
  ] as const) {
    it.effect(`is interrupted by ${signal}, releases what it holds, and ends with ${code}`, () =>
      Effect.gen(function* () {
        const signals = yield* remote
        const released = yield* Ref.make(false)
        const started = yield* Deferred.make<void>()
        const fiber = yield* Deferred.succeed(started, undefined).pipe(
          Effect.zipRight(Effect.never),
          Effect.ensuring(Ref.set(released, true)),
          untilSignal,
          Effect.provide(signals.layer),
          Effect.fork
        )
        yield* Deferred.await(started)
        yield* signals.first(signal)
        expect(codeOf(yield* Fiber.await(fiber))).toBe(code)
        expect(yield* Ref.get(released)).toBe(true)
      })
    )
  }

  it.effect("doesn't wait for its finalizers after the second signal", () =>
    Effect.gen(function* () {
      const signals = yield* remote
      const stopping = yield* Deferred.make<void>()
      const started = yield* Deferred.make<void>()
      const fiber = yield* Deferred.succeed(started, undefined).pipe(
        Effect.zipRight(Effect.never),
        Effect.ensuring(Effect.zipRight(Deferred.succeed(stopping, undefined), Effect.never)),
        untilSignal,
        Effect.provide(signals.layer),
        Effect.fork
      )
      yield* Deferred.await(started)
      yield* signals.first("SIGINT")
      yield* Deferred.await(stopping)
      yield* signals.second("SIGTERM")
      expect(codeOf(yield* Fiber.await(fiber))).toBe(143)
    })
  )

  it.effect("is interrupted with the program around it", () =>
    Effect.gen(function* () {
      const signals = yield* remote
      const released = yield* Ref.make(false)
      const started = yield* Deferred.make<void>()
      const fiber = yield* Deferred.succeed(started, undefined).pipe(
        Effect.zipRight(Effect.never),
        Effect.ensuring(Ref.set(released, true)),
        untilSignal,
        Effect.provide(signals.layer),
        Effect.fork
      )
      yield* Deferred.await(started)
      yield* Fiber.interrupt(fiber)
      expect(yield* Ref.get(released)).toBe(true)
    })
  )
})
