/**
 * What makes an unfinished file worth going on with: a log beside it that says what it is a part of, and how far it
 * came.
 *
 * Nothing in the log is believed. Each checkpoint carries the hash of everything before it, so the file itself proves
 * how much of it is good: what a power cut took or turned to garbage shows when it is read again, which its hash needs
 * anyway. So neither the file nor the log is synced.
 *
 * A part has one writer ever. Who goes on with a part takes it over by renaming it when its writer said that it is
 * done, and copies it otherwise: a writer that has lost its lease and doesn't know writes into its own file.
 */
import { createHash, type Hash } from "node:crypto"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type { DiskService, OpenFile } from "./Disk.ts"
import { logPath, removePart, writeAll } from "./Files.ts"
import type { Proven } from "./PartFile.ts"
import { codeOf, isUnreadable } from "./StorageError.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** What a part is a part of. Bytes of another identity never come together. */
export const Identity = Schema.Struct({
  /** The artifact's. */
  id: Schema.String,
  /** The URL that answered, behind all redirects. */
  url: Schema.String,
  /** A strong validator of that answer, as `If-Range` takes it. */
  validator: Schema.String,
  /** Bytes of the whole, as far as it was told. */
  total: Schema.NullOr(Schema.Int)
})
export type Identity = typeof Identity.Type

/** So many bytes from the start have this hash. */
const Checkpoint = Schema.Struct({ bytes: Schema.Int, sha256: Schema.String })
type Checkpoint = typeof Checkpoint.Type

/** Nobody writes into the part any more. */
const Closed = Schema.Struct({ closed: Schema.Literal(true) })

const decodeIdentity = Schema.decodeEither(Schema.parseJson(Identity))
const decodeLine = Schema.decodeEither(Schema.parseJson(Schema.Union(Checkpoint, Closed)))

/** A log as it was read back. */
export interface Log {
  readonly identity: Identity
  readonly checkpoints: ReadonlyArray<Checkpoint>
  readonly closed: boolean
}

/** The proven beginning of a part: the file goes on behind it. `head` and `tail` are its first and last bytes. */
export interface Adopted extends Proven {
  readonly head: Uint8Array
  readonly tail: Uint8Array
}

// ---------------------------------------------------------------------------------------------------------------
// Writing
// ---------------------------------------------------------------------------------------------------------------

/** A log being written: a line of JSON for the identity, then one for each checkpoint. */
export class PartLog {
  readonly identity: Identity
  readonly #handle: OpenFile

  private constructor(handle: OpenFile, identity: Identity) {
    this.#handle = handle
    this.identity = identity
  }

  static async create(disk: DiskService, part: string, identity: Identity): Promise<PartLog> {
    const handle = await disk.open(logPath(part), "w")
    await handle.appendFile(`${JSON.stringify(identity)}\n`)
    return new PartLog(handle, identity)
  }

  checkpoint(checkpoint: Checkpoint): Promise<void> {
    return this.#handle.appendFile(`${JSON.stringify(checkpoint)}\n`)
  }

  /** The part is complete as far as it goes, and closed. */
  async close(): Promise<void> {
    await this.#handle.appendFile(`${JSON.stringify({ closed: true })}\n`)
    await this.#handle.close()
  }

  /** Closes the log without a word. */
  async abandon(): Promise<void> {
    await this.#handle.close().catch(() => undefined)
  }
}

// ---------------------------------------------------------------------------------------------------------------
// Reading
// ---------------------------------------------------------------------------------------------------------------

/** Reads a log as far as it is one; `undefined` when it can't be read or says nothing. */
export const readLog = async (disk: DiskService, part: string): Promise<Log | undefined> => {
  let text: string
  try {
    text = await disk.readFile(logPath(part), "utf8")
  } catch (cause) {
    if (codeOf(cause) === "ENOENT" || isUnreadable(cause)) return undefined
    throw cause
  }
  const [first = "", ...rest] = text.split("\n")
  const identity = decodeIdentity(first)
  if (Either.isLeft(identity)) return undefined
  const checkpoints: Array<Checkpoint> = []
  let closed = false
  for (const line of rest) {
    const read = decodeLine(line)
    // A line that was torn, or the end.
    if (Either.isLeft(read)) break
    if ("closed" in read.right) closed = true
    else checkpoints.push(read.right)
  }
  return { identity: identity.right, checkpoints, closed }
}

