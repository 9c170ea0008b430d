import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import * as CacheStore from "../../src/CacheStore.ts"
import type { Artifact } from "../../src/Artifact.ts"
import { Settings } from "../../src/config/Settings.ts"
import { firstLane, toNewJob } from "../../src/download/Route.ts"
import { hostLane } from "../../src/Lane.ts"
import * as KeyedLimiter from "../../src/KeyedLimiter.ts"
import type { Candidate } from "../../src/resolver/Candidate.ts"
import { NAMES } from "../../src/resolver/Registry.ts"
import { type Resolver, ResolverFailure } from "../../src/resolver/Resolver.ts"
import { type Member, plain } from "../../src/resolver/Members.ts"
import { enabledOrder, makeWith } from "../../src/resolver/Resolvers.ts"
import * as TokenBucket from "../../src/TokenBucket.ts"
import { settings } from "../download/Rig.ts"

const artifact: Artifact = { id: "x", urls: [], doi: "10.1/x" }
const copies: ReadonlyArray<Candidate> = [{ url: "http://a.test/x", resolver: "r", kind: "pdf" }]
const found = { candidates: copies, pages: [] }

/** A resolver that records when it was asked. */
const recording = (
  resolve: Resolver["resolve"] = () => Effect.succeed(copies),
  remote = true
): Resolver & { readonly asked: Array<number> } => {
  const asked: Array<number> = []
  return {
    asked,
    name: "r",
    remote,
    accepts: () => true,
    resolve: (question) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        asked.push(now)
        return resolve(question)
      })
  }
}

/** Refuses for the rate, for so long. */
const refusing =
  (wait: Duration.DurationInput): Resolver["resolve"] =>
  () =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.fail(
        new ResolverFailure({
          outcome: "rate_limited",
          message: "slowly",
          until: now + Duration.toMillis(wait)
        })
      )
    )

const limits = Layer.merge(
  KeyedLimiter.layer({ cap: 1 }),
  TokenBucket.layerMemory({ limits: () => ({ capacity: 1, refillPerSecond: 2 }) })
)

const serviceOf = (resolver: Resolver, timeoutMs = 5000) =>
  Effect.provide(makeWith([plain(resolver, timeoutMs)]), limits)

