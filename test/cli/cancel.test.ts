import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { folder } from "./Folder.ts"

describe("queue cancel", () => {
  it.scopedLive("ends what isn't final, and tells what was and what isn't there", () =>
    Effect.gen(function* () {
      const { json, run: program } = yield* folder
      for (const id of ["10.1000/a", "10.1000/b", "10.1000/c"]) yield* program("queue", "enqueue", id)
      // Typed as for enqueue.
      expect(yield* program("queue", "cancel", "10.1000/A", "doi:10.1000/b")).toEqual({
        code: 0,
        stdout: "cancelled: doi:10.1000/a\ncancelled: doi:10.1000/b\n",
        stderr: ""
      })
      expect(yield* json("queue", "stats")).toMatchObject({ queued: 1, skipped: 2 })
      expect(yield* json("queue", "show", "10.1000/a")).toMatchObject({
        state: "skipped",
        reason: "cancelled"
      })
      expect(yield* json("queue", "cancel", "10.1000/a")).toEqual([
        { id: "doi:10.1000/a", result: "ended", state: "skipped" }
      ])
      expect(yield* program("queue", "cancel", "nobody", "10.1000/c", "10.1000/a")).toEqual({
        code: 2,
        stdout: "cancelled: doi:10.1000/c\n",
        stderr:
          "doi:10.1000/a has ended before (skipped)\ncontentdownload: there is no job nobody in the queue\n"
      })
      expect((yield* program("queue", "cancel")).code).toBe(2)
    })
  )
})

describe("queue prune", () => {
  it.scopedLive("removes what ended so long ago, after counting it", () =>
    Effect.gen(function* () {
      const { json, run: program } = yield* folder
      for (const id of ["10.1000/a", "10.1000/b"]) yield* program("queue", "enqueue", id)
      yield* program("queue", "cancel", "10.1000/a")
      yield* Effect.sleep("5 millis")
      expect(yield* json("queue", "prune", "--older-than", "1m")).toEqual({ removed: 0, dry_run: false })
      expect(yield* json("queue", "prune", "--older-than", "0.001s", "--dry-run")).toEqual({
        removed: 1,
        dry_run: true
      })
      expect((yield* program("queue", "prune", "--older-than", "0", "--state", "done")).stdout).toBe(
        "0 jobs removed\n"
      )
      expect((yield* program("queue", "prune", "--older-than", "0", "--state", "skipped")).stdout).toBe(
        "1 job removed\n"
      )
      expect(yield* json("queue", "stats")).toMatchObject({ queued: 1, skipped: 0, total: 1 })
      for (const args of [[], ["--older-than", "soon"], ["--older-than", "1d", "--state", "queued"]]) {
        const { code, stderr, stdout } = yield* program("queue", "prune", ...args)
        expect({ code, stdout }).toEqual({ code: 2, stdout: "" })
        expect(stderr).toMatch(/^contentdownload: .+\n$/)
      }
    })
  )
})
