/**
 * How a document that is text is encoded, by its beginning: its mark or where its zeros stand, then what it says itself.
 */
import { TextDecoder } from "node:util"

const BLANK_OR_TAG = new Set([0x09, 0x0a, 0x0d, 0x20, 0x3c])

/** Which UTF-16 this is; `undefined` where it is none. Without a mark only markup can be told, by its first two letters. */
export const utf16 = (start: Uint8Array): "utf-16le" | "utf-16be" | undefined => {
  const [one = 0, two = 0, three = 0, four = 0] = start
  if (one === 0xff && two === 0xfe) return "utf-16le"
  if (one === 0xfe && two === 0xff) return "utf-16be"
  if (two === 0 && four === 0 && three !== 0 && BLANK_OR_TAG.has(one)) return "utf-16le"
  if (one === 0 && three === 0 && four !== 0 && BLANK_OR_TAG.has(two)) return "utf-16be"
  return undefined
}

/** How markup says it is encoded; UTF-8 where it doesn't, or names no encoding that is known. */
const said = (start: Uint8Array): TextDecoder => {
  const text = Buffer.from(start.subarray(0, 1024)).toString("latin1")
  const label = /(?:charset|encoding)\s*=\s*["']?([\w-]{1,40})/i.exec(text)?.[1] ?? "utf-8"
  try {
    // What could be read so far is no UTF-16, whatever it says.
    return new TextDecoder(/^utf-?16/i.test(label) ? "utf-8" : label)
  } catch {
    return new TextDecoder()
  }
}

/** What decodes the markup that begins so, without its mark. */
export const decoderOf = (start: Uint8Array): TextDecoder => {
  const wide = utf16(start)
  return wide === undefined ? said(start) : new TextDecoder(wide)
}
