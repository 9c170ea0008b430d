/** What a failure of the driver is told as. */
import { expect, it } from "@effect/vitest"
import { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"
import { toWorkQueueError } from "../../../src/store/sqlite/SqliteErrors.ts"
import { file, open } from "./Files.ts"

const told = (cause: Error) =>
  toWorkQueueError("q.sqlite", new SqlError({ cause, message: "Failed to open" }))

it("a driver that isn't built says how it is", () => {
  const missing = new Error("Could not locate the bindings file. Tried:\n -> build/better_sqlite3.node")
  const other = Object.assign(new Error("compiled against a different Node.js version"), {
    code: "ERR_DLOPEN_FAILED"
  })
  for (const cause of [missing, other]) {
    const error = told(cause)
    expect(error.reason).toBe("unavailable")
    expect(error.message).toContain("npm rebuild better-sqlite3")
    expect(error.message).not.toContain("\n")
  }
  expect(told(new Error("something else")).reason).toBe("internal")
})

it.scopedLive("opening a queue puts no span into the program's traces", () =>
  Effect.gen(function* () {
    const at = yield* file
    const native = yield* Effect.tracer
    const spans: Array<string> = []
    const tracer = Tracer.make({
      span: (name, ...rest) => {
        spans.push(name)
        return native.span(name, ...rest)
      },
      context: (run, fiber) => native.context(run, fiber)
    })
    yield* Effect.withTracer(open(at), tracer)
    expect(spans).toEqual([])
    yield* Effect.withTracer(Effect.withSpan(Effect.void, "seen"), tracer)
    expect(spans).toEqual(["seen"])
  })
)
