/** The theses, from the local origin. */
import { readdir } from "node:fs/promises"
import { expect, it } from "@effect/vitest"
import { WorkQueue } from "contentdownload"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { download, layer } from "../../examples/theses.ts"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import * as Origin from "../../src/demo/Origin.ts"
import { inFolder } from "./Folder.ts"

it.scopedLive("are found by their number, and one that isn't there is an error", () =>
  Effect.gen(function* () {
    yield* inFolder
    const origin = yield* Origin.make({
      hosts: {
        "theses.test": Behaviour.routes({ "/files/4.pdf": Behaviour.status(404) }, Behaviour.files())
      }
    })
    const settings = { http: { resolve: origin.resolve }, storage: { min_free_bytes: 0 } }
    yield* Effect.gen(function* () {
      const report = yield* download([1, 2, 3, 4])
      expect(report).toMatchObject({ ended: "drained", ends: { done: 3, error: 1 } })
      const queue = yield* WorkQueue.WorkQueue
      const job = Option.getOrThrow(yield* queue.get("thesis-2"))
      expect(job.lane).toBe("host:theses.test")
      expect(job.result).toMatchObject({
        resolver: "theses",
        sha256: origin.expected("theses.test", "/files/2.pdf").sha256
      })
      expect(Option.getOrThrow(yield* queue.get("thesis-4")).reason).toBe("http-404")
    }).pipe(Effect.provide(layer(origin.url("theses.test", ""), settings)))
    const files = yield* Effect.promise(() => readdir("downloads", { recursive: true }))
    expect(files.filter((name) => name.endsWith(".pdf"))).toHaveLength(3)
  })
)
