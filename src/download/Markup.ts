/**
 * The words of a page, or of an article in XML, as evidence of which work it is: read in one pass, in time that grows
 * with its length alone.
 */
import * as MarkupParser from "../resolver/MarkupParser.ts"
import { decoderOf } from "./Encoding.ts"
import type { Words } from "./Identity.ts"

/** How a document that is text is read. */
export interface MarkupOptions {
  readonly xml: boolean
}

/** Text that isn't the document's own: programs, and the works it cites or corrects. */
const SILENT = new Set([
  "script",
  "style",
  "template",
  "svg",
  "ref-list",
  "listBibl",
  "related-article",
  "related-object"
])

/** Elements whose text stands in lines of its own. */
const LINES = /^(?:(?:article-|book-|trans-|sub)?title|h[1-6]|p|div|li|t[dhr]|br|section|article|header)$/

/** Names under which a page tells programs of other works. */
const OF_OTHERS = new Set([
  "citation_reference",
  "dc.relation",
  "dcterms.relation",
  "dcterms.references",
  "dcterms.isreferencedby"
])

/** Names under which a page says its title to programs. */
const TITLES = new Set(["citation_title", "dc.title", "dcterms.title", "og:title"])

/**
 * Characters of text in which a work says what it is, as it does on the first page of a PDF: what stands behind them is
 * as a later page.
 */
const FIRST_PAGE = 5_000

/** A title is no longer. */
const MAX_TITLE = 2_000

/** What the beginning of a document says: `about` is what it tells programs. */
export const wordsOf = (start: Uint8Array, options: MarkupOptions): Words => {
  const text: Array<string> = []
  const about: Array<string> = []
  let length = 0
  let silent = 0
  let named: string | undefined
  let titled: string | undefined
  /** The depth inside the title; 0 outside. */
  let inTitle = 0
  const parser = MarkupParser.make(
    {
      open: (name, attributes) => {
        if (SILENT.has(name)) silent += 1
        if (inTitle > 0) inTitle += 1
        else if (name === "article-title" || (name === "title" && silent === 0)) {
          if (titled === undefined) [titled, inTitle] = ["", 1]
        }
        const { content } = attributes
        if (name === "meta" && content !== undefined) {
          const key = (attributes["name"] ?? attributes["property"] ?? "").toLowerCase()
          if (!OF_OTHERS.has(key)) about.push(content)
          if (TITLES.has(key)) named ??= content
        }
        text.push(LINES.test(name) ? "\n" : " ")
      },
      text: (piece) => {
        if (silent > 0) return
        if (inTitle > 0 && titled !== undefined && titled.length < MAX_TITLE) titled += piece
        if (length < FIRST_PAGE && length + piece.length >= FIRST_PAGE) {
          text.push(piece.slice(0, FIRST_PAGE - length), "\f", piece.slice(FIRST_PAGE - length))
        } else text.push(piece)
        length += piece.length
      },
      close: (name) => {
        if (SILENT.has(name)) silent -= 1
        if (inTitle > 0) inTitle -= 1
        text.push(LINES.test(name) ? "\n" : " ")
      }
    },
    options
  )
  parser.write(decoderOf(start).decode(start))
  parser.end()
  return {
    text: text.join("").replaceAll(/[^\S\f]+/g, (blank) => (blank.includes("\n") ? "\n" : " ")),
    title: (named ?? titled ?? "").slice(0, MAX_TITLE),
    about: about.join("\n")
  }
}
