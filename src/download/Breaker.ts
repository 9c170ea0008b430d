/**
 * A circuit breaker for each host (Nygard, "Release It!", 2007): after several failures in a row it is asked nothing
 * for a while, then one request finds out whether it is back; the pause doubles each time it isn't.
 *
 * A failure is one of the host: no connection, a broken one, silence, 5xx, a page that checks for a human. Anything
 * else it answers, also that a file isn't there, shows that it works. What is counted is this process's own; the pause
 * itself is written to the host's lane by the first job that meets it, where it holds for all processes and after a
 * restart. No job's try is used up by it.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Telemetry from "../Telemetry.ts"
import { FetchFailure, HostWaits } from "./FetchFailure.ts"

/** The configuration's section `http`, as far as breakers need it. */
export interface BreakerSettings {
  /** Failures in a row that open it. 0: there is none. */
  readonly breaker_failures: number
  /** The first pause. */
  readonly breaker_pause_seconds: number
}

/** The breakers of a process, by lane. */
export interface Breaker {
  /** Runs a request to the lane's host, or fails with how long the host has to be left alone. */
  readonly guard: (
    lane: string
  ) => <A, E, R>(request: Effect.Effect<A, E, R>) => Effect.Effect<A, E | HostWaits, R>
  /** Forgets all hosts. */
  readonly close: Effect.Effect<void>
}

const LONGEST_PAUSE_MS = 3_600_000
/** Hosts that are remembered; those that failed first are forgotten first, and have to fail again. */
export const MOST_HOSTS = 10_000
/** While one request finds out, the others look again after this time. */
const TRIAL_MS = 1000
/** Up to a tenth more, so that hosts behind one broken server aren't all tried at once. */
const JITTER = 0.1

/** Failures that are the host's or of the way to it, whatever was asked for. */
const OF_HOST = new Set([
  "dns",
  "connect",
  "proxy",
  "reset",
  "truncated",
  "first-byte-timeout",
  "idle-timeout",
  "too-slow",
  "challenge",
  "robots-unreachable",
  "http-500",
  "http-502",
  "http-503",
  "http-504"
])
/** Failures that say nothing about it: no request came to the host. */
const OF_NOBODY = new Set([
  "host-not-found",
  "tls",
  "protocol",
  "proxy-refused",
  "address-refused",
  "too-many-open-files",
  "robots-disallowed"
])

/** What a failure says about the host. 520 to 530 are a proxy's words for a server that fails. */
export const verdictOf = (reason: string): "failed" | "answered" | "unknown" =>
  OF_HOST.has(reason) || /^http-5[23]\d$/.test(reason)
    ? "failed"
    : OF_NOBODY.has(reason)
      ? "unknown"
      : "answered"

interface State {
  /** In a row, before it opened. */
  failures: number
  /** Pauses so far; 0: closed. */
  pauses: number
  until: number
  /** A request is finding out. */
  trial: boolean
  last: string
}

/** Breakers, all closed. A host that works costs no memory. */
export const make = (settings: BreakerSettings): Breaker => {
  const states = new Map<string, State>()
  const { breaker_failures: threshold } = settings

  const forget = (lane: string) => {
    const state = states.get(lane)
    if (state !== undefined && state.pauses > 0) Telemetry.openBreakers.note(-1)
    states.delete(lane)
  }

  const open = (state: State, now: number) =>
    Effect.map(Random.next, (draw) => {
      const pause = Math.min(LONGEST_PAUSE_MS, settings.breaker_pause_seconds * 1000 * 2 ** state.pauses)
      if (state.pauses === 0) Telemetry.openBreakers.note(1)
      Telemetry.breakerOpenings.note(1)
      state.pauses += 1
      state.until = Math.ceil(now + pause * (1 + JITTER * draw))
      state.trial = false
    })

  const failed = (lane: string, reason: string, trial: boolean) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const state = states.get(lane) ?? { failures: 0, pauses: 0, until: 0, trial: false, last: reason }
      states.set(lane, state)
      const oldest = states.size > MOST_HOSTS ? states.keys().next().value : undefined
      if (oldest !== undefined) forget(oldest)
      state.last = reason
      if (trial) return open(state, now)
      // What was under way when it opened changes nothing.
      if (state.pauses > 0) return Effect.void
      state.failures += 1
      return state.failures >= threshold ? open(state, now) : Effect.void
    })

  const waits = (state: State, until: number) =>
    new HostWaits({
      reason: "breaker-open",
      message: `the host failed again and again, at last with ${state.last}; it is left alone for a while`,
      until
    })

  /** Counts what a request ends with. */
  const counted = <A, E, R>(lane: string, trial: boolean, request: Effect.Effect<A, E, R>) =>
    Effect.matchCauseEffect(request, {
      onSuccess: (value) => {
        forget(lane)
        return Effect.succeed(value)
      },
      onFailure: (cause) => {
        const error = Option.getOrUndefined(Cause.failureOption(cause))
        // A host that asks to wait, or a disk that is full, says nothing about it.
        const verdict = error instanceof FetchFailure ? verdictOf(error.reason) : "unknown"
        if (verdict === "answered") forget(lane)
        return error instanceof FetchFailure && verdict === "failed"
          ? Effect.zipRight(failed(lane, error.reason, trial), Effect.failCause(cause))
          : Effect.failCause(cause)
      }
    })

  const guard: Breaker["guard"] =
    (lane) =>
    <A, E, R>(request: Effect.Effect<A, E, R>) =>
      Effect.suspend((): Effect.Effect<A, E | HostWaits, R> => {
        const state = states.get(lane)
        if (state === undefined || state.pauses === 0) return counted(lane, false, request)
        return Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          if (state.until > now) return yield* waits(state, state.until)
          if (state.trial) return yield* waits(state, now + TRIAL_MS)
          state.trial = true
          const trialOver = Effect.sync(() => {
            state.trial = false
          })
          return yield* Effect.ensuring(counted(lane, true, request), trialOver)
        })
      })

  const close = Effect.sync(() => {
    for (const lane of states.keys()) forget(lane)
  })

  return { guard: threshold === 0 ? () => (request) => request : guard, close }
}
