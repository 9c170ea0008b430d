/**
 * One request: sent when its host may be asked, read under the host's permit to the end of its body.
 *
 * What the host may bear is asked for first: its pace, then its breaker. Neither waits here; a host that has to wait is
 * an answer like any other.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type { Artifact } from "../Artifact.ts"
import type { Fatal, Retry } from "../Failure.ts"
import type { NamedBy } from "../http/Addresses.ts"
import { Http, type Response } from "../http/Http.ts"
import { HttpError } from "../http/HttpError.ts"
import { begin as measuring } from "../http/Measured.ts"
import { KeyedLimiter } from "../KeyedLimiter.ts"
import { hostLane } from "../Lane.ts"
import { type Answer, conditions, type Content, type Known, reading } from "./Answer.ts"
import * as Bandwidth from "./Bandwidth.ts"
import * as Breaker from "./Breaker.ts"
import type { FetchSettings, Target } from "./Fetch.ts"
import { type FetchFailure, fromHttp, type HostWaits } from "./FetchFailure.ts"
import * as HostPace from "./HostPace.ts"
import type { Parts } from "./Parts.ts"
import * as Permission from "./Permission.ts"
import { rangeHeaders } from "./Range.ts"
import { Storage } from "./Storage.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** Looks at a body that came in whole. */
export type Judge<A, E, R> = (content: Content) => Effect.Effect<A, E, R>

/**
 * Sends a request for a candidate, and has `judge` look at a body that came in whole: what it finds counts for or
 * against the host. The body becomes one of the parts.
 */
export type Ask = <A, E, R>(
  target: Target,
  parts: Parts,
  url: string,
  known: Known,
  judge: Judge<A, E, R>
) => Effect.Effect<Exclude<Answer, Content> | A, E | FetchFailure | HostWaits | Fatal | Retry, R>

// ---------------------------------------------------------------------------------------------------------------
// Requests
// ---------------------------------------------------------------------------------------------------------------

const headersFor = ({ beginning, cookie, previous }: Known): Readonly<Record<string, string>> | undefined => {
  const own =
    beginning !== undefined
      ? rangeHeaders(beginning)
      : previous === undefined
        ? undefined
        : conditions(previous)
  return cookie === undefined ? own : { ...own, cookie }
}

const toFetchFailure = <E>(error: E | HttpError): E | FetchFailure =>
  error instanceof HttpError ? fromHttp(error) : error

/** The list's own are its URLs, and all that is at the hosts that it names for the artifact, whatever leads there. */
const whoNamed = ({ urls }: Artifact, url: string): NamedBy => {
  const isNamed = (own: string) =>
    own === url || (URL.canParse(own) && new URL(own).hostname === new URL(url).hostname)
  return urls.some(isNamed) ? "list" : "server"
}

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
    const { max_bytes_per_second } = settings.http
    const bandwidth = max_bytes_per_second > 0 ? yield* Bandwidth.make(max_bytes_per_second) : undefined
    const breaker = Breaker.make(settings.http)
    yield* Effect.addFinalizer(() => breaker.close)
    const pace = settings.http.adaptive_pace ? HostPace.make() : HostPace.none
    const permitted = yield* Permission.make(http, limiter, settings)
    const read = reading(settings, storage, bandwidth, now)

    /** One request, under the host's permit until its connection is given back. */
    const once = (
      target: Target,
      parts: Parts,
      url: string,
      lane: string,
      known: Known,
      namedBy: NamedBy
    ): Effect.Effect<Answer, FetchFailure | HostWaits | Fatal | Retry> =>
      limiter.withPermit(lane)(
        Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(measuring(clock, target.candidate.resolver, url), (request) => {
            const under = pace.begin(lane, now())
            const sent = http.open(url, headersFor(known), namedBy)
            const answered = (response: Response) => {
              const answeredAt = now()
              request.answered(response.status)
              if (response.status === 429 || response.status === 503) under.refused(answeredAt)
              else under.firstByte(answeredAt)
              return restore(read(target, parts, url, known, response, answeredAt))
            }
            /** The connection is given back first: what follows may ask the same host. */
            const over = (exit: Exit.Exit<Answer, FetchFailure | HostWaits | Fatal | Retry>) =>
              Effect.flatMap(sent.close, () => {
                under.end()
                request.end(exit)
                return exit
              })
            // Not in a scope: one would cost a small file more than its body.
            return Effect.matchCauseEffect(Effect.flatMap(restore(sent.answer), answered), {
              onFailure: (cause) => over(Exit.failCause(Cause.map(cause, toFetchFailure))),
              onSuccess: (answer) => over(Exit.succeed(answer))
            })
          })
        )
      )

    return <A, E, R>(target: Target, parts: Parts, url: string, known: Known, judge: Judge<A, E, R>) =>
      Effect.suspend(
        (): Effect.Effect<Exclude<Answer, Content> | A, E | FetchFailure | HostWaits | Fatal | Retry, R> => {
          const lane = hostLane(url)
          const slowed = pace.start(lane, now())
          if (slowed !== undefined) return Effect.fail(slowed)
          const namedBy = whoNamed(target.artifact, url)
          return breaker.guard(lane)(
            Effect.flatMap(
              Effect.zipRight(permitted(url, namedBy), once(target, parts, url, lane, known, namedBy)),
              (answer) =>
                answer._tag === "Content"
                  ? judge(answer)
                  : Effect.succeed<Exclude<Answer, Content> | A>(answer)
            )
          )
        }
      )
  })
