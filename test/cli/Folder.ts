/** A folder for one test, and the program with its queue there. */
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { run } from "./Program.ts"

/** A folder of its own, and the program with its queue there. */
export const folder = Effect.map(
  Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "contentdownload-"))),
    (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
  ),
  (path) => {
    const queue = join(path, "state", "q.sqlite")
    return {
      path,
      queue,
      file: (name: string, text: string | Uint8Array) =>
        Effect.promise(() => writeFile(join(path, name), text)).pipe(Effect.as(join(path, name))),
      run: (...args: ReadonlyArray<string>) => run([...args, "--queue", queue]),
      json: (...args: ReadonlyArray<string>) =>
        Effect.map(run([...args, "--queue", queue, "--format", "json"]), ({ code, stderr, stdout }) => {
          expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
          const value: unknown = JSON.parse(stdout)
          return value
        })
    }
  }
)
