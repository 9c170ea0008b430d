/**
 * The parts that a fetch works on: each is closed when the fetch is over, however that ends, unless it has its place.
 *
 * Not a scope of Effect's: one costs a file more than writing it.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { PartFile } from "./PartFile.ts"

/** What is still to be closed. */
export interface Parts {
  /** `close` is called once, unless the part was kept by then. */
  readonly add: (file: PartFile, close: () => Promise<void>) => void
}

const collect = () => {
  const open: Array<{ readonly file: PartFile; readonly close: () => Promise<void> }> = []
  const parts: Parts = { add: (file, close) => void open.push({ file, close }) }
  /** Those that came last first. */
  const close = Effect.suspend(() => {
    const left = open.splice(0).filter(({ file }) => !file.kept)
    return left.length === 0
      ? Effect.void
      : Effect.promise(async () => {
          for (const part of left.toReversed()) await part.close()
        })
  })
  return { parts, close, isOver: () => open.every(({ file }) => file.kept) }
}

/** Runs `use`, and closes what it has added. */
export const using = <A, E, R>(use: (parts: Parts) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) => {
    const { close, isOver, parts } = collect()
    return Effect.matchCauseEffect(restore(use(parts)), {
      onFailure: (cause) => Effect.zipRight(close, Effect.failCause(cause)),
      // Mostly all have their places by now.
      onSuccess: (value) => (isOver() ? Effect.succeed(value) : Effect.as(close, value))
    })
  })

/** Parts that the scope closes. */
export const scoped: Effect.Effect<Parts, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(Effect.sync(collect), ({ close }) => close),
  ({ parts }) => parts
)
