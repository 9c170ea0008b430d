/**
 * `http://HOST:PORT/metrics` while a run goes on: this process's metrics, and the queue's as all processes see it, read
 * when they are asked for.
 */
import { createServer, type ServerResponse } from "node:http"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import { WorkQueue } from "../../WorkQueue.ts"
import { Exited, ExitCode } from "../Exit.ts"
import { type Family, families, render } from "./Exposition.ts"

/** Where it listens; `port: null`: nowhere. */
export interface PrometheusSettings {
  readonly host: string
  readonly port: number | null
}

const gauge = (name: string, help: string, samples: Family["samples"]): Family => ({
  name,
  help,
  type: "gauge",
  samples
})

const processFamilies = (): ReadonlyArray<Family> => {
  const { system, user } = process.cpuUsage()
  return [
    {
      name: "process_cpu_seconds_total",
      help: "Processor time of this process",
      type: "counter",
      samples: [{ labels: {}, value: (system + user) / 1e6 }]
    },
    gauge("process_resident_memory_bytes", "Memory of this process", [
      { labels: {}, value: process.memoryUsage.rss() }
    ]),
    gauge("process_start_time_seconds", "When this process started, since the epoch", [
      { labels: {}, value: Math.round(Date.now() / 1000 - process.uptime()) }
    ]),
    gauge("contentdownload_build_info", "Always 1; the version is in a label", [
      { labels: { version: process.env.CONTENTDOWNLOAD_VERSION ?? "0" }, value: 1 }
    ])
  ]
}

/** What the queue holds, and what its jobs wait for. */
const queueFamilies = Effect.gen(function* () {
  const queue = yield* WorkQueue
  const stats = yield* queue.stats
  const waits = yield* queue.waits
  return [
    gauge(
      "contentdownload_jobs",
      "Jobs in the queue by state",
      (["queued", "in_progress", "done", "skipped", "error"] as const).map((state) => ({
        labels: { state },
        value: stats[state]
      }))
    ),
    gauge(
      "contentdownload_waiting_jobs",
      "Queued jobs by what they wait for",
      waits.map(({ cause, jobs, reason }) => ({ labels: { cause, reason: reason ?? "" }, value: jobs }))
    ),
    gauge(
      "contentdownload_waiting_lanes",
      "Lanes whose jobs wait, by what for",
      waits.map(({ cause, lanes, reason }) => ({ labels: { cause, reason: reason ?? "" }, value: lanes }))
    )
  ]
})

const text = Effect.gen(function* () {
  const own = families(yield* Metric.snapshot, "contentdownload_")
  const queue = yield* Effect.catchAll(queueFamilies, ({ message }) =>
    Effect.as(Effect.logWarning(`the queue's metrics can't be had: ${message}`), [])
  )
  return render([...queue, ...own, ...processFamilies()])
})

/** Serves the metrics until its scope ends. A port that is taken ends the program with one line. */
export const serve = (settings: PrometheusSettings): Effect.Effect<void, Exited, WorkQueue | Scope.Scope> =>
  Effect.gen(function* () {
    const { host, port } = settings
    if (port === null) return
    const fork = Runtime.runFork(yield* Effect.runtime<WorkQueue>())
    const answer = (response: ServerResponse) =>
      fork(
        Effect.map(text, (body) => {
          response.writeHead(200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" }).end(body)
        })
      )
    const server = createServer((request, response) => {
      if (request.method === "GET" && request.url === "/metrics") answer(response)
      else response.writeHead(404, { "content-type": "text/plain" }).end("There is only GET /metrics.\n")
    })
    yield* Effect.acquireRelease(
      Effect.async<void, Exited>((resume) => {
        server.once("error", (cause) => {
          const message = `the metrics can't be served at ${host}:${port} (telemetry.prometheus): ${cause.message}`
          resume(new Exited({ code: ExitCode.usage, message }))
        })
        server.listen(port, host, () => resume(Effect.void))
      }),
      () =>
        Effect.sync(() => {
          server.close()
          server.closeAllConnections()
        })
    )
  })
