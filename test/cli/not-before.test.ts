import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { folder } from "./Folder.ts"

const HOUR = 3_600_000

/** When the job may start by what `queue show` says, in milliseconds since the epoch. */
const dueAt = (shown: unknown): number =>
  typeof shown === "object" && shown !== null && "available_at" in shown
    ? Date.parse(String(shown.available_at))
    : Number.NaN

describe("--not-before", () => {
  it.scopedLive("keeps a job back until a time, which show and list tell", () =>
    Effect.gen(function* () {
      const { file, json, run: program } = yield* folder
      const before = Date.now()
      yield* program("queue", "enqueue", "10.1000/a", "--not-before", "2h")
      yield* program("queue", "enqueue", "10.1000/b", "--not-before", "2090-01-31T18:00Z")
      yield* program("queue", "enqueue", "10.1000/c", "--not-before", "2090-01-31T18:00:30.5+02:00")
      yield* program("queue", "enqueue", "10.1000/d", "--not-before", "2001-01-01T00:00Z")
      const list = yield* file("list.txt", "10.1000/e\n10.1000/f\n")
      yield* program("queue", "import", list, "--not-before", "2090-01-31T18:00")
      const after = Date.now()

      const soon = dueAt(yield* json("queue", "show", "doi:10.1000/a"))
      expect(soon).toBeGreaterThanOrEqual(before + 2 * HOUR)
      expect(soon).toBeLessThanOrEqual(after + 2 * HOUR)
      const shown = yield* program("queue", "show", "doi:10.1000/b")
      expect(shown.stdout).toMatch(/^waiting +not due until .*2090/m)
      expect((yield* program("queue", "list")).stdout).toContain("not due until")
      expect(yield* json("queue", "list")).toMatchObject([
        {},
        { id: "doi:10.1000/b", state: "queued", available_at: "2090-01-31T18:00:00.000Z" },
        { available_at: "2090-01-31T16:00:30.500Z" },
        // What is over needs no wait.
        { available_at: null },
        { available_at: new Date(2090, 0, 31, 18).toISOString() },
        { available_at: new Date(2090, 0, 31, 18).toISOString() }
      ])
      expect(yield* json("queue", "stats")).toMatchObject({ queued: 6 })
    })
  )

  it.scopedLive("is a time from now, or a date with its time", () =>
    Effect.gen(function* () {
      const { run: program } = yield* folder
      const bad = [
        "soon",
        "-2h",
        "2h30",
        "2090-02-30T10:00Z",
        "2090-01-31",
        "2090-13-01T10:00Z",
        "2090-01-31T25:00Z",
        ""
      ]
      for (const time of bad) {
        const { code, stderr } = yield* program("queue", "enqueue", "10.1000/a", "--not-before", time)
        expect({ time, code }).toEqual({ time, code: 2 })
        expect(stderr).toMatch(/^contentdownload: .*--not-before.*allowed.*\n$/)
      }
    })
  )
})
