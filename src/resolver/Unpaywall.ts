/**
 * Unpaywall: the free copies of a work, by its DOI.
 *
 * The service asks for the caller's mail address, and refuses placeholders. It refuses for the rate with status 422,
 * as it does a bad address: only the message tells them apart. Its answers are decoded; an unexpected shape is a
 * failure of this resolver, never of the run.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type HttpService, readText, type Response } from "../http/Http.ts"
import * as RetryAfter from "../http/RetryAfter.ts"
import { accepts } from "./Accepts.ts"
import { type Candidate, cleanUrl, HostType, normaliseLicense, Version } from "./Candidate.ts"
import { type Resolver, ResolverFailure } from "./Resolver.ts"

export const NAME = "unpaywall"

export interface UnpaywallSettings {
  /** Where the service answers, without a slash at the end. */
  readonly base_url: string
  /** The mail address it is asked under; `null` if there is none. */
  readonly email: string | null
  readonly max_retry_after_seconds: number
}

// ---------------------------------------------------------------------------------------------------------------
// Answers
// ---------------------------------------------------------------------------------------------------------------

const maybe = <A, I>(schema: Schema.Schema<A, I>) =>
  Schema.optionalWith(Schema.NullOr(schema), { exact: true, default: () => null })

const Location = Schema.Struct({
  url: maybe(Schema.String),
  url_for_pdf: maybe(Schema.String),
  url_for_landing_page: maybe(Schema.String),
  license: maybe(Schema.String),
  version: maybe(Schema.String),
  host_type: maybe(Schema.String)
})
type Location = typeof Location.Type

const Answer = Schema.parseJson(
  Schema.Struct({
    doi: maybe(Schema.String),
    is_oa: maybe(Schema.Boolean),
    best_oa_location: maybe(Location),
    oa_locations: maybe(Schema.Array(Location))
  })
)

const Refusal = Schema.parseJson(Schema.Struct({ message: Schema.String }))

const decodeAnswer = Schema.decodeUnknownEither(Answer)
const decodeRefusal = Schema.decodeUnknownOption(Refusal)

/** More than any real answer has. */
const MAX_ANSWER_BYTES = 2_000_000
/** The wait after a refusal that names none. */
const DEFAULT_WAIT_MS = 60_000

const RATE = /too many|many email addresses|per second|rate limit/i
const ADDRESS = /email/i

// ---------------------------------------------------------------------------------------------------------------
// Reading
// ---------------------------------------------------------------------------------------------------------------

const sameDoi = (a: string, b: string): boolean => a.trim().toLowerCase() === b.trim().toLowerCase()

const toCandidates = (location: Location): ReadonlyArray<Candidate> => {
  const known = {
    resolver: NAME,
    ...(location.license === null ? {} : { license: normaliseLicense(location.license) }),
    ...(Schema.is(Version)(location.version) ? { version: location.version } : {}),
    ...(Schema.is(HostType)(location.host_type) ? { host_type: location.host_type } : {})
  }
  const pdf = location.url_for_pdf === null ? undefined : cleanUrl(location.url_for_pdf)
  if (pdf !== undefined) return [{ url: pdf, kind: "pdf", ...known }]
  const page = location.url ?? location.url_for_landing_page
  const url = page === null ? undefined : cleanUrl(page)
  if (url === undefined) return []
  // An abstract page of arXiv was turned into its PDF.
  return [{ url, kind: url.startsWith("https://arxiv.org/pdf/") ? "pdf" : "landing", ...known }]
}

