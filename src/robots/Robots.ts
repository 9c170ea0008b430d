/**
 * What hosts ask of programs like this one in their robots.txt (RFC 9309).
 *
 * The file is fetched once for an origin, however many jobs wait for it, and kept for at most a day. Without one (4xx)
 * everything is allowed; while it can't be had (5xx, no connection) nothing is. Of a longer file the first 500 KiB
 * count. A `Crawl-delay`, which is no part of the standard, is kept as the time between two starts.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import type { HttpService } from "../http/Http.ts"
import type { HttpError } from "../http/HttpError.ts"
import { type Rules, rulesOf } from "./Rules.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** The configuration's section `robots`. */
export interface RobotsSettings {
  /** Whether robots.txt is asked for and kept to. */
  readonly enabled: boolean
  /** The longest `Crawl-delay` that is kept. */
  readonly max_crawl_delay_seconds: number
}

/** What an origin's file says of one URL. */
export type Verdict =
  | { readonly _tag: "Allowed"; readonly crawlDelayMs: number; readonly message: string }
  | { readonly _tag: "Disallowed"; readonly message: string }
  | { readonly _tag: "Unreachable"; readonly message: string; readonly until: number }

/** What is known of an origin; `fresh`: it was asked for just now, by who hears this. */
export interface Answer {
  readonly verdict: Verdict
  readonly fresh: boolean
}

/** What robots.txt says of a URL; it is fetched where it isn't known. */
export type Robots = (url: string) => Effect.Effect<Answer>

// ---------------------------------------------------------------------------------------------------------------
// Fetching
// ---------------------------------------------------------------------------------------------------------------

/** How long a file counts, and how long it isn't asked for again where it couldn't be had. */
const FRESH_MS = 24 * 3_600_000
const UNREACHABLE_MS = 60_000

const MOST_BYTES = 500 * 1024
const MOST_REDIRECTS = 5

/** Origins that are remembered; those first met go first. */
const MOST_ORIGINS = 10_000

/** Failures that the request for the file itself will meet and report better. */
const TELLS_ITSELF = new Set<HttpError["reason"]>(["host-not-found", "tls", "protocol", "address-refused"])

type File = { readonly rules: Rules } | { readonly unreachable: string }

const EVERYTHING: File = { rules: rulesOf("http://unknown/", "", "") }

/** The beginning of a body, as far as it counts. */
const readBeginning = (chunks: AsyncIterable<Uint8Array>, failed: (cause: unknown) => HttpError) =>
  Effect.tryPromise({
    try: async () => {
      const parts: Array<Uint8Array> = []
      let bytes = 0
      for await (const chunk of chunks) {
        parts.push(chunk)
        bytes += chunk.length
        if (bytes >= MOST_BYTES) break
      }
      return Buffer.concat(parts).subarray(0, MOST_BYTES).toString("utf8")
    },
    catch: failed
  })

/** The file of an origin, over its redirects. */
const fetchFile = (http: HttpService, origin: string, agent: string) => {
  const from = (url: string, hops: number): Effect.Effect<File, HttpError> =>
    Effect.gen(function* () {
      // The origin was named by whoever wants a file of it; where it leads is its own word.
      const response = yield* http.get(
        url,
        { accept: "text/plain, */*;q=0.1" },
        hops === 0 ? "list" : "server"
      )
      const { status } = response
      const location = response.header("location")
      if (status >= 300 && status < 400 && location !== undefined && URL.canParse(location, url)) {
        yield* response.discard
        const to = new URL(location, url)
        // So many redirects mean that there is none.
        if (hops >= MOST_REDIRECTS || !/^https?:$/.test(to.protocol)) return EVERYTHING
        return to.href
      }
      if (status >= 200 && status < 300) {
        return { rules: rulesOf(origin, yield* readBeginning(response.body, response.bodyError), agent) }
      }
      yield* response.discard
      return status >= 500 || status === 429
        ? { unreachable: `its robots.txt answers HTTP ${status}` }
        : EVERYTHING
    }).pipe(
      Effect.scoped,
      Effect.flatMap((found) => (typeof found === "string" ? from(found, hops + 1) : Effect.succeed(found)))
    )
  return from(`${origin}/robots.txt`, 0).pipe(
    Effect.catchAll((error) =>
      Effect.succeed<File>(
        TELLS_ITSELF.has(error.reason)
          ? EVERYTHING
          : { unreachable: `its robots.txt can't be had: ${error.message}` }
      )
    )
  )
}

// ---------------------------------------------------------------------------------------------------------------
// Constructor
// ---------------------------------------------------------------------------------------------------------------

interface Entry {
  readonly file: Deferred.Deferred<File>
  until: number
}

/**
 * What robots.txt files say, each fetched over `http` when it is first needed. `userAgent`: its first product name is
 * the one that groups of rules are for. Not enabled, everything is allowed and nothing asked for.
 */
export const make = (http: HttpService, settings: RobotsSettings, userAgent: string): Robots => {
  const agent = userAgent.split(/[\s/]/, 1)[0] ?? userAgent
  const known = new Map<string, Entry>()
  const allowed: Answer = { verdict: { _tag: "Allowed", crawlDelayMs: 0, message: "" }, fresh: false }

  /** The entry of an origin; who makes it has to fill it. */
  const entryOf = (origin: string, now: number): readonly [Entry, made: boolean] => {
    const entry = known.get(origin)
    if (entry !== undefined && now < entry.until) return [entry, false]
    const made: Entry = { file: Deferred.unsafeMake(FiberId.none), until: Number.POSITIVE_INFINITY }
    known.delete(origin)
    known.set(origin, made)
    if (known.size > MOST_ORIGINS) {
      const [oldest] = known.keys()
      if (oldest !== undefined) known.delete(oldest)
    }
    return [made, true]
  }

  const fill = (origin: string, entry: Entry) =>
    fetchFile(http, origin, agent).pipe(
      Effect.onExit((exit) =>
        Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          if (Exit.isSuccess(exit)) {
            entry.until = now + ("rules" in exit.value ? FRESH_MS : UNREACHABLE_MS)
            return yield* Deferred.succeed(entry.file, exit.value)
          }
          // Interrupted: whoever waits has no answer by this, and the next to ask fetches it.
          known.delete(origin)
          return yield* Deferred.succeed(entry.file, { unreachable: "its robots.txt was given up" })
        })
      ),
      Effect.asVoid
    )

  const judge = (file: File, url: string, until: number): Verdict => {
    if ("unreachable" in file) return { _tag: "Unreachable", message: file.unreachable, until }
    const { crawlDelaySeconds, refuses } = file.rules
    const line = refuses(url)
    return Option.match(line, {
      onNone: (): Verdict => ({
        _tag: "Allowed",
        crawlDelayMs: 1000 * Math.min(crawlDelaySeconds, settings.max_crawl_delay_seconds),
        message:
          crawlDelaySeconds > 0
            ? `its robots.txt asks for ${crawlDelaySeconds} s between requests`
            : "its robots.txt was asked for first"
      }),
      onSome: (number): Verdict => ({
        _tag: "Disallowed",
        message: `robots.txt of ${new URL(url).host} doesn't allow it (line ${number})`
      })
    })
  }

  return (url) =>
    settings.enabled
      ? Effect.gen(function* () {
          const { origin } = new URL(url)
          const [entry, fresh] = entryOf(origin, yield* Clock.currentTimeMillis)
          if (fresh) yield* fill(origin, entry)
          const file = yield* Deferred.await(entry.file)
          return { verdict: judge(file, url, entry.until), fresh }
        })
      : Effect.succeed(allowed)
}
