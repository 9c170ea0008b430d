/**
 * The output folder: files appear in it complete and durable, under names of their own, or not at all.
 *
 * A body is written to `.partial/<name>.part` on the same file system, then synced, given its place and its folder
 * synced. The name carries the content's hash: the same content stored again, after a crash before the queue
 * knew, ends under the same name, and other content never replaces it. What fails or is interrupted is removed, unless
 * another try can go on with it.
 */
import { join, resolve, sep } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { Fatal, Retry } from "../Failure.ts"
import { confined } from "./Confined.ts"
import { Disk, type DiskService, node } from "./Disk.ts"
import { isThere, makeFolder } from "./Files.ts"
import * as FreeSpace from "./FreeSpace.ts"
import * as Leftovers from "./Leftovers.ts"
import { type Condition, examine, mend, type Mended, type Stored } from "./Mending.ts"
import { PartFile } from "./PartFile.ts"
import type { Parts } from "./Parts.ts"
import { byContent, byId, keepingFolders, removeUnplaced } from "./Placing.ts"
import { type Beginning, fill, type Owner, type Part, type Receiving, type Source } from "./Receiving.ts"
import { fromCause } from "./StorageError.ts"
import { fileName, folderOf, partialOf, partName } from "./StoredName.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

export type { Condition, Mended, Stored } from "./Mending.ts"
export type { Beginning, Owner, Part, Receiving, Source } from "./Receiving.ts"

/** Where the files go. */
export interface StorageSettings {
  /** The output folder. */
  readonly out: string
  /**
   * `content`: each content is stored once, under its hash, and a file's name is a hard link to it. Default `id`: the
   * file has its name alone. Names are the same in both, so a folder may change from one to the other.
   */
  readonly layout?: "id" | "content" | undefined
  /** The file of the queue, which may share the folder with others. Left out: there is but one. */
  readonly queue?: string | undefined
  /** Free bytes on its disk below which nothing more is written. */
  readonly min_free_bytes: number
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
   * are to stay; it is run after the parts were listed, so that a lease taken meanwhile counts as live. Parts that may
   * be gone on with stay too, as long as their job is `unfinished`; left out, none is.
   */
  readonly recover: <E, R, E2 = never, R2 = never>(
    live: Effect.Effect<(job: number, token: number) => boolean, E, R>,
    unfinished?: (id: string, job: number) => Effect.Effect<boolean, E2, R2>
  ) => Effect.Effect<number, E | E2 | Fatal | Retry, R | R2>

  /** Writes a source to its end, as one of `parts`. On interruption the source is aborted when these are closed. */
  readonly receive: <E>(
    parts: Parts,
    owner: Owner,
    source: Source<E>,
    options?: Receiving
  ) => Effect.Effect<Part, E | Fatal | Retry>

  /**
   * Takes over what an earlier lease of the job left of the body at this URL, as far as its content proves good. What
   * was left less than a second ago by another process may be overlooked.
   */
  readonly resume: (
    parts: Parts,
    owner: Owner,
    url: string,
    options?: { readonly md5?: boolean }
  ) => Effect.Effect<Option.Option<Beginning>, Fatal | Retry>

  /** The job is over: removes what its leases left. */
  readonly forget: (owner: Owner) => Effect.Effect<void>

  /** What has become of a file that was stored: all of it is read. */
  readonly examine: (file: Stored) => Effect.Effect<Condition, Fatal | Retry>

  /**
   * Takes a damaged file from its name into the folder `.damaged`, and puts back what is missing or damaged if the output
   * folder has the same content under its hash. `restore: false`: that content isn't wanted, either.
   */
  readonly mend: (
    file: Stored,
    condition: "missing" | "damaged",
    options?: { readonly restore?: boolean }
  ) => Effect.Effect<Mended, Fatal | Retry>

  /** Whether anything is at a path, relative to the output folder. */
  readonly isThere: (path: string) => Effect.Effect<boolean, Fatal | Retry>

