/**
 * Files that have their place already: whether they are still what their receipts say, and what becomes of those that
 * aren't.
 *
 * What is damaged never stays under its name, where its successor belongs, and is never deleted: somebody may have
 * written into it on purpose.
 */
import { basename, dirname, join } from "node:path"
import type { DiskService } from "./Disk.ts"
import { compare, isThere, linkPath, makeFolder, syncFolder } from "./Files.ts"
import { copyOver, NO_LINKS, objectPath } from "./Placing.ts"
import { codeOf } from "./StorageError.ts"
import { PARTIAL, partName } from "./StoredName.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** A file as its receipt has it; the path is relative to the output folder. */
export interface Stored {
  readonly path: string
  readonly bytes: number
  readonly sha256: string
}

/** `damaged`: other content, or the disk can't read it. `unreadable`: this user may not. */
export type Condition = "whole" | "missing" | "damaged" | "unreadable"

/** What was done for a file. Paths are relative to the output folder. */
export interface Mended {
  /** Whole again, from the same content elsewhere in the folder. */
  readonly restored: boolean
  /** Where what was damaged is now. */
  readonly moved: string | undefined
}

/** The folder of what was damaged, inside the output folder. */
const DAMAGED = ".damaged"

// ---------------------------------------------------------------------------------------------------------------
// Looking
// ---------------------------------------------------------------------------------------------------------------

/** What has become of a file: read from its first byte to its last. */
export const examine = async (
  disk: DiskService,
  root: string,
  { bytes, path, sha256 }: Stored
): Promise<Condition> => {
  try {
    const there = await compare(disk, join(root, path), bytes, sha256)
    return there === "same" ? "whole" : there === "free" ? "missing" : "damaged"
  } catch (cause) {
    const code = codeOf(cause)
    if (code === "ENOTDIR") return "missing"
    if (code === "EACCES" || code === "EPERM") return "unreadable"
    throw cause
  }
}

// ---------------------------------------------------------------------------------------------------------------
// Mending
// ---------------------------------------------------------------------------------------------------------------

/** A path in the folder of damaged files that is free. */
const freePath = async (disk: DiskService, folder: string, name: string): Promise<string> => {
  for (let n = 1; ; n++) {
    const path = join(folder, n === 1 ? name : `${name}~${n}`)
    if (!(await isThere(disk, path))) return path
  }
}

/** Takes what is at a path from its name; what isn't there is no fault. Answers its new name. */
const setAside = async (disk: DiskService, root: string, path: string): Promise<string | undefined> => {
  const folder = join(root, DAMAGED)
  await makeFolder(disk, folder)
  const aside = await freePath(disk, folder, basename(path))
  try {
    await disk.rename(path, aside)
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return undefined
    throw cause
  }
  await syncFolder(disk, folder)
  await syncFolder(disk, dirname(path))
  return `${DAMAGED}/${basename(aside)}`
}

/** Puts the content under its name again, if the folder has it under its hash. */
const restore = async (
  disk: DiskService,
  root: string,
  { bytes, path, sha256 }: Stored
): Promise<boolean> => {
  const object = objectPath(root, sha256)
  const there = await compare(disk, object, bytes, sha256)
  // Damaged content under a hash is a trap for whoever stores the same content next.
  if (there === "other") await disk.unlink(object)
  if (there !== "same") return false
  const name = join(root, path)
  await makeFolder(disk, dirname(name))
  try {
    await disk.link(object, name)
  } catch (cause) {
    if (!NO_LINKS.has(codeOf(cause))) throw cause
    const temporary = linkPath(join(root, PARTIAL, partName(path, { job: 0, token: 0 })))
    await makeFolder(disk, dirname(temporary))
    await copyOver(disk, object, name, temporary)
  }
  await syncFolder(disk, dirname(name))
  return true
}

/** Moves a damaged file out of the way, and puts back what is missing or damaged, as far as that goes without a server. */
export const mend = async (
  disk: DiskService,
  root: string,
  file: Stored,
  condition: "missing" | "damaged",
  options: { readonly restore: boolean }
): Promise<Mended> => {
  const moved = condition === "damaged" ? await setAside(disk, root, join(root, file.path)) : undefined
  const restored = options.restore && (await restore(disk, root, file))
  return { moved, restored }
}
