/**
 * SIGINT, SIGTERM and SIGHUP as effects.
 *
 * While this service is there no signal kills the process by itself: whoever runs something has to listen. Commands
 * that have nothing to wind down use `untilSignal`, which interrupts them at the first one.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { Exited, ExitCode } from "./Exit.ts"

/** The signals, each with the exit code that tells of it. SIGHUP: the terminal is gone. */
const CODES = { SIGINT: ExitCode.sigint, SIGTERM: ExitCode.sigterm, SIGHUP: ExitCode.sighup } as const
export type Signal = keyof typeof CODES

const isSignal = (name: string): name is Signal => Object.hasOwn(CODES, name)
const SIGNALS = Object.keys(CODES).filter(isSignal)

export interface SignalsService {
  /** Waits for the first signal; answers at once when it has come already. */
  readonly first: Effect.Effect<Signal>
  /** Waits for the second one. */
  readonly second: Effect.Effect<Signal>
}

export class Signals extends Context.Tag("contentdownload/cli/Signals")<Signals, SignalsService>() {}

/** The exit code that says which signal ended the program. */
export const exitCode = (signal: Signal): number => CODES[signal]

/**
 * Runs an effect until the first signal, which interrupts it. The second one doesn't wait for its finalizers.
 */
export const untilSignal = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | Exited, R | Signals> =>
  Effect.flatMap(Signals, (signals) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        // Not a child: a fiber that ends waits for its children, also for their finalizers.
        const fiber = yield* Effect.forkDaemon(restore(effect))
        const ended = yield* restore(Effect.raceFirst(Fiber.await(fiber), signals.first)).pipe(
          Effect.onInterrupt(() => Fiber.interrupt(fiber))
        )
        if (typeof ended !== "string") return yield* ended
        // In the background: a finalizer that hangs must not hold up the second signal.
        const stopping = yield* Effect.forkDaemon(Fiber.interrupt(fiber))
        const stopped = yield* restore(Effect.raceFirst(Fiber.join(stopping), signals.second))
        // It may have ended by itself just then.
        if (typeof stopped !== "string" && Exit.isSuccess(stopped)) return stopped.value
        return yield* new Exited({ code: exitCode(typeof stopped === "string" ? stopped : ended) })
      })
    )
  )

/** The signals of this process. */
export const layer: Layer.Layer<Signals> = Layer.scoped(
  Signals,
  Effect.gen(function* () {
    const first = yield* Deferred.make<Signal>()
    const second = yield* Deferred.make<Signal>()
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        let received = 0
        const listener = (signal: NodeJS.Signals) => {
          if (!isSignal(signal)) return
          received += 1
          Deferred.unsafeDone(received === 1 ? first : second, Effect.succeed(signal))
        }
        for (const signal of SIGNALS) process.on(signal, listener)
        return listener
      }),
      (listener) =>
        Effect.sync(() => {
          for (const signal of SIGNALS) process.off(signal, listener)
        })
    )
    return { first: Deferred.await(first), second: Deferred.await(second) }
  })
)

/** No signal ever comes. */
export const layerNever: Layer.Layer<Signals> = Layer.succeed(Signals, {
  first: Effect.never,
  second: Effect.never
})
