/**
 * What a queue means for a run that somebody else holds, longer than a statement waits for it: nothing is lost yet, and
 * leases are good for long, so it is met again.
 */
import * as Effect from "effect/Effect"
import { WorkQueueError } from "../WorkQueue.ts"

/** Whether another program has the queue. */
export const isLocked = <E>(error: E): error is E & WorkQueueError =>
  error instanceof WorkQueueError && error.reason === "busy"

/** Says so, and lets a moment pass. */
export const pause = ({ message }: WorkQueueError): Effect.Effect<void> =>
  Effect.zipRight(Effect.logWarning(`${message}; trying again`), Effect.sleep("1 second"))

/** Writes as soon as it can be, or until it is interrupted: that may be while it waits, not while it writes. */
export const whenFree = <A, E>(write: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.catchIf(Effect.uninterruptible(write), isLocked, (error) =>
    Effect.zipRight(pause(error), whenFree(write))
  )
