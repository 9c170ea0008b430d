/**
 * How a complete, synced part gets its place in the output folder: under its artifact's name alone, or as content under
 * its hash with the name as a link to it.
 *
 * Whenever the process ends in between, each name has whole content or is not there, and the next try comes to the same
 * names. Other content is never replaced, except where a name carries the whole hash: other content there is damage.
 */
import { constants } from "node:fs"
import { dirname, join } from "node:path"
import { reach } from "../FailPoint.ts"
import type { DiskService } from "./Disk.ts"
import { compare, hashFile, linkPath, makeFolder, removePart, renameDurably, syncFolder } from "./Files.ts"
import { codeOf, isUnreadable, partRemoved } from "./StorageError.ts"
import { objectName } from "./StoredName.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** A part that has everything, synced and closed. */
export interface Sealed {
  readonly path: string
  readonly bytes: number
  readonly sha256: string
}

/** Which of the names it is. `copied`: the file system can't link, so the content is there twice, as all will be. */
export interface Placed {
  readonly index: number
  readonly copied: boolean
}

/**
 * Gives a part the first of `names`, paths in `folder`, that is free or has its content already. The last one carries
 * the whole hash. The part is gone afterwards.
 */
export type Place = (part: Sealed, folder: string, names: ReadonlyArray<string>) => Promise<Placed>

/**
 * `place`, after which the folders above the name are durable too: whoever made one may have been killed, or have failed,
 * before its entry was synced. Each is synced once.
 */
export const keepingFolders = (disk: DiskService, root: string, place: Place): Place => {
  const kept = new Set<string>()
  return async (part, folder, names) => {
    const placed = await place(part, folder, names)
    for (let at = folder; at.length > root.length && !kept.has(at); at = dirname(at)) {
      await syncFolder(disk, dirname(at))
      kept.add(at)
    }
    return placed
  }
}

/** Does something in a folder, which is made if it isn't there. */
const inFolder = async (
  disk: DiskService,
  folder: string,
  part: string,
  act: () => Promise<void>
): Promise<void> => {
  try {
    await act()
  } catch (cause) {
    if (codeOf(cause) !== "ENOENT") throw cause
    await makeFolder(disk, folder)
    await act().catch((again: unknown) => {
      throw codeOf(again) === "ENOENT" ? partRemoved(part) : again
    })
  }
}

/** The first of the names that may be the part's, and whether it has the content already. */
const choose = async (disk: DiskService, { bytes, sha256 }: Sealed, names: ReadonlyArray<string>) => {
  for (const [index, path] of names.entries()) {
    const there = await compare(disk, path, bytes, sha256)
    if (there !== "other" || index === names.length - 1) return { index, path, there }
  }
  throw new Error("a part needs a name")
}

// ---------------------------------------------------------------------------------------------------------------
// By id
// ---------------------------------------------------------------------------------------------------------------

const renamed = (): void => reach("renamed")

/** Under the artifact's name alone. */
export const byId =
  (disk: DiskService): Place =>
  async (part, folder, names) => {
    const { index, path, there } = await choose(disk, part, names)
    if (there === "same") {
      await disk.unlink(part.path)
      renamed()
      // The entry of the file that was there may be newer than the folder on the disk.
      await syncFolder(disk, folder)
    } else {
      await inFolder(disk, folder, part.path, () => renameDurably(disk, part.path, path, renamed))
    }
    return { index, copied: false }
  }

// ---------------------------------------------------------------------------------------------------------------
// By content
// ---------------------------------------------------------------------------------------------------------------

/** Where a content stands. */
export const objectPath = (root: string, sha256: string): string => join(root, objectName(sha256))

/** A file has as many names as it can have; a copy of it can have as many again. */
const TOO_MANY = "EMLINK"

/** What a file system answers that has no links, or none between these files. */
export const NO_LINKS: ReadonlySet<string> = new Set([
  "EPERM",
  "EACCES",
  "ENOTSUP",
  "EOPNOTSUPP",
  "ENOSYS",
  "EXDEV",
  "EINVAL",
  TOO_MANY
])

/** Puts a durable copy in the place of what is at `to`. */
export const copyOver = async (
  disk: DiskService,
  from: string,
  to: string,
  temporary: string
): Promise<void> => {
  await disk.copyFile(from, temporary, constants.COPYFILE_FICLONE)
  const handle = await disk.open(temporary, "r+")
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
  await disk.rename(temporary, to)
}

