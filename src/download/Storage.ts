/**
 * The output folder: files appear in it complete and durable, under names of their own, or not at all.
 *
 * A body is written to `.partial/<name>.part` on the same file system, then synced, renamed into its folder and that
 * folder synced. The name carries the content's hash: the same content stored again, after a crash before the queue
 * knew, ends under the same name, and other content never replaces it. What fails or is interrupted is removed.
 */
import { readdir, statfs, unlink, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Fatal, type Retry } from "../Failure.ts"
import type { LeaseRef } from "../Job.ts"
import { makeFolder, PartFile, SourceFailed } from "./PartFile.ts"
import { codeOf, fromCause } from "./StorageError.ts"
import { fileName, folderOf, leaseOf, partName } from "./StoredName.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** Where the files go. */
export interface StorageSettings {
  /** The output folder. */
  readonly out: string
  /** Free bytes on its disk below which nothing more is written. */
  readonly min_free_bytes: number
}

/** Bytes on their way in. */
export interface Source<E> {
  readonly chunks: AsyncIterable<Uint8Array>
  /** Makes `chunks` end soon. Called when the writing fiber is interrupted, before it waits for the end. */
  readonly abort: () => void
  /** The error for what `chunks` threw. */
  readonly failed: (cause: unknown) => E
}

/** Whose file it is: the artifact, and the lease it is written under. */
export interface Owner extends Pick<LeaseRef, "job" | "token"> {
  readonly id: string
}

/** A body that came in whole. Its scope removes it, unless it was kept. */
export interface Part {
  readonly bytes: number
  readonly sha256: string
  /** Only if it was asked for. */
  readonly md5: string | undefined
  /**
   * Gives it its place and makes it durable. `extension` with its dot, or empty. Answers the path relative to the
   * output folder, with `/` on every system.
   */
  readonly keep: (extension: string) => Effect.Effect<string, Fatal | Retry>
}

// ---------------------------------------------------------------------------------------------------------------
// Service
// ---------------------------------------------------------------------------------------------------------------

/** One output folder. */
export interface StorageService {
  /** Makes the output folder if need be and proves that it can be written, with room to spare. */
  readonly check: Effect.Effect<void, Fatal | Retry>

  /**
   * Removes what dead workers left behind, and answers how many parts that were. `live` gives the leases whose parts
   * are to stay; it is run after the parts were listed, so that a lease taken meanwhile counts as live.
   */
  readonly recover: <E, R>(
    live: Effect.Effect<(job: number, token: number) => boolean, E, R>
  ) => Effect.Effect<number, E | Fatal | Retry, R>

  /** Writes a source to its end. On interruption the source is aborted at once. */
  readonly receive: <E>(
    owner: Owner,
    source: Source<E>,
    options?: { readonly md5?: boolean; readonly expectedBytes?: number | undefined }
  ) => Effect.Effect<Part, E | Fatal | Retry, Scope.Scope>
}

/** The output folder of a program. */
export class Storage extends Context.Tag("contentdownload/Storage")<Storage, StorageService>() {}

// ---------------------------------------------------------------------------------------------------------------
// Constructors and layers
// ---------------------------------------------------------------------------------------------------------------

/** The folder of unfinished files, inside the output folder: one listing finds what a crash left. */
const PARTIAL = ".partial"

