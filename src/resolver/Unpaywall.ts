/**
 * Unpaywall: the free copies of a work, by its DOI.
 *
 * The service asks for the caller's mail address, and refuses placeholders. It refuses for the rate with status 422,
 * as it does a bad address: only the message tells them apart.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { key, mail, orNull, Personal } from "../Setting.ts"
import { at, doiPath, encode } from "./Address.ts"
import { type Candidate, type Copy, fromCopies } from "./Candidate.ts"
import { address, decoder, fail, list, maybe, orNone, sameDoi } from "./Decode.ts"
import { define } from "./Definition.ts"
import type { Answer, Outcome, ResolverFailure } from "./Resolver.ts"

const NAME = "unpaywall"

// ---------------------------------------------------------------------------------------------------------------
// Answers
// ---------------------------------------------------------------------------------------------------------------

const Location = Schema.Struct({
  url: address,
  url_for_pdf: address,
  url_for_landing_page: address,
  license: maybe(Schema.String),
  version: maybe(Schema.String),
  host_type: maybe(Schema.String)
})
type Location = typeof Location.Type

const decode = decoder(
  NAME,
  Schema.Struct({
    doi: maybe(Schema.String),
    is_oa: maybe(Schema.Boolean),
    best_oa_location: maybe(Location),
    oa_locations: list(Location)
  })
)

const decodeRefusal = Schema.decodeUnknownOption(Schema.parseJson(Schema.Struct({ message: Schema.String })))

const RATE = /too many|many email addresses|per second|rate limit/i
const ADDRESS = /email/i

const judge = ({ status, text }: Answer): Outcome | undefined => {
  if (status !== 422) return undefined
  const message = Option.match(decodeRefusal(text), {
    onNone: () => "",
    onSome: (refusal) => refusal.message
  })
  if (RATE.test(message)) return "rate_limited"
  return ADDRESS.test(message) ? "config_error" : undefined
}

// ---------------------------------------------------------------------------------------------------------------
// Reading
// ---------------------------------------------------------------------------------------------------------------

const toCopy = (location: Location): Copy => {
  const { host_type, license, version } = location
  return location.url_for_pdf === null
    ? { url: location.url ?? location.url_for_landing_page, kind: "landing", license, version, host_type }
    : { url: location.url_for_pdf, kind: "pdf", license, version, host_type }
}

/** The candidates of an answer's body: the best location first, each URL once. */
export const candidates = (
  body: string,
  doi: string
): Either.Either<ReadonlyArray<Candidate>, ResolverFailure> =>
  Either.flatMap(decode({ text: body }), (answer) => {
    if (answer.doi !== null && !sameDoi(answer.doi, doi)) {
      return Either.left(fail(NAME, "failed", "its answer is about another work"))
    }
    const { best_oa_location, is_oa, oa_locations } = answer
    if (is_oa === null && best_oa_location === null && oa_locations === null) {
      // An error, with the status of an answer.
      return Either.left(fail(NAME, "failed", "its answer says nothing of a work"))
    }
    const locations = [...(best_oa_location === null ? [] : [best_oa_location]), ...(oa_locations ?? [])]
    return orNone(NAME, fromCopies(NAME, locations.map(toCopy)))
  })

// ---------------------------------------------------------------------------------------------------------------
// Definition
// ---------------------------------------------------------------------------------------------------------------

export const definition = define({
  name: NAME,
  description: "Unpaywall: turns DOIs into open-access files.",
  baseUrl: "https://api.unpaywall.org",
  limits: { max: 2, rate: 1, burst: 5 },
  own: Schema.Struct({
    email: key(
      orNull(mail),
      null,
      "The mail address its service asks for. Null: UNPAYWALL_EMAIL, else http.contact if that is one.",
      { [Personal]: true }
    )
  }),
  fallbacks: [{ key: "email", env: "UNPAYWALL_EMAIL", contact: true, needed: true }],
  accepts: ({ doi }) => doi !== undefined,
  resolve:
    ({ base_url, email }) =>
    ({ artifact: { doi }, get }) =>
      Effect.gen(function* () {
        if (doi === undefined) return yield* fail(NAME, "not_found", "the artifact has no DOI")
        // The service takes the slashes of a DOI as they are, and everything else encoded.
        const answer = yield* get(at(base_url, `/v2/${doiPath(doi)}?email=${encode(email ?? "")}`), { judge })
        return yield* candidates(answer.text, doi)
      })
})
