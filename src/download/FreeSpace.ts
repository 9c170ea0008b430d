/**
 * The floor of free space on the output folder's disk: a body that would bring it lower isn't begun.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { Fatal, type Retry } from "../Failure.ts"
import type { DiskService } from "./Disk.ts"
import { makeFolder } from "./Files.ts"
import { codeOf } from "./StorageError.ts"

/** How long an answer about free space holds, and what a body of unknown length is taken for meanwhile. */
const FREE_FOR_MS = 1000
const UNKNOWN_BYTES = 16 * 1024 * 1024

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`

/** Refuses when writing `expected` bytes would leave less than the floor. */
export type FreeSpace = (expected: number | undefined) => Effect.Effect<void, Fatal | Retry>

/** The floor of one folder, `root`, which is made if it isn't there. `attempt`: what a failing disk becomes. */
export const make = (
  disk: DiskService,
  settings: { readonly root: string; readonly out: string; readonly min_free_bytes: number },
  attempt: <A>(run: () => Promise<A>) => Effect.Effect<A, Fatal | Retry>
): FreeSpace => {
  const { min_free_bytes, out, root } = settings
  let known = { at: Number.NEGATIVE_INFINITY, free: 0 }

  const look = () =>
    disk.statfs(root).catch(async (cause: unknown) => {
      if (codeOf(cause) !== "ENOENT") throw cause
      await makeFolder(disk, root)
      return disk.statfs(root)
    })

  return (expected) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const tooLittle = () => known.free - (expected ?? 0) < min_free_bytes
      if (now - known.at >= FREE_FOR_MS || tooLittle()) {
        const found = yield* attempt(look)
        known = { at: now, free: found.bavail * found.bsize }
      }
      const message =
        `the disk of the output folder ${out} has ${megabytes(known.free)} left; ` +
        `${megabytes(min_free_bytes)} are kept free (storage.min_free_bytes)`
      yield* tooLittle() ? new Fatal({ reason: "disk-full", message }) : Effect.void
      known = { at: known.at, free: known.free - (expected ?? UNKNOWN_BYTES) }
    })
}
