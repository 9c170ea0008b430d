/**
 * Whether a document is the work that was wanted, by what it says of itself: evidence with a confidence, not proof.
 *
 * Its own identifier or its title in the first pages or the metadata confirm it. Another identifier in the place of
 * its own, or first pages without a title that is known, speak against it. Without text there is nothing to say.
 */
import * as Schema from "effect/Schema"
import type { Artifact } from "../Artifact.ts"
import type { PdfFacts } from "../pdf/PdfReader.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** What a document's own words say about which work it is. */
export const Evidence = Schema.Struct({
  /** `unknown`: there is nothing to compare, or nothing to compare it with. */
  identity: Schema.Literal("confirmed", "mismatch", "unknown"),
  /** What it was told by. */
  by: Schema.Literal("sha256", "doi", "arxiv", "title", "no-text", "nothing-known", "unread"),
  /** From 0 to 1: how sure that is. */
  confidence: Schema.Number,
  /** Pages of a PDF. */
  pages: Schema.optionalWith(Schema.Int, { exact: true }),
  /** How sure it is that this is one page about a document and not the document, from 0 to 1; left out when it isn't. */
  cover_sheet: Schema.optionalWith(Schema.Number, { exact: true })
})
export type Evidence = typeof Evidence.Type

/** What a document says: the text of its first pages, and its metadata. */
export type Words = Pick<PdfFacts, "text" | "title" | "about">

// ---------------------------------------------------------------------------------------------------------------
// Text
// ---------------------------------------------------------------------------------------------------------------

/** Letters and digits alone, without accents, ligatures taken apart: what is left of a text however it was set. */
export const bare = (text: string): string =>
  text
    .normalize("NFKD")
    .replaceAll(/\p{M}/gu, "")
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, "")

const words = (text: string): ReadonlyArray<string> =>
  text
    .normalize("NFKD")
    .replaceAll(/\p{M}/gu, "")
    .toLowerCase()
    // A word parted at the end of a line. Each blank can be matched in one way only, however many there are.
    .replaceAll(/(\p{L})[-\u00ad\u2010][^\S\n]*\n\s*(?=\p{Ll})/gu, "$1")
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word.length > 2)

/** A text as a pattern. A hyphen stays as it is: outside a class it means itself, and escaped it is an error. */
const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\/]/g, "\\$&")

/** An identifier, also where lines were broken inside; not as the beginning of a longer one. */
const contains = (text: string, identifier: string): boolean => {
  const pattern = Array.from(identifier, escaped).join("\\s*")
  return new RegExp(`(?<![\\p{L}\\p{N}])${pattern}(?![\\p{L}\\p{N}]|[./-][\\p{L}\\p{N}])`, "iu").test(text)
}

