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

it("a queue that can't be written says that it has to be, also to be read", () => {
  for (const [code, message] of [
    ["SQLITE_CANTOPEN", "unable to open database file"],
    ["SQLITE_READONLY_DIRECTORY", "attempt to write a readonly database"]
  ] as const) {
    expect(told(Object.assign(new Error(message), { code }))).toMatchObject({
      reason: "unavailable",
      message: `the queue q.sqlite can't be used: ${message} (${code}); the file and its folder have to be writable, also for who only reads it`
    })
  }
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
