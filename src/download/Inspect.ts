/**
 * A look inside a document that came in whole: whether it is one, and whether it is the one that was wanted.
 *
 * A file that is damaged is refused and the next candidate tried. What its words say about which work it is becomes
 * evidence in its receipt; only where the identity is required does it decide.
 */
import { open } from "node:fs/promises"
import * as Effect from "effect/Effect"
import type { Artifact } from "../Artifact.ts"
import type { Fatal, Retry } from "../Failure.ts"
import { hostLane } from "../Lane.ts"
import type { PdfReaderService } from "../pdf/PdfReader.ts"
import { FetchFailure } from "./FetchFailure.ts"
import { type Evidence, identify } from "./Identity.ts"
import { obstacle, REFUSALS } from "./PageKind.ts"
import { coverSheet, expectedPages } from "./Pages.ts"
import { type ContentType, hasPdfEnd, HTML, isBlank, PDF, PDF_TAIL, sniff, XML } from "./Sniff.ts"
import { faultOfXml, tellsOfError } from "./Xml.ts"

/** How closely a document is looked at. */
export interface InspectSettings {
  /** Whether documents are opened: a PDF by a parser, XML to its end. */
  readonly structure: boolean
  /** `warn`: a document that seems another work is kept, and said so. `require`: only what is confirmed is kept. */
  readonly identity: "off" | "warn" | "require"
}

/** A document to look at. `tail`: its last bytes. */
export interface Document {
  readonly type: ContentType
  readonly bytes: number
  readonly tail: Uint8Array
  /** Where it came from in the end. */
  readonly finalUrl: string
  /** Has `read` look into the file with its bytes. What it throws is the file system's failure. */
  readonly inspect: <A>(read: (path: string) => Promise<A>) => Effect.Effect<A, Fatal | Retry>
}

/** A larger PDF isn't opened: the parser holds all of it in memory. */
const MOST_BYTES = 64 * 1024 * 1024

/** Pages on which a work says what it is. */
const PAGES = 3

/** What of a text is read to find out which work it is. */
const TEXT_BYTES = 256 * 1024

/** What of a page is read to tell which kind of page it is: programs may stand before all else. */
const PAGE_BYTES = 1024 * 1024

const refuse = (reason: string, message: string) => new FetchFailure({ class: "try-next", reason, message })

const UNREAD: Evidence = { identity: "unknown", by: "unread", confidence: 0 }

/** The last bytes of a file before the blanks and zeros that some servers fill files up with. */
const lastOf = async (path: string, bytes: number): Promise<Uint8Array> => {
  const file = await open(path, "r")
  try {
    const block = Buffer.allocUnsafe(64 * 1024)
    for (let end = bytes; end > 0;) {
      const from = Math.max(0, end - block.length)
      const { bytesRead } = await file.read(block, 0, end - from, from)
      let last = bytesRead
      while (last > 0 && isBlank(block.subarray(last - 1, last))) last -= 1
      if (last >= PDF_TAIL || (last > 0 && from === 0)) return block.subarray(0, last)
      // A block that has too little before its blanks is read again, with what stands before it.
      end = last > 0 ? from + last : from
    }
    return new Uint8Array(0)
  } finally {
    await file.close()
  }
}

const inspectPdf = Effect.fnUntraced(function* (
  reader: PdfReaderService,
  settings: InspectSettings,
  artifact: Artifact,
  document: Document
) {
  const { bytes, inspect, tail } = document
  if (settings.structure && !hasPdfEnd(tail)) {
    const end = isBlank(tail.subarray(-1)) ? yield* inspect((at) => lastOf(at, bytes)) : tail
    if (!hasPdfEnd(end)) return yield* refuse("damaged-pdf", "the PDF has no end")
  }
  if (bytes > MOST_BYTES) return UNREAD
  const path = yield* inspect((at) => Promise.resolve(at))
  const facts = yield* reader
    .read(path, settings.identity === "off" ? 0 : PAGES, hostLane(document.finalUrl))
    .pipe(
      Effect.catchTag("PdfUnreadable", ({ code, message, reason }) =>
        Effect.gen(function* () {
          if (reason === "file") {
            return yield* inspect<never>(() => Promise.reject(Object.assign(new Error(message), { code })))
          }
          if (reason === "gave-up" || !settings.structure) {
            yield* Effect.logWarning(`${artifact.id}: the PDF was not looked at: ${readable(message)}`)
            return undefined
          }
          return yield* refuse(reason === "encrypted" ? "encrypted-pdf" : "damaged-pdf", readable(message))
        })
      )
    )
  if (facts === undefined) return UNREAD
  const { pages } = facts
  if (settings.structure && pages < 1) return yield* refuse("damaged-pdf", "the PDF has no pages")
  if (settings.identity === "off")
    return { identity: "unknown", by: "unread", confidence: 0, pages } satisfies Evidence
  const cover = coverSheet(pages, facts.text, expectedPages(artifact))
  return {
    ...identify(artifact, facts),
    pages,
    ...(cover === undefined ? {} : { cover_sheet: cover })
  } satisfies Evidence
})

