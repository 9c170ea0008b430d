/**
 * One candidate: from its URL over its redirects to a stored file, or to a failure that says what happens next.
 *
 * A host's permit is held exactly while a connection to it is in use, never while waiting for another host. A redirect
 * to another host asks for a start in that host's lane first. Credentials in URLs are never sent.
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Metric from "effect/Metric"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import type { Artifact } from "../Artifact.ts"
import type { Fatal, Retry } from "../Failure.ts"
import { KeyedLimiter } from "../KeyedLimiter.ts"
import { hostLane } from "../Lane.ts"
import type { Candidate } from "../resolver/Candidate.ts"
import type { Preferences } from "../resolver/Ranking.ts"
import * as Telemetry from "../Telemetry.ts"
import { tooLarge, watch } from "./Body.ts"
import { FetchFailure, fromHttp, HostWaits } from "./FetchFailure.ts"
import { Http, type HttpSettings, type Response } from "../http/Http.ts"
import type { Receipt } from "./Manifest.ts"
import { isPage, readPage } from "./LandingPage.ts"
import type { Hop } from "./Plan.ts"
import { askedUrl } from "./Route.ts"
import { BINARY, type ContentType } from "./Sniff.ts"
import { meaning } from "./Status.ts"
import { type Owner, type Part, Storage } from "./Storage.ts"
import { expectation, type Expected, isRefusal, verify } from "./Verify.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** The configuration's sections, as far as fetching needs them. */
export interface FetchSettings {
  readonly http: HttpSettings & {
    readonly min_bytes_per_second: number
    readonly min_rate_window_seconds: number
    readonly max_redirects: number
    readonly max_retry_after_seconds: number
  }
  readonly download: { readonly max_bytes: number; readonly kinds: Preferences["kinds"] }
  readonly resolvers: { readonly prefer: Preferences["prefer"] }
  readonly orchestrator: { readonly jitter_seconds: number }
}

/** What is to be fetched, and for whom. */
export interface Target {
  readonly artifact: Artifact
  readonly candidate: Candidate
  readonly owner: Owner
  /** Where an earlier lease left off. */
  readonly hop: Hop | undefined
}

/** Asks for a start in the lane of the host the candidate goes on at. False: the job waits there, nothing is left to do. */
export type Enter<E> = (lane: string, hop: Hop | undefined) => Effect.Effect<boolean, E>

/** `Held`: the host has to wait; the candidate goes on from `hop` later. */
export type Fetched = Data.TaggedEnum<{
  Stored: { readonly receipt: Receipt }
  Moved: {}
  /** A page about the work: what it names, best first. */
  Opened: { readonly candidates: ReadonlyArray<Candidate> }
  Held: { readonly waits: HostWaits; readonly hop: Hop | undefined }
}>
/** The constructors of `Fetched`. */
export const Fetched = Data.taggedEnum<Fetched>()

/** Fetches a candidate whose lane (that of the hop, if there is one) the job is in. */
export type Fetch = <E>(
  target: Target,
  enter: Enter<E>
) => Effect.Effect<Fetched, E | FetchFailure | Fatal | Retry>

/** What one request ended with. */
type Answer =
  | { readonly _tag: "Redirect"; readonly to: string }
  | { readonly _tag: "Page"; readonly candidates: ReadonlyArray<Candidate> }
  | {
      readonly _tag: "Content"
      readonly part: Part
      readonly expected: Expected
      readonly head: Uint8Array
      readonly tail: Uint8Array
      readonly response: Response
    }

/** Where the candidate stands. */
interface Position {
  readonly url: string
  readonly hop: Hop | undefined
}

// ---------------------------------------------------------------------------------------------------------------
// Receipts
// ---------------------------------------------------------------------------------------------------------------

/** The media type of a header, without its parameters. */
const mediaType = (header: string | undefined): string | undefined => {
  const type = header?.split(";", 1)[0]?.trim().toLowerCase()
  return type === undefined || type === "" ? undefined : type
}

