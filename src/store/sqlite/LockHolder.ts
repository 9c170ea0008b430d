/**
 * Who holds the lock of a queue file for writing, where the system tells: Linux does, in /proc/locks. A read-only look at
 * what SQLite locks (sqlite.org/walformat.html#locks, sqlite.org/lockingv3.html): in WAL mode byte 120 of the `-shm` file,
 * else the bytes from 2^30 on of the file itself. Files of that list are told apart by their inode alone, since the
 * numbers of some file systems' devices differ in it.
 */
import { readFile, stat } from "node:fs/promises"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/** A process that holds the lock. `command`: how it was started; empty where that isn't told. */
export interface LockHolder {
  readonly pid: number
  readonly command: string
}

const WAL_WRITE_BYTE = 120
const PENDING_BYTE = 2 ** 30

const LOCK = /^\d+: POSIX +\w+ +WRITE (\d+) [\da-f]+:[\da-f]+:(\d+) (\d+) (\d+|EOF)$/gm

/** The process that the lines of /proc/locks name for these inodes. */
export const holderIn = (
  locks: string,
  inodes: { readonly file: bigint; readonly shm: bigint | undefined }
): number | undefined => {
  for (const [, pid, inode = "", from, to] of locks.matchAll(LOCK)) {
    const last = to === "EOF" ? Number.POSITIVE_INFINITY : Number(to)
    const holds = (byte: number) => Number(from) <= byte && byte <= last
    const isWriter =
      BigInt(inode) === inodes.shm
        ? holds(WAL_WRITE_BYTE)
        : BigInt(inode) === inodes.file && last >= PENDING_BYTE
    if (isWriter) return Number(pid)
  }
  return undefined
}

const inodeOf = (path: string): Promise<bigint | undefined> =>
  stat(path, { bigint: true }).then(
    ({ ino }) => ino,
    () => undefined
  )

const textOf = (path: string): Promise<string> => readFile(path, "utf8").catch(() => "")

/** Who holds the lock for writing at this moment; `None` also where the system doesn't tell. */
export const lockHolder = (file: string): Effect.Effect<Option.Option<LockHolder>> =>
  Effect.promise(async () => {
    const inode = await inodeOf(file)
    if (inode === undefined) return Option.none()
    const pid = holderIn(await textOf("/proc/locks"), { file: inode, shm: await inodeOf(`${file}-shm`) })
    if (pid === undefined) return Option.none()
    const command = (await textOf(`/proc/${pid}/cmdline`)).replaceAll("\0", " ").trim()
    return Option.some({ pid, command })
  })
