/** Who fetches a robots.txt, for how long, and what is kept of it: over requests that answer when the test says so. */
import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as CacheStore from "../../src/CacheStore.ts"
import type { NamedBy } from "../../src/http/Addresses.ts"
import type { HttpService } from "../../src/http/Http.ts"
import * as HttpCache from "../../src/http/HttpCache.ts"
import { HttpError } from "../../src/http/HttpError.ts"
import * as KeyedLimiter from "../../src/KeyedLimiter.ts"
import * as Permission from "../../src/download/Permission.ts"
import * as Robots from "../../src/robots/Robots.ts"
import { settings } from "../download/Rig.ts"
import { answer, recording } from "../http/Fake.ts"

const enabled = { enabled: true, max_crawl_delay_seconds: 60 }
const options = { userAgent: "contentdownload/1.0 (+x)" }

describe("a robots.txt whose fetcher is interrupted", () => {
  it.effect("is fetched by one of those who wait, and answers all of them", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const { http, seen } = recording((_, nth) =>
        nth === 1
          ? Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never)
          : Effect.as(Effect.sleep("1 second"), answer(200, "User-agent: *\nDisallow: /closed/\n"))
      )
      const robots = Robots.make(http, enabled, options)
      const fetcher = yield* Effect.fork(robots("http://a.test/closed/1", "list"))
      yield* Deferred.await(begun)
      const waiters = yield* Effect.fork(
        Effect.forEach(
          Array.from({ length: 20 }, (_, i) => `http://a.test/closed/${i}`),
          (url) => robots(url, "list"),
          { concurrency: "unbounded" }
        )
      )
      yield* Effect.yieldNow()
      expect(seen).toHaveLength(1)
      yield* Fiber.interrupt(fetcher)
      yield* TestClock.adjust("1 second")
      const answers = yield* Fiber.join(waiters)
      expect(new Set(answers.map(({ verdict }) => verdict._tag))).toEqual(new Set(["Disallowed"]))
      expect(answers.filter(({ fresh }) => fresh)).toHaveLength(1)
      expect(seen).toHaveLength(2)
    })
  )

  it.effect("leaves nothing behind when nobody waits", () =>
    Effect.gen(function* () {
      const { http, seen } = recording((_, nth) =>
        nth === 1 ? Effect.never : Effect.succeed(answer(404, ""))
      )
      const robots = Robots.make(http, enabled, options)
      const fetcher = yield* Effect.fork(robots("http://a.test/x", "list"))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(fetcher)
      expect(yield* robots("http://a.test/x", "list")).toMatchObject({
        verdict: { _tag: "Allowed" },
        fresh: true
      })
      expect(seen).toHaveLength(2)
    })
  )
})

describe("a robots.txt", () => {
  it.effect("that drips is given up after a minute, its redirects included", () =>
    Effect.gen(function* () {
      const { http } = recording((url, nth) =>
        nth === 1
          ? Effect.as(Effect.sleep("40 seconds"), answer(301, "", { location: "http://b.test/robots.txt" }))
          : Effect.as(Effect.sleep("40 seconds"), answer(200, url))
      )
      const asked = yield* Effect.fork(Robots.make(http, enabled, options)("http://a.test/x", "list"))
      yield* TestClock.adjust("59 seconds")
      expect(yield* Fiber.poll(asked)).toMatchObject({ _tag: "None" })
      yield* TestClock.adjust("1 second")
      const ended = Option.getOrThrow(yield* Fiber.poll(asked))
      expect(Exit.isSuccess(ended) && ended.value).toMatchObject({
        verdict: { _tag: "Unreachable", message: expect.stringContaining("60 s") }
      })
    })
  )

  it.effect("is sent for under the permit of the host it is sent to, one at a time", () =>
    Effect.gen(function* () {
      const limiter = yield* KeyedLimiter.make({ cap: 1 })
      const held: Array<string> = []
      const { http } = recording((url) =>
        Effect.suspend(() =>
          url.includes("a.test")
            ? Effect.succeed(answer(301, "", { location: "http://b.test/robots.txt" }))
            : Effect.succeed(answer(404, ""))
        )
      )
      const robots = Robots.make(http, enabled, {
        ...options,
        permit: (url) => (request) =>
          limiter.withPermit(new URL(url).host)(
            Effect.zipRight(
              Effect.sync(() => held.push(new URL(url).host)),
              request
            )
          )
      })
      yield* robots("http://a.test/x", "list")
      expect(held).toEqual(["a.test", "b.test"])
    })
  )

  it.effect("that is too long counts to its last whole line", () =>
    Effect.gen(function* () {
      const head = "User-agent: *\nDisallow: /\n"
      const begun = "Allow: /c"
      const filler = `${"#".repeat(500 * 1024 - head.length - begun.length - 1)}\n`
      const body = `${head}${filler}${begun}losed/only/this\n`
      const { http } = recording(() => Effect.succeed(answer(200, body)))
      const robots = Robots.make(http, enabled, options)
      expect((yield* robots("http://a.test/closed", "list")).verdict._tag).toBe("Disallowed")
    })
  )

  it.effect("is forgotten for the sake of others before all of them take too much memory", () =>
    Effect.gen(function* () {
      const { http, seen } = recording(() => Effect.succeed(answer(200, "#".repeat(500 * 1024 - 1))))
      const robots = Robots.make(http, enabled, options)
      const ask = (n: number) => robots(`http://h${n}.test/x`, "list")
      // 33 of 500 KiB are a little more than 16 MiB.
      for (let n = 0; n < 33; n++) yield* ask(n)
      expect((yield* ask(32)).fresh).toBe(false)
      expect((yield* ask(0)).fresh).toBe(true)
      expect(seen).toHaveLength(34)
    })
  )
})