  /** Has `read` look into a stored file. What it throws is the file system's failure. */
  readonly inspect: <A>(
    file: Pick<Stored, "path">,
    read: (path: string) => Promise<A>
  ) => Effect.Effect<A, Fatal | Retry>
}

/** The output folder of a program. */
export class Storage extends Context.Tag("contentdownload/Storage")<Storage, StorageService>() {}

// ---------------------------------------------------------------------------------------------------------------
// Constructors and layers
// ---------------------------------------------------------------------------------------------------------------

/** The folder isn't touched before it is used; see `check`. */
export const make = (settings: StorageSettings, files: DiskService = node): StorageService => {
  const root = resolve(settings.out)
  const disk = files.hasLinks === true ? confined(files, root) : files
  const partial = join(root, partialOf(root, settings.queue))

  const refused = (cause: unknown) => fromCause(cause, settings.out)
  const attempt = <A>(run: () => Promise<A>): Effect.Effect<A, Fatal | Retry> =>
    Effect.tryPromise({ try: run, catch: refused })

  const room = FreeSpace.make(disk, { ...settings, root }, attempt)

  const check = Effect.gen(function* () {
    // The same for all processes: one that was killed in between leaves it for the next.
    const probe = join(partial, ".probe")
    yield* attempt(async () => {
      await makeFolder(disk, partial)
      await disk.writeFile(probe, "")
      await disk.rm(probe, { force: true })
    })
    yield* room(0)
  }).pipe(Effect.withSpan("Storage.check"))

  const removePart = (part: string) => removeUnplaced(disk, root, part)
  const leftovers = Leftovers.make(disk, partial, removePart)

  const place = keepingFolders(disk, root, settings.layout === "content" ? byContent(disk, root) : byId(disk))
  let saidCopied = false
  const sayCopied = Effect.suspend(() => {
    if (saidCopied) return Effect.void
    saidCopied = true
    return Effect.logWarning(
      `the file system of ${settings.out} can't link files: with storage.layout content each file takes its room twice`
    )
  })

  const recover: StorageService["recover"] = (live, unfinished = () => Effect.succeed(false)) =>
    Effect.gen(function* () {
      const parts = yield* attempt(() => Leftovers.parts(disk, partial))
      if (parts.length === 0) return 0
      const isLive = yield* live
      let removed = 0
      for (const { job, name, token } of parts) {
        if (isLive(job, token)) continue
        const log = yield* attempt(() => Leftovers.goesOn(disk, join(partial, name)))
        if (log !== undefined && (yield* unfinished(log.identity.id, job))) continue
        yield* attempt(() => removePart(join(partial, name)))
        removed += 1
      }
      return removed
    }).pipe(Effect.withSpan("Storage.recover"))

  /** One of the parts; what is worth it is left for the next lease when it is closed. */
  const owned = (parts: Parts, owner: Owner, file: PartFile): PartFile => {
    parts.add(file, async () => {
      if (await file.release()) leftovers.add(owner.job, partName(owner.id, owner))
    })
    return file
  }

  /** Takes over the part `name`. */
  const adopt = (parts: Parts, owner: Owner, name: string, url: string, md5: boolean) =>
    Effect.gen(function* () {
      const own = partName(owner.id, owner)
      const adopted = yield* attempt(() => leftovers.take(owner, name, own, { id: owner.id, url, md5 }))
      if (adopted === undefined) return Option.none<Beginning>()
      const { bytes, head, log, tail } = adopted
      const file = owned(parts, owner, new PartFile(disk, join(partial, own), { md5, from: adopted }))
      file.left = true
      const { total, url: from, validator } = log.identity
      const discard = Effect.promise(() => file.drop())
      return Option.some({ identity: { url: from, validator, total }, bytes, head, tail, file, discard })
    }).pipe(Effect.uninterruptible)

  const resume: StorageService["resume"] = (parts, owner, url, options = {}) =>
    Effect.clockWith((clock) => {
      const adoptAny = (name: string | undefined) =>
        name === undefined ? Effect.succeedNone : adopt(parts, owner, name, url, options.md5 === true)
      const found = leftovers.find(owner, clock.unsafeCurrentTimeMillis())
      return found instanceof Promise
        ? Effect.flatMap(
            attempt(() => found),
            adoptAny
          )
        : adoptAny(found)
    })

  /** A part of its own for a lease, received by `use`. */
  const create = <A, E>(
    parts: Parts,
    owner: Owner,
    md5: boolean,
    use: (part: PartFile) => Effect.Effect<A, E>
  ): Effect.Effect<A, E> => {
    const name = partName(owner.id, owner)
    const fresh = () => use(owned(parts, owner, new PartFile(disk, `${partial}${sep}${name}`, { md5 })))
    // An earlier candidate of this lease may have left its own there.
    return leftovers.known(owner) === name
      ? Effect.flatMap(
          Effect.promise(() => leftovers.remove(owner.job)),
          fresh
        )
      : fresh()
  }

  /** Gives a part its place. */
  const keep = (owner: Owner, part: PartFile, sha256: string, extension: string) =>
    Effect.uninterruptible(
      Effect.suspend(() => {
        const folder = folderOf(owner.id)
        // Eight digits tell contents apart; should they ever not, the whole hash does.
        const names = [8, 64].map((digits) => fileName(owner.id, sha256, extension, digits))
        const paths = names.map((name) => `${root}${sep}${folder}${sep}${name}`)
        return Effect.flatMap(
          attempt(() => part.keep(place, join(root, folder), paths, sha256)),
          ({ copied, index }) => {
            const path = `${folder}/${names[index] ?? ""}`
            if (!copied && leftovers.known(owner) === undefined) return Effect.succeed(path)
            return Effect.as(Effect.zipRight(forget(owner), copied ? sayCopied : Effect.void), path)
          }
        )
      })
    )

  /** What came in whole. */
  const whole = (owner: Owner, part: PartFile): Part => {
    // From here on it is kept or refused.
    part.left = false
    const { md5, sha256 } = part.digest()
    return {
      bytes: part.bytes,
      sha256,
      md5,
      // Not interrupted: whoever drops the part has to find it written, or not opened.
      inspect: (read) =>
        attempt(() => part.written()).pipe(
          Effect.uninterruptible,
          Effect.flatMap((path) => attempt(() => read(path)))
        ),
      keep: (extension) => keep(owner, part, sha256, extension)
    }
  }

  const receive: StorageService["receive"] = (parts, owner, source, options = {}) =>
    Effect.flatMap(room(options.expectedBytes), () => {
      const { identity, md5 = false, onto } = options
      const into = (part: PartFile) => {
        if (identity !== undefined) part.identify({ id: owner.id, ...identity })
        return Effect.map(fill(part, source, refused), () => whole(owner, part))
      }
      return onto === undefined ? create(parts, owner, md5, into) : into(onto.file)
    })

  const forget: StorageService["forget"] = (owner) =>
    Effect.suspend(() =>
      leftovers.known(owner) === undefined ? Effect.void : Effect.promise(() => leftovers.remove(owner.job))
    )

  return {
    check,
    recover,
    receive,
    resume,
    forget,
    examine: (file) => attempt(() => examine(disk, root, file)),
    mend: (file, condition, { restore = true } = {}) =>
      attempt(() => mend(disk, root, file, condition, { restore })),
    isThere: (path) => attempt(() => isThere(disk, join(root, path))),
    inspect: ({ path }, read) => attempt(() => read(join(root, path)))
  }
}

/** `make` as a layer. */
export const layer = (settings: StorageSettings): Layer.Layer<Storage> =>
  Layer.effect(
    Storage,
    Effect.map(Disk, (disk) => make(settings, disk))
  )