/** The candidates of an answer's body: the best location first, each URL once. */
export const candidates = (
  body: string,
  doi: string
): Either.Either<ReadonlyArray<Candidate>, ResolverFailure> => {
  const decoded = decodeAnswer(body)
  if (Either.isLeft(decoded)) {
    return Either.left(
      new ResolverFailure({
        outcome: "failed",
        message: "unpaywall: its answer can't be understood",
        passing: false
      })
    )
  }
  const answer = decoded.right
  if (answer.doi !== null && !sameDoi(answer.doi, doi)) {
    return Either.left(
      new ResolverFailure({
        outcome: "failed",
        message: `unpaywall: its answer is about ${answer.doi}`,
        passing: false
      })
    )
  }
  const locations = [
    ...(answer.best_oa_location === null ? [] : [answer.best_oa_location]),
    ...(answer.oa_locations ?? [])
  ]
  const found = new Map<string, Candidate>()
  for (const candidate of locations.flatMap(toCandidates)) {
    if (!found.has(candidate.url)) found.set(candidate.url, candidate)
  }
  return found.size === 0
    ? Either.left(
        new ResolverFailure({ outcome: "no_open_access", message: "unpaywall: it knows no free copy" })
      )
    : Either.right([...found.values()])
}

// ---------------------------------------------------------------------------------------------------------------
// Constructor
// ---------------------------------------------------------------------------------------------------------------

export const make = (settings: UnpaywallSettings, http: HttpService): Resolver => {
  const { email } = settings

  const limited = ({ header, status }: Response) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const until = Option.getOrElse(
        RetryAfter.hint(header, now, settings.max_retry_after_seconds),
        () => now + DEFAULT_WAIT_MS
      )
      const message = `unpaywall: it asks for fewer requests (HTTP ${status})`
      return Effect.fail(new ResolverFailure({ outcome: "rate_limited", message, until }))
    })

  const read = (response: Response, doi: string) =>
    Effect.gen(function* () {
      const { status } = response
      const fail = (outcome: ResolverFailure["outcome"], message: string, passing = false) =>
        new ResolverFailure({ outcome, message: `unpaywall: ${message} (HTTP ${status})`, passing })
      const text = yield* readText(response, MAX_ANSWER_BYTES)
      if (text === undefined) return yield* fail("failed", "its answer is too long")
      if (status === 200) return yield* candidates(text, doi)
      // By status alone: the body has been JSON in one version of the service and a page in the next.
      if (status === 404) return yield* fail("not_found", "it doesn't know this DOI")
      const refusal = Option.match(decodeRefusal(text), {
        onNone: () => "",
        onSome: ({ message }) => message
      })
      if (
        status === 429 ||
        (status === 422 && RATE.test(refusal)) ||
        (status === 503 && response.header("retry-after") !== undefined)
      ) {
        return yield* limited(response)
      }
      if (status === 422 && ADDRESS.test(refusal)) {
        return yield* fail("config_error", "it refuses this mail address; set resolvers.unpaywall.email")
      }
      return yield* fail("failed", "it gave no answer", status >= 500 || status === 408)
    })

  return {
    name: NAME,
    remote: true,
    accepts: (artifact) => accepts(NAME, artifact),
    resolve: (artifact) =>
      Effect.gen(function* () {
        const { doi } = artifact
        if (doi === undefined) {
          return yield* new ResolverFailure({ outcome: "not_found", message: "the artifact has no DOI" })
        }
        if (email === null) {
          return yield* new ResolverFailure({
            outcome: "config_error",
            message:
              "unpaywall: it needs your mail address; set resolvers.unpaywall.email, UNPAYWALL_EMAIL or http.contact"
          })
        }
        // The service takes the slashes of a DOI as they are, and everything else encoded.
        const path = doi.split("/").map(encodeURIComponent).join("/")
        const query = `email=${encodeURIComponent(email)}`
        const response = yield* http.get(`${settings.base_url.replace(/\/+$/, "")}/v2/${path}?${query}`, {
          accept: "application/json"
        })
        return yield* read(response, doi)
      }).pipe(
        Effect.scoped,
        Effect.catchTag(
          "HttpError",
          (error) =>
            new ResolverFailure({
              outcome: "failed",
              message: `unpaywall: ${error.message}`,
              passing: error.reason !== "tls" && error.reason !== "protocol"
            })
        )
      )
  }
}