const toReceipt = (
  { candidate }: Target,
  position: Position,
  answer: Extract<Answer, { _tag: "Content" }>,
  type: ContentType,
  path: string
): Receipt => {
  const { part, response } = answer
  const etag = response.header("etag")
  const lastModified = response.header("last-modified")
  return {
    url: candidate.url,
    final_url: position.url,
    path,
    sha256: part.sha256,
    bytes: part.bytes,
    content_type:
      type === BINARY ? (mediaType(response.header("content-type")) ?? type.mediaType) : type.mediaType,
    resolver: candidate.resolver,
    redirects: position.hop?.count ?? 0,
    ...(etag === undefined ? {} : { etag }),
    ...(lastModified === undefined ? {} : { last_modified: lastModified }),
    ...(candidate.license === undefined ? {} : { license: candidate.license }),
    ...(candidate.version === undefined ? {} : { version: candidate.version })
  }
}

/** Checks what came and gives it its place. */
const keep = (target: Target, position: Position, answer: Extract<Answer, { _tag: "Content" }>) =>
  Effect.gen(function* () {
    const { expected, head, part, response, tail } = answer
    const { bytes, md5, sha256 } = part
    const lengthKnown = response.contentLength !== undefined
    const verdict = verify(expected, {
      head,
      tail,
      bytes,
      sha256,
      md5,
      lengthKnown,
      finalUrl: position.url
    })
    if (isRefusal(verdict)) return yield* new FetchFailure({ ...verdict })
    const path = yield* part.keep(verdict.extension)
    return Fetched.Stored({ receipt: toReceipt(target, position, answer, verdict, path) })
  })

// ---------------------------------------------------------------------------------------------------------------
// Constructor
// ---------------------------------------------------------------------------------------------------------------

