/**
 * Crossref: the links a publisher has deposited with a DOI.
 *
 * Crossref doesn't know whether a link is open. One for similarity checking was deposited for another purpose, but is
 * often the only way to the PDF: its type isn't known then. Links that need a publisher's token are left out.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { key, mail, orNull, Personal } from "../Setting.ts"
import { at, encode } from "./Address.ts"
import { type CandidateKind, type Copy, fromCopies, type Version } from "./Candidate.ts"
import { decoder, fail, list, maybe, orNone, sameDoi } from "./Decode.ts"
import { define } from "./Definition.ts"
import { isOpen } from "./License.ts"

const NAME = "crossref"

// ---------------------------------------------------------------------------------------------------------------
// Answers
// ---------------------------------------------------------------------------------------------------------------

const Link = Schema.Struct({
  URL: maybe(Schema.String),
  "content-type": maybe(Schema.String),
  "content-version": maybe(Schema.String),
  "intended-application": maybe(Schema.String)
})
type Link = typeof Link.Type

const License = Schema.Struct({
  URL: maybe(Schema.String),
  "content-version": maybe(Schema.String),
  start: maybe(Schema.Struct({ timestamp: maybe(Schema.Number) }))
})
type License = typeof License.Type

const decode = decoder(
  NAME,
  Schema.Struct({
    message: Schema.Struct({ DOI: Schema.String, link: list(Link), license: list(License) })
  })
)

// ---------------------------------------------------------------------------------------------------------------
// Reading
// ---------------------------------------------------------------------------------------------------------------

/** Hosts that answer only to those with a token of the publisher. */
const TOKEN_HOSTS = /^https?:\/\/api\.(?:elsevier|wiley)\.com\//i

const VERSIONS: ReadonlyMap<string | null, Version> = new Map([
  ["vor", "publishedVersion"],
  ["am", "acceptedVersion"]
])

const KINDS: ReadonlyMap<string, CandidateKind> = new Map([
  ["application/pdf", "pdf"],
  ["text/html", "html"],
  ["application/xml", "xml"],
  ["text/xml", "xml"],
  ["unspecified", "unknown"]
])

const kindOf = (link: Link): CandidateKind | undefined => {
  const kind = KINDS.get((link["content-type"] ?? "unspecified").toLowerCase())
  return kind === "html" && link["intended-application"] === "similarity-checking" ? "unknown" : kind
}

/** The open licence of that version that has begun. */
const licenseOf = (licenses: ReadonlyArray<License>, version: string | null, now: number) =>
  licenses.find(
    ({ URL, start, "content-version": of }) =>
      URL !== null && isOpen(URL) && of === version && (start?.timestamp ?? 0) <= now
  )?.URL

const toCopies = (links: ReadonlyArray<Link>, licenses: ReadonlyArray<License>, now: number) =>
  links.flatMap((link): ReadonlyArray<Copy> => {
    const kind = kindOf(link)
    if (kind === undefined || TOKEN_HOSTS.test(link.URL ?? "")) return []
    const version = link["content-version"]
    return [
      {
        url: link.URL,
        kind,
        version: VERSIONS.get(version),
        license: licenseOf(licenses, version, now),
        host_type: "publisher"
      }
    ]
  })

// ---------------------------------------------------------------------------------------------------------------
// Definition
// ---------------------------------------------------------------------------------------------------------------

export const definition = define({
  name: NAME,
  description: "Crossref: turns DOIs into the links their publishers have deposited.",
  baseUrl: "https://api.crossref.org",
  limits: { max: 3, rate: 8, burst: 2 },
  own: Schema.Struct({
    mailto: key(
      orNull(mail),
      null,
      "The mail address that leads to its polite pool. Null: CROSSREF_MAILTO, else http.contact if that is one.",
      { [Personal]: true }
    )
  }),
  fallbacks: [{ key: "mailto", env: "CROSSREF_MAILTO", contact: true, needed: true }],
  credential: {
    env: "CROSSREF_PLUS_API_TOKEN",
    needed: false,
    header: (secret) => ({ "crossref-plus-api-token": `Bearer ${secret}` })
  },
  accepts: ({ doi }) => doi !== undefined,
  resolve:
    ({ base_url, mailto }) =>
    ({ artifact: { doi }, get }) =>
      Effect.gen(function* () {
        if (doi === undefined) return yield* fail(NAME, "not_found", "the artifact has no DOI")
        const answer = yield* get(at(base_url, `/v1/works/${encode(doi)}?mailto=${encode(mailto ?? "")}`))
        const { message } = yield* decode(answer)
        if (!sameDoi(message.DOI, doi)) return yield* fail(NAME, "failed", "its answer is about another work")
        const now = yield* Clock.currentTimeMillis
        return yield* orNone(NAME, fromCopies(NAME, toCopies(message.link ?? [], message.license ?? [], now)))
      })
})