/** Whether both are there and are names of one file. */
const isLinked = async (disk: DiskService, a: string, b: string): Promise<boolean> => {
  try {
    const [one, other] = await Promise.all([disk.stat(a), disk.stat(b)])
    return one.ino === other.ino && one.dev === other.dev
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return false
    throw cause
  }
}

/**
 * Content once, under its hash, with the artifact's name as a hard link to it. The part is removed last: one that was
 * killed on the way shows by its links what it has made, see `removeUnplaced`.
 */
export const byContent =
  (disk: DiskService, root: string): Place =>
  async (part, folder, names) => {
    const object = objectPath(root, part.sha256)
    const temporary = linkPath(part.path)

    /** In the place of what is there. */
    const linkOver = async (from: string, to: string) => {
      await disk.rm(temporary, { force: true })
      await disk.link(from, temporary)
      await disk.rename(temporary, to)
      // Renaming one name of a file to another of its names leaves both.
      await disk.rm(temporary, { force: true })
    }

    /** Its entry isn't synced: the name's keeps the content, whatever becomes of this one. */
    const putObject = async () => {
      try {
        await inFolder(disk, dirname(object), part.path, () => disk.link(part.path, object))
      } catch (cause) {
        if (codeOf(cause) !== "EEXIST") throw cause
        if ((await compare(disk, object, part.bytes, part.sha256)) !== "same")
          await linkOver(part.path, object)
      }
    }

    const putName = async (path: string, there: "free" | "same" | "other") => {
      if (there === "same" && (await isLinked(disk, object, path))) return
      // The part is the object, or has the same bytes where the object has meanwhile lost its name.
      const whole = await disk.stat(object).then(
        () => object,
        () => part.path
      )
      await inFolder(disk, folder, part.path, async () => {
        if (there !== "free") return linkOver(whole, path)
        return disk.link(whole, path)
      })
    }

    /** Answers which of the names it is. */
    const nameIt = async (): Promise<number> => {
      const { index, path, there } = await choose(disk, part, names)
      try {
        await putName(path, there)
        return index
      } catch (cause) {
        // Somebody has put something there just now.
        if (codeOf(cause) === "EEXIST") return nameIt()
        throw cause
      }
    }

    /** As complete, and as safe: the name first, since it is what the receipt tells of. */
    const copy = async (why: string): Promise<Placed> => {
      const { index, path, there } = await choose(disk, part, names)
      if (there !== "same")
        await inFolder(disk, folder, part.path, () => copyOver(disk, part.path, path, temporary))
      reach("renamed")
      await syncFolder(disk, folder)
      await inFolder(disk, dirname(object), part.path, () => disk.rename(part.path, object))
      // It is still there if it was the object already.
      await disk.rm(part.path, { force: true })
      return { index, copied: why !== TOO_MANY }
    }

    try {
      await putObject()
      reach("linked")
      const index = await nameIt()
      reach("renamed")
      await syncFolder(disk, folder)
      await disk.unlink(part.path)
      return { index, copied: false }
    } catch (cause) {
      if (!NO_LINKS.has(codeOf(cause))) throw cause
      return copy(codeOf(cause))
    }
  }

/** Whether a part has a place already, and was only not removed: nothing is to be written into it any more. */
export const isPlaced = async (disk: DiskService, part: string): Promise<boolean> =>
  (await disk.stat(part).catch(() => undefined))?.nlink !== 1

/**
 * Removes a part that nobody goes on with. One that was killed between its object and its name takes the object with it,
 * unless that has a name by now: nothing else would find it again.
 */
export const removeUnplaced = async (disk: DiskService, root: string, part: string): Promise<void> => {
  await disk.rm(linkPath(part), { force: true })
  try {
    const found = await disk.stat(part)
    if (found.nlink === 2) {
      const object = objectPath(root, await hashFile(disk, part))
      if (await isLinked(disk, part, object)) await disk.unlink(object)
    }
  } catch (cause) {
    // It was no object yet, or another process that has just started does the same, or nobody can read it any more.
    if (codeOf(cause) !== "ENOENT" && !isUnreadable(cause)) throw cause
  }
  await removePart(disk, part)
}