const BLOCK_BYTES = 1024 * 1024

/** What of the beginning and the end is handed on, for whoever judges content by it. */
const HEAD_BYTES = 64 * 1024
const TAIL_BYTES = 64 * 1024

/** Hashes of a beginning. */
interface Hashes {
  readonly sha256: Hash
  readonly md5: Hash | undefined
}

const copyOf = ({ md5, sha256 }: Hashes): Hashes => ({ sha256: sha256.copy(), md5: md5?.copy() })

/** Reads exactly `[from, to)` of the file; short when the file is. */
const readRange = async (file: OpenFile, from: number, to: number): Promise<Uint8Array> => {
  const buffer = Buffer.allocUnsafe(to - from)
  let filled = 0
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, from + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return buffer.subarray(0, filled)
}

/** What the disk can't read any more is no part of anything. */
const asNothing = (cause: unknown): Uint8Array => {
  if (!isUnreadable(cause)) throw cause
  return new Uint8Array()
}

/**
 * Reads the part up to the last checkpoint that its content bears out, and copies it into `into`, if that is given.
 * Answers what is proven; 0 bytes: nothing.
 */
const prove = async (
  log: Log,
  from: OpenFile,
  into: OpenFile | undefined,
  md5: boolean
): Promise<Hashes & { readonly bytes: number }> => {
  const running: Hashes = { sha256: createHash("sha256"), md5: md5 ? createHash("md5") : undefined }
  let proven = { ...copyOf(running), bytes: 0 }
  let at = 0
  const { total } = log.identity
  const sorted = log.checkpoints
    // A part that has everything has nothing to ask for.
    .filter(({ bytes }) => bytes > 0 && (total === null || bytes < total))
    .toSorted((a, b) => a.bytes - b.bytes)
  for (const { bytes, sha256 } of sorted) {
    while (at < bytes) {
      const to = Math.min(bytes, at + BLOCK_BYTES)
      const block = await readRange(from, at, to).catch(asNothing)
      if (block.length < to - at) return proven
      running.sha256.update(block)
      running.md5?.update(block)
      if (into !== undefined) await writeAll(into, [block], at)
      at = to
    }
    if (running.sha256.copy().digest("hex") !== sha256) return proven
    proven = { ...copyOf(running), bytes: at }
  }
  return proven
}

/**
 * Makes the proven beginning of the part at `from` the part at `to`, and removes the one at `from`. `undefined`: there
 * was nothing worth it, and both are gone.
 */
export const adopt = async (
  disk: DiskService,
  from: string,
  to: string,
  log: Log,
  options: { readonly md5: boolean; readonly atLeast: number }
): Promise<Adopted | undefined> => {
  let handle: OpenFile | undefined
  let source: OpenFile | undefined
  try {
    if (log.closed) {
      if (from !== to) await disk.rename(from, to)
      handle = await disk.open(to, "r+")
    } else {
      source = await disk.open(from, "r")
      handle = await disk.open(to, "w+")
    }
    const proven = await prove(log, source ?? handle, source === undefined ? undefined : handle, options.md5)
    await disk.rm(logPath(from), { force: true })
    if (source !== undefined) await disk.rm(from, { force: true })
    if (proven.bytes < options.atLeast) {
      await handle.close()
      await removePart(disk, to)
      return undefined
    }
    await handle.truncate(proven.bytes)
    const newLog = await PartLog.create(disk, to, log.identity)
    await newLog.checkpoint({ bytes: proven.bytes, sha256: proven.sha256.copy().digest("hex") })
    const head = await readRange(handle, 0, Math.min(HEAD_BYTES, proven.bytes))
    const tail = await readRange(handle, Math.max(0, proven.bytes - TAIL_BYTES), proven.bytes)
    return { handle, log: newLog, head, tail, ...proven }
  } catch (cause) {
    await handle?.close().catch(() => undefined)
    // Somebody else took it, or removed it.
    if (codeOf(cause) === "ENOENT") return undefined
    throw cause
  } finally {
    await source?.close().catch(() => undefined)
  }
}
