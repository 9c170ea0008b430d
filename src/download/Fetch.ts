/**
 * One candidate: from its URL over its redirects to a stored file, or to a failure that says what happens next.
 *
 * A host's permit is held exactly while a connection to it is in use, never while waiting for another host. A redirect
 * asks for a start in its host's lane first, also where that is the same host. Credentials in URLs are never sent.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Artifact } from "../Artifact.ts"
import type { Fatal, Retry } from "../Failure.ts"
import type { KeyedLimiter } from "../KeyedLimiter.ts"
import { hostLane } from "../Lane.ts"
import type { Candidate } from "../resolver/Candidate.ts"
import { PdfReader } from "../pdf/PdfReader.ts"
import type { Preferences } from "../resolver/Ranking.ts"
import type { RobotsSettings } from "../robots/Robots.ts"
import type { Known } from "./Answer.ts"
import type { BreakerSettings } from "./Breaker.ts"
import * as Cookies from "../http/Cookies.ts"
import { FetchFailure, type HostWaits } from "./FetchFailure.ts"
import type { InspectSettings } from "./Inspect.ts"
import type { Http, HttpSettings } from "../http/Http.ts"
import type { CacheSettings } from "../http/HttpCache.ts"
import { keep } from "./Keeping.ts"
import type { Receipt } from "./Manifest.ts"
import * as Parts from "./Parts.ts"
import type { Hop } from "./Plan.ts"
import * as Request from "./Request.ts"
import { askedUrl } from "./Route.ts"
import { type Owner, Storage } from "./Storage.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** The configuration's sections, as far as fetching needs them. */
export interface FetchSettings {
  readonly http: HttpSettings &
    BreakerSettings & {
      readonly min_bytes_per_second: number
      readonly min_rate_window_seconds: number
      readonly max_redirects: number
      readonly max_retry_after_seconds: number
      readonly refusal_wait_seconds: number
      /** Of all downloads of this process together. 0: no limit. */
      readonly max_bytes_per_second: number
      readonly adaptive_pace: boolean
      readonly cache: CacheSettings
    }
  readonly robots: RobotsSettings
  readonly download: InspectSettings & { readonly max_bytes: number; readonly kinds: Preferences["kinds"] }
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
  /** The file an earlier download ended with: it is taken again only if it has changed. */
  readonly previous?: Receipt | undefined
}

/** Asks for a further start in the lane of the host the candidate goes on at. False: the job waits there, nothing is left to do. */
export type Enter<E> = (lane: string, hop: Hop | undefined) => Effect.Effect<boolean, E>

/**
 * `Held`: the host has to wait; the candidate goes on from `hop` later. `Later`: the candidate alone goes on from `hop`,
 * when it is `until`, in milliseconds since the epoch.
 */
export type Fetched = Data.TaggedEnum<{
  Stored: { readonly receipt: Receipt }
  /** The file of `previous` is what the server has, and still there. */
  Unmodified: { readonly receipt: Receipt }
  Moved: {}
  /** A page about the work: what it names, best first. */
  Opened: { readonly candidates: ReadonlyArray<Candidate> }
  Held: { readonly waits: HostWaits; readonly hop: Hop | undefined }
  Later: { readonly hop: Hop; readonly until: number }
}>
/** The constructors of `Fetched`. */
export const Fetched = Data.taggedEnum<Fetched>()

/** Fetches a candidate whose lane (that of the hop, if there is one) the job is in. */
export type Fetch = <E>(
  target: Target,
  enter: Enter<E>
) => Effect.Effect<Fetched, E | FetchFailure | Fatal | Retry>

/** Where the candidate stands. */
export interface Position {
  readonly url: string
  readonly hop: Hop | undefined
}

// ---------------------------------------------------------------------------------------------------------------
// Constructor
// ---------------------------------------------------------------------------------------------------------------

