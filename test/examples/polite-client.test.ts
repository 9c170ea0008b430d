/** The client over the local origin, as the origin sees it. */
import { FetchHttpClient } from "@effect/platform"
import { expect, it } from "@effect/vitest"
import { KeyedLimiter, TokenBucket } from "contentdownload"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { getText, getWith, layer } from "../../examples/polite-client.ts"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import * as Origin from "../../src/demo/Origin.ts"

const client = Layer.merge(layer, FetchHttpClient.layer)

const getAll = (urls: ReadonlyArray<string>) => Effect.forEach(urls, getText, { concurrency: "unbounded" })

it.scopedLive("asks a host for two things at once at most, and for five in a second", () =>
  Effect.gen(function* () {
    const hello = Behaviour.delayed(30, Behaviour.respond({ body: "hello" }))
    const origin = yield* Origin.make({ otherwise: hello, addresses: ["127.0.0.1", "127.0.0.2"] })
    const paths = ["/1", "/2", "/3", "/4", "/5", "/6"]
    const urls = origin.addresses.flatMap((host) => paths.map((path) => origin.url(host, path)))
    const before = yield* Clock.currentTimeMillis
    expect(yield* getAll(urls)).toEqual(urls.map(() => "hello"))
    const log = yield* origin.log
    for (const host of origin.addresses) {
      const seen = log.filter((request) => request.host === host)
      expect(seen).toHaveLength(paths.length)
      // Two at once at the start, then one every fifth of a second.
      const last = Math.max(...seen.map(({ startedAt }) => startedAt))
      expect(last - before).toBeGreaterThanOrEqual(800)
      expect((yield* origin.stats)[host]?.maxConcurrent).toBeLessThanOrEqual(2)
    }
    const starts = log.filter(({ startedAt }) => startedAt <= (log[0]?.startedAt ?? 0) + 150)
    expect(new Set(starts.map(({ host }) => host)).size).toBe(2)
  }).pipe(Effect.provide(client))
)

it.scopedLive("leaves a host alone as long as it asks for", () =>
  Effect.gen(function* () {
    const origin = yield* Origin.make({
      otherwise: Behaviour.rateLimited({ first: 1, retryAfter: 1 }, Behaviour.respond({ body: "hello" }))
    })
    expect(yield* getAll([origin.url("127.0.0.1", "/")])).toEqual(["hello"])
    const [refused, answered] = yield* origin.log
    expect((answered?.startedAt ?? 0) - (refused?.startedAt ?? 0)).toBeGreaterThanOrEqual(990)
  }).pipe(Effect.provide(client))
)

it.scopedLive("keeps fetch to two at once, too", () =>
  Effect.gen(function* () {
    const origin = yield* Origin.make({
      otherwise: Behaviour.delayed(30, Behaviour.respond({ body: "hello" }))
    })
    const limiter = yield* KeyedLimiter.make({ cap: 2 })
    const bucket = yield* TokenBucket.makeMemory({ limits: () => ({ capacity: 9, refillPerSecond: 100 }) })
    const urls = ["/1", "/2", "/3", "/4", "/5", "/6"].map((path) => origin.url("127.0.0.1", path))
    const texts = Effect.forEach(urls, getWith(limiter, bucket), { concurrency: "unbounded" })
    expect(yield* texts).toEqual(urls.map(() => "hello"))
    expect((yield* origin.stats)["127.0.0.1"]?.maxConcurrent).toBe(2)
  })
)