/** Fetching by these settings. */
export const make = (settings: FetchSettings): Effect.Effect<Fetch, never, Http | Storage | KeyedLimiter> =>
  Effect.gen(function* () {
    const http = yield* Http
    const storage = yield* Storage
    const limiter = yield* KeyedLimiter
    const clock = yield* Effect.clock
    const { max_redirects, max_retry_after_seconds, min_bytes_per_second, min_rate_window_seconds } =
      settings.http
    const { max_bytes } = settings.download

    /** What the server asked for, and a little more, so that those who wait don't all come back at once. */
    const withJitter = (until: number) =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const most = Math.min((until - now) / 10, settings.orchestrator.jitter_seconds * 1000)
        return Math.ceil(until + (yield* Random.next) * Math.max(0, most))
      })

    const request = (url: string) =>
      http.get(url).pipe(
        Effect.tapBoth({
          onSuccess: ({ status }) =>
            Metric.increment(Metric.tagged(Telemetry.httpRequests, "status", Telemetry.statusClass(status))),
          onFailure: () => Metric.increment(Metric.tagged(Telemetry.httpRequests, "status", "error"))
        }),
        Effect.mapError(fromHttp)
      )

    /** Reads the body into a part that belongs to `parts`. */
    const content = (target: Target, url: string, response: Response, parts: Scope.Scope) =>
      Effect.gen(function* () {
        const { artifact, candidate, owner } = target
        const { contentLength } = response
        if (contentLength !== undefined && contentLength > max_bytes) {
          return yield* tooLarge(contentLength, max_bytes)
        }
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
          now: () => clock.unsafeCurrentTimeMillis()
        })
        const part = yield* storage
          .receive(owner, body.source, { md5: expected.md5 !== undefined, expectedBytes: contentLength })
          .pipe(
            Scope.extend(parts),
            Effect.ensuring(Effect.suspend(() => Metric.incrementBy(Telemetry.downloadedBytes, body.bytes())))
          )
        if (contentLength !== undefined && part.bytes !== contentLength) {
          const message = `${part.bytes} bytes came, ${contentLength} were announced`
          return yield* new FetchFailure({ class: "retry", reason: "truncated", message })
        }
        return {
          _tag: "Content",
          part,
          expected,
          head: body.head(),
          tail: body.tail(),
          response
        } satisfies Answer
      })

    /** One request, under the host's permit until its body ends. */
    const once = (
      target: Target,
      url: string,
      parts: Scope.Scope
    ): Effect.Effect<Answer, FetchFailure | HostWaits | Fatal | Retry> =>
      Effect.gen(function* () {
        const startedAt = yield* Clock.currentTimeMillis
        const response = yield* request(url)
        const now = yield* Clock.currentTimeMillis
        const said = meaning(response, now, max_retry_after_seconds)
        if (said._tag === "Body") {
          if (target.candidate.kind === "landing" && isPage(response)) {
            const read = yield* readPage(response, url, target.artifact, target.candidate, settings)
            return read._tag === "LeadsTo"
              ? ({ _tag: "Redirect", to: yield* redirectTarget(read.url, url) } satisfies Answer)
              : ({ _tag: "Page", candidates: read.candidates } satisfies Answer)
          }
          const answer = yield* content(target, url, response, parts)
          const endedAt = yield* Clock.currentTimeMillis
          yield* Metric.update(Telemetry.fetchDuration, (endedAt - startedAt) / 1000)
          return answer
        }
        yield* response.discard
        if (said._tag === "Redirect") {
          return { _tag: "Redirect", to: yield* redirectTarget(said.location, url) } satisfies Answer
        }
        return yield* said._tag === "Wait"
          ? Effect.flatMap(withJitter(said.until), (until) => new HostWaits({ ...only(said), until }))
          : Effect.fail(
              said._tag === "Retry"
                ? new FetchFailure({ class: "retry", ...only(said), notBefore: said.notBefore })
                : new FetchFailure({ class: "try-next", ...only(said) })
            )
      }).pipe(Effect.scoped, limiter.withPermit(hostLane(url)))

    const follow = <E>(target: Target, from: Position, enter: Enter<E>) =>
      Effect.gen(function* () {
        const parts = yield* Effect.scope
        const visited = new Set<string>()
        let position = from
        for (;;) {
          const { hop, url } = position
          visited.add(url)
          const answer = yield* once(target, url, parts).pipe(Effect.catchTag("HostWaits", Effect.succeed))
          if (answer._tag === "HostWaits") return Fetched.Held({ waits: answer, hop })
          if (answer._tag === "Page") return Fetched.Opened({ candidates: answer.candidates })
          if (answer._tag === "Content") return yield* keep(target, position, answer)
          const next: Hop = { url: answer.to, count: (hop?.count ?? 0) + 1, from: url }
          if (next.count > max_redirects) {
            const message = `more than ${max_redirects} redirects (http.max_redirects)`
            return yield* new FetchFailure({ class: "try-next", reason: "too-many-redirects", message })
          }
          if (visited.has(next.url)) {
            const message = "its redirects lead in a circle"
            return yield* new FetchFailure({ class: "try-next", reason: "redirect-loop", message })
          }
          if (hostLane(next.url) !== hostLane(url) && !(yield* enter(hostLane(next.url), next))) {
            return Fetched.Moved()
          }
          position = { url: next.url, hop: next }
        }
      }).pipe(Effect.scoped)

    return Effect.fn("Fetch")(function* <E>(target: Target, enter: Enter<E>) {
      const own: Position = { url: yield* ownUrl(target.candidate), hop: undefined }
      const { hop } = target
      if (hop === undefined) return yield* follow(target, own, enter)
      return yield* follow(target, { url: hop.url, hop }, enter).pipe(
        // A redirect's target may be good for minutes only, and the job has waited since.
        Effect.catchIf(
          (error) => isStale(error),
          () =>
            Effect.flatMap(enter(hostLane(own.url), undefined), (go) =>
              go ? follow(target, own, enter) : Effect.succeed(Fetched.Moved())
            )
        )
      )
    })
  })

const redirectTarget = (location: string, base: string): Either.Either<string, FetchFailure> =>
  Either.mapLeft(
    askedUrl(location, base),
    (what) =>
      new FetchFailure({ class: "try-next", reason: "bad-redirect", message: `a redirect to ${what}` })
  )

const ownUrl = ({ url }: Candidate): Either.Either<string, FetchFailure> =>
  Either.mapLeft(
    askedUrl(url),
    (what) => new FetchFailure({ class: "try-next", reason: "bad-url", message: `this is ${what}` })
  )

const only = ({ message, reason }: { readonly message: string; readonly reason: string }) => ({
  message,
  reason
})

const isStale = (error: unknown): boolean =>
  error instanceof FetchFailure && error.class === "try-next" && error.reason.startsWith("http-4")
