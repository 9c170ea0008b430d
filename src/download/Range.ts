/**
 * Going on with a body where an earlier try ended (RFC 9110, 13.1.5 and 14): what may be asked for, and whether the
 * answer is the rest of the same content.
 *
 * Bytes of two contents never come together: a part is a part of what a strong validator names, the server is asked
 * for the rest of exactly that, and an answer that leaves any doubt means starting over.
 */
import type { Response } from "../http/Http.ts"
import type { Identity } from "./PartLog.ts"
import type { Beginning } from "./Storage.ts"

type Head = Pick<Response, "header" | "contentLength" | "packed">

/** How much older than the answer a date of change must be before two changes can't share it. */
const SETTLED_MS = 60_000

/** `"…"` without a `W/` before it. */
const STRONG_ETAG = /^"[\x21\x23-\x7e\x80-\xff]*"$/

/**
 * The strong validator of an answer, as `If-Range` takes it: a strong entity tag, or, where there is no tag at all, a
 * date of change so long before the answer's own that the second it names is over (RFC 9110, 8.8.2.2).
 */
export const strongValidator = ({ header }: Pick<Response, "header">): string | undefined => {
  const etag = header("etag")?.trim()
  if (etag !== undefined) return STRONG_ETAG.test(etag) ? etag : undefined
  const changed = header("last-modified")
  const sent = Date.parse(header("date") ?? "")
  return changed !== undefined && sent - Date.parse(changed) >= SETTLED_MS ? changed : undefined
}

/** What the body of a whole answer is; `undefined` when a broken one can't be gone on with. */
export const identityOf = (url: string, response: Head): Omit<Identity, "id"> | undefined => {
  const validator = strongValidator(response)
  // Ranges are of what is sent, not of what it stands for.
  if (
    response.packed ||
    validator === undefined ||
    response.header("accept-ranges")?.trim().toLowerCase() === "none"
  ) {
    return undefined
  }
  return { url, validator, total: response.contentLength ?? null }
}

/** Asks for what comes behind this beginning, or for the whole if the content is no longer the same. */
export const rangeHeaders = ({ bytes, identity }: Beginning): Readonly<Record<string, string>> => ({
  range: `bytes=${bytes}-`,
  "if-range": identity.validator
})

const CONTENT_RANGE = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/i

/**
 * The bytes of the whole, if this 206 is the rest behind the beginning and nothing else; in words, what is wrong with
 * it otherwise.
 */
export const rest = (response: Head, { bytes, identity }: Beginning): number | string => {
  if (response.packed) return "it is of a packed content"
  const said = response.header("content-range")?.trim() ?? ""
  const match = CONTENT_RANGE.exec(said)
  if (match === null) return `it says no range that can be read ("${said.slice(0, 60)}")`
  const [from, to] = [Number(match[1]), Number(match[2])]
  const total = match[3] === "*" ? identity.total : Number(match[3])
  if (from !== bytes) return `it begins at byte ${from}, not ${bytes}`
  if (total === null) return "it doesn't say how long the whole is"
  if (identity.total !== null && total !== identity.total) {
    return `the whole has ${total} bytes now, not ${identity.total}`
  }
  if (to !== total - 1) return `it ends at byte ${to} of ${total}`
  if (response.contentLength !== undefined && response.contentLength !== total - from) {
    return `its length is ${response.contentLength}, its range has ${total - from}`
  }
  const validator = response.header("etag")?.trim()
  const changed = response.header("last-modified")
  if (identity.validator.startsWith('"')) {
    // Its tag has to come with a 206 (RFC 9110, 15.3.7).
    return validator === identity.validator ? total : "it is of another content"
  }
  return validator === undefined && (changed === undefined || changed === identity.validator)
    ? total
    : "it is of another content"
}

/** The bytes of the whole, if this answer calls itself a part and the part is all of it. */
export const wholeInRange = ({
  contentLength,
  header,
  status
}: Head & Pick<Response, "status">): number | undefined => {
  if (status !== 206) return undefined
  const [, from, to, of] = CONTENT_RANGE.exec(header("content-range")?.trim() ?? "") ?? []
  const total = Number(of)
  const isWhole = Number(from) === 0 && Number(to) === total - 1
  return isWhole && (contentLength === undefined || contentLength === total) ? total : undefined
}
