/**
 * What bytes are, by looking at them: headers lie in both directions.
 */

import { utf16 } from "./Encoding.ts"

/** A kind of content: its media type, and the extension its files get. */
export interface ContentType {
  readonly mediaType: string
  readonly extension: string
}

const type = (mediaType: string, extension: string): ContentType => ({ mediaType, extension })

export const PDF = type("application/pdf", ".pdf")
export const HTML = type("text/html", ".html")
export const BINARY = type("application/octet-stream", ".bin")
export const XML = type("application/xml", ".xml")
const TEXT = type("text/plain", ".txt")

/** A PDF may begin with this many bytes of something else. */
export const PDF_JUNK = 1024
/** What is needed to know a type, unless comments stand before it. */
export const HEAD_BYTES = PDF_JUNK + 5
/** `%%EOF` stands within this many bytes of a PDF's end. */
export const PDF_TAIL = 2048

/** First bytes, as latin-1 text. */
const MAGIC: ReadonlyArray<readonly [string, ContentType]> = [
  ["PK\x03\x04", type("application/zip", ".zip")],
  ["PK\x05\x06", type("application/zip", ".zip")],
  ["\x1f\x8b", type("application/gzip", ".gz")],
  ["BZh", type("application/x-bzip2", ".bz2")],
  ["\x89PNG\r\n\x1a\n", type("image/png", ".png")],
  ["\xff\xd8\xff", type("image/jpeg", ".jpg")],
  ["GIF8", type("image/gif", ".gif")],
  ["%!PS", type("application/postscript", ".ps")],
  ["{\\rtf", type("application/rtf", ".rtf")],
  ["AT&TFORM", type("image/vnd.djvu", ".djvu")]
]

const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1")

/** What only a page begins with. */
const PAGE_START =
  /^<(?:!doctype\s+html|html|head|body|script|title|meta|link|style|noscript|frameset)[\s/>]/i
/** What a piece of a page begins with, as browsers tell one (WHATWG, MIME Sniffing, 7.1). */
const PIECE_START = /^<(?:iframe|h[1-6]|div|span|font|table|form|center|ul|ol|pre|img|hr|a|b|i|br|p)[\s/>]/i
/** On a line of its own, with the line of high bytes behind it that says that bytes follow (ISO 32000, 7.5.2). */
const PDF_START = /[\r\n]%PDF-\d\.\d\s{1,4}%[\x80-\xff]{2}/
/** An XML declaration or comments may precede the root of XHTML. */
const XHTML_ROOT = /<(?:!doctype\s+html|html)[\s>]/i
// oxlint-disable-next-line no-control-regex -- control characters are what tells bytes from text
const NOT_TEXT = /[\x00-\x08\x0e-\x1a\x1c-\x1f]/

/** Comments are looked behind so far. */
const COMMENT_BYTES = 64 * 1024

/**
 * What stands behind the comments at the beginning, and an XML declaration before or between them; `<!--` where the
 * last of them goes on.
 *
 * Not by a pattern: where comments may end in more than one place, it would try all of them.
 */
const behindComments = (text: string): string => {
  let rest = text.trimStart()
  for (;;) {
    const isComment = rest.startsWith("<!--")
    if (!isComment && !rest.startsWith("<?xml")) return rest
    // `<!-->` is a whole comment.
    const end = isComment ? rest.indexOf("-->", 2) : rest.indexOf("?>")
    if (end < 0) return "<!--"
    rest = rest.slice(end + (isComment ? 3 : 2)).trimStart()
  }
}

/** The bytes as text, letter by letter; UTF-16 as what it is. */
const lettersOf = (bytes: Uint8Array): string => {
  const wide = utf16(bytes)
  return wide === undefined ? latin1(bytes).replace(/^\xef\xbb\xbf/, "") : new TextDecoder(wide).decode(bytes)
}

/** What markup begins with, whatever its length is. */
const rootOf = (letters: string, head: Uint8Array): string =>
  /^\s*<[!?]/.test(letters)
    ? behindComments(lettersOf(head.subarray(0, COMMENT_BYTES))).slice(0, HEAD_BYTES)
    : letters.trimStart()

/** The type of content that begins with `head`; `BINARY` when it is none of the known ones. */
export const sniff = (head: Uint8Array): ContentType => {
  const start = latin1(head.subarray(0, HEAD_BYTES))
  const known = MAGIC.find(([magic]) => start.startsWith(magic))
  if (known !== undefined) return known[1]
  const letters = lettersOf(head.subarray(0, HEAD_BYTES))
  const root = rootOf(letters, head)
  const isXml = /^\s*<\?xml/.test(letters)
  if (!isXml && (root === "<!--" || PAGE_START.test(root))) return HTML
  const magic = start.indexOf("%PDF-")
  // A page may well mention the magic number, and a program's warnings may stand before a whole PDF.
  const isQuoted = /^<[a-z!?]/i.test(letters.trimStart()) && !PDF_START.test(start)
  if (magic >= 0 && magic <= PDF_JUNK && !isQuoted && !XHTML_ROOT.test(start.slice(0, magic))) return PDF
  if (isXml) return XHTML_ROOT.test(letters) || XHTML_ROOT.test(root) ? HTML : XML
  if (PIECE_START.test(root)) return HTML
  if (/^<[a-z!][^<>]*>/i.test(root)) return XML
  return letters.length > 0 && !NOT_TEXT.test(letters) ? TEXT : BINARY
}

/** Whether a PDF ends as one should. */
export const hasPdfEnd = (tail: Uint8Array): boolean => latin1(tail.subarray(-PDF_TAIL)).includes("%%EOF")

/** Nothing but blanks and zeros. */
export const isBlank = (bytes: Uint8Array): boolean =>
  bytes.every((byte) => byte === 0 || byte === 0x20 || (byte >= 0x09 && byte <= 0x0d))

/**
 * Whether a PDF ends with the place of its table of objects, as the last of its parts does. Where the first page comes
 * first, the end of that names none.
 */
export const hasPdfTable = (tail: Uint8Array): boolean => {
  const [, place] =
    Array.from(latin1(tail.subarray(-PDF_TAIL)).matchAll(/startxref\s{1,9}(\d{1,15})\s{1,9}%%EOF/g)).at(-1) ??
    []
  return Number(place ?? 0) > 0
}

/**
 * How long a PDF is by what stands before its first object, where its first page comes first (ISO 32000, annex F). The
 * end of that page looks like the end of a file.
 */
export const linearizedLength = (head: Uint8Array): number | undefined => {
  const [parameters = ""] = /<<[^<>]*\/Linearized\b[^<>]*>>/.exec(latin1(head.subarray(0, HEAD_BYTES))) ?? []
  const [, length] = /\/L\s+(\d{1,15})\b/.exec(parameters) ?? []
  return length === undefined ? undefined : Number(length)
}
