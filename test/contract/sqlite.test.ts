import { describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as fs from "node:fs/promises"
import * as os from "node:os"
import * as path from "node:path"
import * as Sqlite from "../../src/store/sqlite/index.ts"
import type { MakeLayer } from "./Given.ts"
import { historiesContract } from "./Histories.ts"
import { workQueueContract } from "./WorkQueueContract.ts"

workQueueContract("the queue in SQLite", (options) => Sqlite.layer({ ...options, path: ":memory:" }))

const temporaryFolder = Effect.acquireRelease(
  Effect.promise(() => fs.mkdtemp(path.join(os.tmpdir(), "queue-"))),
  (folder) => Effect.promise(() => fs.rm(folder, { recursive: true }))
)

const onFile: MakeLayer = (options) =>
  Layer.unwrapScoped(
    Effect.map(temporaryFolder, (folder) =>
      Sqlite.layer({ ...options, path: path.join(folder, "queue.sqlite") })
    )
  )

describe("the queue in a SQLite file", () => {
  historiesContract(onFile, 20)
})
