/**
 * One request: sent when its host may be asked, read under the host's permit to the end of its body.
 *
 * What the host may bear is asked for first: its pace, then its breaker. Neither waits here; a host that has to wait is
 * an answer like any other.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import type { Fatal, Retry } from "../Failure.ts"
import type { NamedBy } from "../http/Addresses.ts"
import { Http, type Response } from "../http/Http.ts"
import { measured } from "../http/Measured.ts"
import { KeyedLimiter } from "../KeyedLimiter.ts"
import { hostLane } from "../Lane.ts"
import { type Candidate, DIRECT } from "../resolver/Candidate.ts"
import * as Bandwidth from "./Bandwidth.ts"
import { tooLarge, watch } from "./Body.ts"
import * as Breaker from "./Breaker.ts"
import type { FetchSettings, Target } from "./Fetch.ts"
import { FetchFailure, fromHttp, HostWaits } from "./FetchFailure.ts"
import * as HostPace from "./HostPace.ts"
import { isPage, readPage } from "./LandingPage.ts"
import type { Receipt } from "./Manifest.ts"
import * as Permission from "./Permission.ts"
import { identityOf, rangeHeaders, rest } from "./Range.ts"
import { askedUrl } from "./Route.ts"
import { meaning } from "./Status.ts"
import { type Beginning, type Part, Storage } from "./Storage.ts"
import { expectation, type Expected } from "./Verify.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** A body that came in whole, not judged yet. */
export interface Content {
  readonly _tag: "Content"
  readonly part: Part
  readonly expected: Expected
  readonly head: Uint8Array
  readonly tail: Uint8Array
  readonly response: Response
}

/** What one request ended with. `Anew`: what was known is of no use, it has to be asked for without it. */
export type Answer =
  | { readonly _tag: "Redirect"; readonly to: string }
  | { readonly _tag: "Page"; readonly candidates: ReadonlyArray<Candidate> }
  | { readonly _tag: "Unmodified"; readonly receipt: Receipt }
  | { readonly _tag: "Anew" }
  | Content

/** What is there already of the content at a URL: a beginning, or the whole of an earlier download. */
export interface Known {
  readonly beginning?: Beginning
  readonly previous?: Receipt
}

/** Looks at a body that came in whole. */
export type Judge<A, E, R> = (content: Content) => Effect.Effect<A, E, R>

/**
 * Sends a request for a candidate, and has `judge` look at a body that came in whole: what it finds counts for or
 * against the host. The part of a body belongs to the scope.
 */
export type Ask = <A, E, R>(
  target: Target,
  url: string,
  known: Known,
  judge: Judge<A, E, R>
) => Effect.Effect<
  Exclude<Answer, Content> | A,
  E | FetchFailure | HostWaits | Fatal | Retry,
  R | Scope.Scope
>

// ---------------------------------------------------------------------------------------------------------------
// Requests
// ---------------------------------------------------------------------------------------------------------------

/** `If-None-Match` goes before a date (RFC 9110, 13.1.3), so only one of them is sent. */
const conditions = (receipt: Receipt): Readonly<Record<string, string>> | undefined =>
  receipt.etag !== undefined
    ? { "if-none-match": receipt.etag }
    : receipt.last_modified !== undefined
      ? { "if-modified-since": receipt.last_modified }
      : undefined

const headersFor = ({ beginning, previous }: Known): Readonly<Record<string, string>> | undefined =>
  beginning !== undefined
    ? rangeHeaders(beginning)
    : previous === undefined
      ? undefined
      : conditions(previous)

/** The list's own are its URLs, and wherever their own hosts lead on themselves. */
const whoNamed = ({ resolver, url: own }: Candidate, url: string): NamedBy =>
  resolver === DIRECT && new URL(own).hostname === new URL(url).hostname ? "list" : "server"

const redirectTarget = (location: string, base: string): Either.Either<string, FetchFailure> =>
  Either.mapLeft(
    askedUrl(location, base),
    (what) =>
      new FetchFailure({ class: "try-next", reason: "bad-redirect", message: `a redirect to ${what}` })
  )

const wordsOf = ({ message, reason }: { readonly message: string; readonly reason: string }) => ({
  message,
  reason
})

const truncated = (bytes: number, announced: number) =>
  new FetchFailure({
    class: "retry",
    reason: "truncated",
    message: `${bytes} bytes came, ${announced} were announced`
  })

// ---------------------------------------------------------------------------------------------------------------
// Constructor
// ---------------------------------------------------------------------------------------------------------------

