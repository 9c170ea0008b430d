/**
 * What a dispatcher does that finds nothing to lease: sleep, until when, or end the run.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { RunOptions, RunReport } from "../Scheduler.ts"
import type { WorkQueueError, WorkQueueService } from "../WorkQueue.ts"

/** Sleep until something happens, at most until a time; or end. */
export type Idle =
  | { readonly _tag: "Sleep"; readonly until: Option.Option<number> }
  | { readonly _tag: "End"; readonly report: Omit<RunReport, "ends"> }

/** Sleep until something happens. */
export const UNTIL_WOKEN: Idle = { _tag: "Sleep", until: Option.none() }

const end = (ended: "drained" | "deferred", nextReadyAt: Option.Option<number>): Idle => ({
  _tag: "End",
  report: { ended, nextReadyAt: Option.getOrNull(nextReadyAt) }
})

/** Decides what an idle dispatcher does. It remembers since when there has been nothing to do for this process. */
export const make = (queue: WorkQueueService, options: RunOptions) => {
  const maxWaitMs = Duration.toMillis(options.maxWait ?? "15 minutes")
  let idleSince: number | undefined

  const decide = (running: number): Effect.Effect<Idle, WorkQueueError> =>
    Effect.gen(function* () {
      const next = yield* queue.nextReadyAt
      if (running > 0 || options.drain !== true) return { _tag: "Sleep", until: next }
      const { in_progress, queued } = yield* queue.stats
      if (queued + in_progress === 0) return end("drained", Option.none())
      const now = yield* Clock.currentTimeMillis
      // What came free since the last lease was asked for is worth another look, also if nothing is worth waiting for.
      const unseen = idleSince === undefined && Option.exists(next, (at) => at <= now)
      idleSince ??= now
      const deadline = idleSince + maxWaitMs
      // Jobs of other processes may free a lane, fail or be left behind at any time.
      const worthWaiting = in_progress > 0 || Option.exists(next, (at) => at <= deadline)
      if (!worthWaiting || (now >= deadline && !unseen)) return end("deferred", next)
      return {
        _tag: "Sleep",
        until: Option.some(
          Math.min(
            deadline,
            Option.getOrElse(next, () => deadline)
          )
        )
      }
    })

  return {
    decide,
    /** Something was leased; it may have ended again before anyone asks what to do next. */
    leased: () => {
      idleSince = undefined
    }
  }
}
