/**
 * What a host that asks to wait gets: its lane waits, longer each time it refuses again. A file that it refuses again and
 * again waits by itself, so that the others of its lane, and the other candidates of its job, have their turn.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Refusals from "../http/Refusals.ts"
import { hostLane } from "../Lane.ts"
import { FetchFailure, HostWaits } from "./FetchFailure.ts"
import { type Meaning, SHORTEST_WAIT_MS } from "./Status.ts"

/** A request for a file that was refused: the artifact's id and the URL that was asked for. */
export interface Refused {
  readonly id: string
  readonly url: string
  readonly status: number
}

/** The waits of a process. */
export interface Waiting {
  /** The wait for an answer that asks for one. */
  readonly wait: (
    refused: Refused,
    said: Extract<Meaning, { readonly _tag: "Wait" }>
  ) => Effect.Effect<HostWaits>
  /** The host of this URL has answered. */
  readonly answered: (url: string) => void
}

/** The refusal in a row, each after its wait, of one file or of all its host's, at which a file is set aside. */
const ASIDE_AT = 3
/** The one at which a host that forbids is taken at its word: who means the rate says so by another status. */
const FORBIDDEN_AT = 2

/** No host has refused. `now`: the time in milliseconds. */
export const make = (
  settings: {
    readonly http: { readonly refusal_wait_seconds: number }
    readonly orchestrator: { readonly jitter_seconds: number }
  },
  now: () => number
): Waiting => {
  const firstMs = settings.http.refusal_wait_seconds * 1000
  const hosts = Refusals.make()
  const files = Refusals.make()

  /** What was asked for, and a little more, so that those who wait don't all come back at once. */
  const withJitter = (until: number) =>
    Effect.map(Random.next, (draw) => {
      const most = Math.min((until - now()) / 10, settings.orchestrator.jitter_seconds * 1000)
      return Math.ceil(until + draw * Math.max(0, most))
    })

  /** What it means for the file, beyond that its host waits: by its row, and a little longer. */
  const ofFile = (
    { id, status, url }: Refused,
    { message, reason }: { readonly message: string; readonly reason: string },
    host: Refusals.Row,
    until: number
  ): FetchFailure | undefined => {
    const file = `${status} ${id} ${url}`
    // Each time its host has waited, however long that was.
    const { count } = files.refused(file, now(), 0, host.until)
    if (status === 403) {
      if (count < FORBIDDEN_AT) return undefined
      files.answered(file)
      return new FetchFailure({ class: "try-next", reason, message })
    }
    if (Math.max(count, host.count) < ASIDE_AT) return undefined
    // As long again is for the others, and longer each time.
    const ms = Math.min(Refusals.LONGEST_WAIT_MS, (until - now()) * 2 ** Math.max(0, count - ASIDE_AT))
    return new FetchFailure({ class: "wait", reason, message, notBefore: Math.ceil(until + ms) })
  }

  return {
    wait: (refused, said) => {
      const { message, reason } = said
      const lane = hostLane(refused.url)
      const ownMs = said.until === undefined ? firstMs : Math.max(SHORTEST_WAIT_MS, said.until - now())
      const host = hosts.refused(lane, now(), ownMs, said.until)
      return Effect.map(withJitter(host.until), (until) => {
        const over = ofFile(refused, said, host, until)
        // That was an answer.
        if (over?.class === "try-next") hosts.answered(lane)
        return new HostWaits({ reason, message, until, over })
      })
    },
    answered: (url) => hosts.answered(hostLane(url))
  }
}
