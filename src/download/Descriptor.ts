/**
 * A file or a folder that Node has open, by its number and with callbacks: a `FileHandle` and its promises cost more
 * than the calls that a small file takes.
 */
import * as fs from "node:fs"
import type { OpenFile } from "./Disk.ts"

/** What a call to the file system ends with. */
type Ended = (error: NodeJS.ErrnoException | null) => void

const called = (start: (ended: Ended) => void): Promise<void> =>
  new Promise((resolve, reject) => {
    start((error) => (error === null ? resolve() : reject(error)))
  })

/** A write of so many bytes is but a copy in memory, and done at once: a way through the pool of threads takes longer. */
const SMALL_BYTES = 64 * 1024

/** No file's: every call with it fails, where the number itself might be another file's by now. */
const CLOSED = -1

class Descriptor implements OpenFile {
  #fd: number
  /** All that was written is on the disk. */
  #synced = false

  constructor(fd: number) {
    this.#fd = fd
  }

  read(buffer: Uint8Array, offset: number, length: number, position: number) {
    return new Promise<{ readonly bytesRead: number }>((resolve, reject) => {
      fs.read(this.#fd, buffer, offset, length, position, (error, bytesRead) =>
        error === null ? resolve({ bytesRead }) : reject(error)
      )
    })
  }

  writev(buffers: ReadonlyArray<Uint8Array>, position: number) {
    this.#synced = false
    return new Promise<{ readonly bytesWritten: number }>((resolve, reject) => {
      if (buffers.reduce((sum, { length }) => sum + length, 0) <= SMALL_BYTES) {
        return resolve({ bytesWritten: fs.writevSync(this.#fd, buffers, position) })
      }
      fs.writev(this.#fd, buffers, position, (error, bytesWritten) =>
        error === null ? resolve({ bytesWritten }) : reject(error)
      )
    })
  }

  appendFile(text: string): Promise<void> {
    this.#synced = false
    return called((ended) => fs.appendFile(this.#fd, text, ended))
  }

  truncate(bytes: number): Promise<void> {
    this.#synced = false
    return called((ended) => fs.ftruncate(this.#fd, bytes, ended))
  }

  async sync(): Promise<void> {
    await called((ended) => fs.fsync(this.#fd, ended))
    this.#synced = true
  }

  /** At once, as with all that takes no longer than a way through the pool of threads. */
  isAt(path: string): boolean {
    const there = fs.lstatSync(path, { throwIfNoEntry: false })
    const { dev, ino } = fs.fstatSync(this.#fd)
    return there !== undefined && there.ino === ino && there.dev === dev
  }

  async close(): Promise<void> {
    const fd = this.#fd
    this.#fd = CLOSED
    if (fd === CLOSED) return
    // Nothing is left to be written: it takes no time, and a way through the pool of threads takes some.
    if (this.#synced) fs.closeSync(fd)
    else await called((ended) => fs.close(fd, ended))
  }
}

/** `flags` as Node's `open` takes them. */
export const openFile = (path: string, flags: string | number): Promise<OpenFile> =>
  new Promise((resolve, reject) => {
    fs.open(path, flags, (error, fd) => (error === null ? resolve(new Descriptor(fd)) : reject(error)))
  })

/** Makes durable what is open under a number that is somebody else's to close. */
export const sync = (fd: number): Promise<void> => called((ended) => fs.fsync(fd, ended))

/** `rename`, with a callback. */
export const rename = (from: string, to: string): Promise<void> =>
  called((ended) => fs.rename(from, to, ended))