const DOI = /\b10\.\d{4,9}\/[^\s"<>]+/g
const ARXIV_STAMP = /\barxiv:\s*(\d{4}\.\d{4,5}|[a-z-]+(?:\.[a-z]{2})?\/\d{7})(?:v\d+)?\s*\[/i

/** The first page, where a work names itself; later pages name others. */
const firstPage = (text: string): string => text.split("\f", 1)[0] ?? ""

/** The line above the works that a work cites. */
const REFERENCES =
  /^[^\S\n]{0,9}(?:\d{1,2}\.?[^\S\n]{0,9})?(?:references(?: cited| and notes)?|bibliography|literature cited|works cited|notes and references)[^\S\n]{0,9}:?[^\S\n]{0,9}$/im

/** A text as far as it speaks of itself: what stands behind its list of references names others. */
const ownText = (text: string): string => {
  const at = text.search(REFERENCES)
  return at < 0 ? text : text.slice(0, at)
}

/** What stands before the title of another work that a work is about. */
const ABOUT_ANOTHER =
  /(?:comments?on|erratum(?:to|for)?|corrigendum(?:to|for)?|correction(?:to|for|of)?|addendum(?:to)?|(?:reply|response)to|retraction(?:of|note)?(?:to)?|supplement(?:ary|al)?(?:material|information|data)?(?:for|to)|reviewof)$/

/** Whether the title of the wanted work stands here as that of another work: in a comment, a correction, a reply. */
const isAboutAnother = (first: string, wanted: string): boolean => {
  const at = first.indexOf(wanted)
  return at > 0 && ABOUT_ANOTHER.test(first.slice(Math.max(0, at - 40), at))
}

// ---------------------------------------------------------------------------------------------------------------
// Evidence
// ---------------------------------------------------------------------------------------------------------------

/** A title shorter than this, in letters and digits, is found in too many texts. */
const TITLE_LENGTH = 12

/** Which share of a title's words a text has. */
const coverage = (title: string, text: string): number => {
  const wanted = new Set(words(title))
  if (wanted.size === 0) return 0
  const there = new Set(words(text))
  return Array.from(wanted).filter((word) => there.has(word)).length / wanted.size
}

/** Text of which nothing can be told: a scan with a stamp on it. */
const LITTLE_TEXT = 200

/** What the words of a document say about whether it is the work of the artifact. */
export const identify = (
  artifact: Pick<Artifact, "doi" | "arxiv" | "title">,
  said: Words
): Pick<Evidence, "identity" | "by" | "confidence"> => {
  const { arxiv, doi, title } = artifact
  if (doi === undefined && arxiv === undefined && title === undefined) {
    return { identity: "unknown", by: "nothing-known", confidence: 0 }
  }
  const text = ownText(said.text)
  const all = `${text}\n${said.about}`
  const first = firstPage(text)
  const wanted = title === undefined ? "" : bare(title)
  const bareFirst = bare(first)
  if (wanted.length >= TITLE_LENGTH && isAboutAnother(bareFirst, wanted)) {
    return { identity: "mismatch", by: "title", confidence: 0.8 }
  }
  const others =
    first.match(DOI)?.filter((other) => doi === undefined || !other.toLowerCase().startsWith(doi)) ?? []
  // A work that names the wanted one on its first page has a DOI of its own there, and another title.
  const isCited = others.length > 0 && wanted.length >= TITLE_LENGTH && coverage(title ?? "", first) < 0.5
  if (doi !== undefined && !isCited && contains(`${first}\n${said.about}`, doi)) {
    return { identity: "confirmed", by: "doi", confidence: 0.98 }
  }
  const paper = arxiv?.replace(/v\d+$/, "")
  if (paper !== undefined && contains(all.replaceAll(/v\d+(?=\s*\[)/g, ""), paper)) {
    return { identity: "confirmed", by: "arxiv", confidence: 0.98 }
  }
  if (title !== undefined && wanted.length >= TITLE_LENGTH) {
    if (bareFirst.includes(wanted) || bare(said.title) === wanted) {
      return { identity: "confirmed", by: "title", confidence: 0.95 }
    }
    const share = Math.max(coverage(title, first), coverage(title, said.title))
    if (share >= 0.85) return { identity: "confirmed", by: "title", confidence: 0.7 }
  }
  if (doi !== undefined && others.length === 0 && contains(text, doi)) {
    // On a later page it may be that of another work; all the more where the first page has one of its own.
    return { identity: "confirmed", by: "doi", confidence: 0.6 }
  }
  if (bare(said.text).length < LITTLE_TEXT && bare(said.about).length < LITTLE_TEXT) {
    return { identity: "unknown", by: "no-text", confidence: 0 }
  }
  const stamp = ARXIV_STAMP.exec(first)?.[1]
  if (paper !== undefined && stamp !== undefined) {
    return { identity: "mismatch", by: "arxiv", confidence: 0.95 }
  }
  if (title !== undefined && wanted.length >= TITLE_LENGTH) {
    const share = coverage(title, text)
    return share < 0.5
      ? { identity: "mismatch", by: "title", confidence: others.length > 0 ? 0.9 : 0.75 }
      : { identity: "unknown", by: "title", confidence: 0 }
  }
  // Publishers write a work's DOI into its metadata; but each version of a work may have one.
  if (doi !== undefined && (said.about.match(DOI) ?? []).length > 0) {
    return { identity: "mismatch", by: "doi", confidence: 0.7 }
  }
  return doi !== undefined && others.length > 0
    ? { identity: "mismatch", by: "doi", confidence: 0.5 }
    : { identity: "unknown", by: doi === undefined ? "arxiv" : "doi", confidence: 0 }
}
