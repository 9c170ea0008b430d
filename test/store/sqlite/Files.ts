/** Queue files to test on: in a folder that goes with the scope, and seen by a connection that isn't ours. */
import Driver from "better-sqlite3"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as fs from "node:fs/promises"
import * as os from "node:os"
import * as path from "node:path"
import { uniform } from "../../../src/Lane.ts"
import * as Sqlite from "../../../src/store/sqlite/index.ts"
import { WorkQueue } from "../../../src/WorkQueue.ts"

/** A folder of its own. */
export const folder = Effect.acquireRelease(
  Effect.promise(() => fs.mkdtemp(path.join(os.tmpdir(), "queue-"))),
  (made) => Effect.promise(() => fs.rm(made, { recursive: true }))
)

/** The path of a queue that isn't there yet. */
export const file = Effect.map(folder, (made) => path.join(made, "queue.sqlite"))

/** A connection to the queue, as a process of its own would have it; closed with the scope. */
export const open = (at: string, options: Partial<Sqlite.SqliteWorkQueueOptions> = {}) =>
  Effect.map(
    Layer.build(Layer.fresh(Sqlite.layer({ policy: uniform({ cap: 9 }), path: at, ...options }))),
    (context) => Context.get(context, WorkQueue)
  )

/** Somebody else's connection to the file. */
export const driver = (at: string) =>
  Effect.acquireRelease(
    Effect.sync(() => new Driver(at)),
    (db) => Effect.sync(() => db.close())
  )

/** Every file of a folder, with its bytes. */
export const contents = (of: string) =>
  Effect.promise(async () => {
    const names = (await fs.readdir(of)).toSorted()
    const bytes = await Promise.all(names.map((name) => fs.readFile(path.join(of, name), "latin1")))
    return names.map((name, i) => ({ name, bytes: bytes[i] }))
  })
