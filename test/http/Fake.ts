/** Requests that answer when the test says so. */
import * as Effect from "effect/Effect"
import type { NamedBy } from "../../src/http/Addresses.ts"
import { type HttpService, type Response, scoped } from "../../src/http/Http.ts"
import { HttpError } from "../../src/http/HttpError.ts"

/** An answer with these headers, by names in lower case, and this text. */
export const answer = (status: number, text: string, headers: Record<string, string> = {}): Response => ({
  status,
  header: (name) => headers[name],
  headers: (name) => (headers[name] === undefined ? [] : [headers[name]]),
  contentLength: text.length,
  packed: false,
  body: (async function* () {
    yield await Promise.resolve(Buffer.from(text))
  })(),
  abort: () => undefined,
  bodyError: () => new HttpError({ reason: "reset", message: "reset" }),
  discard: Effect.void
})

/** Answers in the way of `reply`, and remembers who asked for what, and how. */
export const recording = (reply: (url: string, nth: number) => Effect.Effect<Response, HttpError>) => {
  const seen: Array<{
    readonly url: string
    readonly headers: Readonly<Record<string, string>>
    readonly namedBy: NamedBy | undefined
  }> = []
  const open: HttpService["open"] = (url, headers = {}, namedBy) => ({
    answer: Effect.suspend(() => {
      seen.push({ url, headers, namedBy })
      return reply(url, seen.length)
    }),
    close: Effect.void
  })
  const http: HttpService = { open, get: scoped(open) }
  return { http, seen }
}
