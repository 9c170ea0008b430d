/**
 * The floor of free space on the output folder's disk: a body that would bring it lower isn't begun.
 */
import * as Effect from "effect/Effect"
import { Fatal, type Retry } from "../Failure.ts"
import type { DiskService } from "./Disk.ts"
import { makeFolder } from "./Files.ts"
import { size } from "./Size.ts"
import { codeOf } from "./StorageError.ts"

/** How long an answer about free space holds, and what a body of unknown length is taken for meanwhile. */
const FREE_FOR_MS = 1000
const UNKNOWN_BYTES = 16 * 1024 * 1024

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

  const tooLittle = (expected: number | undefined) => known.free - (expected ?? 0) < min_free_bytes

  /** Counts what is to be written, or refuses it. */
  const take = (expected: number | undefined): Effect.Effect<void, Fatal> => {
    if (tooLittle(expected)) {
      const next = known.free < min_free_bytes ? "" : `, too little for a file of ${size(expected ?? 0)}`
      const message =
        `the disk of the output folder ${out} has ${size(known.free)} left${next}; ` +
        `${size(min_free_bytes)} are kept free (storage.min_free_bytes)`
      return new Fatal({ reason: "disk-full", message })
    }
    known = { at: known.at, free: known.free - (expected ?? UNKNOWN_BYTES) }
    return Effect.void
  }

  return (expected) =>
    Effect.clockWith((clock) => {
      const now = clock.unsafeCurrentTimeMillis()
      if (now - known.at < FREE_FOR_MS && !tooLittle(expected)) return take(expected)
      return Effect.flatMap(attempt(look), ({ bavail, bsize }) => {
        known = { at: now, free: bavail * bsize }
        return take(expected)
      })
    })
}