/** A server names a private host, then the list does: who asked for its robots.txt, and what is said in the end. */
const asking = (allow: boolean) =>
  Effect.gen(function* () {
    const all = settings("unused", { robots: true, http: { allow_private_hosts: allow } })
    const { http, seen } = recording((_, nth) =>
      nth === 1 && allow
        ? Effect.fail(new HttpError({ reason: "address-refused", message: "private" }))
        : Effect.succeed(answer(200, "User-agent: *\nDisallow: /\n"))
    )
    const limiter = yield* KeyedLimiter.make({ cap: 1 })
    const permitted = yield* Permission.make(http, limiter, all)
    const ask = (namedBy: NamedBy) => Effect.either(permitted("http://10.0.0.1/x", namedBy))
    yield* ask("server")
    yield* ask("list")
    return { asked: seen.map(({ namedBy }) => namedBy), last: yield* ask("list") }
  })

describe("a robots.txt in the cache", () => {
  const RULES = "User-agent: *\nDisallow: /closed/\n"
  const HOUR = 3_600_000
  const day = { enabled: true, default_seconds: 60, max_age_seconds: 30 * 86_400 }
  const caching = HttpCache.make(Robots.caching({ ...settings("unused").http, cache: day }))
  /** What a process that has just started says. */
  const started = (http: HttpService) =>
    Effect.flatMap(caching, (cache) =>
      Robots.make(http, enabled, { ...options, cache })("http://a.test/closed/x", "list")
    )

  it.effect("counts for a day over restarts, and no start is used up for it", () =>
    Effect.gen(function* () {
      const { http, seen } = recording(() => Effect.succeed(answer(200, RULES)))
      expect(yield* started(http)).toMatchObject({ verdict: { _tag: "Disallowed" }, fresh: true })
      yield* TestClock.adjust(23 * HOUR)
      const cache = yield* caching
      const later = Robots.make(http, enabled, { ...options, cache })
      const ask = later("http://a.test/closed/x", "list")
      expect(yield* ask).toMatchObject({ verdict: { _tag: "Disallowed" }, fresh: false })
      expect(seen).toHaveLength(1)
      // The day began when it was fetched, whoever remembers it since.
      yield* TestClock.adjust(HOUR)
      expect(yield* ask).toMatchObject({ verdict: { _tag: "Disallowed" }, fresh: true })
      expect(seen).toHaveLength(2)
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )

  it.effect("that may count for longer counts for a day", () =>
    Effect.gen(function* () {
      const headers = { "cache-control": "max-age=8640000" }
      const { http, seen } = recording(() => Effect.succeed(answer(200, RULES, headers)))
      yield* started(http)
      yield* TestClock.adjust(90_000_000)
      expect(yield* started(http)).toMatchObject({ fresh: true })
      expect(seen).toHaveLength(2)
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )

  it.effect("that isn't there isn't asked for again either; one that can't be had is", () =>
    Effect.gen(function* () {
      const missing = recording(() => Effect.succeed(answer(404, "")))
      yield* started(missing.http)
      expect(yield* started(missing.http)).toMatchObject({ verdict: { _tag: "Allowed" }, fresh: false })
      const failing = recording(() => Effect.succeed(answer(503, "", { "retry-after": "7200" })))
      const ask = Effect.flatMap(caching, (cache) =>
        Robots.make(failing.http, enabled, { ...options, cache })("http://b.test/x", "list")
      )
      expect(yield* ask).toMatchObject({ verdict: { _tag: "Unreachable", until: 2 * HOUR } })
      yield* ask
      expect(failing.seen).toHaveLength(2)
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )
})

describe("the robots.txt of a host that refuses it for the rate", () => {
  it.effect("is asked for less often each time, until it comes; of one that fails, each minute", () =>
    Effect.gen(function* () {
      const statuses = [429, 429, 429, 200, 503, 503]
      const { http } = recording(() => Effect.sync(() => answer(statuses.shift() ?? 429, "")))
      const ask = Robots.make(http, enabled, options)
      const waits: Array<number | string> = []
      for (let n = 0; n < 7; n++) {
        const { verdict } = yield* ask("http://b.test/x", "list")
        const ms =
          verdict._tag === "Unreachable" ? verdict.until - (yield* Clock.currentTimeMillis) : 90_000_000
        waits.push(verdict._tag === "Unreachable" ? ms / 60_000 : verdict._tag)
        yield* TestClock.adjust(ms)
      }
      expect(waits).toEqual([1, 2, 4, "Allowed", 1, 1, 1])
    })
  )
})

describe("the robots.txt of a host that only a server named", () => {
  it.effect("is asked for in its name, and again for the list that may name it", () =>
    Effect.gen(function* () {
      const { asked, last } = yield* asking(true)
      expect(asked).toEqual(["server", "list"])
      expect(last).toMatchObject({ left: { reason: "robots-disallowed" } })
    })
  )

  it.effect("is asked for once where nobody may name private hosts", () =>
    Effect.gen(function* () {
      const { asked, last } = yield* asking(false)
      expect(asked).toEqual(["server"])
      expect(last).toMatchObject({ left: { reason: "robots-disallowed" } })
    })
  )
})
