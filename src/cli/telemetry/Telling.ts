/** What a run tells machines of itself while it goes on, by its settings and OpenTelemetry's variables. */
import { dirname, resolve } from "node:path"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import type * as Scope from "effect/Scope"
import type { Settings } from "../../Config.ts"
import type * as Telemetry from "../../Telemetry.ts"
import type { WorkQueue } from "../../WorkQueue.ts"
import { Environment } from "../Environment.ts"
import type { Exited } from "../Exit.ts"
import * as Variables from "../otlp/Variables.ts"
import { serve } from "./Endpoint.ts"
import * as Observed from "./Observed.ts"
import { counted, type Reading } from "./Reading.ts"

export interface Telling {
  /** How the jobs are traced. */
  readonly spans: Telemetry.Tracing
  /** Runs an effect whose spans are told of. */
  readonly traced: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Tells of metrics until the scope ends. */
  readonly metrics: (
    workers: Observed.ObservedOptions["workers"]
  ) => Effect.Effect<void, Exited, WorkQueue | Scope.Scope>
}

/** Tells until its scope ends. */
export const make = (settings: Settings): Effect.Effect<Telling, never, Scope.Scope> =>
  Effect.gen(function* () {
    const variables = Variables.read(yield* Environment)
    yield* Effect.forEach(variables.troubles, (trouble) => Effect.logWarning(trouble), { discard: true })
    const exported =
      variables.traces === undefined && variables.metrics === undefined
        ? undefined
        : (yield* Effect.promise(() => import("../otlp/Export.ts"))).make(variables)
    const tracer = exported === undefined ? undefined : yield* exported.tracer

    const metrics: Telling["metrics"] = (workers) =>
      Effect.gen(function* () {
        if (settings.telemetry.prometheus.port === null && variables.metrics === undefined) return
        const observed = yield* Observed.make({
          workers,
          folders: { output: resolve(settings.download.out), queue: dirname(resolve(settings.queue.path)) }
        })
        const withCounted = Effect.map((seen: ReadonlyArray<Reading>) => [...seen, ...counted()])
        yield* serve(settings.telemetry.prometheus, withCounted(Observed.sparing(observed)))
        // It is read at its own pace, and once more at the end, when what is told has to be the last word.
        if (exported !== undefined) yield* exported.metrics(withCounted(observed))
      })

    return {
      spans: tracer === undefined ? false : "linked",
      traced: tracer === undefined ? identity : Effect.withTracer(tracer),
      metrics
    }
  })
