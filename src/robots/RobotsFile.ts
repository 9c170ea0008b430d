/**
 * The robots.txt of an origin, fetched over its redirects, from the cache where it is kept.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { NamedBy } from "../http/Addresses.ts"
import type { HttpService } from "../http/Http.ts"
import { readStart } from "../http/Start.ts"
import * as HttpCache from "../http/HttpCache.ts"
import { HttpError } from "../http/HttpError.ts"
import { measured } from "../http/Measured.ts"
import * as RetryAfter from "../http/RetryAfter.ts"
import { type Rules, rulesOf } from "./Rules.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** Sends under the permit of the URL's host. */
export type Permit = (url: string) => <A, E, R>(request: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** What an origin says, or why it can't be had. `length`: of its text; `waits`: it asks to be left alone, maybe for so long. */
export type File =
  | { readonly rules: Rules; readonly length: number }
  | { readonly unreachable: string; readonly waits: boolean; readonly notBefore?: number }

/** What was found for an origin, how old it is, and whether somebody was asked for it just now. */
export interface Fetched {
  readonly file: File
  readonly ageMs: number
  readonly asked: boolean
}

/** How long a file counts. */
export const FRESH_MS = 24 * 3_600_000

// ---------------------------------------------------------------------------------------------------------------
// Fetching
// ---------------------------------------------------------------------------------------------------------------

/** How long its requests may take together. */
const MOST_MS = 60_000
const MOST_BYTES = 500 * 1024
const MOST_REDIRECTS = 5

/** Failures that the request for the file itself will meet and report better. */
const TELLS_ITSELF = new Set<HttpError["reason"]>(["host-not-found", "tls", "protocol", "address-refused"])

const EVERYTHING: File = { rules: rulesOf("", ""), length: 0 }

/** A cut line could allow or refuse more than the whole one. */
const wholeLines = (text: string) => text.slice(0, text.lastIndexOf("\n") + 1)

const HEADERS = { accept: "text/plain, */*;q=0.1" }

/** One answer on the way to a file: the file, or where it is. */
const meaning = Effect.fnUntraced(function* (
  url: string,
  { header, status, text }: HttpCache.Text,
  agent: string
) {
  const location = header("location")
  if (status >= 300 && status < 400 && location !== undefined && URL.canParse(location, url)) {
    const to = new URL(location, url)
    return /^https?:$/.test(to.protocol) ? to.href : EVERYTHING
  }
  if (status >= 200 && status < 300) {
    return { rules: rulesOf(text, agent), length: text.length } satisfies File
  }
  if (status < 500 && status !== 429) return EVERYTHING
  const now = yield* Clock.currentTimeMillis
  const notBefore = RetryAfter.hint(header, now, FRESH_MS / 1000)
  return {
    unreachable: `its robots.txt answers HTTP ${status}`,
    waits: status === 429 || Option.isSome(notBefore),
    ...(Option.isSome(notBefore) ? { notBefore: notBefore.value } : {})
  } satisfies File
})

/** The file of an origin, over its redirects. */
export const fetchFile = (
  http: HttpService,
  {
    agent,
    cache,
    permit
  }: { readonly agent: string; readonly cache: HttpCache.HttpCache; readonly permit: Permit },
  origin: string,
  namedBy: NamedBy
): Effect.Effect<Fetched> => {
  /** Waiting for a host's permit doesn't count into the time. */
  let leftMs = MOST_MS
  const request = (url: string, headers: Readonly<Record<string, string>>, who: NamedBy) =>
    Effect.gen(function* () {
      const response = yield* http.get(url, headers, who).pipe(measured("robots", url))
      const { header, status } = response
      if (status < 200 || status >= 300) {
        yield* response.discard
        return { header, status, text: "" }
      }
      const { text, whole } = yield* readStart(response, MOST_BYTES)
      return { header, status, text: whole ? text : wholeLines(text) }
    }).pipe(
      Effect.scoped,
      (sent) =>
        Effect.suspend(() =>
          Effect.timeoutFail(sent, {
            duration: Math.max(1, leftMs),
            onTimeout: () =>
              new HttpError({ reason: "idle-timeout", message: `it took longer than ${MOST_MS / 1000} s` })
          })
        ),
      Effect.timed,
      Effect.map(([spent, answer]) => {
        leftMs -= Duration.toMillis(spent)
        return answer
      }),
      permit(url)
    )

  const from = (
    url: string,
    hops: number,
    before: Omit<Fetched, "file">
  ): Effect.Effect<Fetched, HttpError> =>
    Effect.gen(function* () {
      // So many redirects mean that there is none.
      if (hops > MOST_REDIRECTS) return { ...before, file: EVERYTHING }
      const entry = yield* cache.entry({ url, headers: HEADERS })
      const known = entry.fresh !== undefined && entry.fresh.ageMs < FRESH_MS ? entry.fresh : undefined
      // The origin was named by whoever wants a file of it; where it leads is its own word.
      const who = hops === 0 ? namedBy : "server"
      const settled =
        known ??
        (yield* HttpCache.send(entry, (conditions) => request(url, { ...HEADERS, ...conditions }, who)))
      if ("keep" in settled) yield* settled.keep
      const found = yield* meaning(url, "keep" in settled ? settled.answer : settled, agent)
      const now = {
        ageMs: Math.max(before.ageMs, known?.ageMs ?? 0),
        asked: before.asked || known === undefined
      }
      return typeof found === "string" ? yield* from(found, hops + 1, now) : { ...now, file: found }
    })

  return from(`${origin}/robots.txt`, 0, { ageMs: 0, asked: false }).pipe(
    Effect.catchAll((error) =>
      Effect.succeed<Fetched>({
        file: TELLS_ITSELF.has(error.reason)
          ? EVERYTHING
          : { unreachable: `its robots.txt can't be had: ${error.message}`, waits: false },
        ageMs: 0,
        asked: true
      })
    )
  )
}
