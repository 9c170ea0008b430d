/** Which answers count for later requests, for how long, and what of them is kept. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as CacheStore from "../../src/CacheStore.ts"
import * as HttpCache from "../../src/http/HttpCache.ts"
import * as Telemetry from "../../src/Telemetry.ts"
import { settings } from "../download/Rig.ts"

const URL = "http://api.test/works/1?email=private.person@example.org"
const HEADERS = { accept: "application/json", "x-api-key": "s3cret-of-mine" }
const HOUR = 3_600_000

const making = (changes: Partial<HttpCache.CacheSettings> = {}) => {
  const { http } = settings("unused")
  return HttpCache.make({
    ...http,
    contact: "private.person@example.org",
    cache: { ...http.cache, ...changes }
  })
}

const answer = (
  headers: Readonly<Record<string, string>> = {},
  text = "body",
  status = 200
): HttpCache.Text => ({ status, text, header: (name) => headers[name] })

/** A store that can be looked into. */
const glass = () => {
  const rows = new Map<string, string>()
  const inner = CacheStore.makeMemory()
  const store: CacheStore.CacheStoreService = {
    ...inner,
    get: (key) => Effect.sync(() => Option.fromNullable(rows.get(key))),
    put: (key, value) => Effect.sync(() => void rows.set(key, value)),
    remove: (key) => Effect.sync(() => void rows.delete(key))
  }
  return { rows, layer: Layer.succeed(CacheStore.CacheStore, store) }
}

/** Asks, with these answers one after the other; what came, and the conditions that were sent. */
const asking = (
  cache: HttpCache.HttpCache,
  request: HttpCache.CacheRequest = { url: URL, headers: HEADERS }
) => {
  const sent: Array<Readonly<Record<string, string>>> = []
  return {
    sent,
    ask: (...answers: ReadonlyArray<HttpCache.Text>) =>
      Effect.gen(function* () {
        const entry = yield* cache.entry(request)
        if (entry.fresh !== undefined) return entry.fresh
        const left = [...answers]
        const { answer: came, keep } = yield* HttpCache.send(entry, (conditions) =>
          Effect.suspend(() => {
            sent.push(conditions)
            const next = left.shift()
            return next === undefined ? Effect.dieMessage("asked for more") : Effect.succeed(next)
          })
        )
        yield* keep
        return came
      })
  }
}

