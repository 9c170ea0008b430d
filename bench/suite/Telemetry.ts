/** What it costs to be watched: the scheduler with tracing off, of one job in a hundred, and of all. */
import { fork } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Export from "../../src/cli/otlp/Export.ts"
import * as Variables from "../../src/cli/otlp/Variables.ts"
import { Handler, Telemetry } from "../../src/index.ts"
import { jobs } from "../Jobs.ts"
import { inFolder, medians, type Row, seconds, type Suite } from "../Measure.ts"
import { drained } from "../Ours.ts"

const CAP = 2
const LANES = 1000
const WORKERS = 64

const nothing = Effect.succeed(Handler.Done({ result: { ok: true } }))

/** A handler that does nothing in as many steps as a download has. */
const stepping = ["store", "verify", "GET", "fetch"].reduce(
  (inner, name) => Telemetry.step(name, () => ({ "contentdownload.resolver": "direct" }))(inner),
  nothing
)

/** Runs an effect whose spans are sent to a receiver; all that is sent is part of what is measured. */
const sending =
  (endpoint: string, share: number) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.scoped(
      Effect.gen(function* () {
        const variables = Variables.read({
          OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: endpoint,
          OTEL_TRACES_SAMPLER: "traceidratio",
          OTEL_TRACES_SAMPLER_ARG: String(share)
        })
        const tracer = yield* Export.make(variables).tracer
        return yield* tracer === undefined ? effect : Effect.withTracer(effect, tracer)
      })
    )

/** Nanoseconds it takes to note all there is to note of a job. */
const noting = async (count: number): Promise<number> => {
  const took = await seconds(() => {
    for (let n = 0; n < count; n++) {
      Telemetry.leaseDuration.note(0.001)
      Telemetry.jobEnded("done", null, n % 1000, n % 10)
    }
  })
  return (took / count) * 1e9
}

export const telemetry: Suite = {
  name: "telemetry",
  about: "the scheduler, a handler of four steps that do nothing, its jobs traced or not",
  run: async ({ quick }) => {
    const count = quick ? 5000 : 20_000
    const receiver = fork(fileURLToPath(new URL("../bound/Receiver.mjs", import.meta.url)))
    try {
      const [port] = await once(receiver, "message")
      const endpoint = `http://127.0.0.1:${port}/v1/traces`
      const ours = (options: Pick<Parameters<typeof drained>[2], "handle" | "spans" | "watched">) =>
        inFolder((folder) =>
          drained(join(folder, "ours.sqlite"), jobs(count, LANES), { cap: CAP, workers: WORKERS, ...options })
        )
      const traced = (share: number) => () =>
        ours({ handle: stepping, spans: "linked", watched: sending(endpoint, share) })
      const took = await medians(
        [
          { name: "no steps", run: () => ours({ handle: nothing }) },
          { name: "off", run: () => ours({ handle: stepping }) },
          { name: "1 in 100", run: traced(0.01) },
          { name: "on", run: traced(1) }
        ],
        quick ? 3 : 7
      )
      const rate = (name: string) => count / (took.get(name) ?? Number.NaN)
      const row = (what: string, to: string, goal?: number): Row => ({
        suite: "telemetry",
        what,
        value: rate(what),
        unit: "jobs/s",
        ratio: {
          to,
          is: rate(what) / rate(to),
          ...(goal === undefined ? {} : { goal, better: "more" as const })
        }
      })
      const ns = await noting(quick ? 100_000 : 1_000_000)
      return [
        { suite: "telemetry", what: "no steps", value: rate("no steps"), unit: "jobs/s" },
        row("off", "no steps", 0.95),
        row("1 in 100", "off"),
        row("on", "off"),
        {
          suite: "telemetry",
          what: "a job's metrics",
          value: ns,
          unit: "ns",
          ratio: { to: "a job, off", is: (ns * rate("off")) / 1e9, goal: 0.03, better: "less" }
        }
      ]
    } finally {
      receiver.disconnect()
    }
  }
}
