/**
 * The file system as the output folder uses it: Node's own, unless a test brings another.
 *
 * Only what storing files takes, with Node's names, answers and error codes. What is written is durable once its file
 * is synced, a name once its folder is.
 */
import { createReadStream } from "node:fs"
import { copyFile, link, readdir, readFile, rm, stat, statfs, unlink, writeFile } from "node:fs/promises"
import * as Context from "effect/Context"
import * as Folder from "../Folder.ts"
import { openFile, rename } from "./Descriptor.ts"

/** An open file, or an open folder, which can only be synced. */
export interface OpenFile {
  /** Fills the buffer's `[offset, offset + length)` from `position` on, as far as one call does. */
  readonly read: (
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number
  ) => Promise<{ readonly bytesRead: number }>
  readonly writev: (
    buffers: ReadonlyArray<Uint8Array>,
    position: number
  ) => Promise<{ readonly bytesWritten: number }>
  readonly appendFile: (text: string) => Promise<void>
  readonly truncate: (bytes: number) => Promise<void>
  readonly sync: () => Promise<void>
  readonly close: () => Promise<void>
  /** Whether it still is what stands at the path. Left out: nobody else writes there. */
  readonly isAt?: (path: string) => boolean
}

/** What a file system says of a file. `dev` and `ino` are the same for all names of a file, `nlink` is their number. */
export interface FileStat {
  readonly size: number
  readonly isFile: () => boolean
  readonly dev: number
  readonly ino: number
  readonly nlink: number
}

/** A file system. Every call fails as Node's does, with a `code`. */
export interface DiskService {
  readonly open: (path: string, flags: "r" | "r+" | "w" | "w+") => Promise<OpenFile>
  /** The first folder that was made. */
  readonly mkdir: (path: string, options: { readonly recursive: true }) => Promise<string | undefined>
  /** The content of a file, in pieces. */
  readonly createReadStream: (
    path: string,
    options: { readonly highWaterMark: number }
  ) => AsyncIterable<Uint8Array>
  readonly readFile: (path: string, encoding: "utf8") => Promise<string>
  readonly writeFile: (path: string, text: string) => Promise<void>
  readonly readdir: (path: string) => Promise<ReadonlyArray<string>>
  readonly rename: (from: string, to: string) => Promise<void>
  /**
   * `rename`, and then the new name made durable; `renamed` is called in between. Left out: in steps, by the path of the
   * folder.
   */
  readonly renameDurably?: (from: string, to: string, renamed: () => void) => Promise<void>
  /** A further name for a file: a hard link. Fails where there is something at `to`. */
  readonly link: (from: string, to: string) => Promise<void>
  readonly copyFile: (from: string, to: string, mode: number) => Promise<void>
  readonly unlink: (path: string) => Promise<void>
  readonly rm: (path: string, options: { readonly force: true }) => Promise<void>
  readonly stat: (path: string) => Promise<FileStat>
  /** `stat`, and `undefined` where nothing is there, which most often isn't worth an error. Left out: by `stat`. */
  readonly statIfThere?: (path: string) => Promise<FileStat | undefined>
  /** Whether it has symbolic links, which lead anywhere. Left out: it hasn't. */
  readonly hasLinks?: boolean
  readonly statfs: (path: string) => Promise<{ readonly bavail: number; readonly bsize: number }>
}

/** Node's. */
export const node: DiskService = {
  open: openFile,
  mkdir: Folder.make,
  createReadStream,
  readFile,
  writeFile,
  readdir,
  rename,
  link,
  copyFile,
  unlink,
  rm,
  stat,
  hasLinks: true,
  statfs
}

/** The disk of a program; it needn't be provided. */
export class Disk extends Context.Reference<Disk>()("contentdownload/Disk", {
  defaultValue: (): DiskService => node
}) {}
