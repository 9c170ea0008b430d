/**
 * Whether a document is the work that was wanted, by what it says of itself: evidence with a confidence, not proof.
 *
 * Its own identifier or its title in the first pages or the metadata confirm it. Another identifier in the place of
 * its own, or first pages without a title that is known, speak against it. Without text there is nothing to say.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { arxivPaper, type Paper } from "../artifact/ArxivId.ts"
import type { Artifact } from "../Artifact.ts"
import type { PdfFacts } from "../pdf/PdfReader.ts"
import * as Mentions from "./Mentions.ts"
import { legible } from "./Mentions.ts"
import * as Titles from "./Titles.ts"
import { bare } from "./Titles.ts"

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

/** Whether what stands before this place of a text says that another work is meant. */
const isOfAnother = (text: string, at: number): boolean =>
  ABOUT_ANOTHER.test(bare(text.slice(Math.max(0, at - 80), at)).replace(/(?:https?|dx|doi|org)+$/, ""))

/** What stands before the work that a repository's or another edition's copy is one of. */
const COPY_OF = /originallypublished(?:in|at|as)|publishedversion|versionofrecord|tocitethis|deutscheausgabe/

/** Whether what stands before this place of a text says that the document is a copy of what is named here. */
const isCopied = (text: string, at: number): boolean =>
  COPY_OF.test(bare(text.slice(Math.max(0, at - 300), at)).slice(-200))

/** Whether the title of the wanted work stands here as that of another work: in a comment, a correction, a reply. */
const isAboutAnother = (first: string, wanted: string): boolean => {
  const at = first.indexOf(wanted)
  const before = first.slice(Math.max(0, at - 40), Math.max(0, at))
  const [label] = ABOUT_ANOTHER.exec(before) ?? []
  if (label === undefined) return false
  // A notice's title begins with what kind it is, and that stands above it, too.
  const kind = wanted.slice(0, wanted.indexOf(label) + label.length)
  return !wanted.includes(label) || !before.endsWith(kind)
}

// ---------------------------------------------------------------------------------------------------------------
// Evidence
// ---------------------------------------------------------------------------------------------------------------

/** Text of which nothing can be told: a scan with a stamp on it. */
const LITTLE_TEXT = 200

type Verdict = Pick<Evidence, "identity" | "by" | "confidence">

const confirmed = (by: Evidence["by"], confidence: number): Verdict => ({
  identity: "confirmed",
  by,
  confidence
})
const mismatch = (by: Evidence["by"], confidence: number): Verdict => ({
  identity: "mismatch",
  by,
  confidence
})
const unknown = (by: Evidence["by"]): Verdict => ({ identity: "unknown", by, confidence: 0 })

/** A document as it is compared with the work that is wanted. */
interface Reading {
  readonly doi: string | undefined
  readonly paper: Paper | undefined
  /** Only a title that is long enough to go by. */
  readonly title: string | undefined
  readonly text: string
  readonly first: string
  readonly about: string
  readonly metaTitle: string
  /** How much of the title the first page has, from 0 to 1; of one that isn't telling all or nothing. */
  readonly share: number
  /** Whether the first page has the title as it is. */
  readonly isTitled: boolean
  /** Whether a line of the first page begins with the title: a subtitle may follow. */
  readonly begins: boolean
  /** Whether the first page has DOIs that can't be the wanted one. */
  readonly hasOthers: boolean
}

const readingOf = ({ arxiv, doi, title }: Wanted, said: Words): Reading => {
  const text = legible(ownText(said.text))
  const first = firstPage(text)
  const wanted = Titles.unmarked(title ?? "")
  const letters = bare(wanted)
  const long = Titles.lengthOf(letters) >= Titles.TITLE_LENGTH ? wanted : undefined
  const isTelling = Titles.lengthOf(letters) >= Titles.TELLING_TITLE
  const isTitled =
    long !== undefined &&
    (isTelling ? bare(first).includes(letters) : Titles.stands(first, letters)) &&
    Titles.hasNumbers(first, wanted)
  const own = doi === undefined ? [] : Mentions.ofDoi(first, doi)
  return {
    doi,
    paper: arxiv === undefined ? undefined : Option.getOrUndefined(arxivPaper(arxiv)),
    title: long,
    text,
    first,
    about: legible(said.about),
    metaTitle: said.title,
    share: long !== undefined && isTelling ? Titles.coverage(long, first) : Number(isTitled),
    isTitled,
    begins: long !== undefined && Titles.stands(first, letters, /^/),
    hasOthers: Mentions.dois(first).some(
      (other) =>
        (doi === undefined || !Mentions.mayBeDoi(first, other, doi)) &&
        !own.some(({ end, start }) => start < other.end && other.start < end)
    )
  }
}