/** Fetching by these settings. */
export const make = (
  settings: FetchSettings
): Effect.Effect<Fetch, never, Http | Storage | KeyedLimiter | PdfReader | Scope.Scope> =>
  Effect.gen(function* () {
    const storage = yield* Storage
    const reader = yield* PdfReader
    const ask = yield* Request.make(settings)
    const clock = yield* Effect.clock
    const now = () => clock.unsafeCurrentTimeMillis()
    const { max_redirects } = settings.http

    /** What to go on with or to compare with at this URL, which decides what is asked for. */
    const known = (
      { candidate, owner, previous }: Target,
      parts: Parts.Parts,
      url: string,
      anew: boolean
    ): Effect.Effect<Known, Fatal | Retry> => {
      if (anew) return Effect.succeed({})
      const resumed = storage.resume(parts, owner, url, { md5: candidate.md5 !== undefined })
      return Effect.flatMap(resumed, (beginning): Effect.Effect<Known, Fatal | Retry> => {
        if (Option.isSome(beginning)) return Effect.succeed({ beginning: beginning.value })
        if (previous === undefined || previous.final_url !== url) return Effect.succeed({})
        return Effect.map(storage.examine(previous), (found) => (found === "whole" ? { previous } : {}))
      })
    }

    const cookieFor = (hop: Hop | undefined, url: string) =>
      hop?.cookies === undefined ? undefined : Cookies.headerFor(hop.cookies, url, now())

    // Made once: a generator of each fetch's own leaves a hidden class in the old space, with all that it sees.
    const followWith = Effect.fnUntraced(function* <E>(
      parts: Parts.Parts,
      target: Target,
      from: Position,
      enter: Enter<E>
    ) {
      /** What was asked for, and with what a host had set: with something else there it may answer otherwise. */
      const visited = new Set<string>()
      let position = from
      /** Nothing of earlier tries is of use at this position. */
      let anew = false
      for (;;) {
        const { hop, url } = position
        const cookie = cookieFor(hop, url)
        visited.add(visit(url, cookie))
        const found = yield* known(target, parts, url, anew)
        const before = cookie === undefined ? found : { ...found, cookie }
        const at = position
        const answer = yield* ask(target, parts, url, before, (content) => {
          const kept = keep(target, at, content, reader, settings.download)
          if (before.beginning === undefined) return kept
          // What two tries brought together isn't judged, but fetched in one.
          return Effect.catchTag(kept, "FetchFailure", () => Effect.succeed({ _tag: "Anew" as const }))
        }).pipe(Effect.catchTag("HostWaits", Effect.succeed))
        if (answer._tag === "Stored") return answer
        if (answer._tag === "HostWaits") return Fetched.Held({ waits: answer, hop })
        if (answer._tag === "Page") return Fetched.Opened({ candidates: answer.candidates })
        if (answer._tag === "Unmodified") return Fetched.Unmodified({ receipt: answer.receipt })
        // Each request is a start in its host's lane, so that the lane's pace counts for all that the server sees.
        if (answer._tag === "Anew") {
          if (before.beginning !== undefined) yield* before.beginning.discard
          anew = true
          if (!(yield* enter(hostLane(url), hop))) return Fetched.Moved()
          continue
        }
        const cookies =
          answer.cookies.length === 0
            ? hop?.cookies
            : Cookies.taken(hop?.cookies ?? [], answer.cookies, url, now())
        const next: Hop = {
          url: answer.to,
          count: (hop?.count ?? 0) + 1,
          from: url,
          ...(hop?.restarts === undefined ? {} : { restarts: hop.restarts }),
          ...(cookies === undefined || cookies.length === 0 ? {} : { cookies })
        }
        if (next.count > max_redirects) {
          const message = `more than ${max_redirects} redirects (http.max_redirects)`
          return yield* new FetchFailure({ class: "try-next", reason: "too-many-redirects", message })
        }
        if (visited.has(visit(next.url, cookieFor(next, next.url)))) {
          const message = "its redirects lead in a circle"
          return yield* new FetchFailure({ class: "try-next", reason: "redirect-loop", message })
        }
        if (answer.notBefore !== undefined) return Fetched.Later({ hop: next, until: answer.notBefore })
        if (!(yield* enter(hostLane(next.url), next))) return Fetched.Moved()
        position = { url: next.url, hop: next }
        anew = false
      }
    })

    const follow = <E>(target: Target, from: Position, enter: Enter<E>) =>
      Parts.using((parts) => followWith(parts, target, from, enter))

    // No span: one for each file costs more than all the rest here.
    return <E>(target: Target, enter: Enter<E>) =>
      Effect.flatMap(ownUrl(target.candidate), (url) => {
        const own: Position = { url, hop: undefined }
        const { hop } = target
        if (hop === undefined) return follow(target, own, enter)
        const { restarts = 0 } = hop
        const anew: Hop = { url, count: 0, from: hop.from, restarts: restarts + 1 }
        return follow(target, { url: hop.url, hop }, enter).pipe(
          // A redirect's target may be good for minutes only, and the job has waited since.
          Effect.catchIf(
            (error) => restarts < MOST_RESTARTS && hop.url !== url && isStale(error),
            () =>
              Effect.flatMap(enter(hostLane(url), anew), (go) =>
                go ? follow(target, { url, hop: anew }, enter) : Effect.succeed(Fetched.Moved())
              )
          )
        )
      })
  })

const ownUrl = ({ url }: Candidate): Either.Either<string, FetchFailure> =>
  Either.mapLeft(
    askedUrl(url),
    (what) => new FetchFailure({ class: "try-next", reason: "bad-url", message: `this is ${what}` })
  )

const visit = (url: string, cookie: string | undefined): string =>
  cookie === undefined ? url : `${url}\n${cookie}`

/** Of one candidate: a target that is gone for good is told from one that was good for minutes. */
const MOST_RESTARTS = 2

const isStale = (error: unknown): boolean =>
  error instanceof FetchFailure && error.class === "try-next" && error.reason.startsWith("http-4")
