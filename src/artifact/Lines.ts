/**
 * Bytes to lines, in bounded memory: a line is held only until it is complete, and one that grows too long is
 * dropped while it is still being read. Where the bytes were cut into pieces makes no difference to the lines.
 */
import { isUtf8 } from "node:buffer"
import type * as Either from "effect/Either"
import type { Artifact } from "../Artifact.ts"

/** The longest line, in bytes without its line feed. */
export const MAX_LINE_BYTES = 1_048_576

/** A line of the file before anything is made of it. */
export interface RawLine {
  /** Counted from 1. */
  readonly line: number
  /** Without line feed, carriage return and byte order mark; empty if it was too long. */
  readonly text: string
  /** What is wrong with the bytes, if something is. */
  readonly damage?: "too-long" | "not-utf8" | "utf-16"
}

/** What an artifact file says in one place: an artifact, or the reason why that isn't one. */
export interface Line {
  /** The line of the file on which it begins, counted from 1. */
  readonly line: number
  readonly result: Either.Either<Artifact, string>
}

/** The file as a whole can't be read as what it was taken for. */
export interface Refusal {
  readonly refusal: string
}

/** Turns raw lines into artifact lines; each raw line ends at most one. */
export interface Parser {
  readonly line: (raw: RawLine) => Line | Refusal | undefined
  /** What the end of the file ends. */
  readonly end: () => Line | Refusal | undefined
}

/** The reason a damaged line is refused with. */
export const damageReason = (damage: NonNullable<RawLine["damage"]>): string =>
  damage === "too-long"
    ? "longer than 1 MiB"
    : damage === "utf-16"
      ? "UTF-16 text; UTF-8 is expected"
      : "not valid UTF-8"

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d

/** Splits bytes that arrive piece by piece. Mutable; for one file. */
export class LineSplitter {
  #line = 0
  #carry = Buffer.alloc(0)
  // How much of `#carry` belongs to the line that isn't complete yet.
  #held = 0
  #isTooLong = false

  /** Calls `emit` for each line that `bytes` complete, until it answers `false`. */
  push(bytes: Uint8Array, emit: (line: RawLine) => boolean): boolean {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    let start = 0
    for (;;) {
      const end = buffer.indexOf(LINE_FEED, start)
      if (end < 0) {
        this.#hold(buffer.subarray(start))
        return true
      }
      if (!emit(this.#complete(buffer.subarray(start, end)))) {
        return false
      }
      start = end + 1
    }
  }

  /** Emits the last line, if the file doesn't end with a line feed. */
  end(emit: (line: RawLine) => boolean): void {
    if (this.#held > 0 || this.#isTooLong) {
      emit(this.#complete(Buffer.alloc(0)))
    }
  }

  #hold(piece: Buffer): void {
    const length = this.#held + piece.length
    if (this.#isTooLong || length > MAX_LINE_BYTES) {
      this.#isTooLong = true
      this.#held = 0
      this.#carry = Buffer.alloc(0)
      return
    }
    if (length > this.#carry.length) {
      const grown = Buffer.alloc(Math.max(length, 2 * this.#carry.length, 1024))
      this.#carry.copy(grown, 0, 0, this.#held)
      this.#carry = grown
    }
    piece.copy(this.#carry, this.#held)
    this.#held = length
  }

  #complete(rest: Buffer): RawLine {
    const line = ++this.#line
    if (this.#held === 0 && !this.#isTooLong && rest.length <= MAX_LINE_BYTES) {
      return decoded(line, rest)
    }
    this.#hold(rest)
    const isTooLong = this.#isTooLong
    const whole = this.#carry.subarray(0, this.#held)
    this.#isTooLong = false
    this.#held = 0
    return isTooLong ? { line, text: "", damage: "too-long" } : decoded(line, whole)
  }
}

const decoded = (line: number, bytes: Buffer): RawLine => {
  if (line === 1 && ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff))) {
    return { line, text: "", damage: "utf-16" }
  }
  const start = line === 1 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0
  const end = bytes[bytes.length - 1] === CARRIAGE_RETURN ? bytes.length - 1 : bytes.length
  const text = bytes.toString("utf8", start, end)
  return isUtf8(bytes) ? { line, text } : { line, text, damage: "not-utf8" }
}
