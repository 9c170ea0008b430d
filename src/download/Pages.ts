/**
 * How many pages a work has, by what its metadata say, and whether a document is a page about the work and not the work.
 */
import type { Artifact } from "../Artifact.ts"

/** Metadata under which a range of pages stands, or a number of them; compared without their signs and capitals. */
const RANGES = new Set(["pages", "page", "pagerange", "pagination"])
const COUNTS = new Set(["pagecount", "numpages", "numberofpages", "npages"])
const FIRST = new Set(["firstpage", "startpage", "spage", "pagestart"])
const LAST = new Set(["lastpage", "endpage", "epage", "pageend"])

/** No work has more; what says so says something else. */
const MOST = 5000

const textOf = (value: unknown): string | undefined =>
  typeof value === "string" ? value.slice(0, 100) : typeof value === "number" ? String(value) : undefined

/** From `123` to `145`, to `45` or to `e145`: the last page may leave out what it shares with the first. */
const between = (first: string, last: string): number | undefined => {
  const [, letters = "", from = ""] = /^([a-z]{0,3})(\d{1,7})$/i.exec(first) ?? []
  const [, others = "", to = ""] = /^([a-z]{0,3})(\d{1,7})$/i.exec(last) ?? []
  if (from === "" || to === "" || (others !== "" && others.toLowerCase() !== letters.toLowerCase())) {
    return undefined
  }
  const whole = to.length < from.length ? from.slice(0, from.length - to.length) + to : to
  return Number(whole) - Number(from) + 1
}

const ofRange = (text: string): number | undefined => {
  const [, first, last] =
    /^\s*(?:pp?\.?\s*)?([a-z]{0,3}\d+)\s*[-\u2010-\u2015]{1,2}\s*([a-z]{0,3}\d+)\s*$/i.exec(text) ?? []
  if (first !== undefined && last !== undefined) return between(first, last)
  const [, count] = /^\s*(\d{1,4})\s*(?:pp?\.?|pages)\s*$/i.exec(text) ?? []
  return count === undefined ? undefined : Number(count)
}

/** The number of pages that an artifact's metadata let expect; `undefined` where they say nothing that can be read. */
export const expectedPages = ({ metadata = {} }: Pick<Artifact, "metadata">): number | undefined => {
  let first: string | undefined
  let last: string | undefined
  let found: number | undefined
  for (const [name, value] of Object.entries(metadata)) {
    const key = name.toLowerCase().replaceAll(/[^a-z]/g, "")
    const text = textOf(value)?.trim()
    if (text === undefined) continue
    if (FIRST.has(key)) first = text
    else if (LAST.has(key)) last = text
    else if (RANGES.has(key)) found ??= ofRange(text)
    else if (COUNTS.has(key) && /^\d{1,4}$/.test(text)) found ??= Number(text)
  }
  if (first !== undefined && last !== undefined) found ??= between(first, last)
  return found !== undefined && found >= 1 && found <= MOST ? found : undefined
}

const COVER_WORDS =
  /cover (?:page|sheet)|this is (?:the|an) (?:author['’]?s?|accepted|submitted|pre-?print|post-?print|peer[- ]reviewed)|to cite this|citation for published version|please cite|downloaded from|general rights|terms of use|link to publication|full text (?:is )?available|institutional repository|take-?down policy/gi

/** Characters of text from which on one page is a document of its own: pages about one have less. */
const DOCUMENT_TEXT = 3000

/**
 * How sure it is, from 0 to 1, that this is a page about a document, or its first page alone: one page of the words that
 * such pages have, or one or two where the work has many. `undefined`: it isn't one.
 */
export const coverSheet = (pages: number, text: string, expected?: number): number | undefined => {
  if (pages > 2 || (expected !== undefined && pages >= expected)) return undefined
  const signs = new Set(Array.from(text.matchAll(COVER_WORDS), ([match]) => match.toLowerCase())).size
  if (expected !== undefined && expected >= 4 * pages) return signs > 0 ? 0.95 : 0.75
  // A letter of one page may have a line that says where it was downloaded from.
  if (pages !== 1 || text.length >= DOCUMENT_TEXT) return undefined
  return signs >= 2 ? 0.9 : signs === 1 ? 0.7 : undefined
}
