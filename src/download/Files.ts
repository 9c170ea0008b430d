/**
 * What the output folder asks of a file system: folders whose entries are durable, content compared, and the names that
 * belong to an unfinished file.
 */
import { createHash } from "node:crypto"
import { dirname } from "node:path"
import type { DiskService, OpenFile } from "./Disk.ts"
import { codeOf, isUnreadable } from "./StorageError.ts"

/** A directory can't be opened or synced everywhere; there its entries are as durable as they get. */
const NO_DIRECTORY_SYNC = new Set(["EISDIR", "EPERM", "EACCES", "EINVAL", "ENOTSUP", "EBADF"])

/** What a file system answers of what isn't there. */
const ABSENT = new Set(["ENOENT", "ENOTDIR"])

/** Runs what makes the entries of a folder durable, where that can be done. */
export const asFarAsSynced = async (sync: () => Promise<void>): Promise<void> => {
  try {
    await sync()
  } catch (cause) {
    if (!NO_DIRECTORY_SYNC.has(codeOf(cause))) throw cause
  }
}

/** Whether anything is at the path. */
export const isThere = (disk: DiskService, path: string): Promise<boolean> =>
  disk.stat(path).then(
    () => true,
    (cause: unknown) => {
      if (ABSENT.has(codeOf(cause))) return false
      throw cause
    }
  )

/** Makes the entries of a folder durable. */
export const syncFolder = (disk: DiskService, folder: string): Promise<void> =>
  asFarAsSynced(async () => {
    const handle = await disk.open(folder, "r")
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  })

/** A sync that is under way, and the one that begins when it is over, if somebody waits for that. */
interface Turn {
  readonly running: Promise<void>
  next: Promise<void> | undefined
}

const turns = new WeakMap<DiskService, Map<string, Turn>>()

/** `syncFolder`, together with all who ask while another sync of the folder is under way: theirs is the next. */
const syncTogether = (disk: DiskService, folder: string): Promise<void> => {
  const known = turns.get(disk)
  const byFolder = known ?? new Map<string, Turn>()
  if (known === undefined) turns.set(disk, byFolder)
  const begin = (): Promise<void> => {
    const turn: Turn = { running: syncFolder(disk, folder), next: undefined }
    byFolder.set(folder, turn)
    const over = () => {
      if (turn.next === undefined) byFolder.delete(folder)
    }
    turn.running.then(over, over)
    return turn.running
  }
  const turn = byFolder.get(folder)
  if (turn === undefined) return begin()
  turn.next ??= turn.running.then(begin, begin)
  return turn.next
}

/** Gives a file another name, and makes that durable. `renamed` is called in between. */
export const renameDurably = async (
  disk: DiskService,
  from: string,
  to: string,
  renamed: () => void
): Promise<void> => {
  if (disk.renameDurably !== undefined) return disk.renameDurably(from, to, renamed)
  await disk.rename(from, to)
  renamed()
  await syncFolder(disk, dirname(to))
}

/** Makes a folder and the ones above it, and the new entries durable. */
export const makeFolder = async (disk: DiskService, folder: string): Promise<void> => {
  const created = await disk.mkdir(folder, { recursive: true })
  if (created !== undefined) await syncTogether(disk, dirname(created))
}

/** Writes all of it: a disk that runs full takes a part, and says so only at the next write. */
export const writeAll = async (
  file: OpenFile,
  buffers: ReadonlyArray<Uint8Array>,
  from: number
): Promise<void> => {
  let rest = buffers
  let at = from
  while (rest.length > 0) {
    const total = rest.reduce((sum, chunk) => sum + chunk.length, 0)
    const { bytesWritten } = await file.writev(rest, at)
    at += bytesWritten
    rest = bytesWritten < total ? [Buffer.concat(rest).subarray(bytesWritten)] : []
  }
}

/** What is read at once. */
const READ_BYTES = 256 * 1024

/** The SHA-256 of a file, in hex. */
export const hashFile = async (disk: DiskService, path: string): Promise<string> => {
  const hash = createHash("sha256")
  for await (const chunk of disk.createReadStream(path, { highWaterMark: READ_BYTES })) hash.update(chunk)
  return hash.digest("hex")
}

/** What stands at a path: nothing, a file with this content, or something else, which is what the disk can't read, too. */
export const compare = async (
  disk: DiskService,
  path: string,
  bytes: number,
  sha256: string
): Promise<"free" | "same" | "other"> => {
  try {
    const found = await (disk.statIfThere ?? disk.stat)(path)
    if (found === undefined) return "free"
    if (!found.isFile() || found.size !== bytes) return "other"
    return (await hashFile(disk, path)) === sha256 ? "same" : "other"
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return "free"
    if (isUnreadable(cause)) return "other"
    throw cause
  }
}

/** Where the log of a part stands. */
export const logPath = (part: string): string => `${part}.log`

/** Where a file stands that a part makes before it takes the place of another. */
export const linkPath = (part: string): string => `${part}.link`

/** The name of the part whose log or link this is; `undefined` if it is neither. */
export const partOf = (name: string): string | undefined => /^(.*\.part)\.(?:log|link)$/s.exec(name)?.[1]

/** Removes a part and what belongs to it, whichever of them is there. */
export const removePart = async (disk: DiskService, part: string): Promise<void> => {
  for (const path of [part, logPath(part), linkPath(part)]) await disk.rm(path, { force: true })
}
