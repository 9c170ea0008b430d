/**
 * What hosts ask of programs like this one in their robots.txt (RFC 9309).
 *
 * The file is fetched once for an origin, however many jobs wait for it, and kept for at most a day, also over restarts
 * where there is a cache. Without one (4xx)
 * everything is allowed; while it can't be had (5xx, no connection) nothing is. Of a longer file the whole lines in the
 * first 500 KiB count. A `Crawl-delay`, which is no part of the standard, is kept as the time between two starts.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import type { NamedBy } from "../http/Addresses.ts"
import { type HttpService, readStart } from "../http/Http.ts"
import * as HttpCache from "../http/HttpCache.ts"
import { HttpError } from "../http/HttpError.ts"
import { measured } from "../http/Measured.ts"
import * as RetryAfter from "../http/RetryAfter.ts"
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

/** What robots.txt says of a URL; it is fetched where it isn't known, as a request of whoever named the URL. */
export type Robots = (url: string, namedBy: NamedBy) => Effect.Effect<Answer>

/** Sends under the permit of the URL's host. */
export type Permit = (url: string) => <A, E, R>(request: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

// ---------------------------------------------------------------------------------------------------------------
// Fetching
// ---------------------------------------------------------------------------------------------------------------

/** How long a file counts, and how long it isn't asked for again where it couldn't be had. */
const FRESH_MS = 24 * 3_600_000
const UNREACHABLE_MS = 60_000

/** How long its requests may take together. */
const MOST_MS = 60_000
const MOST_BYTES = 500 * 1024
const MOST_REDIRECTS = 5

/** What is remembered of all origins together; those first met go first. */
const MOST_ORIGINS = 10_000
const MOST_REMEMBERED = 16 * 1024 * 1024

/** Failures that the request for the file itself will meet and report better. */
const TELLS_ITSELF = new Set<HttpError["reason"]>(["host-not-found", "tls", "protocol", "address-refused"])

type File =
  | { readonly rules: Rules; readonly length: number }
  | { readonly unreachable: string; readonly notBefore?: number }

const EVERYTHING: File = { rules: rulesOf("http://unknown/", "", ""), length: 0 }

/** A cut line could allow or refuse more than the whole one. */
const wholeLines = (text: string) => text.slice(0, text.lastIndexOf("\n") + 1)

const HEADERS = { accept: "text/plain, */*;q=0.1" }

/** One answer on the way to a file: the file, or where it is. */
const meaning = Effect.fnUntraced(function* (
  origin: string,
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
    return { rules: rulesOf(origin, text, agent), length: text.length } satisfies File
  }
  if (status < 500 && status !== 429) return EVERYTHING
  const now = yield* Clock.currentTimeMillis
  const notBefore = RetryAfter.hint(header, now, FRESH_MS / 1000)
  return {
    unreachable: `its robots.txt answers HTTP ${status}`,
    ...(Option.isSome(notBefore) ? { notBefore: notBefore.value } : {})
  } satisfies File
})

/** What was found for an origin, how old it is, and whether somebody was asked for it just now. */
interface Fetched {
  readonly file: File
  readonly ageMs: number
  readonly asked: boolean
}

/** The file of an origin, over its redirects. */
const fetchFile = (
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
      const found = yield* meaning(origin, url, "keep" in settled ? settled.answer : settled, agent)
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
          : { unreachable: `its robots.txt can't be had: ${error.message}` },
        ageMs: 0,
        asked: true
      })
    )
  )
}

// ---------------------------------------------------------------------------------------------------------------
// Constructor
// ---------------------------------------------------------------------------------------------------------------

interface Entry {
  readonly file: File
  readonly until: number
}

const lengthOf = (entry: Entry | undefined): number =>
  entry !== undefined && "length" in entry.file ? entry.file.length : 0

/** The files that were fetched, by origin and who named it. */
const makeMemory = () => {
  const entries = new Map<string, Entry>()
  let length = 0
  const forget = (key: string) => {
    length -= lengthOf(entries.get(key))
    entries.delete(key)
  }
  return {
    get: (key: string): Entry | undefined => entries.get(key),
    set: (key: string, entry: Entry): void => {
      forget(key)
      entries.set(key, entry)
      length += lengthOf(entry)
      for (const oldest of entries.keys()) {
        if (entries.size <= MOST_ORIGINS && length <= MOST_REMEMBERED) break
        forget(oldest)
      }
    }
  }
}

/** What is configured of one's own, and how requests are sent. */
export interface RobotsOptions {
  /** Its first product name is the one that groups of rules are for. */
  readonly userAgent: string
  /** Default: no limit. */
  readonly permit?: Permit
  /** Default: none. */
  readonly cache?: HttpCache.HttpCache
}

/** How files are kept in a cache: by what their servers say, and for a day where they say nothing. */
export const caching = <S extends { readonly cache: HttpCache.CacheSettings }>(settings: S): S => ({
  ...settings,
  cache: { ...settings.cache, default_seconds: FRESH_MS / 1000 }
})

/**
 * What robots.txt files say, each fetched over `http` when it is first needed. Not enabled, everything is allowed and
 * nothing asked for.
 */
export const make = (
  http: HttpService,
  settings: RobotsSettings,
  { cache = HttpCache.none, permit = () => (request) => request, userAgent }: RobotsOptions
): Robots => {
  const agent = userAgent.split(/[\s/]/, 1)[0] ?? userAgent
  const known = makeMemory()
  /** What is being fetched. `None`: whoever did it was interrupted, and someone else has to. */
  const underWay = new Map<string, Deferred.Deferred<Option.Option<Entry>>>()
  const allowed: Answer = { verdict: { _tag: "Allowed", crawlDelayMs: 0, message: "" }, fresh: false }

  const fetchEntry = Effect.fnUntraced(function* (key: string, origin: string, namedBy: NamedBy) {
    const { ageMs, asked, file } = yield* fetchFile(http, { agent, cache, permit }, origin, namedBy)
    const now = yield* Clock.currentTimeMillis
    const until =
      "rules" in file ? now + FRESH_MS - ageMs : Math.max(now + UNREACHABLE_MS, file.notBefore ?? 0)
    const entry: Entry = { file, until }
    known.set(key, entry)
    return { entry, asked }
  })

  /** The entry of an origin; there is never more than one request for it under way. */
  const entryOf = (origin: string, namedBy: NamedBy) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const key = `${namedBy} ${origin}`
        for (;;) {
          const now = yield* Clock.currentTimeMillis
          const entry = known.get(key)
          if (entry !== undefined && now < entry.until) return { entry, fresh: false }
          const others = underWay.get(key)
          if (others !== undefined) {
            const found = yield* restore(Deferred.await(others))
            if (Option.isSome(found)) return { entry: found.value, fresh: false }
            continue
          }
          const own = Deferred.unsafeMake<Option.Option<Entry>>(FiberId.none)
          underWay.set(key, own)
          const exit = yield* Effect.exit(restore(fetchEntry(key, origin, namedBy)))
          underWay.delete(key)
          yield* Deferred.succeed(own, Exit.isSuccess(exit) ? Option.some(exit.value.entry) : Option.none())
          const { asked, entry: found } = yield* exit
          return { entry: found, fresh: asked }
        }
      })
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

  return (url, namedBy) =>
    settings.enabled
      ? Effect.map(entryOf(new URL(url).origin, namedBy), ({ entry, fresh }) => ({
          verdict: judge(entry.file, url, entry.until),
          fresh
        }))
      : Effect.succeed(allowed)
}
