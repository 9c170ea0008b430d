/**
 * Shows how a queue drains, for as long as its scope is open: living lines on a terminal, else one line every half
 * minute. It only reads, and rarely enough that the work doesn't notice.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { downloadedBytes } from "../../Telemetry.ts"
import { WorkQueue, type WorkQueueError } from "../../WorkQueue.ts"
import { note, Output } from "../Output.ts"
import { eta, rates, type Sight } from "./Estimate.ts"
import * as View from "./View.ts"

/** How often the living lines are painted. */
const PAINT_EVERY = "500 millis"
/** How often a line is written where there is no terminal. */
const LINE_EVERY = "30 seconds"
/** What a rate is measured over. */
const WINDOW_MS = 15_000
/** Lanes that are looked at. */
const LANES = 50
/** Looking at lanes costs with their number: no more than one part in so many of the time goes to it. */
const LANE_SHARE = 50

/** How a process's bytes are counted. */
export const receivedBytes: Effect.Effect<number> = Effect.map(
  Metric.value(downloadedBytes),
  ({ count }) => count
)

/** Sees the queue, and remembers the lanes while looking at them again would cost too much. */
const makeLook = (bytesBefore: number) => {
  let lanes: { readonly value: Sight["lanes"]; readonly goodUntil: number } = { value: [], goodUntil: 0 }
  return Effect.gen(function* () {
    const queue = yield* WorkQueue
    const at = yield* Clock.currentTimeMillis
    if (at >= lanes.goodUntil) {
      const value = yield* queue.laneStats({ limit: LANES })
      const took = (yield* Clock.currentTimeMillis) - at
      lanes = { value, goodUntil: at + took * LANE_SHARE }
    }
    return {
      at,
      stats: yield* queue.stats,
      lanes: lanes.value,
      paused: yield* queue.paused,
      bytes: (yield* receivedBytes) - bytesBefore
    } satisfies Sight
  })
}

/** Starts showing; ends with the scope, which removes the living lines. */
export const show: Effect.Effect<void, WorkQueueError, WorkQueue | Output | Scope.Scope> = Effect.gen(
  function* () {
    const output = yield* Output
    const look = makeLook(yield* receivedBytes)
    let seen: ReadonlyArray<Sight> = [yield* look]

    /** Looks, and keeps what is younger than the window, or the last: the oldest of it is what is compared with. */
    const next = Effect.map(look, (sight) => {
      const young = seen.filter(({ at }) => at >= sight.at - WINDOW_MS)
      seen = [...(young.length > 0 ? young : seen.slice(-1)), sight]
      const before = seen[0] ?? sight
      return [sight, rates(before, sight), eta(before, sight)] as const
    })
    const paint = Effect.flatMap(next, (now) => output.live(View.lines(...now, output.stderr)))
    const write = Effect.flatMap(next, (now) => note(View.headline(...now)))

    if (output.stderr.tty) yield* Effect.addFinalizer(() => output.live(""))
    yield* (
      output.stderr.tty
        ? Effect.repeat(paint, Schedule.spaced(PAINT_EVERY))
        : Effect.schedule(write, Schedule.spaced(LINE_EVERY))
    ).pipe(
      // The run meets the same trouble and says so.
      Effect.catchAll((error) => Effect.logDebug(`the progress can't be shown: ${error.message}`)),
      Effect.forkScoped
    )
  }
)
