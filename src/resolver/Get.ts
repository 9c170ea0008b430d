/**
 * Asking a service: the one place where a resolver's request is sent and its status is understood.
 *
 * | status                       | outcome                                                                  |
 * |------------------------------|--------------------------------------------------------------------------|
 * | 200, 203                     | the answer                                                               |
 * | 301, 302, 303, 307, 308      | followed on the service's own origin, a few times, when Retry-After says |
 * |                              | so and that is soon; later: `rate_limited`; elsewhere: `failed`          |
 * | 404, 410                     | `not_found`                                                              |
 * | 401, 403 to a credential     | `config_error`                                                           |
 * | 429; 403, 503 with a hint    | `rate_limited`, at least as long as the service asks for                 |
 * | 403                          | `failed`, `forbidden`                                                    |
 * | 408, other 5xx               | `failed`, may pass                                                       |
 * | everything else              | `failed`                                                                 |
 *
 * An answer that is known still counts is taken from the cache, and costs no request. Where a service means something else, its resolver says so (`Request.judge`). Credentials go to the origin of the
 * service's base URL and to no other: a redirect elsewhere isn't followed, since nobody asked that host's permission
 * either. What says who is asking appears in no message.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { HttpService } from "../http/Http.ts"
import { readStart } from "../http/Start.ts"
import * as HttpCache from "../http/HttpCache.ts"
import type { HttpError } from "../http/HttpError.ts"
import { measured } from "../http/Measured.ts"
import * as RetryAfter from "../http/RetryAfter.ts"
import { type Answer, type Get, type Outcome, type Request, ResolverFailure } from "./Resolver.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** Who is asked, and how. */
export interface Service {
  /** The resolver's name, for messages. */
  readonly name: string
  /** Where the service answers. */
  readonly baseUrl: string
  /** Credentials, sent to the origin of `baseUrl` only. */
  readonly headers: Readonly<Record<string, string>>
  readonly maxRetryAfterSeconds: number
  /** The wait after a refusal that names none. */
  readonly refusalWaitSeconds: number
  /** Whether a text says who asks: then it isn't kept. */
  readonly saysWhoAsks: (text: string) => boolean
  /** Where what says who asks is from: what to correct when it is refused. */
  readonly told: string | undefined
  /** Waits until one more request may be sent. */
  readonly nextRequest: Effect.Effect<void, ResolverFailure>
}

/** The requests of one question. */
export interface Asking {
  readonly get: Get
  /** Keeps the answers for later, since they were understood. */
  readonly keep: Effect.Effect<void>
  /** Forgets the kept ones it was given, since they are no use. */
  readonly forget: Effect.Effect<void>
}

/** More than any real answer has: a record may list thousands of authors. */
const MAX_ANSWER_BYTES = 8_000_000
/** Redirects that are followed for one request. */
const MAX_REDIRECTS = 3

/** The longest wait before a redirect is followed that is slept through. */
const LONGEST_SLEEP_MS = 3000

const REDIRECTS = new Set([301, 302, 303, 307, 308])

/** Failures that a later try would meet again. */
const LASTING = new Set<HttpError["reason"]>([
  "tls",
  "protocol",
  "coding",
  "proxy-refused",
  "address-refused"
])

const WORDS: Readonly<Record<Outcome, string>> = {
  not_found: "it doesn't know this work",
  no_open_access: "it knows no free copy",
  rate_limited: "it asks for fewer requests",
  config_error: "it refuses whoever asks",
  failed: "it gave no answer"
}

// ---------------------------------------------------------------------------------------------------------------
// Statuses
// ---------------------------------------------------------------------------------------------------------------

/** Services have names of their own for what Retry-After says. */
const ownHint = (header: Answer["header"], now: number, maxSeconds: number): Option.Option<number> =>
  Option.fromNullable(header("x-ratelimit-retry-after")).pipe(
    Option.flatMap((value) =>
      Option.orElse(RetryAfter.parse(value, now, maxSeconds), () =>
        Option.some(Date.parse(value)).pipe(
          Option.filter((at) => at > now),
          Option.map((at) => Math.min(at, now + maxSeconds * 1000))
        )
      )
    )
  )

/** `known`: whether a credential was sent. */
const commonOutcome = ({ header, status }: Answer, known: boolean): Outcome | "answer" => {
  if (status === 200 || status === 203) return "answer"
  if (status === 404 || status === 410) return "not_found"
  const hinted = header("retry-after") !== undefined
  if (status === 429 || ((status === 403 || status === 503) && hinted)) return "rate_limited"
  if (status === 401 || (status === 403 && known)) return "config_error"
  return "failed"
}

const isPassing = (status: number): boolean =>
  status === 408 || (status >= 500 && status !== 501 && status !== 505)

// ---------------------------------------------------------------------------------------------------------------
// Constructor
// ---------------------------------------------------------------------------------------------------------------

const all = (effects: ReadonlyArray<Effect.Effect<void>>) =>
  Effect.suspend(() => Effect.all(effects, { discard: true }))

