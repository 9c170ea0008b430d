/**
 * Whether a host's robots.txt allows a request now, as what it means for the candidate and the lane.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { type HttpService, type HttpSettings, userAgent } from "../http/Http.ts"
import * as Robots from "../robots/Robots.ts"
import { FetchFailure, HostWaits } from "./FetchFailure.ts"

/** Asks before a request to `url`, whose host's lane is `lane`, is sent. */
export type Permitted = (url: string, lane: string) => Effect.Effect<void, FetchFailure | HostWaits>

/**
 * Permission by these settings. Who had to fetch the file has used up a start in the lane for it, and waits for
 * another. The pauses of a Crawl-delay are kept by each process for itself.
 */
export const make = (
  http: HttpService,
  settings: { readonly http: HttpSettings; readonly robots: Robots.RobotsSettings }
): Permitted => {
  if (!settings.robots.enabled) return () => Effect.void
  const robots = Robots.make(http, settings.robots, userAgent(settings.http))
  /** When the next start of a lane may be that has a Crawl-delay. */
  const startsAt = new Map<string, number>()

  return (url, lane) =>
    Effect.gen(function* () {
      const { fresh, verdict } = yield* robots(url)
      const { message } = verdict
      if (verdict._tag === "Disallowed") {
        return yield* new FetchFailure({ class: "try-next", reason: "robots-disallowed", message })
      }
      if (verdict._tag === "Unreachable") {
        const { until: notBefore } = verdict
        return yield* new FetchFailure({ class: "retry", reason: "robots-unreachable", message, notBefore })
      }
      const now = yield* Clock.currentTimeMillis
      const next = startsAt.get(lane) ?? 0
      const { crawlDelayMs } = verdict
      if (crawlDelayMs > 0 && (fresh || next <= now)) startsAt.set(lane, now + crawlDelayMs)
      if (fresh) {
        return yield* new HostWaits({ reason: "robots-txt", message, until: now + Math.max(1, crawlDelayMs) })
      }
      if (next > now) return yield* new HostWaits({ reason: "crawl-delay", message, until: next })
    })
}
