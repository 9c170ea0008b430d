/**
 * A parser of HTML and XML, piece by piece, whose work grows with what it reads and no faster, whatever that is.
 *
 * It stops where elements are nested deeper than a browser would nest them: with each tag the parser looks through all
 * that are open, and only pages made to keep it busy have more.
 */
import { Parser } from "htmlparser2"

/** Elements that may be open at once; Chromium has the same limit. */
export const MAX_DEPTH = 512

/** What is told of a document. Names and attributes' names of HTML are in lower case; entities are decoded. */
export interface Events {
  readonly open: (name: string, attributes: Readonly<Record<string, string>>) => void
  readonly text: (text: string) => void
  readonly close: (name: string) => void
}

/** Reads a document. */
export interface MarkupParser {
  /** False: it goes too deep, and nothing more of it is read. */
  readonly write: (text: string) => boolean
  readonly end: () => void
}

/** A parser for one document. `xml`: names are as they stand, and no element ends by itself. */
export const make = ({ close, open, text }: Events, options: { readonly xml: boolean }): MarkupParser => {
  let depth = 0
  let isTooDeep = false
  const parser = new Parser(
    {
      onopentag: (name, attributes) => {
        open(name, attributes)
        depth += 1
        if (depth <= MAX_DEPTH) return
        isTooDeep = true
        parser.pause()
      },
      ontext: text,
      onclosetag: (name) => {
        depth -= 1
        close(name)
      }
    },
    { decodeEntities: true, xmlMode: options.xml }
  )
  return {
    write: (piece) => {
      if (!isTooDeep) parser.write(piece)
      return !isTooDeep
    },
    end: () => parser.end()
  }
}