describe("asking a resolver", () => {
  it.effect("waits a moment for its rate", () =>
    Effect.gen(function* () {
      const resolver = recording()
      const { ask } = yield* serviceOf(resolver)
      const fiber = yield* Effect.fork(Effect.all([ask("r", artifact), ask("r", artifact)]))
      yield* TestClock.adjust("10 seconds")
      expect(yield* Fiber.join(fiber)).toEqual([found, found])
      expect(resolver.asked).toEqual([0, 500])
    })
  )

  it.effect("hands a longer wait back", () =>
    Effect.gen(function* () {
      const limited = new ResolverFailure({ outcome: "rate_limited", message: "slowly", until: 60_000 })
      const resolver = recording(() => Effect.fail(limited))
      const { ask } = yield* serviceOf(resolver)
      expect(yield* Effect.flip(ask("r", artifact))).toMatchObject({ message: "slowly" })
      const next = yield* Effect.flip(ask("r", artifact))
      expect(next.outcome).toBe("rate_limited")
      expect(next.until).toBeGreaterThanOrEqual(60_000)
      expect(resolver.asked).toHaveLength(1)
    })
  )

  it.effect("that asks for a long wait isn't asked before, by nobody on the queue and after no restart", () =>
    Effect.gen(function* () {
      const HOUR = 3_600_000
      const limited = new ResolverFailure({ outcome: "rate_limited", message: "slowly", until: 5 * HOUR })
      const resolver = recording(() => Effect.fail(limited))
      const refused = Effect.fail("nobody may stand in the lane" as const)
      const { ask } = yield* serviceOf(resolver)
      expect(yield* Effect.flip(ask("r", artifact))).toMatchObject({ away: true, until: 5 * HOUR })
      yield* TestClock.adjust(5 * HOUR - 1)
      const { ask: later } = yield* serviceOf(resolver)
      expect(yield* Effect.flip(later("r", artifact, undefined, refused))).toMatchObject({
        outcome: "rate_limited",
        away: true,
        until: 5 * HOUR,
        message: expect.stringContaining("1970-01-01T05:00:00.000Z")
      })
      expect(resolver.asked).toHaveLength(1)
      yield* TestClock.adjust(1)
      yield* Effect.flip((yield* serviceOf(resolver)).ask("r", artifact))
      expect(resolver.asked).toHaveLength(2)
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )

  it.effect("that asks for a short wait is waited for", () =>
    Effect.gen(function* () {
      const limited = new ResolverFailure({ outcome: "rate_limited", message: "slowly", until: 60_000 })
      const { ask } = yield* serviceOf(recording(() => Effect.fail(limited)))
      const failure = yield* Effect.flip(ask("r", artifact))
      expect(failure).toMatchObject({ until: 60_000, message: "slowly" })
      expect(failure.away).not.toBe(true)
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )

  it.effect(
    "that refuses again after each wait is left alone twice as long, and after a few times others are asked",
    () =>
      Effect.gen(function* () {
        const resolver = recording(refusing("5 seconds"))
        const { ask } = yield* serviceOf(resolver)
        const waits: Array<readonly [ms: number, away: boolean]> = []
        for (let nth = 0; nth < 5; nth++) {
          const now = yield* Clock.currentTimeMillis
          const { away, until = 0 } = yield* Effect.flip(ask("r", artifact))
          waits.push([until - now, away === true])
          yield* TestClock.setTime(until)
        }
        expect(waits).toEqual([
          [5_000, false],
          [10_000, false],
          [20_000, true],
          [40_000, true],
          [80_000, true]
        ])
        expect(resolver.asked).toHaveLength(5)
      })
  )

  it.effect("that refuses is never asked before the time it names", () =>
    Effect.gen(function* () {
      const times = ["5 seconds", "70 seconds", "10 seconds"] as const
      let nth = 0
      const { ask } = yield* serviceOf(recording((question) => refusing(times[nth++] ?? 0)(question)))
      const waits: Array<number> = []
      for (const _ of times) {
        const now = yield* Clock.currentTimeMillis
        const { until = 0 } = yield* Effect.flip(ask("r", artifact))
        waits.push(until - now)
        yield* TestClock.setTime(until)
      }
      expect(waits).toEqual([5_000, 70_000, 140_000])
    })
  )

  it.effect("that answers in between has refused once, and its own rate is no refusal", () =>
    Effect.gen(function* () {
      let asked = 0
      const now = Clock.currentTimeMillis
      const resolver = recording((question) =>
        (asked += 1) % 3 === 0 ? Effect.succeed(copies) : refusing("5 seconds")(question)
      )
      const { ask } = yield* serviceOf(resolver)
      const waits: Array<number | undefined> = []
      for (let nth = 0; nth < 6; nth++) {
        const before = yield* now
        const end = yield* Effect.either(ask("r", artifact))
        waits.push(Either.isLeft(end) ? (end.left.until ?? 0) - before : undefined)
        // Asked too early: nobody is, and nothing is counted.
        if (Either.isLeft(end)) yield* Effect.flip(ask("r", artifact))
        yield* TestClock.adjust("20 seconds")
      }
      expect(waits).toEqual([5_000, 10_000, undefined, 5_000, 10_000, undefined])
    })
  )

  it.effect("whose own rate is used up within a question hasn't refused", () =>
    Effect.gen(function* () {
      const twice = recording(({ get }) =>
        Effect.as(Effect.zipRight(get("http://a.test/1"), get("http://a.test/2")), copies)
      )
      const member: Member = {
        ...plain(twice, 5000),
        ask: (nextRequest) => ({
          get: () => Effect.as(nextRequest, { status: 200, text: "", header: () => undefined }),
          keep: Effect.void,
          forget: Effect.void
        })
      }
      const slow = TokenBucket.layerMemory({ limits: () => ({ capacity: 1, refillPerSecond: 0.02 }) })
      const { ask } = yield* Effect.provide(
        makeWith([member]),
        Layer.merge(KeyedLimiter.layer({ cap: 1 }), slow)
      )
      for (let nth = 0; nth < 4; nth++) {
        const { away, until = 0 } = yield* Effect.flip(ask("r", artifact))
        expect({ nth, until, away: away === true }).toEqual({ nth, until: (nth + 1) * 50_000, away: false })
        yield* TestClock.setTime(until)
      }
      expect(twice.asked).toHaveLength(4)
    })
  )

  it.effect("that refuses each run once is counted over them", () =>
    Effect.gen(function* () {
      for (const away of [false, false, true]) {
        const { ask } = yield* serviceOf(recording(refusing("5 seconds")))
        const failure = yield* Effect.flip(ask("r", artifact))
        expect(failure.away === true).toBe(away)
        yield* TestClock.adjust("1 minute")
      }
      // One answer, and it is forgotten.
      yield* TestClock.adjust("1 hour")
      yield* (yield* serviceOf(recording())).ask("r", artifact)
      const { ask } = yield* serviceOf(recording(refusing("5 seconds")))
      expect((yield* Effect.flip(ask("r", artifact))).away).not.toBe(true)
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )

  it.effect("that forbids several requests in a row stops for the run, and not before", () =>
    Effect.gen(function* () {
      const forbidden = new ResolverFailure({ outcome: "failed", message: "r: no", forbidden: true })
      let asked = 0
      // The third is answered.
      const resolver = recording(() => ((asked += 1) === 3 ? Effect.succeed(copies) : Effect.fail(forbidden)))
      const { ask } = yield* serviceOf(resolver)
      const ends: Array<string> = []
      for (let nth = 0; nth < 9; nth++) {
        yield* TestClock.adjust("1 minute")
        const end = yield* Effect.either(ask("r", artifact))
        ends.push(Either.isLeft(end) ? end.left.outcome : "found")
      }
      expect(ends).toEqual([
        "failed",
        "failed",
        "found",
        "failed",
        "failed",
        "failed",
        "failed",
        "config_error",
        "config_error"
      ])
      expect(resolver.asked).toHaveLength(8)
    })
  )

  it.effect("that refuses whoever asks stops for the run, and says so once", () =>
    Effect.gen(function* () {
      const lines: Array<unknown> = []
      const refused = new ResolverFailure({ outcome: "config_error", message: "no address" })
      const resolver = recording(() => Effect.fail(refused))
      const { ask } = yield* serviceOf(resolver)
      const twice = Effect.all([Effect.flip(ask("r", artifact)), Effect.flip(ask("r", artifact))])
      const logger = Logger.replace(
        Logger.defaultLogger,
        Logger.make(({ message }) => void lines.push(message))
      )
      expect(yield* Effect.provide(twice, logger)).toMatchObject([
        { message: "no address" },
        { message: "no address" }
      ])
      expect(resolver.asked).toHaveLength(1)
      expect(lines).toHaveLength(1)
    })
  )

  it.effect("gives up after its time, and not while it waits for its turn", () =>
    Effect.gen(function* () {
      const resolver = recording(() => Effect.delay(Effect.succeed(copies), "3 seconds"))
      const { ask } = yield* serviceOf(resolver, 4000)
      const fiber = yield* Effect.fork(
        Effect.all([ask("r", artifact), ask("r", artifact), ask("r", artifact)], { concurrency: "unbounded" })
      )
      yield* TestClock.adjust("30 seconds")
      expect(yield* Fiber.join(fiber)).toEqual([found, found, found])

      const never = yield* serviceOf(
        recording(() => Effect.never),
        4000
      )
      const silent = yield* Effect.fork(Effect.flip(never.ask("r", artifact)))
      yield* TestClock.adjust("4 seconds")
      expect(yield* Fiber.join(silent)).toMatchObject({ outcome: "failed", passing: true })
    })
  )

  it.effect("that asks nobody needs no lane and no rate", () =>
    Effect.gen(function* () {
      const resolver = recording(undefined, false)
      const { ask, lane } = yield* serviceOf(resolver)
      yield* Effect.all([ask("r", artifact), ask("r", artifact), ask("r", artifact)])
      expect(resolver.asked).toEqual([0, 0, 0])
      expect(lane("r")).toEqual(Option.none())
      const remote = yield* serviceOf(recording())
      expect(remote.lane("r")).toEqual(Option.some("resolver:r"))
    })
  )

  it.effect("that knows landing pages only knows no free copy", () =>
    Effect.gen(function* () {
      const page: Candidate = { url: "http://a.test/page", resolver: "r", kind: "landing" }
      const { ask } = yield* serviceOf(recording(() => Effect.succeed([page])))
      expect(yield* Effect.flip(ask("r", artifact))).toMatchObject({ outcome: "no_open_access" })
    })
  )
})

describe("a job's first lane", () => {
  const order = ["arxiv", "unpaywall"]

  it.each([
    [
      { id: "x", urls: ["http://Papers.test:8080/x", "http://other.test/"], doi: "10.1/x" },
      "host:papers.test"
    ],
    [{ id: "x", urls: ["http://[::1]:80/x"] }, "host:[::1]"],
    [{ id: "x", urls: ["https://papers.test./x"] }, "host:papers.test"],
    [{ id: "x", urls: [], doi: "10.1/x" }, "resolver:unpaywall"],
    [{ id: "x", urls: [], doi: "10.1/x", arxiv: "1304.1068" }, "resolver:arxiv"],
    [{ id: "x", urls: [], doi: "10.48550/arxiv.1304.1068" }, "resolver:arxiv"],
    [{ id: "x", urls: [], pmid: "123" }, "resolver:none"]
  ])("of %j is %s", (wanted, lane) => {
    expect(firstLane(wanted, order)).toBe(lane)
    expect(toNewJob(wanted, { resolverOrder: order })).toEqual({ id: "x", lane, payload: wanted })
  })

  it("follows the order of the enabled resolvers", () => {
    const both: Artifact = { id: "x", urls: [], doi: "10.1/x", arxiv: "1304.1068" }
    expect(firstLane(both, ["unpaywall", "arxiv"])).toBe("resolver:unpaywall")
    const all = settings("unused")
    expect(enabledOrder(all)).toEqual(order)
    expect(enabledOrder({ resolvers: Schema.decodeSync(Settings)({}).resolvers })).toEqual(NAMES)
    expect(enabledOrder(settings("unused", { arxiv: { enabled: false } }))).toEqual(["unpaywall"])
    expect(enabledOrder(settings("unused", { order: ["unpaywall"] }))).toEqual(["unpaywall"])
  })

  it("is one for a host, whatever its port and case", () => {
    expect(
      new Set(["http://a.test/", "https://A.TEST:444/x?y", "http://a.test.:80/"].map(hostLane)).size
    ).toBe(1)
  })
})
