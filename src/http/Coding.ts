/**
 * Bodies that come in a content coding (RFC 9110, 8.4) although they were asked for as they are: many servers pack
 * whatever they send. They are decoded by Node's zlib, piece by piece as the reader takes them, so that a small body that
 * stands for a huge one never is in memory; how much of it is wanted is the reader's matter.
 */
import type { Transform, TransformOptions } from "node:stream"
import { pipeline } from "node:stream/promises"
import {
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  type ZlibOptions
} from "node:zlib"
import type { Head } from "./Exchange.ts"

/** The code of the error for a body that can't be decoded. */
export const CODING_REFUSED = "CODING_REFUSED"

/** What is wrong with a body, to be said behind the name of its host. */
const refusal = (what: string) => Object.assign(new Error(what), { code: CODING_REFUSED })

/** More codings on top of each other than anybody means. */
const MOST_CODINGS = 3

/** Input that may come without output of its own. What holds back most is Brotli, up to 16 MiB. */
const MOST_AHEAD = 32 * 1024 * 1024

const OPTIONS: ZlibOptions & TransformOptions = { chunkSize: 64 * 1024 }

/** What is sent as "deflate" has the zlib format's header, or hasn't (RFC 9110, 8.4.1.2). */
const ZLIB_METHOD = 8

const gunzip = () => createGunzip(OPTIONS)

/** By name, a decoder for what begins with this byte. */
const DECODERS: Readonly<Record<string, (first: number) => Transform>> = {
  gzip: gunzip,
  "x-gzip": gunzip,
  deflate: (first) => ((first & 0x0f) === ZLIB_METHOD ? createInflate(OPTIONS) : createInflateRaw(OPTIONS)),
  br: () => createBrotliDecompress(OPTIONS)
}

/** Codings that pack, which nobody here undoes. Any other word, such as `utf-8` or `aws-chunked`, is a slip that changes nothing. */
const FOREIGN = new Set(["zstd", "compress", "x-compress", "dcb", "dcz"])

const NONE: ReadonlyArray<string> = []

const PACKED_TYPE = /^\s*application\/(?:x-)?g(?:un)?zip\s*(?:;|$)/i

const all = (value: string | ReadonlyArray<string> | undefined): string =>
  typeof value === "string" ? value : (value ?? []).join()

/**
 * The codings of a body in the order they were put on, in lower case; none for one that comes as it is, or as what is no
 * coding. What is a gzip file by its type isn't packed once more, whatever an old server says of it.
 */
export const codingsOf = (headers: Head["headers"]): ReadonlyArray<string> => {
  const said = headers["content-encoding"]
  if (said === undefined) return NONE
  const codings = all(said)
    .split(",")
    .map((name) => name.trim().toLowerCase())
    .filter((name) => Object.hasOwn(DECODERS, name) || FOREIGN.has(name))
  const [only] = codings
  const isTheFile =
    codings.length === 1 && only?.endsWith("gzip") === true && PACKED_TYPE.test(all(headers["content-type"]))
  return isTheFile ? NONE : codings
}

/** Undoes one coding. Nothing is nothing in any of them: answers without content name one, too. */
async function* decoding(
  name: string,
  packed: AsyncIterator<Uint8Array>,
  signal: AbortSignal
): AsyncGenerator<Uint8Array, undefined> {
  const make = DECODERS[name]
  if (make === undefined) {
    throw refusal(`its content comes in the coding "${name.slice(0, 40)}", which isn't understood`)
  }
  let start = await packed.next()
  while (start.done !== true && start.value.length === 0) start = await packed.next()
  if (start.done === true) return
  const piece = start.value
  const decoder: Transform = make(piece[0] ?? 0)
  const pieces = async function* () {
    yield piece
    yield* { [Symbol.asyncIterator]: () => packed }
  }
  // What fails it, fails who reads the decoder.
  pipeline(pieces, decoder, { signal }).catch(() => undefined)
  yield* decoder
}

/** A body without its codings, to be read once. */
export class Decoded implements AsyncIterableIterator<Uint8Array> {
  readonly #chunks: AsyncIterator<Uint8Array>
  readonly #end = new AbortController()
  /** How far what came is ahead of what was handed on. */
  #ahead = 0

  constructor(body: AsyncIterable<Uint8Array>, codings: ReadonlyArray<string>) {
    const incoming = this.#counted(body)
    this.#chunks =
      codings.length > MOST_CODINGS
        ? this.#refused(`its content comes in ${codings.length} codings on top of each other`)
        : codings.reduceRight<AsyncIterator<Uint8Array>>(
            (packed, name) => decoding(name, packed, this.#end.signal),
            incoming
          )
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const step = await this.#chunks.next()
    if (step.done === true) return { done: true, value: undefined }
    this.#ahead -= step.value.length
    return step
  }

  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.close()
    return Promise.resolve({ done: true, value: undefined })
  }

  /** Ends the decoding, wherever it is. Harmless after the end. */
  close(): void {
    this.#end.abort()
  }

  async *#counted(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, undefined> {
    for await (const piece of body) {
      this.#ahead += piece.length
      if (this.#ahead > MOST_AHEAD) throw refusal("its content stands for nothing, however much of it comes")
      yield piece
    }
  }

  // oxlint-disable-next-line require-yield -- it has nothing to hand on
  async *#refused(what: string): AsyncGenerator<Uint8Array, undefined> {
    throw refusal(what)
  }
}
