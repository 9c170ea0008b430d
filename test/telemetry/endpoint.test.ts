/** The endpoint that Prometheus asks. */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { serve } from "../../src/cli/telemetry/Endpoint.ts"
import { freePort } from "../run/Ports.ts"

it.scopedLive("answers 500 when the metrics can't be read, and goes on", () =>
  Effect.gen(function* () {
    const port = yield* Effect.promise(freePort)
    let broken = true
    const readings = Effect.suspend(() => (broken ? Effect.dieMessage("a fault") : Effect.succeed([])))
    yield* serve({ host: "127.0.0.1", port }, readings)
    const ask = Effect.promise(async () => {
      const response = await fetch(`http://127.0.0.1:${port}/metrics`)
      return [response.status, await response.text()] as const
    })
    const [status, text] = yield* ask
    expect(status).toBe(500)
    expect(text).not.toContain("a fault")
    broken = false
    expect(yield* ask).toEqual([200, ""])
  }).pipe(Effect.provide(Logger.remove(Logger.defaultLogger)))
)
