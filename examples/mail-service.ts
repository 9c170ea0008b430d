/** The mails of `mail.ts` as a service: it sends what others queue, until it is told to stop. */
import { Scheduler, WorkQueue } from "contentdownload"
import { Effect } from "effect"
import { policy } from "./mail.ts"

/** Sends until `stop` ends; then starts nothing more, and lets what runs end within the grace time. */
export const serve = (stop: Effect.Effect<void>) =>
  Effect.gen(function* () {
    const queue = yield* WorkQueue.WorkQueue
    const scheduler = yield* Scheduler.Scheduler
    // Also to lanes that were made under other limits, by another process or an earlier version.
    yield* queue.applyPolicy(policy)
    yield* Effect.forkScoped(Effect.zipRight(stop, scheduler.stop))
    return yield* scheduler.run({
      onEnd: ({ end, lease, message }) => Effect.logInfo(`${lease.id}: ${message ?? end}`)
    })
  }).pipe(Effect.scoped)

/** A `stop` that waits for SIGINT or SIGTERM. */
export const signalled = Effect.async<void>((resume) => {
  const stop = () => resume(Effect.void)
  process.once("SIGINT", stop).once("SIGTERM", stop)
  return Effect.sync(() => process.off("SIGINT", stop).off("SIGTERM", stop))
})
