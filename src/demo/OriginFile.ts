/**
 * The files the local origin serves: deterministic bytes, a function of host name, path and size alone.
 *
 * Every path has bytes and a sha256 of its own, known without asking the origin. The default is a small PDF that
 * is structurally valid (header, page tree, cross-reference table, trailer), filled up to its size with noise. Big
 * files come in chunks, so serving one costs the memory of a chunk.
 */
import { createCipheriv, createHash } from "node:crypto"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** What a host's files are like. */
export interface FileOptions {
  /** Bytes of a file; a range gives every path a size of its own in it. Default 16 KiB. A path's `?size=n` wins. */
  readonly size?: number | { readonly min: number; readonly max: number } | undefined
  /** `pdf`: at least about 700 bytes, whatever size is asked for. `noise`: random bytes, any size. Default `pdf`. */
  readonly kind?: "pdf" | "noise" | undefined
  /** Files of another edition have other bytes and another ETag. Default: the first. */
  readonly edition?: number | undefined
}

/** A file, its bytes not made yet. */
export interface OriginFile {
  readonly size: number
  /** Strong: the same for the same bytes only. With its quotes. */
  readonly etag: string
  /** Makes the bytes, from the start each time it is asked, in chunks of at most 64 KiB. */
  readonly chunks: () => Iterable<Uint8Array>
}

/** What a download of a file has to come to. */
export interface Expected {
  /** 64 lower-case hexadecimal digits. */
  readonly sha256: string
  readonly size: number
}

// ---------------------------------------------------------------------------------------------------------------
// Constructors
// ---------------------------------------------------------------------------------------------------------------

const DEFAULT_SIZE = 16 * 1024
const CHUNK = 64 * 1024
const ZEROS = new Uint8Array(CHUNK)

/** The file at `path` (with its query, as sent) of a host. */
export const make = (host: string, path: string, options: FileOptions = {}): OriginFile => {
  const kind = options.kind ?? "pdf"
  const edition = options.edition === undefined ? "" : `\n${options.edition}`
  const seed = createHash("sha256").update(`${host}\n${path}\n${kind}${edition}`).digest()
  const wanted = sizeOf(path, seed, options.size ?? DEFAULT_SIZE)
  const frame = kind === "pdf" ? pdfFrame(host, path, wanted) : { head: "", tail: "", filler: wanted }
  const head = Buffer.from(frame.head, "latin1")
  const tail = Buffer.from(frame.tail, "latin1")
  const size = head.length + frame.filler + tail.length
  return {
    size,
    etag: `"${seed.toString("hex", 0, 16)}-${size.toString(16)}"`,
    chunks: function* () {
      if (head.length > 0) yield head
      yield* noise(seed, frame.filler)
      if (tail.length > 0) yield tail
    }
  }
}

/** All bytes of a file at once. */
export const fileBytes = (host: string, path: string, options: FileOptions = {}): Uint8Array =>
  Buffer.concat([...make(host, path, options).chunks()])

/** What a download of the file has to come to, computed in the memory of a chunk. */
export const expected = (host: string, path: string, options: FileOptions = {}): Expected => {
  const file = make(host, path, options)
  const hash = createHash("sha256")
  for (const chunk of file.chunks()) hash.update(chunk)
  return { sha256: hash.digest("hex"), size: file.size }
}

/** Random bytes without an end, the same for the same seed. */
export const endless = function* (host: string, path: string): Generator<Uint8Array, never> {
  const seed = createHash("sha256").update(`${host}\n${path}\nendless`).digest()
  yield Buffer.from("%PDF-1.4\n", "latin1")
  while (true) yield* noise(seed, CHUNK)
}

// ---------------------------------------------------------------------------------------------------------------
// Bytes
// ---------------------------------------------------------------------------------------------------------------

/** The largest file: the numbers inside a PDF have ten digits here. */
const MAX_SIZE = 9_999_999_999

const sizeOf = (path: string, seed: Buffer, size: NonNullable<FileOptions["size"]>): number => {
  const asked = /[?&]size=(\d{1,10})(?:&|$)/.exec(path)?.[1]
  if (asked !== undefined) return Math.min(Number(asked), MAX_SIZE)
  return typeof size === "number" ? size : size.min + (seed.readUInt32BE(0) % (size.max - size.min + 1))
}

/** The key stream of a cipher: noise at the speed of memory that can't be compressed and never repeats. */
const noise = function* (seed: Buffer, length: number): Generator<Uint8Array> {
  const cipher = createCipheriv("aes-128-ctr", seed.subarray(0, 16), seed.subarray(16, 32))
  for (let left = length; left > 0; left -= CHUNK) {
    yield cipher.update(left >= CHUNK ? ZEROS : ZEROS.subarray(0, left))
  }
}

const ten = (n: number) => String(n).padStart(10, "0")

/**
 * A one-page PDF around a stream that nothing refers to, which takes the filler. Numbers that depend on the size
 * have ten digits, so that head and tail are as long for every size and the whole comes out exact.
 */
const pdfFrame = (host: string, path: string, size: number) => {
  const text = `${host}${path}`
    .slice(0, 120)
    .replaceAll(/[^\x20-\x7e]/g, "?")
    .replaceAll(/[\\()]/g, "\\$&")
  const content = `BT /F1 10 Tf 36 740 Td (${text}) Tj ET`
  const objects = [
    "<< /Type /Catalog /Pages 2 0 R >>",
    "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
    "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 5 0 R >> >> /Contents 4 0 R >>",
    `<< /Length ${content.length} >>\nstream\n${content}\nendstream`,
    "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
  ]
  let start = "%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"
  const offsets = objects.map((object, index) => {
    const offset = start.length
    start += `${index + 1} 0 obj\n${object}\nendobj\n`
    return offset
  })
  offsets.push(start.length)
  const head = (filler: number) => `${start}6 0 obj\n<< /Length ${ten(filler)} >>\nstream\n`
  const streamEnd = "\nendstream\nendobj\n"
  const tail = (xref: number) =>
    `${streamEnd}xref\n0 7\n0000000000 65535 f \n${offsets.map((offset) => `${ten(offset)} 00000 n \n`).join("")}` +
    `trailer\n<< /Size 7 /Root 1 0 R >>\nstartxref\n${ten(xref)}\n%%EOF\n`
  const filler = Math.max(0, size - head(0).length - tail(0).length)
  return { head: head(filler), tail: tail(head(0).length + filler + streamEnd.length), filler }
}
