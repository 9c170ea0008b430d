/** `http://HOST:PORT/metrics` while a run goes on: this process's metrics, and the queue's as all processes see it. */
import { createServer, type ServerResponse } from "node:http"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import { Exited, ExitCode } from "../Exit.ts"
import { render } from "./Exposition.ts"
import type { Reading } from "./Reading.ts"

/** Where it listens; `port: null`: nowhere. */
export interface PrometheusSettings {
  readonly host: string
  readonly port: number | null
}

const TEXT = { "content-type": "text/plain; charset=utf-8" }

/** Answers with the metrics; with 500 where they can't be read, so that whoever asks isn't left waiting. */
const answer = (readings: Effect.Effect<ReadonlyArray<Reading>>, response: ServerResponse) =>
  Effect.matchCauseEffect(Effect.map(readings, render), {
    onSuccess: (body) =>
      Effect.sync(() => {
        const version = "text/plain; version=0.0.4; charset=utf-8"
        response.writeHead(200, { "content-type": version }).end(body)
      }),
    onFailure: (cause) =>
      Effect.zipRight(
        Effect.logError("the metrics can't be read", cause),
        Effect.sync(() => response.writeHead(500, TEXT).end("The metrics can't be read; see the log.\n"))
      )
  })

/** Serves what is read until its scope ends. A port that is taken ends the program with one line. */
export const serve = (
  settings: PrometheusSettings,
  readings: Effect.Effect<ReadonlyArray<Reading>>
): Effect.Effect<void, Exited, Scope.Scope> =>
  Effect.gen(function* () {
    const { host, port } = settings
    if (port === null) return
    const fork = Runtime.runFork(yield* Effect.runtime())
    const server = createServer((request, response) => {
      if (request.method === "GET" && request.url === "/metrics") fork(answer(readings, response))
      else response.writeHead(404, TEXT).end("There is only GET /metrics.\n")
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
