/**
 * Where a text names works by DOI or arXiv id. The text is as it comes out of PDFs and pages: broken at line ends, with
 * ligatures and other hyphens, and with the signs of the sentence around an identifier.
 *
 * A number, or a short word, that follows an identifier is never taken for its end, nor is the beginning of a longer
 * identifier taken for the whole.
 */
import * as Option from "effect/Option"
import { arxivPaper, type Paper } from "../artifact/ArxivId.ts"

/** Where in a text a work is named, in UTF-16 code units. */
export interface Mention {
  readonly start: number
  readonly end: number
}

/** The text without ligatures, and without characters that can't be seen. */
export const legible = (text: string): string =>
  text
    .replaceAll(/[\uFB00-\uFB06]/g, (ligature) => ligature.normalize("NFKC"))
    // A soft hyphen may stand for one that is printed.
    .replaceAll(/(?!\u00ad)\p{Cf}/gu, "")

// ---------------------------------------------------------------------------------------------------------------
// DOIs
// ---------------------------------------------------------------------------------------------------------------

const DOI = /\b10\.\d{4,9}\/[^\s"<>]+/g

/** Every DOI that a text seems to have, as it stands there. */
export const dois = (text: string): ReadonlyArray<Mention & { readonly text: string }> =>
  Array.from(text.matchAll(DOI), ({ 0: found, index }) => ({
    text: found.toLowerCase(),
    start: index,
    end: index + found.length
  }))

const SIGN = /[\p{L}\p{Nd}]/u
const BLANK = "\\s*"
// Each blank can be matched in one way only, however many there are.
const LINE_END = "(?:[^\\S\\n]*\\n\\s*)?"

/** So many parts as no date, no range of pages and no heading has. */
const MANY_PARTS = /^[\p{L}\p{Nd}]+(?:[-._/:][\p{L}\p{Nd}]+){3}/u

/** Fewer characters may be a page's number, a year, or a word. */
const TELLING_LENGTH = 5

/** What may stand in a text between two neighbours of an identifier: a pattern, empty for nothing. */
const breakBefore = (signs: ReadonlyArray<string>, at: number): string => {
  const [before = "", after = ""] = [signs[at - 1], signs[at]]
  const rest = signs.slice(at).join("")
  // What has been read so far is no identifier, so it must go on.
  if (at <= signs.indexOf("/") + 1 || /[-_/([{<+=~]/.test(before)) return BLANK
  // Some publishers' text has a blank inside every longer word of an address.
  if (MANY_PARTS.test(rest)) return BLANK
  if (/[.:;,]/.test(before)) return /^\d{5,}$/.test(rest) ? BLANK : LINE_END
  if (/[-.:;,_/+=~]/.test(after)) return LINE_END
  if (/\d/.test(before) && /\d/.test(after)) return ""
  const isAside = /^[([{<].*[)\]}>]$/.test(rest)
  return rest.length >= TELLING_LENGTH && !isAside ? LINE_END : ""
}

/** A sign as a pattern. A hyphen is printed in many ways. */
const printed = (sign: string): string =>
  sign === "-" ? "[-\u00ad\u2010-\u2013\u2212]" : sign.replace(/[.*+?^${}()|[\]\\/]/, "\\$&")

// Words that text without blanks in it has right behind an identifier.
const NEXT_WORD = "(?=doi:|https?:|www\\.)"
const CONTINUED = [
  "[\\p{L}\\p{Nd}]",
  "[-\u2010-\u2013._:;,([{/+=~@%][-\u2010-\u2013._:;,()[\\]{}/+=~@%]*[\\p{L}\\p{Nd}]",
  "[-_][^\\S\\n]*\\n\\s*[\\p{L}\\p{Nd}]",
  "\\/[^\\S\\n]*\\n\\s*\\d",
  "\\.[^\\S\\n]*\\n\\s*\\d{5}"
].join("|")

/** Where a text names a DOI, which is given in its normal spelling. */
export const ofDoi = (text: string, doi: string): ReadonlyArray<Mention> => {
  const signs = Array.from(doi)
  const body = signs.map((sign, at) => `${at === 0 ? "" : breakBefore(signs, at)}${printed(sign)}`).join("")
  const pattern = new RegExp(`(?<![\\p{L}\\p{Nd}])${body}(?:${NEXT_WORD}|(?!${CONTINUED}))`, "giu")
  return Array.from(text.matchAll(pattern), ({ 0: found, index }) => ({
    start: index,
    end: index + found.length
  }))
}

/**
 * Whether a DOI found in a text may be meant for the wanted one: its own, that of a part or version of the work, or its
 * beginning, with the rest behind a blank.
 */
export const mayBeDoi = (text: string, found: Mention & { readonly text: string }, doi: string): boolean => {
  const rest = found.text.slice(doi.length)
  if (found.text.startsWith(doi)) return !SIGN.test(rest.charAt(0)) || /^v\d/.test(rest)
  const behind = text.slice(found.start, found.end + 2 * doi.length).replaceAll(/\s+/g, "")
  return doi.startsWith(found.text) && behind.toLowerCase().startsWith(doi)
}

/** What is left of a DOI without the number of a version, as journals that review after publication give. */
const sansVersion = (doi: string): string => doi.replace(/(\d{4})\.\d{1,2}$/, "$1")

/** Whether one DOI names a part, a form or a version of what the other names. */
export const isAkin = (other: string, doi: string): boolean =>
  sansVersion(other) === sansVersion(doi) ||
  (other.startsWith(doi) && /^(?:v\d|\/|\.(?:\d{3}|[gt]\d{3}|pdf|full)\b)/.test(other.slice(doi.length)))

// ---------------------------------------------------------------------------------------------------------------
// arXiv ids
// ---------------------------------------------------------------------------------------------------------------

const ID = String.raw`arxiv:\s*((?:\d{4}\.\d{4,5}|[a-z-]{2,12}(?:\.[a-z-]{2,9})?\/\d{7})(?:\s?v\d{1,3})?)`
const CATEGORY = String.raw`\s*\[[a-z-]{2,12}(?:\.[a-z-]{2,9})?\]`

/** `arXiv:2101.00001v1 [cs.DS] 3 Jan 2021`, as arXiv prints it on the first page of every paper. */
const DATED_STAMP = new RegExp(`${ID}(?:${CATEGORY})?\\s*\\d{1,2}\\s+[a-z]{3}\\s+\\d{4}`, "i")
// Bounded, and not over what `^` takes for a line's end: else a long run of those is looked through again from each.
const LINE_STAMP = new RegExp(`^[^\\S\\n\\r\\u2028\\u2029]{0,99}${ID}${CATEGORY}`, "im")
/** What may be a stamp, or be cited in its form. */
const ANY_STAMP = new RegExp(`${ID}${CATEGORY}`, "i")

/** Until 2007 stamps had a blank before the version. */
const paperOf = (found: RegExpExecArray | null): Paper | undefined =>
  Option.getOrUndefined(arxivPaper((found?.[1] ?? "").replace(/\s/, "")))

/** The paper whose stamp a page has. */
export const stampOf = (page: string): Paper | undefined => paperOf(DATED_STAMP.exec(page))

/** The paper that a line of a page begins with as a stamp does: its own, or one that a note cites. */
export const lineStampOf = (page: string): Paper | undefined => paperOf(LINE_STAMP.exec(page))

/** The paper whose stamp a page may have: another one may be cited in that form. */
export const likelyStampOf = (page: string): Paper | undefined => paperOf(ANY_STAMP.exec(page))

/** Whether the found paper is the wanted one: of the wanted version if one is pinned, where the text says which it is. */
export const isPaper = (found: Paper, wanted: Paper): boolean =>
  found.value === wanted.value &&
  (found.version === undefined || wanted.version === undefined || found.version === wanted.version)

/** Whether a line of the text is the id of the wanted paper and nothing else. */
export const hasLineOfPaper = (text: string, wanted: Paper): boolean =>
  text.split(/[\n"]/).some((line) => {
    if (line.length > 100 || !/\d{4}/.test(line)) return false
    const found = arxivPaper(line.trim().replace(/^(?:pre|e-?)print\W{0,3}/i, ""))
    return Option.isSome(found) && isPaper(found.value, wanted)
  })

const MENTION = new RegExp(`\\b(?:${ID}|arxiv\\.org\\/(?:abs|pdf)\\/([\\w./-]{9,30}))`, "gi")

/** Whether the text mentions the wanted paper by its id, as its own or not. */
export const mentionsPaper = (text: string, wanted: Paper): boolean =>
  Array.from(text.matchAll(MENTION)).some(([, id, path]) => {
    const found = arxivPaper((id ?? path ?? "").replace(/\s/, "").replace(/\.pdf$/i, ""))
    return Option.isSome(found) && isPaper(found.value, wanted)
  })
