/**
 * Whether a host's robots.txt allows a request now, as what it means for the candidate and the lane.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { NamedBy } from "../http/Addresses.ts"
import { type HttpService, type HttpSettings, userAgent } from "../http/Http.ts"
import * as HttpCache from "../http/HttpCache.ts"
import type { KeyedLimiterService } from "../KeyedLimiter.ts"
import { hostLane } from "../Lane.ts"
import * as Robots from "../robots/Robots.ts"
import { FetchFailure, HostWaits } from "./FetchFailure.ts"

/** Asks before a request to `url` is sent. */
export type Permitted = (url: string, namedBy: NamedBy) => Effect.Effect<void, FetchFailure | HostWaits>

/** How much earlier than its lane's clock a request may seem to be: it was leased at its time. */
const TOLERANCE_MS = 100
/** Lanes whose next start is remembered; those first met go first. */
const MOST_LANES = 10_000

/**
 * Permission by these settings; robots.txt is fetched under its host's permit. Who had to fetch the file has used up a start in the lane for it, and waits for
 * another. A Crawl-delay becomes the lane's pace, for all processes; here it is seen to that a redirect within the host
 * waits for it, too.
 */
export const make = (
  http: HttpService,
  limiter: KeyedLimiterService,
  settings: {
    readonly http: HttpSettings & { readonly cache: HttpCache.CacheSettings }
    readonly robots: Robots.RobotsSettings
  }
): Effect.Effect<Permitted> =>
  settings.robots.enabled
    ? Effect.map(HttpCache.make(Robots.caching(settings.http)), (cache) =>
        over(
          Robots.make(http, settings.robots, {
            userAgent: userAgent(settings.http),
            permit: (url) => limiter.withPermit(hostLane(url)),
            cache
          }),
          settings.http.allow_private_hosts
        )
      )
    : Effect.succeed(() => Effect.void)

const over = (robots: Robots.Robots, anyMayBeNamed: boolean): Permitted => {
  /** When the next start of a lane may be that has a Crawl-delay. */
  const startsAt = new Map<string, number>()

  const startsNext = (lane: string, at: number) => {
    startsAt.delete(lane)
    startsAt.set(lane, at)
    const oldest = startsAt.size > MOST_LANES ? startsAt.keys().next().value : undefined
    if (oldest !== undefined) startsAt.delete(oldest)
  }

  const judged = (
    lane: string,
    { fresh, verdict }: Robots.Answer,
    now: number
  ): Effect.Effect<void, FetchFailure | HostWaits> => {
    const { message } = verdict
    if (verdict._tag === "Disallowed") {
      return Effect.fail(new FetchFailure({ class: "try-next", reason: "robots-disallowed", message }))
    }
    if (verdict._tag === "Unreachable") {
      const { until, waits } = verdict
      const reason = "robots-unreachable"
      const how = waits ? "wait" : "retry"
      const failed = new FetchFailure({ class: how, reason, message, notBefore: until })
      // Who was told tells the lane, and so all processes.
      return Effect.fail(fresh && waits ? new HostWaits({ reason, message, until, over: failed }) : failed)
    }
    const next = startsAt.get(lane) ?? 0
    const { crawlDelayMs } = verdict
    if (crawlDelayMs > 0 && (fresh || next - now <= TOLERANCE_MS)) startsNext(lane, now + crawlDelayMs)
    if (fresh) {
      const until = now + Math.max(1, crawlDelayMs)
      return Effect.fail(new HostWaits({ reason: "robots-txt", message, until, gapMs: crawlDelayMs }))
    }
    return next - now > TOLERANCE_MS
      ? Effect.fail(new HostWaits({ reason: "crawl-delay", message, until: next, gapMs: crawlDelayMs }))
      : Effect.void
  }

  return (url, namedBy) =>
    // Where nobody may name a private host, who named it makes no difference.
    Effect.flatMap(robots(url, anyMayBeNamed ? namedBy : "server"), (answer) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => judged(hostLane(url), answer, now))
    )
}
