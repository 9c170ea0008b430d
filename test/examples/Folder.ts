/** A working folder of its own for a test of an example, whose files are relative to where it is started. */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"

export const inFolder = Effect.acquireRelease(
  Effect.promise(async () => {
    const before = process.cwd()
    const folder = await mkdtemp(join(tmpdir(), "contentdownload-"))
    process.chdir(folder)
    return { before, folder }
  }),
  ({ before, folder }) =>
    Effect.promise(() => {
      process.chdir(before)
      return rm(folder, { recursive: true, force: true })
    })
)
