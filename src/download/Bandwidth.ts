/**
 * A limit on the bytes that all downloads of a process receive together: a token bucket that hands out turns.
 *
 * Every connection has at most one piece of its body waiting, and turns come in the order they were asked for, so the
 * connections share the rate piece by piece, whatever their number and their speed. Who waits doesn't read, and the
 * server is slowed down by the connection's own flow control.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { type BucketLimits, FULL, reserved } from "../TokenBucket.ts"

/** The turn of one piece. */
export interface Turn {
  readonly come: Promise<void>
  /** Nobody waits for it any more: it comes at once. What it was to cost stays paid once its wait has begun. */
  readonly skip: () => void
}

/** Asks for a turn for so many bytes. */
export type Bandwidth = (bytes: number) => Turn

/** What a token of the bucket stands for: its arithmetic is exact to a microsecond a token. */
const TOKEN_BYTES = 64 * 1024
/** What may come at once after a quiet time: a tenth of a second's worth, but never less than a piece. */
const BURST_SECONDS = 0.1

const nothing = (): void => undefined

interface Waiting {
  readonly bytes: number
  readonly resolve: () => void
  skipped: boolean
}

/** The turns by this rate, by Effect's Clock. They end with the scope: who waits then goes on. */
export const make = (bytesPerSecond: number): Effect.Effect<Bandwidth, never, Scope.Scope> =>
  Effect.gen(function* () {
    const refillPerSecond = bytesPerSecond / TOKEN_BYTES
    const limits: BucketLimits = { capacity: Math.max(1, refillPerSecond * BURST_SECONDS), refillPerSecond }
    const queue = yield* Queue.unbounded<Waiting>()
    let bucket = FULL
    let current: Waiting | undefined
    let over = false
    yield* Effect.forkScoped(
      Effect.forever(
        Effect.gen(function* () {
          const next = yield* Queue.take(queue)
          if (next.skipped) return
          current = next
          const { state, wait } = reserved(
            bucket,
            limits,
            yield* Clock.currentTimeMillis,
            next.bytes / TOKEN_BYTES
          )
          bucket = state
          if (wait > 0) yield* Effect.sleep(wait)
          next.resolve()
        })
      )
    )
    yield* Effect.addFinalizer(() =>
      Effect.map(Queue.takeAll(queue), (rest) => {
        over = true
        current?.resolve()
        for (const { resolve } of rest) resolve()
      })
    )
    return (bytes) => {
      let resolve = nothing
      const come = new Promise<void>((done) => {
        resolve = done
      })
      const waiting: Waiting = { bytes, resolve, skipped: false }
      if (over) resolve()
      else Queue.unsafeOffer(queue, waiting)
      return {
        come,
        skip: () => {
          waiting.skipped = true
          resolve()
        }
      }
    }
  })
