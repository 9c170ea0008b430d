/**
 * One file on its way to the disk: written, hashed and counted in one pass, then made durable and renamed, or left for
 * the next try, or removed.
 *
 * Plain promises over Node's file handles: a fiber per chunk would cost more than the chunk. A part that is dropped
 * leaves nothing behind, and a body too small to fill the buffer opens no file before it is kept. A part that may be
 * gone on with has a log beside it, see `PartLog.ts`.
 */
import { createHash, hash, type Hash } from "node:crypto"
import { dirname } from "node:path"
import { reach } from "../FailPoint.ts"
import type { DiskService, OpenFile } from "./Disk.ts"
import { logPath, makeFolder, writeAll } from "./Files.ts"
import { type Identity, PartLog } from "./PartLog.ts"
import type { Place, Placed } from "./Placing.ts"
import { codeOf, partRemoved } from "./StorageError.ts"

/** What is collected before it is written: enough for few system calls, small enough for many workers. */
const BUFFER_BYTES = 256 * 1024

/**
 * From how many bytes on a part is left for another try. Below that, coming again from the start costs less than the
 * file, its log and the chance that the server doesn't know ranges.
 */
export const RESUME_FROM = 1024 * 1024

/** What is written between two checkpoints: as much is lost with the process at most. */
const CHECKPOINT_EVERY = 8 * 1024 * 1024

/** What the source of the bytes threw, kept apart from what the file system throws. */
export class SourceFailed {
  readonly cause: unknown
  constructor(cause: unknown) {
    this.cause = cause
  }
}

/** What a part is filled from. `abort` makes `chunks` end soon. */
interface Filling {
  readonly chunks: AsyncIterable<Uint8Array>
  readonly abort: () => void
}

/** A part as far as it is proven: where the next byte goes, and the hashes up to there. */
export interface Proven {
  readonly handle: OpenFile
  readonly log: PartLog
  readonly bytes: number
  readonly sha256: Hash
  readonly md5: Hash | undefined
}

export class PartFile {
  readonly #disk: DiskService
  readonly #path: string
  /** Of all that was handed to the disk; none before something was. */
  #sha256: Hash | undefined
  readonly #md5: Hash | undefined
  /** The hashes are taken. */
  #digested = false
  #handle: OpenFile | undefined
  #buffered: Array<Uint8Array> = []
  #bufferedBytes = 0
  /** The last write; no other begins before it has ended. */
  #handed: Promise<OpenFile> | undefined
  #opened = false
  #kept = false
  #bytes = 0
  #identity: Identity | undefined
  #log: PartLog | undefined
  #checkpoint = 0
  /** Under way as long as it is there. */
  #filling: { readonly abort: () => void; readonly over: Promise<void> } | undefined
  /** Whether `release` leaves it to another try: as long as it is filled, until its source says something else. */
  left = false

  /** `from`: what an earlier try left; its files are this part's from here on. */
  constructor(
    disk: DiskService,
    path: string,
    options: { readonly md5: boolean; readonly from?: Proven | undefined }
  ) {
    const { from } = options
    this.#disk = disk
    this.#path = path
    this.#sha256 = from?.sha256
    this.#md5 = from === undefined ? (options.md5 ? createHash("md5") : undefined) : from.md5
    this.#handle = from?.handle
    this.#log = from?.log
    this.#identity = from?.log.identity
    this.#opened = from !== undefined
    this.#bytes = from?.bytes ?? 0
    this.#checkpoint = this.#bytes
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Whether it has its place: nothing is left to be closed. */
  get kept(): boolean {
    return this.#kept && this.#log === undefined
  }

  /** Says what the bytes are a part of, so that another try may go on with them. */
  identify(identity: Identity): void {
    this.#identity = identity
  }

  /**
   * Reads the source to its end, or until it is released, which aborts the source. Throws `SourceFailed` for the source,
   * anything else for the file system.
   */
  fill({ abort, chunks }: Filling): Promise<void> {
    this.left = true
    const over = this.#read(chunks)
    this.#filling = { abort, over }
    return over
  }

  async #read(source: AsyncIterable<Uint8Array>): Promise<void> {
    const chunks = source[Symbol.asyncIterator]()
    try {
      for (;;) {
        let step: IteratorResult<Uint8Array>
        try {
          step = await chunks.next()
        } catch (cause) {
          throw new SourceFailed(cause)
        }
        if (step.done === true) return
        const chunk = step.value
        this.#bytes += chunk.length
        this.#buffered.push(chunk)
        this.#bufferedBytes += chunk.length
        if (this.#bufferedBytes >= BUFFER_BYTES) {
          await this.#handed
          const first = !this.#opened
          const handed = this.#hand()
          // Where the disk refuses from the start, nothing more is read.
          if (first) await handed
          reach("written")
          if (this.#bytes - this.#checkpoint >= CHECKPOINT_EVERY) {
            await this.#flush()
            await this.#check()
          }
        }
      }
    } finally {
      this.#filling = undefined
    }
  }

