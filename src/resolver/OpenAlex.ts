/**
 * OpenAlex: the free locations of a work, by DOI, PMID, PMCID or its own id.
 *
 * Single lookups by an id are free of charge; searches and `content.openalex.org` aren't, and aren't used. Its daily
 * budget ends at midnight UTC: a refusal may ask to wait for hours.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Artifact } from "../Artifact.ts"
import { at, doiPath } from "./Address.ts"
import { type Copy, fromCopies } from "./Candidate.ts"
import { address, decoder, fail, list, maybe, orNone, sameDoi } from "./Decode.ts"
import { define } from "./Definition.ts"

const NAME = "openalex"

// ---------------------------------------------------------------------------------------------------------------
// Answers
// ---------------------------------------------------------------------------------------------------------------

const Location = Schema.Struct({
  is_oa: maybe(Schema.Boolean),
  landing_page_url: address,
  pdf_url: address,
  license: maybe(Schema.String),
  version: maybe(Schema.String),
  source: maybe(Schema.Struct({ type: maybe(Schema.String) }))
})
type Location = typeof Location.Type

const decode = decoder(
  NAME,
  Schema.Struct({
    id: Schema.String,
    doi: maybe(Schema.String),
    best_oa_location: maybe(Location),
    locations: list(Location)
  })
)

// ---------------------------------------------------------------------------------------------------------------
// Reading
// ---------------------------------------------------------------------------------------------------------------

/** Each file there costs money. */
const PAID = /^https?:\/\/content\.openalex\.org\//i

const HOST_TYPES: ReadonlyMap<string | null | undefined, string> = new Map([
  ["journal", "publisher"],
  ["conference", "publisher"],
  ["repository", "repository"]
])

const toCopy = ({ landing_page_url, license, pdf_url, source, version }: Location): Copy => {
  const about = { license, version, host_type: HOST_TYPES.get(source?.type) }
  return pdf_url === null || PAID.test(pdf_url)
    ? { url: landing_page_url, kind: "landing", ...about }
    : { url: pdf_url, kind: "pdf", ...about }
}

/** A whole record lists every author with all institutions: megabytes for a paper of a large collaboration. */
const FIELDS = "id,doi,best_oa_location,locations"

/** Signs that no id may have there, however they are encoded: it refuses them as it does callers. */
const ILLEGAL = /[,&|]/

/** What the work is called in a path there. */
const pathOf = ({ doi, openalex, pmcid, pmid }: Artifact): string | undefined => {
  if (openalex !== undefined) return openalex
  if (doi !== undefined) return `doi:${doiPath(doi)}`
  if (pmid !== undefined) return `pmid:${pmid}`
  return pmcid === undefined ? undefined : `pmcid:${pmcid}`
}

// ---------------------------------------------------------------------------------------------------------------
// Definition
// ---------------------------------------------------------------------------------------------------------------

export const definition = define({
  name: NAME,
  description: "OpenAlex: turns DOIs, PMIDs, PMCIDs and its own ids into open-access files.",
  baseUrl: "https://api.openalex.org",
  limits: { max: 4, rate: 10, burst: 10 },
  own: Schema.Struct({}),
  // In a header, so that it is in no URL.
  credential: { env: "OPENALEX_API_KEY", needed: false, header: (secret) => ({ api_key: secret }) },
  accepts: (artifact) => pathOf(artifact) !== undefined,
  resolve:
    ({ base_url }) =>
    ({ artifact, get }) =>
      Effect.gen(function* () {
        const path = pathOf(artifact)
        if (path === undefined)
          return yield* fail(NAME, "not_found", "the artifact has no identifier it knows")
        const asked = artifact.openalex === undefined ? artifact.doi : undefined
        const refused = ILLEGAL.test(asked ?? "") ? "not_found" : "rate_limited"
        const answer = yield* get(at(base_url, `/works/${path}?select=${FIELDS}`), {
          // 403 is documented for the rate; with a key that isn't accepted it is 401.
          judge: ({ status }) => (status === 403 ? refused : undefined)
        })
        const work = yield* decode(answer)
        if (asked !== undefined && work.doi !== null && !sameDoi(work.doi, asked)) {
          return yield* fail(NAME, "failed", "its answer is about another work")
        }
        const { best_oa_location, locations } = work
        const open = [...(best_oa_location === null ? [] : [best_oa_location]), ...(locations ?? [])].filter(
          ({ is_oa }) => is_oa === true
        )
        // The landing page of a location whose PDF is known is no news.
        return yield* orNone(NAME, fromCopies(NAME, open.map(toCopy)))
      })
})
