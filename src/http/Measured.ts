/** How long requests take, and how they end, by whom they are for. */
import { STATUS_CODES } from "node:http"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Cause from "effect/Cause"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Telemetry from "../Telemetry.ts"
import type { Response } from "./Http.ts"
import type { HttpError } from "./HttpError.ts"

const METHOD = "GET"

/** A code nobody knows is the first of its class (RFC 9110, 15); so a server can't make up series. */
export const knownStatus = (status: number): string =>
  STATUS_CODES[status] === undefined ? String(Math.floor(status / 100) * 100) : String(status)

/** Why an answer that had begun didn't come to its end. */
const reasonOf = (exit: Exit.Exit<unknown, unknown>): string => {
  const error = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.failureOption(exit.cause)) : undefined
  return typeof error === "object" && error !== null && "reason" in error && typeof error.reason === "string"
    ? error.reason
    : ""
}

/**
 * Measures a request for a resolver, or for `direct` or `robots`: to the head of its answer, and to the end of the scope
 * that the answer belongs to.
 */
export const measured =
  (resolver: string) =>
  <R>(request: Effect.Effect<Response, HttpError, R>): Effect.Effect<Response, HttpError, R | Scope.Scope> =>
    Effect.flatMap(Effect.clock, (clock) => {
      const sentAt = clock.unsafeCurrentTimeMillis()
      const seconds = () => (clock.unsafeCurrentTimeMillis() - sentAt) / 1000
      return request.pipe(
        Effect.tapError(({ reason }) =>
          Effect.sync(() => Telemetry.requestDuration.note(seconds(), METHOD, "", reason, resolver))
        ),
        Effect.tap(({ status }) => {
          const code = knownStatus(status)
          Telemetry.firstByteDuration.note(seconds(), resolver)
          const noted = (exit: Exit.Exit<unknown, unknown>) =>
            Effect.sync(() => {
              const error = status >= 400 ? code : reasonOf(exit)
              Telemetry.requestDuration.note(seconds(), METHOD, code, error, resolver)
            })
          // Straight to the scope: `Effect.addFinalizer` would keep the fiber's state for it, too.
          return Effect.flatMap(Effect.scope, (scope) => Scope.addFinalizerExit(scope, noted))
        })
      )
    })
