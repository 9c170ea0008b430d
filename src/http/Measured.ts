/**
 * How long requests take and how they end, by whom they are for: as metrics, and in a job that is traced as spans by
 * OpenTelemetry's conventions for HTTP clients.
 */
import { STATUS_CODES } from "node:http"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Span from "../telemetry/Span.ts"
import * as Telemetry from "../Telemetry.ts"
import type { Response } from "./Http.ts"
import type { HttpError } from "./HttpError.ts"

const METHOD = "GET"

/** A code nobody knows is the first of its class (RFC 9110, 15); so a server can't make up series. */
export const knownStatus = (status: number): string =>
  STATUS_CODES[status] === undefined ? String(Math.floor(status / 100) * 100) : String(status)

const PORTS: Readonly<Record<string, number>> = { "http:": 80, "https:": 443 }

/** What a span says of a request. The values of a query may be keys, and so may what stands before a host. */
export const attributesOf = (url: string): Telemetry.Attributes => {
  if (!URL.canParse(url)) return { "http.request.method": METHOD }
  const { hostname, origin, pathname, port, protocol, searchParams } = new URL(url)
  const query = [...searchParams.keys()].map((name) => `${encodeURIComponent(name)}=REDACTED`).join("&")
  return {
    "http.request.method": METHOD,
    "server.address": hostname,
    "server.port": port === "" ? (PORTS[protocol] ?? 0) : Number(port),
    "url.full": `${origin}${pathname}${query === "" ? "" : `?${query}`}`
  }
}

/** A request under way. */
export interface Measuring {
  readonly answered: (status: number) => void
  /** It is over, to the end of its body. */
  readonly end: (exit: Exit.Exit<unknown, unknown>) => void
}

/** Begins to measure a request for a resolver, or for `direct` or `robots`, that is sent now. */
export const begin = (clock: Clock.Clock, resolver: string, url: string): Effect.Effect<Measuring> => {
  const sentAt = clock.unsafeCurrentTimeMillis()
  const seconds = () => (clock.unsafeCurrentTimeMillis() - sentAt) / 1000
  return Effect.map(
    Span.open(METHOD, "client", () => attributesOf(url)),
    (span) => {
      /** Of the answer, once its head is there. */
      let status: number | undefined
      return {
        answered: (told) => {
          status = told
          Telemetry.firstByteDuration.note(seconds(), resolver)
        },
        end: (exit) => {
          const code = status === undefined ? "" : knownStatus(status)
          const refused = status !== undefined && status >= 400
          const reason = refused ? code : Exit.isFailure(exit) ? (Span.reasonOf(exit.cause) ?? "") : ""
          // Interrupted before there was an answer: it came to no end that says anything.
          if (code !== "" || reason !== "") {
            Telemetry.requestDuration.note(seconds(), METHOD, code, reason, resolver)
          }
          if (span === undefined) return
          if (status !== undefined) span.attribute("http.response.status_code", status)
          if (reason !== "") span.attribute("error.type", reason)
          const ending = refused ? Span.failed(code, STATUS_CODES[code] ?? code) : exit
          span.end(clock.unsafeCurrentTimeNanos(), ending)
        }
      }
    }
  )
}

/** Measures a request to the head of its answer, and to the end of the scope that the answer belongs to. */
export const measured =
  (resolver: string, url: string) =>
  <R>(request: Effect.Effect<Response, HttpError, R>): Effect.Effect<Response, HttpError, R | Scope.Scope> =>
    Effect.flatMap(
      Effect.clockWith((clock) => begin(clock, resolver, url)),
      ({ answered, end }) =>
        Effect.zipRight(
          Effect.addFinalizer((exit) => Effect.sync(() => end(exit))),
          Effect.tap(request, ({ status }) => Effect.sync(() => answered(status)))
        )
    )