/** How long an answer about free space holds, and what a body of unknown length is taken for meanwhile. */
const FREE_FOR_MS = 1000
const UNKNOWN_BYTES = 16 * 1024 * 1024

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`

/** The folder isn't touched before it is used; see `check`. */
export const make = (settings: StorageSettings): StorageService => {
  const root = resolve(settings.out)
  const partial = join(root, PARTIAL)

  const attempt = <A>(run: () => Promise<A>): Effect.Effect<A, Fatal | Retry> =>
    Effect.tryPromise({ try: run, catch: (cause) => fromCause(cause, settings.out) })

  let known = { at: Number.NEGATIVE_INFINITY, free: 0 }

  /** Refuses when writing `expected` bytes would leave less than the floor. */
  const room = (expected: number | undefined) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const tooLittle = () => known.free - (expected ?? 0) < settings.min_free_bytes
      if (now - known.at >= FREE_FOR_MS || tooLittle()) {
        const disk = yield* attempt(() =>
          statfs(root).catch(async (cause: unknown) => {
            if (codeOf(cause) !== "ENOENT") throw cause
            await makeFolder(root)
            return statfs(root)
          })
        )
        known = { at: now, free: disk.bavail * disk.bsize }
      }
      const message =
        `the disk of the output folder ${settings.out} has ${megabytes(known.free)} left; ` +
        `${megabytes(settings.min_free_bytes)} are kept free (storage.min_free_bytes)`
      yield* tooLittle() ? new Fatal({ reason: "disk-full", message }) : Effect.void
      known = { at: known.at, free: known.free - (expected ?? UNKNOWN_BYTES) }
    })

  const check = Effect.gen(function* () {
    const probe = join(partial, `.probe-${process.pid}`)
    yield* attempt(async () => {
      await makeFolder(partial)
      await writeFile(probe, "")
      await unlink(probe)
    })
    yield* room(0)
  }).pipe(Effect.withSpan("Storage.check"))

  const recover: StorageService["recover"] = (live) =>
    Effect.gen(function* () {
      const names = yield* attempt(() =>
        readdir(partial).catch((cause: unknown) => {
          if (codeOf(cause) === "ENOENT") return []
          throw cause
        })
      )
      const parts = names.flatMap((name) => {
        const lease = leaseOf(name)
        return lease === undefined ? [] : [{ name, ...lease }]
      })
      if (parts.length === 0) return 0
      const isLive = yield* live
      const dead = parts.filter(({ job, token }) => !isLive(job, token))
      yield* Effect.forEach(
        dead,
        ({ name }) =>
          attempt(() =>
            unlink(join(partial, name)).catch((cause: unknown) => {
              if (codeOf(cause) !== "ENOENT") throw cause
            })
          ),
        { discard: true }
      )
      return dead.length
    }).pipe(Effect.withSpan("Storage.recover"))

  const receive: StorageService["receive"] = <E>(
    owner: Owner,
    source: Source<E>,
    options: { readonly md5?: boolean; readonly expectedBytes?: number | undefined } = {}
  ) =>
    Effect.gen(function* () {
      yield* room(options.expectedBytes)
      const part = yield* Effect.acquireRelease(
        Effect.sync(
          () => new PartFile(join(partial, partName(owner.id, owner)), { md5: options.md5 === true })
        ),
        (file) => Effect.promise(() => file.drop())
      )
      yield* Effect.async<void, E | Fatal | Retry>((resume) => {
        const filled = part.fill(source.chunks).then(
          () => resume(Effect.void),
          (cause: unknown) => {
            source.abort()
            resume(
              Effect.fail(
                cause instanceof SourceFailed ? source.failed(cause.cause) : fromCause(cause, settings.out)
              )
            )
          }
        )
        // The file may only be dropped when nothing writes to it any more.
        return Effect.promise(() => {
          source.abort()
          return filled
        })
      })
      const { md5, sha256 } = part.digest()
      const folder = folderOf(owner.id)
      return {
        bytes: part.bytes,
        sha256,
        md5,
        keep: (extension) =>
          Effect.gen(function* () {
            // Eight digits tell contents apart; should they ever not, the whole hash does.
            const names = [8, 64].map((digits) => fileName(owner.id, sha256, extension, digits))
            const paths = names.map((name) => join(root, folder, name))
            const index = yield* attempt(() => part.keep(join(root, folder), paths, sha256))
            return `${folder}/${names[index] ?? ""}`
          }).pipe(Effect.uninterruptible)
      } satisfies Part
    })

  return { check, recover, receive }
}

/** `make` as a layer. */
export const layer = (settings: StorageSettings): Layer.Layer<Storage> =>
  Layer.sync(Storage, () => make(settings))
