/** Metrics and traces of a run, sent by OTLP over HTTP as the variables say. */
import { randomUUID } from "node:crypto"
import { hostname } from "node:os"
import * as OtlpMetrics from "@effect/opentelemetry/OtlpMetrics"
import { layerJson, layerProtobuf, OtlpSerialization } from "@effect/opentelemetry/OtlpSerialization"
import * as OtlpTracer from "@effect/opentelemetry/OtlpTracer"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as Context from "effect/Context"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type * as Tracer from "effect/Tracer"
import type { Reading } from "../telemetry/Reading.ts"
import * as Delivery from "./Delivery.ts"
import * as Encoding from "./Encoding.ts"
import { sampled } from "./Sampler.ts"
import type { Target, Variables } from "./Variables.ts"

/** Who sends. */
const resourceOf = ({ attributes, serviceName }: Variables) => {
  const { "service.name": _, ...rest } = attributes
  return {
    serviceName,
    serviceVersion: rest["service.version"] ?? process.env.CONTENTDOWNLOAD_VERSION ?? "0",
    attributes: {
      "service.instance.id": randomUUID(),
      "process.pid": process.pid,
      "host.name": hostname(),
      ...Object.fromEntries(Object.entries(rest).filter(([name]) => name !== "service.version"))
    }
  }
}

/** What both signals are sent with. */
const optionsOf = (target: Target & { readonly everyMs: number }) => ({
  url: target.url,
  headers: { ...target.headers, ...(target.gzip ? { "content-encoding": "gzip" } : {}) },
  exportInterval: Duration.millis(target.everyMs),
  // What is sent has its own, shorter time.
  shutdownTimeout: Duration.seconds(10)
})

const serializationOf = (target: Target): Effect.Effect<Context.Tag.Service<OtlpSerialization>> =>
  Effect.map(
    Effect.provide(OtlpSerialization, target.encoding === "json" ? layerJson : layerProtobuf),
    (inner) =>
      target.gzip
        ? {
            ...inner,
            traces: (data) => Encoding.gzipped(inner.traces(data)),
            metrics: (data) => Encoding.gzipped(inner.metrics(data))
          }
        : inner
  )

/** The variables were read; the library isn't to read them in its own way. */
const withoutVariables = Effect.withConfigProvider(ConfigProvider.fromMap(new Map()))

/** What sends. */
export interface Export {
  /** A tracer whose spans are sent, the last ones at the end of the scope; `undefined`: none is asked for. */
  readonly tracer: Effect.Effect<Tracer.Tracer | undefined, never, Scope.Scope>
  /** Sends what is read, again and again, and at the end of the scope once more; if that is asked for. */
  readonly metrics: (
    readings: Effect.Effect<ReadonlyArray<Reading>>
  ) => Effect.Effect<void, never, Scope.Scope>
}

/** Sending as the variables say. */
export const make = (variables: Variables): Export => {
  const resource = resourceOf(variables)
  const ending = Delivery.makeEnding()

  const tracer = Effect.gen(function* () {
    const { traces } = variables
    if (traces === undefined) return undefined
    const serialization = yield* serializationOf(traces)
    const { client, closing } = yield* Delivery.make(traces, "traces", ending)
    const made = yield* OtlpTracer.make({
      ...optionsOf(traces),
      resource,
      maxBatchSize: traces.batch
    }).pipe(
      withoutVariables,
      Effect.provideService(HttpClient.HttpClient, client),
      Effect.provideService(OtlpSerialization, {
        ...serialization,
        traces: (data) => serialization.traces(Encoding.traces(data))
      })
    )
    yield* Effect.addFinalizer(() => closing)
    return sampled(made, traces.sampling)
  })

  const metrics: Export["metrics"] = (readings) =>
    Effect.gen(function* () {
      const target = variables.metrics
      if (target === undefined) return
      const serialization = yield* serializationOf(target)
      const { client, closing } = yield* Delivery.make(target, "metrics", ending)
      const clock = yield* Effect.clock
      const now = () => String(clock.unsafeCurrentTimeNanos())
      const startedAt = now()
      // The library asks for what there is without waiting, so it is read before.
      let latest = yield* readings
      const read = Effect.map(readings, (found) => {
        latest = found
      })
      yield* OtlpMetrics.make({ ...optionsOf(target), resource }).pipe(
        withoutVariables,
        Effect.provideService(HttpClient.HttpClient, client),
        Effect.provideService(OtlpSerialization, {
          ...serialization,
          metrics: (data) => serialization.metrics(Encoding.metrics(data, latest, startedAt, now()))
        })
      )
      const often = Duration.millis(Math.max(100, Math.min(target.everyMs / 2, 15_000)))
      yield* Effect.forkScoped(Effect.schedule(read, Schedule.spaced(often)))
      // Before the library's own end.
      yield* Effect.addFinalizer(() =>
        Effect.gen(function* () {
          yield* closing
          yield* Effect.timeoutOption(Effect.interruptible(read), yield* ending.left)
        })
      )
    })

  return { tracer, metrics }
}