/** What a parser says may quote the document, which has names as long as it likes. */
const readable = (fault: string): string =>
  fault
    .slice(0, 2000)
    .replaceAll(/[\s\p{C}]+/gu, " ")
    .slice(0, 200)

const readStart = async (path: string, most: number): Promise<Uint8Array> => {
  const file = await open(path, "r")
  try {
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(most), 0, most, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

/** A page is no document because it came as one: those that stand before one have a few words, and forms. */
const refuseNoDocument = (start: Uint8Array, finalUrl: string, whole: boolean): FetchFailure | undefined => {
  const kind = obstacle(start, finalUrl, whole)
  if (kind === "page") return undefined
  const [reason, what] = REFUSALS[kind]
  return refuse(reason, `${what} came instead of the document`)
}

const inspectText = Effect.fnUntraced(function* (
  settings: InspectSettings,
  artifact: Artifact,
  document: Document
) {
  const { bytes, finalUrl, inspect, type } = document
  if (settings.structure && type === XML) {
    const fault = yield* inspect(faultOfXml)
    if (fault !== undefined) {
      return yield* refuse("damaged-xml", `the XML is not well-formed: ${readable(fault)}`)
    }
  }
  const start = yield* inspect((path) =>
    readStart(path, Math.min(bytes, type === HTML ? PAGE_BYTES : TEXT_BYTES))
  )
  // What it is called by its first bytes may be a page behind a long comment.
  const isPage = type === HTML || sniff(start) === HTML
  const refused = isPage ? refuseNoDocument(start, finalUrl, start.length >= bytes) : undefined
  if (refused !== undefined) return yield* refused
  if (type === XML && tellsOfError(start)) {
    return yield* refuse("error-page", "a message of an error came instead of the document")
  }
  if (settings.identity === "off") return undefined
  // Loaded by whoever reads a page: most runs don't.
  const { wordsOf } = yield* Effect.promise(() => import("./Markup.ts"))
  const words = wordsOf(start.subarray(0, TEXT_BYTES), { xml: type === XML })
  return identify(artifact, words) satisfies Evidence
})

/** Why a document isn't kept where its identity is required. */
const unproven = ({ by, confidence, cover_sheet, identity }: Evidence): FetchFailure | undefined => {
  if (cover_sheet !== undefined)
    return refuse("cover-sheet", "one page about the document came, not the document")
  // Who names a URL, or the number of a record, and nothing else gets what is there: there is nothing to hold it against.
  if (identity === "confirmed" || by === "nothing-known") return undefined
  return identity === "mismatch"
    ? refuse("wrong-document", `its ${by} is another one (confidence ${confidence})`)
    : refuse("unproven-document", `nothing in it shows that it is what was wanted (${by})`)
}

const warn = Effect.fnUntraced(function* (
  artifact: Artifact,
  { by, confidence, cover_sheet, identity }: Evidence
) {
  if (identity === "mismatch") {
    yield* Effect.logWarning(
      `${artifact.id}: the document seems to be another one, by its ${by} (confidence ${confidence})`
    )
  }
  if (cover_sheet !== undefined) {
    yield* Effect.logWarning(`${artifact.id}: this may be a cover sheet alone (confidence ${cover_sheet})`)
  }
})

/**
 * What a document gives evidence of; `undefined` where it isn't looked at. Fails where it is damaged, or not proven to
 * be what was wanted although that is required.
 */
export const inspect = (
  reader: PdfReaderService,
  settings: InspectSettings,
  artifact: Artifact,
  document: Document
): Effect.Effect<Evidence | undefined, FetchFailure | Fatal | Retry> => {
  const { type } = document
  // What stands in place of a document is never taken for one.
  const mayBePage = type === HTML || type === XML
  if (!settings.structure && settings.identity === "off" && !mayBePage) return Effect.succeed(undefined)
  return evidenceOf(reader, settings, artifact, document)
}

const evidenceOf = Effect.fnUntraced(function* (
  reader: PdfReaderService,
  settings: InspectSettings,
  artifact: Artifact,
  document: Document
) {
  const { type } = document
  const evidence =
    type === PDF
      ? yield* inspectPdf(reader, settings, artifact, document)
      : type === XML || type === HTML
        ? yield* inspectText(settings, artifact, document)
        : undefined
  if (evidence === undefined || settings.identity === "off") return evidence
  const refused = settings.identity === "require" ? unproven(evidence) : undefined
  if (refused !== undefined) return yield* refused
  yield* warn(artifact, evidence)
  return evidence
})
