/** A plan that is only looked at asks whom a run would ask, at the pace of a run. */
import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { preview } from "../../src/download/Preview.ts"
import * as KeyedLimiter from "../../src/KeyedLimiter.ts"
import { plain } from "../../src/resolver/Members.ts"
import { type Resolver, ResolverFailure } from "../../src/resolver/Resolver.ts"
import * as Resolvers from "../../src/resolver/Resolvers.ts"
import * as TokenBucket from "../../src/TokenBucket.ts"

const ARTIFACTS = [1, 2, 3, 4, 5].map((n) => ({ id: `${n}`, urls: [], doi: `10.1/${n}` }))

/** The outcomes of looking at all of them at once, and when the service was asked. */
const looked = (secondsApart: number, resolve: Resolver["resolve"]) =>
  Effect.gen(function* () {
    const asked: Array<number> = []
    const resolver: Resolver = {
      name: "r",
      remote: true,
      accepts: () => true,
      resolve: (question) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          asked.push(now / 1000)
          return resolve(question)
        })
    }
    const layer = Layer.effect(Resolvers.Resolvers, Resolvers.makeWith([plain(resolver, 5000)])).pipe(
      Layer.provide([
        KeyedLimiter.layer({ cap: 1 }),
        TokenBucket.layerMemory({ limits: () => ({ capacity: 1, refillPerSecond: 1 / secondsApart }) })
      ])
    )
    const all = Effect.forEach(ARTIFACTS, preview, { concurrency: "unbounded" }).pipe(Effect.provide(layer))
    const fiber = yield* Effect.fork(all)
    yield* TestClock.adjust("10 minutes")
    const previews = yield* Fiber.join(fiber)
    return { asked, outcomes: previews.map(({ asked: [first] }) => first?.outcome) }
  })

const named: Resolver["resolve"] = ({ artifact }) =>
  Effect.succeed([{ url: `http://a.test/${artifact.id}`, resolver: "r", kind: "pdf" }])

describe("a look at plans", () => {
  it.effect("waits for the rate of a service, so that each is asked once about each work", () =>
    Effect.gen(function* () {
      const { asked, outcomes } = yield* looked(5, named)
      expect(outcomes).toEqual(ARTIFACTS.map(() => "found"))
      expect(asked).toEqual([0, 5, 10, 15, 20])
    })
  )

  it.effect("doesn't wait for a rate of hours, nor for a service that refuses", () =>
    Effect.gen(function* () {
      const slow = yield* looked(3600, named)
      expect(slow.outcomes).toEqual(["found", ...Array.from({ length: 4 }, () => "rate_limited")])
      const refused = yield* looked(5, () =>
        Effect.flatMap(Clock.currentTimeMillis, (now) =>
          Effect.fail(
            new ResolverFailure({ outcome: "rate_limited", message: "r: slowly", until: now + 60_000 })
          )
        )
      )
      expect(refused.outcomes).toEqual(ARTIFACTS.map(() => "rate_limited"))
      expect(refused.asked).toHaveLength(1)
    })
  )
})
