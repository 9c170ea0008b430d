/**
 * Pages in whatever encoding they come, as UTF-8: by the page's byte order mark, else by its Content-Type, else by what it says
 * itself in its first kilobyte (as the HTML standard has it, "determining the character encoding"), else taken for UTF-8.
 */

/** How far into a page its own word counts. */
const PRESCAN_BYTES = 1024

const MARKS: ReadonlyArray<readonly [mark: ReadonlyArray<number>, charset: string]> = [
  [[0xef, 0xbb, 0xbf], "utf-8"],
  [[0xfe, 0xff], "utf-16be"],
  [[0xff, 0xfe], "utf-16le"]
]

const UTF_8 = "utf-8"

const IN_TYPE = /;\s*charset\s*=\s*["']?([\w:.-]{1,40})/i
const IN_META = /<meta\s[^>]*?charset\s*=\s*["']?([\w:.-]{1,40})/i
const IN_XML = /^\s*<\?xml\s[^>]*?encoding\s*=\s*["']([\w:.-]{1,40})["']/i

/** The encoding of this label; `undefined` for one that nobody knows. */
const known = (label: string | undefined): string | undefined => {
  if (label === undefined) return undefined
  try {
    return new TextDecoder(label).encoding
  } catch {
    return undefined
  }
}

/** What a page says of itself, which has been read as ASCII: so it can't be UTF-16, whatever it says. */
const saidIn = (start: Uint8Array): string | undefined => {
  const text = Buffer.from(start.subarray(0, PRESCAN_BYTES))
    .toString("latin1")
    .replace(/<!--.*?(?:-->|$)/gs, "")
  const said = known(IN_META.exec(text)?.[1]) ?? known(IN_XML.exec(text)?.[1])
  return said?.startsWith("utf-16") === true ? UTF_8 : said
}

/** The encoding of a page that begins with these bytes, as the Encoding Standard names it. `type`: its Content-Type. */
export const charsetOf = (type: string | undefined, start: Uint8Array): string =>
  MARKS.find(([mark]) => mark.every((byte, at) => start[at] === byte))?.[1] ??
  known(IN_TYPE.exec(type ?? "")?.[1]) ??
  saidIn(start) ??
  UTF_8

/** Turns a page into UTF-8, piece by piece. What is UTF-8 is handed on as it is. */
export class ToUtf8 {
  readonly #type: string | undefined
  /** What came before the encoding was known. */
  #start: Array<Uint8Array> = []
  #startBytes = 0
  #turn: ((piece: Uint8Array, more: boolean) => Uint8Array) | undefined

  constructor(type: string | undefined) {
    this.#type = type
  }

  /** What can be told so far of what came and wasn't answered. */
  write(piece: Uint8Array): Uint8Array {
    if (this.#turn !== undefined) return this.#turn(piece, true)
    this.#start.push(piece)
    this.#startBytes += piece.length
    return this.#startBytes < PRESCAN_BYTES ? new Uint8Array(0) : this.#begin()(this.#joined(), true)
  }

  /** The rest, when nothing more comes. */
  end(): Uint8Array {
    return this.#turn === undefined
      ? this.#begin()(this.#joined(), false)
      : this.#turn(new Uint8Array(0), false)
  }

  #joined(): Uint8Array {
    const start = Buffer.concat(this.#start)
    this.#start = []
    return start
  }

  #begin(): (piece: Uint8Array, more: boolean) => Uint8Array {
    const charset = charsetOf(this.#type, Buffer.concat(this.#start))
    const decoder = charset === UTF_8 ? undefined : new TextDecoder(charset)
    const turn = (piece: Uint8Array, more: boolean) =>
      decoder === undefined ? piece : Buffer.from(decoder.decode(piece, { stream: more }))
    this.#turn = turn
    return turn
  }
}
