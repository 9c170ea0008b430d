/**
 * How telemetry gets to its receiver: bounded in time and in number, and never at the run's expense. That a receiver
 * can't be had is said once. What is under way when the run ends is waited for, briefly: two seconds for all.
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { redact } from "../Redact.ts"
import type { Target } from "./Variables.ts"

/** Requests at once. What a slow receiver leaves over is dropped, or it would fill the memory. */
const MOST = 4

/** How long everything that is sent at the end of a run may take. */
const END_MS = 1500

/** What each signal has of it at least, when another one took it all. */
const LEAST_MS = 500

/** The time there is at the end of a run: one for all of its signals, so that they don't add up. */
export interface Ending {
  /** The end has come. */
  readonly begin: Effect.Effect<void>
  /** What is left of the time, in milliseconds; before the end as much as one likes. */
  readonly left: Effect.Effect<number>
}

/** An end that hasn't come yet. */
export const makeEnding = (): Ending => {
  let until = Number.POSITIVE_INFINITY
  return {
    begin: Effect.map(Clock.currentTimeMillis, (now) => {
      until = Math.max(Math.min(until, now + END_MS), now + LEAST_MS)
    }),
    left: Effect.map(Clock.currentTimeMillis, (now) => Math.max(0, until - now))
  }
}

/** The address without what may be a key. */
const shownUrl = (url: string): string => {
  const { host, pathname, protocol } = new URL(url)
  return redact(`${protocol}//${host}${pathname}`)
}

const why = (error: unknown): string => {
  if (!(error instanceof HttpClientError.RequestError)) return String(error)
  const { cause } = error
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  if (!(inner instanceof Error)) return error.description ?? error.reason
  return "code" in inner ? String(inner.code) : inner.message
}

/** A failure that the library doesn't try again: it drops what it has and comes back in a while. */
const final = (request: HttpClientRequest.HttpClientRequest, description: string) =>
  new HttpClientError.RequestError({ request, reason: "InvalidUrl", description })

/** How something is sent to a target. */
export interface Delivery {
  readonly client: HttpClient.HttpClient
  /** From now on nothing is tried again: the run waits for it. */
  readonly closing: Effect.Effect<void>
}

/** Sends to the target until the scope ends, and what is under way then while there is time left for it. */
export const make = (
  target: Target,
  what: string,
  ending: Ending
): Effect.Effect<Delivery, never, Scope.Scope> =>
  Effect.gen(function* () {
    const client = yield* HttpClient.HttpClient
    const underWay = new Set<Fiber.RuntimeFiber<unknown, unknown>>()
    let said = false
    let isClosing = false

    const trouble = (message: string) =>
      Effect.suspend(() => {
        if (said) return Effect.void
        said = true
        return Effect.logWarning(
          `${what} can't be sent to ${shownUrl(target.url)}: ${message}; the run goes on without`
        ).pipe(
          // Those of the library, in whose fibers this may be found out.
          Effect.locally(FiberRef.currentLogAnnotations, HashMap.empty())
        )
      })

    /** One try, to the end of the answer. */
    const once = (
      request: HttpClientRequest.HttpClientRequest,
      send: Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>
    ) =>
      Effect.flatMap(ending.left, (left) => {
        const within = Math.min(target.timeoutMs, left)
        return Effect.timeoutFail(
          // Read to its end, or the connection serves no further request.
          Effect.tap(send, (response) => response.arrayBuffer),
          {
            duration: within,
            onTimeout: () =>
              new HttpClientError.RequestError({
                request,
                reason: "Transport",
                description: `no answer within ${within} ms`
              })
          }
        )
      }).pipe(
        Effect.tapError((error) => trouble(why(error))),
        Effect.tap(({ status }) => (status >= 400 ? trouble(`it answers HTTP ${status}`) : Effect.void)),
        Effect.filterOrFail(
          ({ status }) => status < 400 || !isClosing,
          ({ status }) => final(request, `HTTP ${status}`)
        ),
        Effect.mapError((error) => (isClosing ? final(request, error.message) : error))
      )

    yield* Effect.addFinalizer(() =>
      Effect.gen(function* () {
        const all = Effect.forEach([...underWay], Fiber.await, { concurrency: "unbounded" })
        const over = yield* Effect.timeoutOption(Effect.interruptible(all), yield* ending.left)
        if (Option.isSome(over)) return
        yield* trouble("no answer before the end of the run")
        yield* Fiber.interruptAll([...underWay])
      })
    )

    const bounded = HttpClient.transform(client, (send, request) =>
      Effect.suspend(() => {
        if (underWay.size >= MOST) {
          const description = "too much is under way"
          return Effect.zipRight(trouble(description), Effect.fail(final(request, description)))
        }
        // A fiber of its own: who waits for it may be gone at the end of the run, when it isn't.
        return Effect.flatMap(Effect.forkDaemon(once(request, send)), (fiber) => {
          underWay.add(fiber)
          fiber.addObserver(() => void underWay.delete(fiber))
          return Fiber.join(fiber)
        })
      })
    )
    return {
      client: bounded,
      closing: Effect.suspend(() => {
        isClosing = true
        return ending.begin
      })
    }
  }).pipe(
    Effect.provide(FetchHttpClient.layer),
    // Credentials go to whom they are for.
    Effect.provideService(FetchHttpClient.RequestInit, { redirect: "error" })
  )
