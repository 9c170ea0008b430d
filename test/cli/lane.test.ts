import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { folder } from "./Folder.ts"

describe("queue lane", () => {
  it.scopedLive("sets what is named, before the lane has jobs too, and gives it back", () =>
    Effect.gen(function* () {
      const { json, run: program } = yield* folder
      expect((yield* program("queue", "lane", "set", "host:A.example.", "--cap", "9")).stdout).toBe(
        "host:a.example: cap 9, no pace\n"
      )
      expect(
        yield* json("queue", "lane", "set", "host:a.example", "--gap", "250", "--burst", "2")
      ).toMatchObject({
        lane: "host:a.example",
        cap: 9,
        gap_ms: 250,
        burst: 2,
        overridden: true
      })
      yield* program("queue", "enqueue", "https://a.example/1.pdf")
      yield* program("queue", "enqueue", "https://b.example/1.pdf")
      expect(yield* json("queue", "stats", "--by", "lane")).toMatchObject([
        { lane: "host:a.example", cap: 9, gap_ms: 250, burst: 2, overridden: true, ready: 1 },
        { lane: "host:b.example", cap: 4, overridden: false }
      ])
      expect((yield* program("queue", "stats", "--by", "lane")).stdout).toContain(
        "cap 9, gap 250 ms, burst 2"
      )
      expect(yield* json("queue", "lane", "list")).toMatchObject([
        { lane: "host:a.example", overridden: true },
        { lane: "host:b.example", overridden: false }
      ])
      const listed = (yield* program("queue", "lane", "list", "--set")).stdout.trimEnd().split("\n")
      expect(listed.map((line) => line.split(/ {2,}/))).toEqual([
        ["lane", "pool", "cap", "gap ms", "burst", "set by hand", "waiting"],
        ["host:a.example", "hosts", "9", "250", "2", "cap 9, gap 250 ms, burst 2"]
      ])
      expect((yield* program("queue", "lane", "reset", "host:a.example")).stdout).toBe(
        "host:a.example: cap 4, no pace\n"
      )
      expect((yield* program("queue", "stats", "--by", "lane")).stdout).not.toContain("gap")
    })
  )

  it.scopedLive("takes a host however it is written", () =>
    Effect.gen(function* () {
      const { run: program } = yield* folder
      for (const [written, name] of [
        ["::1", "[::1]"],
        ["Bücher.example.", "xn--bcher-kva.example"]
      ]) {
        expect((yield* program("queue", "lane", "set", `host:${written}`, "--cap", "3")).stdout).toBe(
          `host:${name}: cap 3, no pace\n`
        )
      }
    })
  )

  it.scopedLive("refuses what can't be, and what would change nothing", () =>
    Effect.gen(function* () {
      const { run: program } = yield* folder
      yield* program("queue", "enqueue", "https://a.example/1.pdf")
      for (const args of [
        ["set", "a.example", "--cap", "1"],
        ["set", "host:https://a.example/", "--cap", "1"],
        ["set", "host:a.example"],
        ["set", "host:a.example", "--cap", "0"],
        ["set", "host:a.example", "--gap", "-1"],
        ["set", "host:a.example", "--burst", "many"],
        ["reset", "host:nowhere.example"]
      ]) {
        const { code, stderr, stdout } = yield* program("queue", "lane", ...args)
        expect({ args, code, stdout }).toEqual({ args, code: 2, stdout: "" })
        expect(stderr).toMatch(/^contentdownload: .+\n$/)
      }
    })
  )
})
