/** What a run tells machines of itself while it goes on, by its settings and the environment. */
import { dirname, resolve } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Settings } from "../../Config.ts"
import type { WorkQueue } from "../../WorkQueue.ts"
import type { Exited } from "../Exit.ts"
import { serve } from "./Endpoint.ts"
import * as Observed from "./Observed.ts"
import { counted, type Reading } from "./Reading.ts"

/** Tells until its scope ends. */
export const tell = (
  settings: Settings,
  workers: Observed.ObservedOptions["workers"]
): Effect.Effect<void, Exited, WorkQueue | Scope.Scope> =>
  Effect.gen(function* () {
    if (settings.telemetry.prometheus.port === null) return
    const observed = yield* Observed.make({
      workers,
      folders: { output: resolve(settings.download.out), queue: dirname(resolve(settings.queue.path)) }
    })
    const readings: Effect.Effect<ReadonlyArray<Reading>> = Effect.map(observed, (seen) => [
      ...seen,
      ...counted()
    ])
    yield* serve(settings.telemetry.prometheus, readings)
  })
