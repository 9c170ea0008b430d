/**
 * Candidates: the URLs a work may be downloaded from, with what the one who named them knows about each.
 *
 * A URL from a service is cleaned before it becomes a candidate: nothing but http and https, no credentials, no
 * fragment. Which candidates are worth a request, and in which order, is decided in one place, `rank`.
 */
import * as Schema from "effect/Schema"

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
// Policy
// ---------------------------------------------------------------------------------------------------------------

/** The order of kinds, best first. A kind without a place is not tried. */
const WORTH: ReadonlyMap<CandidateKind, number> = new Map([
  ["pdf", 0],
  ["unknown", 1],
  ["xml", 2]
])

/**
 * The candidates worth a request, best first; otherwise in the order in which the service gave them.
 *
 * Pages are left out: an HTML page is not the work, and nothing reads pages for links yet.
 */
export const rank = (candidates: ReadonlyArray<Candidate>): ReadonlyArray<Candidate> => {
  const worth = (candidate: Candidate) => WORTH.get(candidate.kind ?? "unknown")
  return candidates
    .filter((candidate) => worth(candidate) !== undefined)
    .toSorted((a, b) => (worth(a) ?? 0) - (worth(b) ?? 0))
}

// ---------------------------------------------------------------------------------------------------------------
// Cleaning
// ---------------------------------------------------------------------------------------------------------------

const ENTITIES: Readonly<Record<string, string>> = {
  "&amp;": "&",
  "&#38;": "&",
  "&#x26;": "&",
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&#39;": "'"
}

/**
 * The URL as it will be asked for, or `undefined` if it can't be: HTML entities decoded, blanks and brackets encoded,
 * credentials and fragment dropped, http and https only. An arXiv abstract page becomes the PDF it is about.
 */
export const cleanUrl = (raw: string): string | undefined => {
  const text = raw.trim().replace(/&(?:amp|lt|gt|quot|#38|#39|#x26);/gi, (entity) => {
    return ENTITIES[entity.toLowerCase()] ?? entity
  })
  if (!URL.canParse(text)) return undefined
  const url = new URL(text)
  if (url.protocol !== "http:" && url.protocol !== "https:") return undefined
  url.hash = ""
  url.username = ""
  url.password = ""
  url.pathname = url.pathname.replace(/[[\]]/g, encodeURIComponent)
  if (/^(?:www\.)?arxiv\.org$/.test(url.hostname) && url.pathname.startsWith("/abs/")) {
    return `https://arxiv.org/pdf/${url.pathname.slice("/abs/".length)}`
  }
  return url.href
}

/** A licence by its common short name: `CCBY`, `CC BY 4.0` and creativecommons.org URLs all become `cc-by…`. */
export const normaliseLicense = (raw: string): string => {
  const text = raw.trim().toLowerCase()
  if (/creativecommons\.org\/publicdomain\/zero/.test(text)) return "cc0"
  const address = /creativecommons\.org\/licenses\/([a-z-]+)(?:\/(\d\.\d))?/.exec(text)
  if (address !== null) return ["cc", address[1], address[2]].filter((part) => part !== undefined).join("-")
  const short = /^ccby((?:nc|nd|sa)*)(\d\.\d)?$/.exec(text.replace(/[\s_-]+/g, ""))
  if (short === null) return text
  const parts = (short[1] ?? "").match(/../g) ?? []
  return ["cc", "by", ...parts, ...(short[2] === undefined ? [] : [short[2]])].join("-")
}
