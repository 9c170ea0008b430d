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
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import type { NamedBy } from "../http/Addresses.ts"
import type { HttpService } from "../http/Http.ts"
import * as HttpCache from "../http/HttpCache.ts"
import { refusedAgain, type Row } from "../http/Refusals.ts"
import { fetchFile, type File, FRESH_MS, type Permit } from "./RobotsFile.ts"

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
  /** `waits`: the server itself asks to be left alone. */
  | {
      readonly _tag: "Unreachable"
      readonly message: string
      readonly until: number
      readonly waits: boolean
    }

/** What is known of an origin; `fresh`: it was asked for just now, by who hears this. */
export interface Answer {
  readonly verdict: Verdict
  readonly fresh: boolean
}

/** What robots.txt says of a URL; it is fetched where it isn't known, as a request of whoever named the URL. */
export type Robots = (url: string, namedBy: NamedBy) => Effect.Effect<Answer>

// ---------------------------------------------------------------------------------------------------------------
// Memory
// ---------------------------------------------------------------------------------------------------------------

/** How long a file isn't asked for again where it couldn't be had. */
const UNREACHABLE_MS = 60_000

/** What is remembered of all origins together; those first met go first. */
const MOST_ORIGINS = 10_000
const MOST_REMEMBERED = 16 * 1024 * 1024

interface Entry {
  readonly file: File
  readonly until: number
  /** How often it was refused in a row. */
  readonly refused?: Row
}

/** What was fetched just now. Who refuses again is asked less often. */
const entryFor = (file: File, ageMs: number, now: number, before: Row | undefined): Entry => {
  if ("rules" in file) return { file, until: now + FRESH_MS - ageMs }
  if (!file.waits) return { file, until: now + UNREACHABLE_MS }
  const refused = refusedAgain(before, now, UNREACHABLE_MS, file.notBefore)
  return { file, until: refused.until, refused }
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

// ---------------------------------------------------------------------------------------------------------------
// Constructor
// ---------------------------------------------------------------------------------------------------------------

/** What an uninterruptible region lets interruption into again. */
type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

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
    const entry = entryFor(file, ageMs, now, known.get(key)?.refused)
    known.set(key, entry)
    return { entry, asked }
  })

  /** An entry is fetched by one; the others wait for it. */
  const fetchOnce = Effect.fnUntraced(function* (
    key: string,
    origin: string,
    namedBy: NamedBy,
    restore: Restore
  ) {
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

  /** The entry of an origin; there is never more than one request for it under way. */
  const entryOf = (origin: string, namedBy: NamedBy) =>
    Effect.clockWith((clock) => {
      const key = `${namedBy} ${origin}`
      const entry = known.get(key)
      return entry !== undefined && clock.unsafeCurrentTimeMillis() < entry.until
        ? Effect.succeed({ entry, fresh: false })
        : Effect.uninterruptibleMask((restore) => fetchOnce(key, origin, namedBy, restore))
    })

  const judge = (file: File, url: string, until: number): Verdict => {
    if ("unreachable" in file) {
      return { _tag: "Unreachable", message: file.unreachable, until, waits: file.waits }
    }
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
