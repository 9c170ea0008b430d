/**
 * How an import gets on: what was read of the file, and how fast.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import { count, localTime } from "../Text.ts"
import type { Output } from "../Output.ts"
import { display } from "./Display.ts"
import { number } from "./Numbers.ts"
import { flow } from "./View.ts"

/** What an import has come to. */
export interface Reading {
  /** What the file is called. */
  readonly name: string
  readonly elapsedMs: number
  readonly read: number
  readonly rejected: number
}

/** The parts of its line. */
export const readingParts = ({ elapsedMs, name, read, rejected }: Reading): ReadonlyArray<string> => [
  `${name}: ${count(read, "line")} read`,
  ...(rejected > 0 ? [`${number(rejected)} rejected`] : []),
  ...(elapsedMs > 0 ? [`${number(Math.round((read / elapsedMs) * 1000))} lines/s`] : [])
]

/** Shows the counts until the scope closes. */
export const showReading = (
  name: string,
  counts: { readonly read: Ref.Ref<number>; readonly rejected: Ref.Ref<number> }
): Effect.Effect<void, never, Output | Scope.Scope> =>
  Effect.gen(function* () {
    const startedAt = yield* Clock.currentTimeMillis
    const now = Effect.gen(function* () {
      const elapsedMs = (yield* Clock.currentTimeMillis) - startedAt
      return { name, elapsedMs, read: yield* Ref.get(counts.read), rejected: yield* Ref.get(counts.rejected) }
    })
    yield* display({
      living: ({ colours, columns }) =>
        Effect.map(now, (reading) =>
          flow(readingParts(reading), columns)
            .map((line) => colours.bold(line))
            .join("\n")
        ),
      plain: Effect.map(
        now,
        (reading) =>
          `${localTime(startedAt + reading.elapsedMs).slice(11)} ${readingParts(reading).join(", ")}`
      )
    })
  })
