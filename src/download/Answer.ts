/**
 * What came in answer to a request: what it means, and its body as far as that is what was asked for.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Fatal, Retry } from "../Failure.ts"
import type { Response } from "../http/Http.ts"
import { peek } from "../http/Start.ts"
import type { Candidate } from "../resolver/Candidate.ts"
import type { Bandwidth } from "./Bandwidth.ts"
import { tooLarge, Watched } from "./Body.ts"
import type { FetchSettings, Target } from "./Fetch.ts"
import { FetchFailure, fromHttp, type HostWaits } from "./FetchFailure.ts"
import { isCheck, mayBeCheck } from "./HumanCheck.ts"
import { isPage, mayBeAbout, readPage } from "./LandingPage.ts"
import type { Receipt } from "./Manifest.ts"
import type { Parts } from "./Parts.ts"
import { watch } from "./Rate.ts"
import { identityOf, rest, wholeInRange } from "./Range.ts"
import { askedUrl } from "./Route.ts"
import { HEAD_BYTES, HTML, PDF, sniff } from "./Sniff.ts"
import { challenge, type Meaning, meaning } from "./Status.ts"
import type { Beginning, Part, StorageService } from "./Storage.ts"
import { expectation, type Expected } from "./Verify.ts"
import * as Waiting from "./Waiting.ts"

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
  | {
      readonly _tag: "Redirect"
      readonly to: string
      readonly cookies: ReadonlyArray<string>
      /** When it is to be followed, where that isn't at once. */
      readonly notBefore: number | undefined
    }
  | { readonly _tag: "Page"; readonly candidates: ReadonlyArray<Candidate> }
  | { readonly _tag: "Unmodified"; readonly receipt: Receipt }
  | { readonly _tag: "Anew" }
  | Content

/**
 * What is there already of the content at a URL: a beginning, or the whole of an earlier download. And what was set on the
 * way there, as a header has it.
 */
export interface Known {
  readonly beginning?: Beginning
  readonly previous?: Receipt
  readonly cookie?: string
}

/** Reads an answer that came at `answeredAt`, in milliseconds. Its body becomes one of the parts. */
export type Read = (
  target: Target,
  parts: Parts,
  url: string,
  known: Known,
  response: Response,
  answeredAt: number
) => Effect.Effect<Answer, FetchFailure | HostWaits | Fatal | Retry>

// ---------------------------------------------------------------------------------------------------------------
// Answers
// ---------------------------------------------------------------------------------------------------------------

/** `If-None-Match` goes before a date (RFC 9110, 13.1.3), so only one of them is sent. */
export const conditions = (receipt: Receipt): Readonly<Record<string, string>> | undefined =>
  receipt.etag !== undefined
    ? { "if-none-match": receipt.etag }
    : receipt.last_modified !== undefined
      ? { "if-modified-since": receipt.last_modified }
      : undefined

const redirectTarget = (location: string, base: string): Either.Either<string, FetchFailure> =>
  Either.mapLeft(
    askedUrl(location, base),
    (what) =>
      new FetchFailure({ class: "try-next", reason: "bad-redirect", message: `a redirect to ${what}` })
  )

const redirected = (location: string, base: string, response: Response, notBefore?: number) =>
  Either.map(redirectTarget(location, base), (to): Answer => ({
    _tag: "Redirect",
    to,
    cookies: response.headers("set-cookie"),
    notBefore
  }))

/** Refusals of the content, not of the range that was asked for. */
const OF_THE_CONTENT = new Set([401, 404, 410])

/** Whether a request for all of it may get what this one for a range of it was refused. */
const isOfTheRange = (status: number, said: Meaning): boolean =>
  said._tag === "TryNext" &&
  // Some take If-Range for the condition that 304 answers.
  (status === 304 || (status >= 400 && status < 500)) &&
  said.reason !== "challenge" &&
  !OF_THE_CONTENT.has(status)

/** Files that are remembered whose server failed when it was asked for the rest. */
const MOST_FAILED = 1000

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

