/**
 * The limiter and the token bucket by themselves, without a queue, around any HTTP client: at most two requests at
 * once to a host, at most five a second, and none before the time a host asked to be left alone for.
 */
import { HttpClient, type HttpClientError } from "@effect/platform"
import { KeyedLimiter, TokenBucket } from "contentdownload"
import { Clock, Effect, Layer } from "effect"

/** The limits, by host. */
export const layer = Layer.merge(
  KeyedLimiter.layer({ cap: 2 }),
  TokenBucket.layerMemory({ limits: () => ({ capacity: 2, refillPerSecond: 5 }) })
)

/** The text at a URL. Holds its permit until the body is read; asks once more after each 429. */
export const getText = (
  url: string
): Effect.Effect<
  string,
  HttpClientError.HttpClientError,
  HttpClient.HttpClient | KeyedLimiter.KeyedLimiter | TokenBucket.TokenBucket
> =>
  Effect.gen(function* () {
    const client = yield* HttpClient.HttpClient
    const limiter = yield* KeyedLimiter.KeyedLimiter
    const bucket = yield* TokenBucket.TokenBucket
    const host = new URL(url).host

    const once = Effect.gen(function* () {
      yield* bucket.take(host)
      const response = yield* client.get(url)
      const text = yield* response.text
      if (response.status !== 429) return text
      const now = yield* Clock.currentTimeMillis
      yield* bucket.penalise(host, now + 1000 * (Number(response.headers["retry-after"]) || 60))
      return undefined
    })

    for (;;) {
      const text = yield* limiter.withPermit(host)(once)
      if (text !== undefined) return text
    }
  })

/** The same around `fetch`, with limits that are at hand. */
export const getWith = (
  limiter: KeyedLimiter.KeyedLimiterService,
  bucket: TokenBucket.TokenBucketService
) => {
  return (url: string) => {
    const { host } = new URL(url)
    const get = Effect.tryPromise((signal) => fetch(url, { signal }).then((response) => response.text()))
    return limiter.withPermit(host)(Effect.zipRight(bucket.take(host), get))
  }
}