/** Requests by these settings. Breakers, paces and the bandwidth are those of what is made here. */
export const make = (
  settings: FetchSettings
): Effect.Effect<Ask, never, Http | Storage | KeyedLimiter | Scope.Scope> =>
  Effect.gen(function* () {
    const http = yield* Http
    const storage = yield* Storage
    const limiter = yield* KeyedLimiter
    const clock = yield* Effect.clock
    const now = () => clock.unsafeCurrentTimeMillis()
    const { max_bytes_per_second, max_retry_after_seconds, min_bytes_per_second, min_rate_window_seconds } =
      settings.http
    const { max_bytes } = settings.download
    const bandwidth = max_bytes_per_second > 0 ? yield* Bandwidth.make(max_bytes_per_second) : undefined
    const breaker = Breaker.make(settings.http)
    yield* Effect.addFinalizer(() => breaker.close)
    const pace = settings.http.adaptive_pace ? HostPace.make() : HostPace.none
    const permitted = yield* Permission.make(http, limiter, settings)

    /** What the server asked for, and a little more, so that those who wait don't all come back at once. */
    const withJitter = (until: number) =>
      Effect.map(Random.next, (draw) => {
        const most = Math.min((until - now()) / 10, settings.orchestrator.jitter_seconds * 1000)
        return Math.ceil(until + draw * Math.max(0, most))
      })

    /** Reads the body into a part of the scope. `onto`: what it is the rest of, and the whole's length. */
    const content = (
      target: Target,
      url: string,
      response: Response,
      onto?: { readonly beginning: Beginning; readonly total: number }
    ) =>
      Effect.gen(function* () {
        const { artifact, candidate, owner } = target
        const total = onto?.total ?? response.contentLength
        if (total !== undefined && total > max_bytes) return yield* tooLarge(total, max_bytes)
        const expected = expectation(
          artifact,
          candidate,
          [candidate.url, url],
          response.header("content-type")
        )
        const body = watch(response, {
          maxBytes: max_bytes,
          minBytesPerSecond: min_bytes_per_second,
          rateWindowMs: min_rate_window_seconds * 1000,
          expected,
          finalUrl: url,
          now,
          before: onto?.beginning,
          bandwidth
        })
        const part = yield* storage.receive(owner, body.source, {
          md5: expected.md5 !== undefined,
          expectedBytes: response.contentLength,
          identity: onto === undefined ? identityOf(url, response) : undefined,
          onto: onto?.beginning
        })
        if (total !== undefined && part.bytes !== total) return yield* truncated(part.bytes, total)
        return {
          _tag: "Content",
          part,
          expected,
          head: body.head(),
          tail: body.tail(),
          response
        } satisfies Answer
      })

    /** What an answer to a request for the rest, or for changes, is beyond what any answer is. */
    const partial = (url: string, response: Response, target: Target, known: Known) =>
      Effect.gen(function* () {
        const { beginning, previous } = known
        const { status } = response
        if (previous !== undefined && status === 304 && conditions(previous) !== undefined) {
          yield* response.discard
          return { _tag: "Unmodified", receipt: previous } satisfies Answer
        }
        if (beginning === undefined) return undefined
        if (status === 206) {
          const total = rest(response, beginning)
          if (typeof total === "number") {
            return yield* content(target, url, response, { beginning, total })
          }
          yield* Effect.logDebug(
            `${url}: starting over, for the range that came is not what was asked for: ${total}`
          )
        } else if (status !== 416) {
          // The whole comes: the content is another one, or the server has no ranges.
          if (status === 200 || status === 203) yield* beginning.discard
          return undefined
        }
        yield* response.discard
        return { _tag: "Anew" } satisfies Answer
      })

    /** What an answer means, and its body if that is what was asked for. */
    const read = (target: Target, url: string, known: Known, response: Response, answeredAt: number) =>
      Effect.gen(function* () {
        const { artifact, candidate } = target
        const fresh = known.beginning === undefined && known.previous === undefined
        const special = fresh ? undefined : yield* partial(url, response, target, known)
        if (special !== undefined) return special
        const said = meaning(response, answeredAt, max_retry_after_seconds)
        if (said._tag === "Body") {
          if (candidate.kind === "landing" && isPage(response)) {
            const page = yield* readPage(response, url, artifact, candidate, settings)
            return page._tag === "LeadsTo"
              ? ({ _tag: "Redirect", to: yield* redirectTarget(page.url, url) } satisfies Answer)
              : ({ _tag: "Page", candidates: page.candidates } satisfies Answer)
          }
          return yield* content(target, url, response)
        }
        yield* response.discard
        if (said._tag === "Redirect") {
          return { _tag: "Redirect", to: yield* redirectTarget(said.location, url) } satisfies Answer
        }
        return yield* said._tag === "Wait"
          ? Effect.flatMap(withJitter(said.until), (until) => new HostWaits({ ...wordsOf(said), until }))
          : Effect.fail(
              said._tag === "Retry"
                ? new FetchFailure({ class: "retry", ...wordsOf(said), notBefore: said.notBefore })
                : new FetchFailure({ class: "try-next", ...wordsOf(said) })
            )
      })

    /** One request, under the host's permit until its body ends; the part of its body belongs to the scope. */
    const once = (
      target: Target,
      url: string,
      lane: string,
      known: Known,
      namedBy: NamedBy
    ): Effect.Effect<Answer, FetchFailure | HostWaits | Fatal | Retry, Scope.Scope> =>
      // A scope of the fiber's own would be told to each step within; the connection's end needs none of them.
      Effect.acquireUseRelease(
        Scope.make(),
        (connection) =>
          Effect.gen(function* () {
            const startedAt = now()
            const under = pace.begin(lane, startedAt)
            yield* Scope.addFinalizer(connection, Effect.sync(under.end))
            const response = yield* http
              .get(url, headersFor(known), namedBy)
              .pipe(
                measured(target.candidate.resolver, url),
                Effect.mapError(fromHttp),
                Effect.provideService(Scope.Scope, connection)
              )
            const answeredAt = now()
            if (response.status === 429 || response.status === 503) under.refused(answeredAt)
            else under.firstByte(answeredAt)
            return yield* read(target, url, known, response, answeredAt)
          }),
        (connection, exit) => Scope.close(connection, exit)
      ).pipe(limiter.withPermit(lane))

    return <A, E, R>(target: Target, url: string, known: Known, judge: Judge<A, E, R>) =>
      Effect.gen(function* () {
        const lane = hostLane(url)
        const slowed = pace.start(lane, now())
        if (slowed !== undefined) return yield* slowed
        return yield* Effect.gen(function* () {
          const namedBy = whoNamed(target.candidate, url)
          yield* permitted(url, namedBy)
          const answer = yield* once(target, url, lane, known, namedBy)
          return answer._tag === "Content" ? yield* judge(answer) : answer
        }).pipe(breaker.guard(lane))
      })
  })
