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
import { duration, number, percent } from "./Numbers.ts"
import { flow } from "./View.ts"

/** What an import has come to. */
export interface Reading {
  /** What the file is called. */
  readonly name: string
  readonly elapsedMs: number
  readonly read: number
  readonly rejected: number
  /** The part of the file that was read, from 0 to 1; `null` when it isn't known how long it is. */
  readonly share: number | null
}

/** Before that the time left says little. */
const SOON_MS = 2000

const left = ({ elapsedMs, share }: Reading): ReadonlyArray<string> =>
  share === null || share < 0.001 || share >= 1 || elapsedMs < SOON_MS
    ? []
    : [`about ${duration((elapsedMs / share) * (1 - share))} left`]

/** The parts of its line. */
export const readingParts = (reading: Reading): ReadonlyArray<string> => {
  const { elapsedMs, name, read, rejected, share } = reading
  return [
    `${name}: ${count(read, "line")} read${share === null ? "" : ` (${percent(share, 1)})`}`,
    ...(rejected > 0 ? [`${number(rejected)} rejected`] : []),
    ...(elapsedMs > 0 ? [`${number(Math.round((read / elapsedMs) * 1000))} lines/s`] : []),
    ...left(reading)
  ]
}

/** Shows the counts until the scope closes. */
export const showReading = (
  name: string,
  counts: {
    readonly read: Ref.Ref<number>
    readonly rejected: Ref.Ref<number>
    readonly share: Effect.Effect<number | null>
  }
): Effect.Effect<void, never, Output | Scope.Scope> =>
  Effect.gen(function* () {
    const startedAt = yield* Clock.currentTimeMillis
    const now = Effect.gen(function* () {
      const elapsedMs = (yield* Clock.currentTimeMillis) - startedAt
      return {
        name,
        elapsedMs,
        read: yield* Ref.get(counts.read),
        rejected: yield* Ref.get(counts.rejected),
        share: yield* counts.share
      }
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
