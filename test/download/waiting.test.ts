/** How long a host waits that asks for it, and when a file is set aside for it. */
import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Random from "effect/Random"
import * as TestClock from "effect/TestClock"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import * as Waiting from "../../src/download/Waiting.ts"
import { world } from "./Fetching.ts"

const HOUR = 3_600_000

/** What a host has come to, from time zero on. `draw`: of the jitter. */
const rig = ({ draw = 0, jitter = 15 } = {}) => {
  let now = 0
  const settings = {
    http: { refusal_wait_seconds: 60 },
    orchestrator: { jitter_seconds: jitter }
  }
  const waiting = Waiting.make(settings, () => now)
  const refuse = (path: string, { ms, status = 429 }: { ms?: number; status?: number } = {}) =>
    waiting
      .wait(
        { id: "paper", url: `http://a.test${path}`, status },
        {
          _tag: "Wait",
          reason: `http-${status}`,
          message: "m",
          until: ms === undefined ? undefined : now + ms
        }
      )
      .pipe(Effect.withRandom(Random.fixed([draw])), Effect.runSync)
  return {
    waiting,
    refuse,
    /** Refuses, and waits for as long; answers how long. */
    refuseAndWait: (path: string, more: { ms?: number; status?: number } = {}) => {
      const held = refuse(path, more)
      const ms = held.until - now
      now = held.until
      return { ms, over: held.over, now }
    }
  }
}

describe("a host that names the same short time again and again", () => {
  it("is left alone for twice as long each time, up to an hour, until it answers", () => {
    const { refuseAndWait, waiting } = rig()
    const waits = Array.from({ length: 14 }, (_, n) => refuseAndWait(`/${n}`, { ms: 1000 }).ms)
    expect(waits).toEqual(waits.map((_, n) => Math.min(HOUR, 1000 * 2 ** n)))
    waiting.answered("http://a.test/x")
    expect(refuseAndWait("/x", { ms: 1000 }).ms).toBe(1000)
  })

  it("is so also where its answer takes as long to read as it asks to be left alone", () => {
    const { refuseAndWait } = rig()
    const waits = Array.from({ length: 3 }, (_, n) => refuseAndWait(`/${n}`, { ms: 5 }).ms)
    expect(waits).toEqual([1000, 2000, 4000])
  })

  it("is never left alone for less than it asks, nor for much longer than the hour that it doesn't", () => {
    FastCheck.assert(
      FastCheck.property(
        FastCheck.array(FastCheck.integer({ min: 1000, max: 30 * HOUR }), { minLength: 1, maxLength: 20 }),
        FastCheck.double({ min: 0, max: 1, noNaN: true }),
        (asked, draw) => {
          const { refuseAndWait } = rig({ draw })
          for (const [n, ms] of asked.entries()) {
            const waited = refuseAndWait(`/${n}`, { ms }).ms
            expect(waited).toBeGreaterThanOrEqual(ms)
            expect(waited).toBeLessThanOrEqual(Math.max(ms, HOUR) + 15_001)
          }
        }
      )
    )
  })
})

describe("a file that is refused again and again", () => {
  it("is set aside at the third time, longer each time, so that others of its host have their turn", () => {
    const { refuseAndWait, waiting } = rig()
    const over = [1, 2, 3, 4].map(() => {
      const refused = refuseAndWait("/bad", { ms: 1000 })
      // All else goes well.
      waiting.answered("http://a.test/good")
      return refused.over === undefined
        ? undefined
        : [refused.over.class, (refused.over.notBefore ?? 0) - refused.now]
    })
    expect(over).toEqual([undefined, undefined, ["wait", 1000], ["wait", 2000]])
  })

  it("isn't for what came while a wait was on", () => {
    const { refuse } = rig()
    for (let n = 0; n < 9; n++) expect(refuse("/bad", { ms: 1000 }).over).toBeUndefined()
  })

  it("is set aside at once where its host has refused all others, too", () => {
    const { refuseAndWait, waiting } = rig()
    const over = Array.from({ length: 4 }, (_, n) => refuseAndWait(`/${n}`, { ms: 1000 }).over?.class)
    expect(over).toEqual([undefined, undefined, "wait", "wait"])
    waiting.answered("http://a.test/x")
    expect(refuseAndWait("/x", { ms: 1000 }).over).toBeUndefined()
  })

  it("is forbidden for good at the second time, which is an answer of its host", () => {
    const { refuseAndWait } = rig()
    for (let n = 0; n < 5; n++) {
      const refusals = [1, 2].map(() => refuseAndWait(`/${n}`, { ms: 1000, status: 403 }))
      expect(refusals.map(({ ms, over }) => [ms, over?.class])).toEqual([
        [1000, undefined],
        [2000, "try-next"]
      ])
    }
  })
})

describe("a host that has nothing new", () => {
  it.effect("has answered: what it refuses later is its first refusal", () => {
    const refusing = Behaviour.status(429, { "retry-after": "1" })
    const both = (rest: Behaviour.Behaviour) =>
      Behaviour.tries(1, refusing, Behaviour.tries(1, Behaviour.files(), rest))
    return world({ "a.test": Behaviour.tries(1, Behaviour.files(), both(both(both(refusing)))) }, (at) =>
      Effect.gen(function* () {
        const url = at.origin.url("a.test", "/paper.pdf")
        const first = yield* at.fetch(url)
        if (first._tag !== "Stored") return yield* Effect.dieMessage(first._tag)
        const again = at.fetch(url, { token: 2, previous: first.receipt })
        for (let n = 0; n < 3; n++) {
          const held = yield* again
          if (held._tag !== "Held") return yield* Effect.dieMessage(held._tag)
          const now = yield* Clock.currentTimeMillis
          expect(held.waits.until - now).toBeLessThanOrEqual(1100)
          yield* TestClock.setTime(held.waits.until)
          expect(yield* again).toMatchObject({ _tag: "Unmodified" })
        }
      })
    )
  })
})
