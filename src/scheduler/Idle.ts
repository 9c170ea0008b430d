/**
 * When a draining run has waited long enough: what a dispatcher does that finds nothing to lease, and when it leases no
 * more.
 *
 * A wait is over when something has come of a lease: a job has ended, used up a try or moved on to another lane. A lease
 * that ends in nothing but the next wait is a part of it, so that a host that refuses for ever, a second at a time,
 * holds no run up for longer than one that says so at once.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { RunOptions, RunReport } from "../Scheduler.ts"
import type { JobEnd } from "../Worker.ts"
import type { WorkQueueError, WorkQueueService } from "../WorkQueue.ts"

/** Sleep until something happens, at most until a time; or end. */
export type Idle =
  | { readonly _tag: "Sleep"; readonly until: Option.Option<number> }
  | { readonly _tag: "End"; readonly report: Omit<RunReport, "ends"> }

/** The waits of a run. */
export interface Waits {
  /** Something was leased. */
  readonly leased: () => void
  /** A lease has ended. */
  readonly ended: (end: JobEnd["end"]) => void
  /** Until when nothing is to be leased, while so many jobs run; `undefined`: it may be. */
  readonly held: (running: number) => number | undefined
  /** What to do now that nothing was there to lease, while so many jobs run. */
  readonly decide: (running: number) => Effect.Effect<Idle, WorkQueueError>
}

/**
 * What may start is started for so long at least, though nothing comes of it, whatever `maxWait` is. And so long it is
 * waited to see what comes of the jobs that run: longer than a refusal takes.
 */
const PATIENCE_MS = 60_000

const end = (ended: "drained" | "deferred", nextReadyAt: Option.Option<number>): Idle => ({
  _tag: "End",
  report: { ended, nextReadyAt: Option.getOrNull(nextReadyAt) }
})

/** The waits of a run that hasn't leased anything yet. */
export const make = (queue: WorkQueueService, options: RunOptions): Effect.Effect<Waits> =>
  Effect.map(Effect.clock, (clock) => {
    const maxWaitMs = Duration.toMillis(options.maxWait ?? "15 minutes")
    const patienceMs = Math.max(maxWaitMs, PATIENCE_MS)
    /** Since when there has been nothing to do, or nothing came of what was done. */
    let since: number | undefined
    /** Until when it is waited for what comes of the jobs that run. */
    let heldUntil: number | undefined
    /** Whether something may have come free since work was last asked for in vain. */
    let unseen = true

    const decide: Waits["decide"] = (running) =>
      Effect.gen(function* () {
        const next = yield* queue.nextReadyAt
        if (running > 0 || options.drain !== true) return { _tag: "Sleep", until: next }
        const { in_progress, queued } = yield* queue.stats
        if (queued + in_progress === 0) return end("drained", Option.none())
        const now = yield* Clock.currentTimeMillis
        since ??= now
        // What came free since the last lease was asked for is worth another look, also if nothing is worth waiting for.
        const again = unseen && now < since + patienceMs && Option.exists(next, (at) => at <= now)
        unseen = false
        const deadline = since + maxWaitMs
        // Jobs of other processes may free a lane, fail or be left behind at any time.
        const worthWaiting = in_progress > 0 || Option.exists(next, (at) => at <= deadline)
        if (!again && (!worthWaiting || now >= deadline)) return end("deferred", next)
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

    const ended: Waits["ended"] = (how) => {
      if (how === "waiting") {
        since ??= clock.unsafeCurrentTimeMillis()
      } else {
        since = undefined
        heldUntil = undefined
      }
    }

    const held: Waits["held"] = (running) => {
      if (options.drain !== true || since === undefined) return undefined
      const now = clock.unsafeCurrentTimeMillis()
      // Many that refuse in turn would leave no moment in which nothing runs.
      if (heldUntil === undefined) {
        if (running > 0 && now >= since + patienceMs) heldUntil = now + PATIENCE_MS
      } else if (running > 0 && now >= heldUntil) {
        // Who is still running is at work.
        since = now
        heldUntil = undefined
      }
      return heldUntil
    }

    return {
      leased: () => {
        unseen = true
      },
      ended,
      held,
      decide
    }
  })
