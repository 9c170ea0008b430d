/**
 * Candidates: the URLs a work may be downloaded from, with what the one who named them knows about each.
 *
 * A URL from a service is cleaned before it becomes a candidate: nothing but http and https, no credentials, no
 * fragment. Which candidates are worth a request, and in which order, is decided in one place, `Ranking`.
 */
import * as Schema from "effect/Schema"
import { cleanUrl, isArxivPdf, isDoiPage, isHandlePage, pmcPageOfBlocked } from "./Address.ts"
import { normaliseLicense } from "./License.ts"

export { cleanUrl } from "./Address.ts"
export { normaliseLicense } from "./License.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** The resolver named by candidates that came with the artifact itself. */
export const DIRECT = "direct"

/** What a candidate leads to. `landing` is a page about the work, `html` the work as a page. */
export const CandidateKind = Schema.Literal("pdf", "xml", "html", "landing", "unknown")
export type CandidateKind = typeof CandidateKind.Type

/** Which version of a work a copy is, in the words of the DRIVER guidelines. */
export const Version = Schema.Literal("publishedVersion", "acceptedVersion", "submittedVersion")
export type Version = typeof Version.Type

/** Who has a copy. */
export const HostType = Schema.Literal("publisher", "repository")
export type HostType = typeof HostType.Type

/** A URL to try. `md5`, `sha256` (lower-case hex) and `size` (bytes) are promises of the source, and are checked. */
export const Candidate = Schema.Struct({
  url: Schema.String,
  resolver: Schema.String,
  kind: Schema.optionalWith(CandidateKind, { exact: true }),
  version: Schema.optionalWith(Version, { exact: true }),
  license: Schema.optionalWith(Schema.String, { exact: true }),
  host_type: Schema.optionalWith(HostType, { exact: true }),
  md5: Schema.optionalWith(Schema.String, { exact: true }),
  sha256: Schema.optionalWith(Schema.String, { exact: true }),
  size: Schema.optionalWith(Schema.Int, { exact: true })
})
export type Candidate = typeof Candidate.Type

// ---------------------------------------------------------------------------------------------------------------
// Constructors
// ---------------------------------------------------------------------------------------------------------------

/** What a service says of one copy, in its own words; what can't be understood counts as not said. */
export interface Copy {
  readonly url: string | null | undefined
  readonly kind: CandidateKind
  readonly version?: string | null | undefined
  readonly license?: string | null | undefined
  readonly host_type?: string | null | undefined
  readonly md5?: string | null | undefined
  readonly sha256?: string | null | undefined
  readonly size?: number | null | undefined
}

const isVersion = Schema.is(Version)
const isHostType = Schema.is(HostType)

const hex = (text: string | null | undefined, digits: number): string | undefined => {
  const lower = text?.toLowerCase()
  return lower !== undefined && lower.length === digits && /^[0-9a-f]+$/.test(lower) ? lower : undefined
}

const toCandidate = (resolver: string, copy: Copy): ReadonlyArray<Candidate> => {
  const clean = typeof copy.url === "string" ? cleanUrl(copy.url) : undefined
  if (clean === undefined) return []
  // What lies behind a check for humans is only good for telling which article it is.
  const page = pmcPageOfBlocked(clean)
  const arxiv = isArxivPdf(clean)
  const isPage = page !== undefined || isDoiPage(clean) || isHandlePage(clean)
  const kind = isPage ? "landing" : arxiv ? "pdf" : copy.kind
  const version = isVersion(copy.version) ? copy.version : arxiv ? "submittedVersion" : undefined
  const host_type = isHostType(copy.host_type) ? copy.host_type : arxiv ? "repository" : undefined
  const license =
    typeof copy.license === "string" && copy.license.trim() !== ""
      ? normaliseLicense(copy.license)
      : undefined
  const [md5, sha256] = [hex(copy.md5, 32), hex(copy.sha256, 64)]
  const { size } = copy
  return [
    {
      url: page ?? clean,
      resolver,
      kind,
      ...(version === undefined ? {} : { version }),
      ...(license === undefined ? {} : { license }),
      ...(host_type === undefined ? {} : { host_type }),
      ...(md5 === undefined ? {} : { md5 }),
      ...(sha256 === undefined ? {} : { sha256 }),
      ...(typeof size === "number" && Number.isSafeInteger(size) && size > 0 ? { size } : {})
    }
  ]
}

/** The candidates of these copies, each URL once, in their order. What has no usable URL is left out. */
export const fromCopies = (resolver: string, copies: ReadonlyArray<Copy>): ReadonlyArray<Candidate> =>
  distinct(copies.flatMap((copy) => toCandidate(resolver, copy)))

/** Each URL once: the first that names it counts. */
export const distinct = (candidates: ReadonlyArray<Candidate>): ReadonlyArray<Candidate> => {
  const byUrl = new Map<string, Candidate>()
  for (const candidate of candidates) {
    if (!byUrl.has(candidate.url)) byUrl.set(candidate.url, candidate)
  }
  return [...byUrl.values()]
}
