/**
 * Whether what came is what was wanted: length, hash, first bytes, last bytes.
 *
 * An expected hash settles it, whatever the content looks like. Otherwise a page in the place of a PDF is never taken
 * for the work; what kind of page it is becomes the reason. A challenge is recognised, not solved.
 */
import type { Artifact } from "../Artifact.ts"
import { type Candidate, DIRECT } from "../resolver/Candidate.ts"
import { BINARY, type ContentType, hasPdfEnd, HTML, PDF, sniff } from "./Sniff.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** What is known beforehand about the content. */
export interface Expected {
  readonly pdf: boolean
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

/** What the artifact, the candidate and the head of the answer let expect. `urls`: the candidate's and the final one. */
export const expectation = (
  artifact: Artifact,
  candidate: Candidate,
  urls: ReadonlyArray<string>,
  contentType: string | undefined
): Expected => ({
  pdf:
    candidate.kind === "pdf" ||
    // Resolvers name full texts; the only one that can be told from a page that stands in its way is a PDF.
    (candidate.resolver !== DIRECT && (candidate.kind === "unknown" || candidate.kind === "landing")) ||
    urls.some(looksLikePdf) ||
    /^application\/(?:x-)?pdf\b/i.test(contentType?.trim() ?? ""),
  sha256: (artifact.sha256 ?? candidate.sha256)?.toLowerCase(),
  md5: candidate.md5?.toLowerCase(),
  size: artifact.size ?? candidate.size
})

// ---------------------------------------------------------------------------------------------------------------
// Pages
// ---------------------------------------------------------------------------------------------------------------

const CHALLENGE =
  /<title>\s*just a moment|challenge-form|__cf_chl|cf-challenge|preparing to download|cloudpmc-viewer-pow|captcha|incapsula|_imperva|ddos-guard/i
const LOGIN_PAGE =
  /type\s*=\s*["']?password|name\s*=\s*["']?SAMLRequest|shibboleth|get access<|buy (?:this )?article/i
const LOGIN_URL = /\/(?:login|signin|sign-in|sso|saml\d?|shibboleth|idp|wayf)\b/i

/** Why this page stands where a PDF was expected. */
export const refusePage = (page: Uint8Array, finalUrl: string): Refusal => {
  const text = Buffer.from(page.buffer, page.byteOffset, page.byteLength).toString("latin1")
  if (CHALLENGE.test(text)) {
    return refuse("challenge", "a page that checks for a human came instead of the PDF")
  }
  if (LOGIN_PAGE.test(text) || LOGIN_URL.test(new URL(finalUrl).pathname)) {
    return refuse("login-page", "a page that asks to log in or to pay came instead of the PDF")
  }
  return refuse("html-instead-of-pdf", "an HTML page came instead of the PDF")
}

// ---------------------------------------------------------------------------------------------------------------
// Verdicts
// ---------------------------------------------------------------------------------------------------------------

/**
 * Whether the first bytes prove already that the rest isn't worth reading: `page` if it has to be read a little
 * further to know which page it is.
 */
export const hopeless = (expected: Expected, head: Uint8Array): "no" | "page" | Refusal => {
  if (!expected.pdf || expected.sha256 !== undefined) return "no"
  const type = sniff(head)
  if (type === PDF) return "no"
  return type === HTML ? "page" : refuseOther(type)
}

const refuseOther = (type: ContentType): Refusal =>
  refuse(
    "not-a-pdf",
    `what came instead of the PDF ${type === BINARY ? "is of no known type" : `is ${type.mediaType}`}`
  )

/** The content's type, or why it isn't taken. */
export const verify = (expected: Expected, content: Content): ContentType | Refusal => {
  const type = sniff(content.head)
  if (expected.sha256 !== undefined && content.sha256 === expected.sha256) return type
  if (content.bytes === 0) return refuse("empty-body", "the answer has no content")
  if (expected.pdf && type === HTML) return refusePage(content.head, content.finalUrl)
  if (expected.pdf && type === PDF && !content.lengthKnown && !hasPdfEnd(content.tail)) {
    return truncated("the PDF has no end, and the answer didn't say how long it is")
  }
  if (expected.size !== undefined && content.bytes !== expected.size) {
    const message = `${content.bytes} bytes came, ${expected.size} were expected`
    return !content.lengthKnown && content.bytes < expected.size
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
  return expected.pdf && type !== PDF ? refuseOther(type) : type
}

/** Tells the two answers of `verify` apart. */
export const isRefusal = (verdict: ContentType | Refusal): verdict is Refusal => "reason" in verdict
