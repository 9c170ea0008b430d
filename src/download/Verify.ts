/**
 * Whether what came is what was wanted: length, hash, first bytes, last bytes.
 *
 * An expected hash settles it, whatever the content looks like. Otherwise a page in the place of a PDF or of XML is never
 * taken for the work; what kind of page it is becomes the reason.
 */
import type { Artifact } from "../Artifact.ts"
import { type Candidate, DIRECT } from "../resolver/Candidate.ts"
import type { FileKind } from "../resolver/Ranking.ts"
import { pageKind, REFUSALS } from "./PageKind.ts"
import {
  BINARY,
  type ContentType,
  hasPdfEnd,
  hasPdfTable,
  HTML,
  isBlank,
  linearizedLength,
  PDF,
  sniff,
  XML
} from "./Sniff.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** What is known beforehand about the content. */
export interface Expected {
  /** Left out: whatever comes. */
  readonly kind: FileKind | undefined
  /** Whether the server says that it is of this kind. */
  readonly labelled: boolean
  /** In lower-case hex. */
  readonly sha256: string | undefined
  readonly md5: string | undefined
  readonly size: number | undefined
}

/** What came. */
export interface Content {
  /** The first bytes, enough to tell a page's kind if it is one. */
  readonly head: Uint8Array
  /** The last bytes, at least `PDF_TAIL` if there are as many. */
  readonly tail: Uint8Array
  readonly bytes: number
  readonly sha256: string
  readonly md5: string | undefined
  /** Whether the answer announced its length, and so proved complete. */
  readonly lengthKnown: boolean
  /** Where it came from in the end. */
  readonly finalUrl: string
}

/** Content that isn't taken, and what that means for the candidate. */
export interface Refusal {
  readonly class: "retry" | "try-next"
  readonly reason: string
  readonly message: string
}

const refuse = (reason: string, message: string): Refusal => ({ class: "try-next", reason, message })
const truncated = (message: string): Refusal => ({ class: "retry", reason: "truncated", message })

// ---------------------------------------------------------------------------------------------------------------
// Expectations
// ---------------------------------------------------------------------------------------------------------------

const looksLikePdf = (url: string): boolean => /\.pdf$/i.test(new URL(url).pathname)

/** What servers call each kind. */
const LABELS: Readonly<Record<FileKind, RegExp>> = {
  pdf: /^application\/(?:x-)?pdf\b/i,
  xml: /^(?:application|text)\/(?:[\w.-]+\+)?xml\b/i,
  html: /^(?:text\/html|application\/xhtml\+xml)\b/i
}

const kindOf = (
  { kind, resolver }: Candidate,
  urls: ReadonlyArray<string>,
  contentType: string
): FileKind | undefined => {
  if (kind === "pdf" || kind === "xml" || kind === "html") return kind
  // Resolvers name full texts; the only one that can be told from a page that stands in its way is a PDF.
  const isFullText = resolver !== DIRECT && (kind === "unknown" || kind === "landing")
  return isFullText || urls.some(looksLikePdf) || LABELS.pdf.test(contentType) ? "pdf" : undefined
}

/** What the artifact, the candidate and the head of the answer let expect. `urls`: the candidate's and the final one. */
export const expectation = (
  artifact: Artifact,
  candidate: Candidate,
  urls: ReadonlyArray<string>,
  contentType: string | undefined
): Expected => {
  const label = contentType?.trim() ?? ""
  const kind = kindOf(candidate, urls, label)
  return {
    kind,
    labelled: kind !== undefined && LABELS[kind].test(label),
    sha256: (artifact.sha256 ?? candidate.sha256)?.toLowerCase(),
    md5: candidate.md5?.toLowerCase(),
    size: artifact.size ?? candidate.size
  }
}

// ---------------------------------------------------------------------------------------------------------------
// Pages
// ---------------------------------------------------------------------------------------------------------------

const NAMES: Readonly<Record<FileKind, string>> = { pdf: "PDF", xml: "XML", html: "page" }