/** Asks on behalf of one question. */
export const make = (http: HttpService, cache: HttpCache.HttpCache, service: Service): Asking => {
  const { maxRetryAfterSeconds, name, refusalWaitSeconds } = service
  const home = new URL(service.baseUrl).origin
  const keeps: Array<Effect.Effect<void>> = []
  const forgets: Array<Effect.Effect<void>> = []

  const fail = (outcome: Outcome, status: number, detail = WORDS[outcome], passing = false) =>
    new ResolverFailure({ outcome, message: `${name}: ${detail} (HTTP ${status})`, passing })

  const forbidden = new ResolverFailure({
    outcome: "failed",
    message: `${name}: it refuses this request (HTTP 403)`,
    passing: false,
    forbidden: true
  })

  /** What goes to the service's own origin only. */
  const credentials = (url: string) => (new URL(url).origin === home ? service.headers : {})

  const limited = (answer: Answer, waitMs: number) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const until = RetryAfter.hint(answer.header, now, maxRetryAfterSeconds).pipe(
        Option.orElse(() => ownHint(answer.header, now, maxRetryAfterSeconds)),
        // A hint of zero must not become a loop without a pause.
        Option.match({ onNone: () => now + waitMs, onSome: (at) => Math.max(at, now + 1000) })
      )
      const message = `${name}: ${WORDS.rate_limited} (HTTP ${answer.status})`
      return Effect.fail(new ResolverFailure({ outcome: "rate_limited", message, until }))
    })

  const lost = (error: HttpError, { refusedWaitMs }: Request) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.fail(
        refusedWaitMs !== undefined && (error.reason === "connect" || error.reason === "reset")
          ? new ResolverFailure({
              outcome: "rate_limited",
              message: `${name}: ${error.message}, as it does with those who ask too often`,
              until: now + refusedWaitMs
            })
          : new ResolverFailure({
              outcome: "failed",
              message: `${name}: ${error.message}`,
              passing: !LASTING.has(error.reason)
            })
      )
    )

  /** Where a redirect leads, if it may be followed. */
  const target = (response: Answer, from: string, hops: number) => {
    const location = response.header("location")
    if (location === undefined || !URL.canParse(location, from)) {
      return fail("failed", response.status, "a redirect without a target")
    }
    const to = new URL(location, from)
    if (to.origin !== new URL(from).origin) {
      return fail(
        "failed",
        response.status,
        `it redirects to ${to.host}; if it has moved, set resolvers.${name}.base_url`
      )
    }
    return hops >= MAX_REDIRECTS ? fail("failed", response.status, "too many redirects") : to.href
  }

  const send = (url: string, headers: Readonly<Record<string, string>>) =>
    Effect.gen(function* () {
      yield* service.nextRequest
      const response = yield* http.get(url, headers, "configuration").pipe(measured(name, url))
      const { header, status } = response
      if (REDIRECTS.has(status)) {
        yield* response.discard
        return { header, status, text: "" }
      }
      const { text, whole } = yield* readStart(response, MAX_ANSWER_BYTES)
      return whole ? { header, status, text } : yield* fail("failed", status, "its answer is too long")
    }).pipe(Effect.scoped)

  /** The answer of the cache, or else of the service. */
  const answerOf = (url: string, request: Request) =>
    Effect.gen(function* () {
      const headers = { accept: request.accept ?? "application/json", ...credentials(url) }
      const entry = yield* cache.entry({ url, headers })
      if (entry.fresh !== undefined) {
        forgets.push(entry.forget)
        return entry.fresh
      }
      const { answer, keep } = yield* HttpCache.send(entry, (conditions) =>
        send(url, { ...headers, ...conditions })
      )
      if (!service.saysWhoAsks(`${answer.text} ${answer.header("location") ?? ""}`)) keeps.push(keep)
      return answer
    }).pipe(Effect.catchTag("HttpError", (error) => lost(error, request)))

  const once = Effect.fnUntraced(function* (url: string, request: Request, hops: number) {
    const answer = yield* answerOf(url, request)
    const { status } = answer
    const known = Object.keys(credentials(url)).length > 0
    const outcome = request.judge?.(answer) ?? commonOutcome(answer, known)
    if (REDIRECTS.has(status) && outcome === "failed") {
      const to = target(answer, url, hops)
      if (typeof to !== "string") return yield* to
      const now = yield* Clock.currentTimeMillis
      const theirs = RetryAfter.serverNow(answer.header, now)
      const asked = RetryAfter.parse(answer.header("retry-after") ?? "", now, maxRetryAfterSeconds, theirs)
      const waitMs = Option.match(asked, { onNone: () => 0, onSome: (at) => at - now })
      if (waitMs > LONGEST_SLEEP_MS) return yield* limited(answer, waitMs)
      if (waitMs > 0) yield* Effect.sleep(waitMs)
      return { to }
    }
    if (outcome === "answer") return answer
    if (outcome === "rate_limited") {
      return yield* limited(answer, request.waitMs ?? refusalWaitSeconds * 1000)
    }
    if (outcome === "failed" && status === 403) return yield* forbidden
    const check = outcome === "config_error" && service.told !== undefined ? `; check ${service.told}` : ""
    return yield* fail(outcome, status, WORDS[outcome] + check, outcome === "failed" && isPassing(status))
  })

  const follow = (url: string, request: Request, hops: number): Effect.Effect<Answer, ResolverFailure> =>
    Effect.flatMap(once(url, request, hops), (answer) =>
      "to" in answer ? follow(answer.to, request, hops + 1) : Effect.succeed(answer)
    )

  return { get: (url, request = {}) => follow(url, request, 0), keep: all(keeps), forget: all(forgets) }
}
