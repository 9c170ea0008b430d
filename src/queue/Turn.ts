/**
 * A scheduler's turn: transitions of different jobs, and then a lease of what may start. A store that pays by the
 * transaction does both in one; any other makes its turn of the single operations, by `turnOf`.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Lease } from "../Job.ts"
import type { LeaseLost, WorkQueueError, WorkQueueService } from "../WorkQueue.ts"
import type { Transition } from "./Transition.ts"

/** Whose work is asked for, how much of it, and for how long. */
export interface LeaseRequest {
  readonly worker: string
  readonly limit: number
  readonly ttl: Duration.DurationInput
}

/** What became of a turn: whether each of its transitions counted, in their order, and what was leased. */
export interface Turn {
  readonly verdicts: ReadonlyArray<"ok" | "lost">
  readonly leases: ReadonlyArray<Lease>
}

/** One transition by itself. */
export const settle = (
  queue: Pick<WorkQueueService, Transition["kind"]>,
  transition: Transition
): Effect.Effect<void, LeaseLost | WorkQueueError> => {
  const { history, lease } = transition
  switch (transition.kind) {
    case "ack":
      return queue.ack(lease, transition.settled, history)
    case "failAndRetry":
      return queue.failAndRetry(lease, transition.failed, history)
    case "release":
      return queue.release(lease, transition.released, history)
  }
}

/** A turn for stores where many steps cost no more than one: its transitions one by one, and then the lease. */
export const turnOf =
  (queue: Pick<WorkQueueService, Transition["kind"] | "lease">): WorkQueueService["turn"] =>
  (transitions, request) =>
    Effect.uninterruptible(
      Effect.zipWith(
        Effect.forEach(transitions, (transition) =>
          Effect.as(settle(queue, transition), "ok" as const).pipe(
            Effect.catchTag("LeaseLost", () => Effect.succeed("lost" as const))
          )
        ),
        request === undefined ? Effect.succeed([]) : queue.lease(request),
        (verdicts, leases): Turn => ({ verdicts, leases })
      )
    )