/** Why this page isn't taken for what was expected. `finalUrl`: where it came from in the end. */
export const refusePage = (
  page: Uint8Array,
  finalUrl: string,
  { kind = "pdf", labelled }: Pick<Expected, "kind" | "labelled">
): Refusal => {
  const found = pageKind(page, finalUrl)
  const name = NAMES[kind]
  if (found !== "page") {
    const [reason, what] = REFUSALS[found]
    return refuse(reason, `${what} came instead of the ${name}`)
  }
  return labelled
    ? refuse("mislabelled-page", `an HTML page came, which its server calls ${name}`)
    : refuse(`html-instead-of-${kind}`, `an HTML page came instead of the ${name}`)
}

// ---------------------------------------------------------------------------------------------------------------
// Verdicts
// ---------------------------------------------------------------------------------------------------------------

const TYPES: Readonly<Record<FileKind, ContentType>> = { pdf: PDF, xml: XML, html: HTML }

/**
 * Whether the first bytes prove already that the rest isn't worth reading: `page` if it has to be read a little
 * further to know which page it is.
 */
export const hopeless = (expected: Expected, head: Uint8Array): "no" | "page" | Refusal => {
  const { kind, sha256 } = expected
  if (kind === undefined || sha256 !== undefined || isBlank(head)) return "no"
  const type = sniff(head)
  if (type === TYPES[kind]) return "no"
  return type === HTML ? "page" : refuseOther(kind, type)
}

const refuseOther = (kind: FileKind, type: ContentType): Refusal =>
  refuse(
    kind === "pdf" ? "not-a-pdf" : `not-${kind}`,
    `what came instead of the ${NAMES[kind]} ${type === BINARY ? "is of no known type" : `is ${type.mediaType}`}`
  )

/**
 * What a PDF says that was cut off behind its first page. One that has been written anew, or lost the blanks at its end,
 * may have its old length in it, and is whole.
 */
export const cutOff = ({
  bytes,
  head,
  tail
}: Pick<Content, "bytes" | "head" | "tail">): string | undefined => {
  const length = linearizedLength(head)
  return length !== undefined && bytes < length && !hasPdfTable(tail)
    ? `the PDF is cut off: it has ${bytes} bytes, and says that it has ${length}`
    : undefined
}

/** The content's type, or why it isn't taken. */
export const verify = (expected: Expected, content: Content): ContentType | Refusal => {
  const { kind } = expected
  const { bytes, finalUrl, head, tail } = content
  const type = sniff(head)
  if (expected.sha256 !== undefined && content.sha256 === expected.sha256) return type
  if (bytes === 0 || (bytes === head.length && isBlank(head))) {
    return refuse("empty-body", "the answer has no content")
  }
  if (kind !== undefined && kind !== "html" && type === HTML) return refusePage(head, finalUrl, expected)
  // What was filled up with blanks may end before them: then it is looked at as a document.
  if (kind === "pdf" && type === PDF && !content.lengthKnown && !hasPdfEnd(tail) && !isBlank(tail)) {
    return truncated("the PDF has no end, and the answer didn't say how long it is")
  }
  const cut = type === PDF ? cutOff(content) : undefined
  if (cut !== undefined) return content.lengthKnown ? refuse("damaged-pdf", cut) : truncated(cut)
  if (expected.size !== undefined && bytes !== expected.size) {
    const message = `${bytes} bytes came, ${expected.size} were expected`
    return !content.lengthKnown && bytes < expected.size
      ? truncated(message)
      : refuse("size-mismatch", message)
  }
  if (expected.sha256 !== undefined) {
    return refuse(
      "hash-mismatch",
      `the content's SHA-256 is ${content.sha256}, expected was ${expected.sha256}`
    )
  }
  if (expected.md5 !== undefined && content.md5 !== undefined && content.md5 !== expected.md5) {
    return refuse("hash-mismatch", `the content's MD5 is ${content.md5}, expected was ${expected.md5}`)
  }
  return kind !== undefined && type !== TYPES[kind] ? refuseOther(kind, type) : type
}

/** Tells the two answers of `verify` apart. */
export const isRefusal = (verdict: ContentType | Refusal): verdict is Refusal => "reason" in verdict