  /** The path at which everything filled in can be read. */
  async written(): Promise<string> {
    await this.#flush()
    return this.#path
  }

  /** The hashes of everything filled in, in hex. To be called once, at the end. */
  digest(): { readonly sha256: string; readonly md5: string | undefined } {
    const { length } = this.#buffered
    // Most files are small, and hashed in one call.
    if (this.#sha256 === undefined && this.#md5 === undefined) {
      this.#digested = true
      const [only] = this.#buffered
      const content = only !== undefined && length === 1 ? only : Buffer.concat(this.#buffered)
      return { sha256: hash("sha256", content), md5: undefined }
    }
    this.#hash()
    this.#digested = true
    return { sha256: this.#running().digest("hex"), md5: this.#md5?.digest("hex") }
  }

  /** Makes the content durable and has `place` give it its place. */
  async keep(place: Place, folder: string, names: ReadonlyArray<string>, sha256: string): Promise<Placed> {
    const handle = await this.#flush()
    await handle.sync()
    reach("synced")
    // What somebody has put in its place doesn't get its name, and isn't its own to remove.
    if (handle.isAt?.(this.#path) === false) {
      this.#opened = false
      throw partRemoved(this.#path)
    }
    await handle.close()
    this.#handle = undefined
    const placed = await place({ path: this.#path, bytes: this.#bytes, sha256 }, folder, names)
    this.#kept = true
    await this.#removeLog()
    reach("stored")
    return placed
  }

  /**
   * Closes the part. If it is `left`, and it is known what it is a part of, and it is worth it, it stays for the next
   * try: true. Else it is dropped, unless it was kept. A part whose `digest` was taken can't be left.
   */
  async release(): Promise<boolean> {
    // Nothing writes to it any more then.
    this.#filling?.abort()
    await this.#filling?.over.catch(() => undefined)
    if (!this.left || this.#identity === undefined || this.#bytes < RESUME_FROM) {
      await this.drop()
      return false
    }
    try {
      await this.#flush()
      await this.#check()
      await this.#handle?.close()
      this.#handle = undefined
      await this.#log?.close()
      return true
    } catch {
      // What can't be left is only worth less: it is fetched again.
      await this.drop()
      return false
    }
  }

  /** Closes and removes what wasn't kept. */
  async drop(): Promise<void> {
    await this.#handed?.catch(() => undefined)
    await this.#handle?.close().catch(() => undefined)
    this.#handle = undefined
    await this.#removeLog()
    if (this.#opened && !this.#kept) await this.#disk.unlink(this.#path).catch(() => undefined)
    this.#opened = false
    this.left = false
  }

  /** Notes in the log how far the file has come; everything filled in has to be written. */
  async #check(): Promise<void> {
    if (this.#identity === undefined) return
    this.#log ??= await PartLog.create(this.#disk, this.#path, this.#identity)
    await this.#log.checkpoint({ bytes: this.#bytes, sha256: this.#running().copy().digest("hex") })
    this.#checkpoint = this.#bytes
  }

  async #removeLog(): Promise<void> {
    if (this.#log === undefined) return
    await this.#log.abandon()
    this.#log = undefined
    await this.#disk.rm(logPath(this.#path), { force: true }).catch(() => undefined)
  }

  /**
   * Hands what is buffered to the disk, which is done with what it got before: it writes while the next piece comes in.
   * What goes wrong is told to who awaits `#handed` next.
   */
  #hand(): Promise<OpenFile> {
    if (!this.#digested) this.#hash()
    const handed = this.#write(this.#buffered, this.#bytes - this.#bufferedBytes)
    handed.catch(() => undefined)
    this.#handed = handed
    this.#buffered = []
    this.#bufferedBytes = 0
    return handed
  }

  #running(): Hash {
    this.#sha256 ??= createHash("sha256")
    return this.#sha256
  }

  /** Hashes what is buffered; once, before it is handed on. */
  #hash(): void {
    const sha256 = this.#running()
    for (const chunk of this.#buffered) {
      sha256.update(chunk)
      this.#md5?.update(chunk)
    }
  }

  /** Everything filled in is written. */
  async #flush(): Promise<OpenFile> {
    await this.#handed
    return this.#hand()
  }

  async #write(buffers: ReadonlyArray<Uint8Array>, from: number): Promise<OpenFile> {
    let handle = this.#handle
    if (handle === undefined) {
      handle = this.#handle = await this.#open()
      this.#opened = true
    }
    await writeAll(handle, buffers, from)
    return handle
  }

  /** Opens afresh: what a dead holder of the same lease left is not content. */
  async #open(): Promise<OpenFile> {
    try {
      return await this.#disk.open(this.#path, "w")
    } catch (cause) {
      if (codeOf(cause) !== "ENOENT") throw cause
      await makeFolder(this.#disk, dirname(this.#path))
      return await this.#disk.open(this.#path, "w")
    }
  }
}
