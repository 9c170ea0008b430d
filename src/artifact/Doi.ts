/**
 * DOIs in one spelling: bare, in lower case, unescaped, without the punctuation of the text they stood in.
 * Normalising a normalised DOI changes nothing.
 */
import * as Either from "effect/Either"
import { excerpt, forbidden, isNo, visible } from "./Excerpt.ts"

/** The longest DOI, in characters: what leaves room for a label in an id. */
export const MAX_DOI_LENGTH = 1000

// Text longer than this isn't searched for a DOI.
const MAX_TEXT_LENGTH = 8192

type Normalised = Either.Either<string, string>

export const doiLabel = /^(?:info:doi\/|urn:doi:|doi\s*[:=])\s*/i
export const doiUrl = /^(?:https?:\/\/)?(?:dx\.|www\.)?doi\.org(?::(?:443|80))?\/+([^?#]*)/i
export const webUrl = /^https?:\/\//i
const openers = /^[([{<"'“‘]+/
// Between the words and the address of a link in Markdown, either of which may be the DOI.
const linkMiddle = /\]\(<?(?=https?:\/\/|doi:)/gi

/**
 * A DOI in lower case, bare: from `doi:…`, `info:doi/…`, a doi.org URL, or a reference with exactly one DOI in it.
 * Case is folded for ASCII letters only, as DOIs define it.
 */
export const doi = (text: string): Normalised => {
  const trimmed = visible(text)
  if (trimmed.length > MAX_TEXT_LENGTH) {
    return Either.left(`a DOI longer than ${MAX_DOI_LENGTH} characters`)
  }
  return doiIn(trimmed.replace(linkMiddle, " "))
}

const doiIn = (trimmed: string): Normalised => {
  const whole = lonelyDoi(trimmed)
  if (Either.isRight(whole) || !/\s/.test(trimmed)) {
    return whole
  }
  const found = new Set<string>()
  for (const word of trimmed.split(/\s+/)) {
    const candidate = lonelyDoi(word)
    if (Either.isRight(candidate)) {
      found.add(candidate.right)
    } else if (webUrl.test(word)) {
      return whole
    }
  }
  const [only, another] = found
  if (another !== undefined) {
    return Either.left(`${excerpt(trimmed)} has more than one DOI in it`)
  }
  return only === undefined ? whole : Either.right(only)
}

const lonelyDoi = (text: string): Normalised => {
  const unlabelled = text.replace(openers, "").replace(doiLabel, "")
  const path = doiUrl.exec(unlabelled)?.[1]
  const decoded =
    path === undefined
      ? Either.right(unlabelled)
      : Either.try({ try: () => decodeURIComponent(path), catch: () => isNo("DOI", text) })
  return Either.flatMap(decoded, (raw) => {
    const unescaped = signsDecoded(entitiesDecoded(visible(raw).replace(doiLabel, "")))
    // In a URL a short DOI may stand without its prefix.
    if (/^10\/\S/.test(unescaped) || (path !== undefined && /^[a-z0-9]{4,12}$/i.test(unescaped))) {
      return Either.left(`${excerpt(text)} is a short DOI; the full one is needed`)
    }
    if (unescaped.length > MAX_DOI_LENGTH) {
      return Either.left(`a DOI longer than ${MAX_DOI_LENGTH} characters`)
    }
    const [, prefix, suffix] = /^(10\.\d{4,9}(?:\.\d+)*)\/+(\S+)$/.exec(unescaped) ?? []
    if (prefix === undefined || suffix === undefined || forbidden.test(suffix)) {
      return Either.left(isNo("DOI", text))
    }
    const rest = withoutTrailing(asciiLowerCase(suffix))
    return rest === "" ? Either.left(isNo("DOI", text)) : Either.right(`${prefix}/${rest}`)
  })
}

const asciiLowerCase = (text: string): string => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())

/**
 * Signs that DOIs have and URLs and tables escape: brackets, colons, slashes, dots. A `%` itself is none of them, so that what
 * is unescaped once stays as it is.
 */
const ESCAPED = /%(?:2[1346-9a-f]|3[a-f]|40|5[bdf]|7[bde])/gi

/** A DOI out of a URL or a table is often escaped, or half of it. */
const signsDecoded = (text: string): string => text.replace(ESCAPED, decodeURIComponent)

const ENTITIES: Readonly<Record<string, string>> = { "&lt;": "<", "&gt;": ">", "&amp;": "&" }

/** A DOI out of XML, however often it was escaped. */
const entitiesDecoded = (text: string): string => {
  const decoded = text.replace(/&(?:lt|gt|amp);/gi, (entity) => ENTITIES[entity.toLowerCase()] ?? entity)
  return decoded === text ? text : entitiesDecoded(decoded)
}

const closers: Record<string, string> = { ")": "(", "]": "[", "}": "{", ">": "<" }

/** Without the punctuation of the sentence around it, and without brackets that were opened before it. */
const withoutTrailing = (text: string): string => {
  let end = text.length
  for (; end > 0; end--) {
    const last = text.charAt(end - 1)
    const opener = closers[last]
    if (
      opener === undefined
        ? !/[.,;/"'”’…。，、；]/.test(last)
        : !isUnbalanced(text.slice(0, end), opener, last)
    ) {
      break
    }
  }
  return text.slice(0, end)
}

const isUnbalanced = (text: string, opener: string, closer: string): boolean => {
  let open = 0
  for (const char of text) {
    open += char === opener ? 1 : char === closer ? -1 : 0
  }
  return open < 0
}