/** Whether a text names the wanted DOI as its own: without the title to go by, before any other. */
const hasOwnDoi = ({ begins, doi, hasOthers, share, title }: Reading, text: string): boolean => {
  const [mention] = doi === undefined ? [] : Mentions.ofDoi(text, doi)
  if (mention === undefined || isOfAnother(text, mention.start)) return false
  if (share >= 0.5) return true
  // A work that names the wanted one on its first page has a DOI of its own there, and another title.
  const isCited = title !== undefined && hasOthers && !begins
  if (isCited) return false
  return (
    isCopied(text, mention.start) ||
    !Mentions.dois(text).some(
      (other) => other.start < mention.start && !Mentions.isAkin(other.text, doi ?? "")
    )
  )
}

/** arXiv prints a stamp on each paper: what else the paper names is not itself. */
const byStamp = (reading: Reading): Verdict | undefined => {
  const { first, paper } = reading
  if (paper === undefined) return undefined
  const dated = Mentions.stampOf(first)
  const stamp = dated ?? Mentions.lineStampOf(first)
  if (stamp === undefined) return undefined
  if (Mentions.isPaper(stamp, paper)) return confirmed("arxiv", 0.98)
  // A note may cite another paper in the form of a stamp without a date.
  const isCited = dated === undefined && stamp.value !== paper.value && hasOwnDoi(reading, first)
  return isCited ? undefined : mismatch("arxiv", 0.95)
}

/** What is told by the wanted work's id in a document that has no stamp of arXiv on its first page. */
const byArxiv = (reading: Reading): Verdict | undefined => {
  const { about, first, hasOthers, paper, share, text } = reading
  if (paper === undefined) return undefined
  const later = Mentions.stampOf(text) ?? Mentions.lineStampOf(text)
  const isNamed =
    (!hasOthers && later !== undefined && Mentions.isPaper(later, paper)) ||
    Mentions.hasLineOfPaper(about, paper) ||
    (!hasOthers && Mentions.hasLineOfPaper(first, paper)) ||
    (share >= 0.5 && Mentions.mentionsPaper(first, paper))
  return isNamed ? confirmed("arxiv", 0.9) : undefined
}

const byTitle = ({
  doi,
  first,
  hasOthers,
  isTitled,
  metaTitle,
  share,
  title
}: Reading): Verdict | undefined => {
  if (title === undefined) return undefined
  if (isTitled || bare(metaTitle) === bare(title)) return confirmed("title", 0.95)
  // What follows is a likeness only, and the wanted DOI would stand where another one does.
  if (doi !== undefined && hasOthers) return undefined
  const mayBeOther =
    Titles.lengthOf(bare(title)) < Titles.TELLING_TITLE ||
    !Titles.hasNumbers(`${first}\n${metaTitle}`, title) ||
    Titles.lacksNotice(`${first}\n${metaTitle}`, title)
  if (mayBeOther) return undefined
  return Math.max(share, Titles.coverage(title, metaTitle)) >= 0.85 ? confirmed("title", 0.7) : undefined
}

/** What a document tells in which nothing confirms that it is the wanted work. */
const unconfirmed = ({ about, doi, first, hasOthers, paper, text, title }: Reading): Verdict => {
  const likely = paper === undefined ? undefined : Mentions.likelyStampOf(first)
  if (paper !== undefined && likely !== undefined && !Mentions.isPaper(likely, paper)) {
    return mismatch("arxiv", 0.95)
  }
  if (title !== undefined) {
    const mayBeThere = Titles.coverage(title, text) >= 0.5 || !Titles.hasScript(text, title)
    return mayBeThere ? unknown("title") : mismatch("title", hasOthers ? 0.9 : 0.75)
  }
  if (doi === undefined) return unknown(paper === undefined ? "title" : "arxiv")
  // It names the wanted work behind another one: either may be itself.
  if (Mentions.ofDoi(`${first}\n${about}`, doi).length > 0) return unknown("doi")
  // Publishers write a work's DOI into its metadata; but each version of a work may have one.
  if (Mentions.dois(about).length > 0) return mismatch("doi", 0.7)
  return hasOthers ? mismatch("doi", 0.5) : unknown("doi")
}

type Wanted = Pick<Artifact, "doi" | "arxiv" | "title">

/** What the words of a document say about whether it is the work of the artifact. */
export const identify = (artifact: Wanted, said: Words): Verdict => {
  const { arxiv, doi, title } = artifact
  if (doi === undefined && arxiv === undefined && title === undefined) return unknown("nothing-known")
  const reading = readingOf(artifact, said)
  const { about, first, hasOthers, text } = reading
  const isOther =
    reading.title !== undefined &&
    (isAboutAnother(bare(first), bare(reading.title)) || Titles.accompanies(first, reading.title))
  if (isOther) {
    return mismatch("title", 0.8)
  }
  const stamped = byStamp(reading)
  if (stamped !== undefined) return stamped
  if (hasOwnDoi(reading, first) || hasOwnDoi(reading, about)) return confirmed("doi", 0.98)
  const told = byArxiv(reading) ?? byTitle(reading)
  if (told !== undefined) return told
  // On a later page it may be that of another work; all the more where the first page has one of its own.
  if (!hasOthers && hasOwnDoi(reading, text)) return confirmed("doi", 0.6)
  return bare(said.text).length < LITTLE_TEXT && bare(said.about).length < LITTLE_TEXT
    ? unknown("no-text")
    : unconfirmed(reading)
}
