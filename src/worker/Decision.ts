/**
 * What becomes of a job by how its handler ended: a result, a failure class, a defect, an interruption, each has its
 * transition here.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import { type Fatal, Retry } from "../Failure.ts"
import type { HandlerError, Outcome } from "../Handler.ts"
import type { Attempt, Lease } from "../Job.ts"
import * as Telemetry from "../Telemetry.ts"
import type { Ending } from "../Worker.ts"
import { LeaseLost, type Transition, type WorkQueueError } from "../WorkQueue.ts"

/** What a job that failed may cost. */
export interface Costs {
  readonly maxAttempts: number
  readonly backoffMs: number
  readonly maxBackoffMs: number
}

/** What is to be written about a job, and how its lease ends by that. */
export interface Decision {
  /** `null`: nothing, because the job was moved already or its lease is lost. */
  readonly transition: Transition | null
  readonly ending: Ending
  /** Why the run can't go on, whether or not the transition can be written. */
  readonly failure?: Fatal | WorkQueueError
}

/**
 * The wait before retry number `retry` (1, 2, …) in milliseconds: exponential backoff with full jitter, a uniform
 * draw from nothing to the doubled bound (Brooker, "Exponential Backoff and Jitter", 2015).
 */
export const retryDelay = (retry: number, baseMs: number, maxMs: number): Effect.Effect<number> =>
  // Doubled no further than a number reaches: 0 * Infinity is none.
  Effect.map(Random.next, (draw) =>
    Math.round(draw * Math.min(maxMs, baseMs * 2 ** Math.min(retry - 1, 1023)))
  )

const DONE: Ending = { end: "done", reason: null, message: null }

const MOVED: Decision = { transition: null, ending: { end: "moved", reason: null, message: null } }

/** The job is somebody else's, and so is what becomes of it. */
export const lost = ({ id, token }: Lease): Ending => ({
  end: "lost",
  reason: "lease-lost",
  message: new LeaseLost({ id, token }).message
})

/** Gives the job back as it was. */
export const interrupted = (lease: Lease, history: ReadonlyArray<Attempt>): Decision => ({
  transition: { kind: "release", lease, history, released: {} },
  ending: { end: "released", reason: "interrupted", message: null }
})

/** A failed try: to be had again later, or the last, after which there may be something else to wait for. */
const retry = Effect.fnUntraced(function* (
  costs: Costs,
  lease: Lease,
  failure: Retry,
  history: ReadonlyArray<Attempt>
) {
  const tries = lease.attempts + 1
  const { atLast, message, plan, reason } = failure
  const to = (retryAt: number | null, ending: Ending): Decision => ({
    transition: { kind: "failAndRetry", lease, history, failed: { reason, message, retryAt, plan } },
    ending
  })
  if (tries >= costs.maxAttempts) {
    return atLast === undefined
      ? to(null, { end: "error", reason, message, exhausted: true })
      : yield* failed(costs, lease, atLast, history)
  }
  const now = yield* Clock.currentTimeMillis
  const delay = yield* retryDelay(tries, costs.backoffMs, costs.maxBackoffMs)
  const retryAt = Math.max(now + delay, failure.notBefore ?? 0)
  Telemetry.waits.note((retryAt - now) / 1000, "backoff")
  return to(retryAt, { end: "retry", reason, message })
})

/** A bug, of the handler or in what it wants written: a failed try, so that it doesn't go on for ever. */
export const fault = (
  costs: Costs,
  lease: Lease,
  cause: Cause.Cause<unknown>,
  history: ReadonlyArray<Attempt>
): Effect.Effect<Decision> =>
  Effect.zipRight(
    Effect.logError("the handler has a fault", cause),
    retry(costs, lease, faulty(cause), history)
  )

const faulty = (cause: Cause.Cause<unknown>): Retry =>
  new Retry({ reason: "internal-fault", message: Cause.pretty(cause).split("\n", 1)[0] ?? "unknown" })