/** Reading by these settings. `now`: the time in milliseconds. */
export const reading = (
  settings: FetchSettings,
  storage: StorageService,
  bandwidth: Bandwidth | undefined,
  now: () => number
): Read => {
  const { max_retry_after_seconds, min_bytes_per_second, min_rate_window_seconds } = settings.http
  const { max_bytes } = settings.download
  const rate = { minBytesPerSecond: min_bytes_per_second, rateWindowMs: min_rate_window_seconds * 1000 }
  const waiting = Waiting.make(settings, now)
  /** Files whose server failed when it was last asked for the rest. */
  const failedForRest = new Set<string>()

  /** Whether the server fails for the rest of a file, where it did so last time: then it may be the range. */
  const failsAgain = (file: string, fails: boolean): boolean => {
    const before = failedForRest.delete(file)
    if (!fails || before) return fails
    failedForRest.add(file)
    const [oldest] = failedForRest.size > MOST_FAILED ? failedForRest : []
    if (oldest !== undefined) failedForRest.delete(oldest)
    return false
  }

  /** Reads the body into one of the parts. `onto`: what it is the rest of, and the whole's length. */
  const content = (
    { artifact, candidate, owner }: Target,
    parts: Parts,
    url: string,
    response: Response,
    onto?: { readonly beginning: Beginning; readonly total: number }
  ): Effect.Effect<Answer, FetchFailure | Fatal | Retry> => {
    const total =
      onto?.total ?? (response.packed ? undefined : (response.contentLength ?? wholeInRange(response)))
    if (total !== undefined && total > max_bytes) return Effect.fail(tooLarge(total, max_bytes))
    const urls = candidate.url === url ? [url] : [candidate.url, url]
    const expected = expectation(artifact, candidate, urls, response.header("content-type"))
    const body = new Watched(response, {
      maxBytes: max_bytes,
      ...rate,
      expected,
      finalUrl: url,
      now,
      before: onto?.beginning,
      bandwidth
    })
    const received = storage.receive(parts, owner, body, {
      md5: expected.md5 !== undefined,
      expectedBytes: response.contentLength,
      identity: onto === undefined ? identityOf(url, response) : undefined,
      onto: onto?.beginning
    })
    return Effect.flatMap(received, (part) =>
      total !== undefined && part.bytes !== total
        ? Effect.fail(truncated(part.bytes, total))
        : Effect.succeed({
            _tag: "Content",
            part,
            expected,
            head: body.head(),
            tail: body.tail(),
            response
          })
    )
  }

  /** What an answer to a request for the rest, or for changes, is beyond what any answer is. `said`: what that is. */
  const partial = Effect.fnUntraced(function* (
    url: string,
    response: Response,
    target: Target,
    parts: Parts,
    known: Known,
    said: Meaning
  ) {
    const { beginning, previous } = known
    const { status } = response
    if (previous !== undefined && status === 304 && conditions(previous) !== undefined) {
      yield* response.discard
      return { _tag: "Unmodified", receipt: previous } satisfies Answer
    }
    if (beginning === undefined) return undefined
    const again = failsAgain(`${target.owner.id} ${url}`, said._tag === "Retry" && status === 500)
    if (status === 206) {
      const total = rest(response, beginning)
      if (typeof total === "number") {
        return yield* content(target, parts, url, response, { beginning, total })
      }
      yield* Effect.logDebug(
        `${url}: starting over, for the range that came is not what was asked for: ${total}`
      )
    } else if (!again && !isOfTheRange(status, said)) {
      // The whole comes: the content is another one, or the server has no ranges.
      if (status === 200 || status === 203) yield* beginning.discard
      return undefined
    }
    yield* response.discard
    return { _tag: "Anew" } satisfies Answer
  })

  /** What an answer without a body that is wanted means. */
  const refusal = Effect.fnUntraced(function* (
    target: Target,
    url: string,
    response: Response,
    told: Exclude<Meaning, { readonly _tag: "Body" }>
  ) {
    let said = told
    if (!mayBeCheck(response, told)) yield* response.discard
    else if (yield* isCheck(response, url)) said = challenge(response.status)
    if (said._tag === "Redirect") {
      return yield* redirected(said.location, url, response, said.notBefore)
    }
    return yield* said._tag === "Wait"
      ? Effect.flatten(waiting.wait({ id: target.owner.id, url, status: response.status }, said))
      : Effect.fail(
          said._tag === "Retry"
            ? new FetchFailure({ class: "retry", ...wordsOf(said), notBefore: said.notBefore })
            : new FetchFailure({ class: "try-next", ...wordsOf(said) })
        )
  })

  /** What is called a page may be the file itself. */
  const page = Effect.fnUntraced(function* (target: Target, parts: Parts, url: string, called: Response) {
    const { artifact, candidate } = target
    const { head, response } = yield* Effect.mapError(peek(watch(called, rate, now), HEAD_BYTES), fromHttp)
    const type = sniff(head)
    // A candidate that nobody has called a page is one only by its bytes.
    if (type === PDF || (candidate.kind !== "landing" && type !== HTML)) {
      return yield* content(target, parts, url, response)
    }
    const read = yield* readPage(response, url, artifact, candidate, settings)
    return read._tag === "LeadsTo"
      ? yield* redirected(read.url, url, response)
      : ({ _tag: "Page", candidates: read.candidates } satisfies Answer)
  })

  return (target, parts, url, known, response, answeredAt) => {
    const said: Meaning =
      wholeInRange(response) === undefined
        ? meaning(response, answeredAt, max_retry_after_seconds)
        : { _tag: "Body" }
    if (said._tag !== "Wait") waiting.answered(url)
    const whole = (): ReturnType<Read> => {
      if (said._tag !== "Body") return refusal(target, url, response, said)
      return isPage(response) && mayBeAbout(target, url, settings.download.kinds)
        ? page(target, parts, url, response)
        : content(target, parts, url, response)
    }
    return known.beginning === undefined && known.previous === undefined
      ? whole()
      : Effect.flatMap(partial(url, response, target, parts, known, said), (special) =>
          special === undefined ? whole() : Effect.succeed(special)
        )
  }
}