describe("an answer", () => {
  const lifetimes: ReadonlyArray<readonly [string, Readonly<Record<string, string>>, number]> = [
    ["with max-age", { "cache-control": "max-age=7200" }, 2 * HOUR],
    ["with s-maxage", { "cache-control": "max-age=1, s-maxage=7200" }, 2 * HOUR],
    ["with max-age that has aged elsewhere", { "cache-control": "max-age=7200", age: "3600" }, HOUR],
    [
      "with Expires",
      { date: "Thu, 01 Jan 1970 00:00:00 GMT", expires: "Thu, 01 Jan 1970 02:00:00 GMT" },
      2 * HOUR
    ],
    ["that says nothing", {}, 24 * HOUR]
  ]
  it.effect.each(lifetimes)("%s counts for so long", ([, headers, lasts]) =>
    Effect.gen(function* () {
      const { ask, sent } = asking(yield* making())
      yield* ask(answer(headers, "first"))
      yield* TestClock.adjust(lasts - 1000)
      expect(yield* ask()).toMatchObject({ text: "first", status: 200 })
      yield* TestClock.adjust(1000)
      expect(yield* ask(answer(headers, "second"))).toMatchObject({ text: "second" })
      expect(sent).toEqual([{}, {}])
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )

  const never: ReadonlyArray<readonly [string, HttpCache.Text]> = [
    ["no-store", answer({ "cache-control": "no-store, max-age=7200" })],
    ["private", answer({ "cache-control": "private, max-age=7200" })],
    ["no-cache", answer({ "cache-control": "no-cache" })],
    ["pragma", answer({ pragma: "no-cache" })],
    ["Vary: *", answer({ vary: "*" })],
    ["Expires without a date", answer({ expires: "soon" })],
    ["of a server that fails", answer({}, "body", 500)],
    ["of a server that is asked too much", answer({ "cache-control": "max-age=7200" }, "body", 429)],
    ["that redirects for now", answer({ location: "/x" }, "", 302)]
  ]
  it.effect.each(never)("with %s doesn't count later", ([, first]) =>
    Effect.gen(function* () {
      const { ask, sent } = asking(yield* making())
      yield* ask(first)
      expect(yield* ask(answer({}, "second"))).toMatchObject({ text: "second" })
      expect(sent).toHaveLength(2)
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )

  it.effect("that isn't there counts like others", () =>
    Effect.gen(function* () {
      const { ask } = asking(yield* making())
      yield* ask(answer({}, "Not found", 404))
      expect(yield* ask()).toMatchObject({ status: 404, text: "Not found" })
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )

  it.effect("for others doesn't count: what differs in a header that Vary names, or in the credential", () =>
    Effect.gen(function* () {
      const varying = answer({ vary: "Accept-Language, User-Agent", "cache-control": "max-age=7200" })
      const first = asking(yield* making())
      yield* first.ask(varying)
      expect(yield* first.ask()).toMatchObject({ text: "body" })
      const other = { url: URL, headers: { ...HEADERS, "x-api-key": "another" } }
      expect(yield* asking(yield* making(), other).ask(answer({}, "theirs"))).toMatchObject({
        text: "theirs"
      })
      const { http } = settings("unused")
      const renamed = yield* HttpCache.make({ ...http, contact: "other@example.org" })
      expect(yield* asking(renamed).ask(answer({}, "anew"))).toMatchObject({ text: "anew" })
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )

  it.effect("is kept no longer than configured", () =>
    Effect.gen(function* () {
      const { ask, sent } = asking(yield* making({ max_age_seconds: 3600 }))
      yield* ask(answer({ "cache-control": "max-age=7200", etag: '"1"' }))
      yield* TestClock.adjust(HOUR)
      yield* ask(answer())
      expect(sent).toEqual([{}, {}])
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )

  it.effect("isn't kept where that is off", () =>
    Effect.gen(function* () {
      const { ask, sent } = asking(yield* making({ enabled: false }))
      yield* ask(answer({ "cache-control": "max-age=7200" }))
      yield* ask(answer())
      expect(sent).toHaveLength(2)
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )
})

const stale = (first: HttpCache.Text) =>
  Effect.gen(function* () {
    const { ask, sent } = asking(yield* making())
    yield* ask(first)
    yield* TestClock.adjust(2 * HOUR)
    return { ask, sent }
  })

describe("an answer that doesn't count any more", () => {
  const tagged = answer({ "cache-control": "max-age=3600", etag: 'W/"1"' }, "first")

  it.effect("is asked for with its validator, and counts again when it is unchanged", () =>
    Effect.gen(function* () {
      const { ask, sent } = yield* stale(tagged)
      const unchanged = answer({ "cache-control": "max-age=10800" }, "", 304)
      expect(yield* ask(unchanged)).toMatchObject({ status: 200, text: "first" })
      expect(sent[1]).toEqual({ "if-none-match": 'W/"1"' })
      yield* TestClock.adjust(2.9 * HOUR)
      expect(yield* ask()).toMatchObject({ text: "first" })
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )

  it.effect("is asked for with its date where it has no other", () =>
    Effect.gen(function* () {
      const modified = "Thu, 01 Jan 1970 00:00:00 GMT"
      const { ask, sent } = yield* stale(
        answer({ "cache-control": "max-age=3600", "last-modified": modified }, "first")
      )
      expect(yield* ask(answer({ "last-modified": modified }, "", 304))).toMatchObject({ text: "first" })
      expect(sent[1]).toEqual({ "if-modified-since": modified })
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )

  it.effect("is replaced when it has changed", () =>
    Effect.gen(function* () {
      const { ask } = yield* stale(tagged)
      expect(yield* ask(answer({}, "second"))).toMatchObject({ text: "second" })
      expect(yield* ask()).toMatchObject({ text: "second" })
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )

  it.effect("is asked for as a whole when what is unchanged is something else", () =>
    Effect.gen(function* () {
      const { ask, sent } = yield* stale(tagged)
      const came = yield* ask(answer({ etag: '"other"' }, "", 304), answer({}, "whole"))
      expect(came).toMatchObject({ status: 200, text: "whole" })
      expect(sent.slice(1)).toEqual([{ "if-none-match": 'W/"1"' }, {}])
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )
})

/** How often the cache had what, so far. */
const counts = () => ["hit", "revalidated", "miss"].map((result) => Telemetry.cacheAnswers.value(result))

describe("a question", () => {
  it.effect("is counted by what there was", () =>
    Effect.gen(function* () {
      const before = counts()
      const since = () => counts().map((count, n) => count - (before[n] ?? 0))
      const tagged = answer({ "cache-control": "max-age=3600", etag: '"1"' }, "first")
      const { ask } = asking(yield* making())
      yield* ask(tagged)
      expect(since()).toEqual([0, 0, 1])
      yield* ask()
      expect(since()).toEqual([1, 0, 1])
      yield* TestClock.adjust(2 * HOUR)
      yield* ask(answer({ "cache-control": "max-age=3600", etag: '"1"' }, "", 304))
      expect(since()).toEqual([1, 1, 1])
      yield* TestClock.adjust(2 * HOUR)
      yield* ask(answer({ etag: '"other"' }, "", 304), answer({}, "whole"))
      expect(since()).toEqual([1, 1, 2])
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )
})

describe("what is kept", () => {
  it.effect("says nothing of who asked", () =>
    Effect.gen(function* () {
      const { layer, rows } = glass()
      const { ask } = asking(yield* Effect.provide(making(), layer))
      yield* ask(
        answer({
          vary: "X-Api-Key, User-Agent",
          "set-cookie": "id=s3cret-of-mine",
          "cache-control": "max-age=60"
        })
      )
      const all = JSON.stringify([...rows])
      expect(rows.size).toBe(1)
      expect(all).toContain("body")
      for (const secret of ["s3cret", "private.person", "example.org", "api.test"])
        expect(all).not.toContain(secret)
    })
  )

  it.effect.prop(
    "and is damaged is no answer, and no failure",
    { at: FastCheck.double({ min: 0, max: 1, noNaN: true }), by: FastCheck.string({ maxLength: 4 }) },
    ({ at, by }) =>
      Effect.gen(function* () {
        const { layer, rows } = glass()
        const { ask } = asking(yield* Effect.provide(making(), layer))
        yield* ask(answer({ etag: '"1"', vary: "accept" }, "x"))
        for (const [key, value] of rows) {
          const cut = Math.floor(at * value.length)
          rows.set(key, value.slice(0, cut) + by + value.slice(cut + 3))
        }
        // Whatever is left of it: an answer comes.
        expect(typeof (yield* ask(answer({}, "anew"), answer({}, "anew"))).text).toBe("string")
      }),
    { fastCheck: { numRuns: 60 } }
  )

  const other: ReadonlyArray<string> = ["", "null", "{}", '{"policy":{},"text":"x"}', "\u0000"]
  it.effect.each(other)("and is something else (%j) is no answer", (value) =>
    Effect.gen(function* () {
      const { layer, rows } = glass()
      const { ask, sent } = asking(yield* Effect.provide(making(), layer))
      yield* ask(answer())
      for (const key of rows.keys()) rows.set(key, value)
      expect(yield* ask(answer({}, "anew"))).toMatchObject({ text: "anew" })
      expect(sent).toHaveLength(2)
    })
  )
})

describe("a store in memory", () => {
  it.effect("never holds more than it may, and drops what came first", () =>
    Effect.gen(function* () {
      const store = CacheStore.makeMemory({ maxBytes: 1000 })
      yield* store.put("note", "1234567890123", 1_000_000)
      for (let i = 0; i < 20; i++) yield* store.put(`k${i}`, "x".repeat(100), 1_000_000)
      yield* store.put("large", "x".repeat(126), 1_000_000)
      const held = yield* Effect.filter(
        Array.from({ length: 20 }, (_, i) => `k${i}`),
        (key) => Effect.map(store.get(key), Option.isSome)
      )
      expect(held).toEqual(Array.from({ length: 10 }, (_, i) => `k${i + 10}`))
      expect(yield* store.get("large")).toEqual(Option.none())
      expect(yield* store.get("note")).toEqual(Option.some("1234567890123"))
      yield* store.remove("k19")
      expect(yield* store.get("k19")).toEqual(Option.none())
    })
  )
})