const failed = (
  costs: Costs,
  lease: Lease,
  error: HandlerError,
  history: ReadonlyArray<Attempt>
): Effect.Effect<Decision> => {
  switch (error._tag) {
    case "Retry":
      return retry(costs, lease, error, history)
    case "WaitLane": {
      const { gapMs, message, plan, reason, until } = error
      return Effect.map(Clock.currentTimeMillis, (now) => {
        Telemetry.waits.note(Math.max(0, until - now) / 1000, "hold")
        return {
          transition: { kind: "release", lease, history, released: { plan, hold: { until, reason, gapMs } } },
          ending: { end: "waiting", reason, message }
        }
      })
    }
    case "Later": {
      const { message, plan, reason, until } = error
      return Effect.map(Clock.currentTimeMillis, (now) => {
        Telemetry.waits.note(Math.max(0, until - now) / 1000, "backoff")
        return {
          transition: {
            kind: "release",
            lease,
            history,
            released: { plan, later: { until, reason, message } }
          },
          ending: { end: "waiting", reason, message }
        }
      })
    }
    case "Skip": {
      const { message, reason, result } = error
      return Effect.succeed({
        transition: { kind: "ack", lease, history, settled: { state: "skipped", reason, message, result } },
        ending: { end: "skipped", reason, message }
      })
    }
    case "Permanent": {
      const { message, reason, result } = error
      return Effect.succeed({
        transition: {
          kind: "failAndRetry",
          lease,
          history,
          failed: { reason, message, retryAt: null, result }
        },
        ending: { end: "error", reason, message }
      })
    }
    case "Fatal":
      // It is why the run ends, whether or not the job can be released.
      return Effect.succeed({ ...interrupted(lease, history), failure: error })
    case "LeaseLost":
      return Effect.succeed({ transition: null, ending: lost(lease) })
    case "WorkQueueError":
      return Effect.succeed({ ...interrupted(lease, history), transition: null, failure: error })
  }
}

/** The class that a failed try is kept under; none where no try is counted. */
const classOf = (error: HandlerError): Attempt["class"] | undefined => {
  switch (error._tag) {
    case "Retry":
      return "retry"
    case "Skip":
      return "skip"
    case "Permanent":
      return "permanent"
    case "WaitLane":
    case "Later":
    case "Fatal":
    case "LeaseLost":
    case "WorkQueueError":
      return undefined
  }
}

/** The tries to be kept: those the handler noted. Where it noted none, the whole is one, so that its cause is told. */
const tries = (
  error: HandlerError,
  startedAt: number,
  noted: ReadonlyArray<Attempt>
): Effect.Effect<ReadonlyArray<Attempt>> => {
  const kind = classOf(error)
  if (kind === undefined || noted.length > 0) return Effect.succeed(noted)
  const [reason, message] = "reason" in error ? [error.reason, error.message] : [null, null]
  return Effect.map(Clock.currentTimeMillis, (now) => [
    {
      startedAt,
      durationMs: Math.max(0, now - startedAt),
      step: "handle",
      target: null,
      class: kind,
      reason,
      message
    }
  ])
}

/** A job that has its result. */
export const done = (
  lease: Lease,
  { result }: Extract<Outcome, { _tag: "Done" }>,
  history: ReadonlyArray<Attempt>
): Decision => ({
  transition: { kind: "ack", lease, history, settled: { state: "done", result } },
  ending: DONE
})

/** What becomes of the job, and how its lease ends. */
export const decide = (
  costs: Costs,
  lease: Lease,
  exit: Exit.Exit<Outcome, HandlerError>,
  seen: { readonly startedAt: number; readonly moved: boolean; readonly interrupted: boolean },
  history: ReadonlyArray<Attempt>
): Effect.Effect<Decision> => {
  if (Exit.isSuccess(exit)) {
    if (exit.value._tag === "Done") return Effect.succeed(done(lease, exit.value, history))
    // A job that only says so would be left to the expiry of its lease.
    return seen.moved
      ? Effect.succeed(MOVED)
      : fault(costs, lease, Cause.die("the handler ended with Moved, but the job is where it was"), history)
  }
  const { cause } = exit
  const error = Cause.failureOption(cause)
  if (Option.isSome(error)) {
    const failure = error.value
    return Effect.flatMap(tries(failure, seen.startedAt, history), (all) =>
      failed(costs, lease, failure, all)
    )
  }
  // Only an interruption from outside gives the job back as it was: one that the handler brings about by itself
  // would come again with each lease. What a clean-up has to say afterwards doesn't change that.
  if (!seen.interrupted || !Cause.isInterrupted(cause)) {
    return Effect.flatMap(tries(faulty(cause), seen.startedAt, history), (all) =>
      fault(costs, lease, cause, all)
    )
  }
  const released = Effect.succeed(seen.moved ? MOVED : interrupted(lease, history))
  return Cause.isInterruptedOnly(cause)
    ? released
    : Effect.zipRight(Effect.logError("the handler has a fault in its clean-up", cause), released)
}
