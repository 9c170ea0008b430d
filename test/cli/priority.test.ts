import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { lanePolicy } from "../../src/config/Limits.ts"
import { Settings } from "../../src/config/Settings.ts"
import * as Schema from "effect/Schema"
import * as Sqlite from "../../src/store/sqlite/index.ts"
import { WorkQueue } from "../../src/WorkQueue.ts"
import { ids, lease } from "../contract/Given.ts"
import { folder } from "./Folder.ts"

const policy = lanePolicy(Schema.decodeSync(Settings)({}))

/** The order in which the queue gives its jobs out. */
const order = (path: string) =>
  Effect.flatMap(WorkQueue, (queue) => Effect.map(lease(queue, 99), ids)).pipe(
    Effect.provide(Sqlite.layer({ path, policy }))
  )

const line = (id: string, more = "") => `{"id": "${id}", "urls": ["https://a.example/${id}"]${more}}`

describe("priority", () => {
  it.scopedLive("is the artifact's own, or the import's; lower comes first", () =>
    Effect.gen(function* () {
      const { file, json, queue: path, run: program } = yield* folder
      yield* program("queue", "enqueue", "plain", '{"url": "https://a.example/plain"}')
      const late = yield* file(
        "late.jsonl",
        [line("late"), line("first", ', "priority": -7'), line("zero", ', "priority": 0')].join("\n")
      )
      expect((yield* program("queue", "import", late, "--priority", "5")).stdout).toContain("3 new")
      const csv = yield* file(
        "list.csv",
        "id,url,priority\ncsv,https://a.example/csv,-3\nnone,https://a.example/none,\n"
      )
      expect((yield* program("queue", "import", csv, "--priority", "-2")).stdout).toContain("2 new")
      yield* program("queue", "enqueue", "typed", '{"url": "https://a.example/typed"}', "--priority", "-15")
      expect(yield* json("queue", "show", "first")).toMatchObject({ priority: -7 })
      expect(yield* json("queue", "list", "--limit", "2")).toMatchObject([{ priority: 0 }, { priority: 5 }])
      yield* program("queue", "lane", "set", "host:a.example", "--cap", "99")
      expect(yield* order(path)).toEqual(["typed", "first", "csv", "none", "plain", "zero", "late"])
    })
  )

  it.scopedLive("is a whole number", () =>
    Effect.gen(function* () {
      const { file, run: program } = yield* folder
      for (const bad of ["1.5", "high", "99999999999", "--1"]) {
        const { code, stderr } = yield* program("queue", "enqueue", "10.1000/a", "--priority", bad)
        expect({ bad, code }).toEqual({ bad, code: 2 })
        expect(stderr).toMatch(/^contentdownload: .+\n$/)
      }
      for (const bad of ["1.5", '"high"', "1e300", "true"]) {
        const path = yield* file("bad.jsonl", line("x", `, "priority": ${bad}`))
        const { code, stderr } = yield* program("queue", "import", path)
        expect({ bad, code }).toEqual({ bad, code: 2 })
        expect(stderr).toContain("priority: ")
      }
    })
  )
})
