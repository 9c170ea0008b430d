/** What a host is spared: the breaker, the pace that follows it, and the bandwidth. */
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import * as Bandwidth from "../../src/download/Bandwidth.ts"
import * as Breaker from "../../src/download/Breaker.ts"
import { FetchFailure } from "../../src/download/FetchFailure.ts"
import * as HostPace from "../../src/download/HostPace.ts"
import { world } from "./Fetching.ts"

const failure = (reason: string) => new FetchFailure({ class: "retry", reason, message: "m" })
const lane = "host:a.test"

/** A breaker, and what it made of requests that end so. `sent`: how many reached the host. */
const rig = (failures = 3) => {
  const breaker = Breaker.make({ breaker_failures: failures, breaker_pause_seconds: 10 })
  let sent = 0
  const ask = (end: string | undefined, of = lane) =>
    Effect.suspend(() => {
      sent += 1
      return end === undefined ? Effect.void : failure(end)
    }).pipe(
      breaker.guard(of),
      Effect.match({
        onSuccess: () => "ok",
        onFailure: (error) => (error._tag === "HostWaits" ? error.until : error.reason)
      })
    )
  return { ask, breaker, sent: () => sent }
}

describe("a breaker", () => {
  it.effect("opens after failures in a row, lets one request find out, and closes when that goes well", () =>
    Effect.gen(function* () {
      const { ask, sent } = rig()
      for (const reason of ["reset", "http-503", "challenge"]) expect(yield* ask(reason)).toBe(reason)
      const until = yield* ask(undefined)
      expect(until).toBeGreaterThanOrEqual(10_000)
      expect(until).toBeLessThanOrEqual(11_000)
      expect(sent()).toBe(3)
      expect(yield* ask(undefined, "host:b.test")).toBe("ok")
      yield* TestClock.adjust(11_000)
      expect(yield* ask(undefined)).toBe("ok")
      expect(yield* ask("reset")).toBe("reset")
      expect(yield* ask(undefined)).toBe("ok")
    })
  )

  it.effect("is remembered for so many hosts, and forgotten first for the one that failed first", () =>
    Effect.gen(function* () {
      const { ask } = rig(1)
      for (let n = 0; n < Breaker.MOST_HOSTS; n++) yield* ask("reset", `host:${n}.test`)
      expect(yield* ask(undefined, "host:0.test")).toBeTypeOf("number")
      yield* ask("reset", "host:more.test")
      expect(yield* ask(undefined, "host:0.test")).toBe("ok")
      expect(yield* ask(undefined, "host:1.test")).toBeTypeOf("number")
    })
  )

  it.effect("doubles its pause with each request that finds nothing better, up to an hour", () =>
    Effect.gen(function* () {
      const { ask } = rig(1)
      yield* ask("connect")
      let now = 0
      for (let pause = 10_000; pause < 100_000_000; pause *= 2) {
        const until = yield* ask(undefined)
        const bounded = Math.min(pause, 3_600_000)
        expect(until).toBeGreaterThanOrEqual(now + bounded)
        expect(until).toBeLessThanOrEqual(now + bounded * 1.1 + 1)
        yield* TestClock.setTime(Number(until))
        now = Number(until)
        expect(yield* ask("connect")).toBe("connect")
      }
    })
  )

  it.effect.prop(
    "never opens while anything it answers comes between, whatever that is",
    {
      ends: FastCheck.array(
        FastCheck.constantFrom(undefined, "http-404", "reset", "tls", "html-instead-of-pdf")
      )
    },
    ({ ends }) =>
      Effect.gen(function* () {
        const { ask, sent } = rig()
        let row = 0
        let asked = 0
        for (const end of ends) {
          if (row >= 3) break
          yield* ask(end)
          asked += 1
          row = end === "reset" ? row + 1 : end === "tls" ? row : 0
        }
        expect(sent()).toBe(asked)
        expect(typeof (yield* ask(undefined))).toBe(row >= 3 ? "number" : "string")
      })
  )

  it.effect("lets a single request find out, and the next if that was interrupted", () =>
    Effect.gen(function* () {
      const { ask, breaker } = rig(1)
      yield* ask("dns")
      yield* TestClock.adjust(11_000)
      const begun = yield* Deferred.make<void>()
      const trial = yield* Effect.fork(
        Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never).pipe(breaker.guard(lane))
      )
      yield* Deferred.await(begun)
      expect(yield* ask(undefined)).toBe(12_000)
      yield* Fiber.interrupt(trial)
      expect(yield* ask(undefined)).toBe("ok")
    })
  )

  it.effect("isn't opened further by what was under way", () =>
    Effect.gen(function* () {
      const { ask, breaker } = rig(1)
      const gate = yield* Deferred.make<void>()
      const late = yield* Effect.fork(
        Effect.zipRight(Deferred.await(gate), failure("reset")).pipe(breaker.guard(lane), Effect.exit)
      )
      yield* Effect.yieldNow()
      yield* ask("reset")
      const until = yield* ask(undefined)
      yield* Deferred.succeed(gate, undefined)
      expect(Exit.isFailure(yield* Fiber.join(late))).toBe(true)
      expect(yield* ask(undefined)).toBe(until)
    })
  )

  it.effect("isn't there if nobody wants it", () =>
    Effect.gen(function* () {
      const { ask } = rig(0)
      for (let i = 0; i < 50; i++) expect(yield* ask("reset")).toBe("reset")
    })
  )

  it.live("stands before every host, and what a page for humans ends with counts", () =>
    world(
      { "a.test": Behaviour.respond({ body: "<html><title>Just a moment</title></html>" }) },
      ({ fetch, origin }) =>
        Effect.gen(function* () {
          const url = (n: number) => origin.url("a.test", `/${n}.pdf`)
          for (const n of [1, 2])
            expect(yield* Effect.flip(fetch(url(n)))).toMatchObject({ reason: "challenge" })
          expect(yield* fetch(url(3))).toMatchObject({ _tag: "Held", waits: { reason: "breaker-open" } })
          expect(yield* origin.log).toHaveLength(2)
        }),
      { http: { breaker_failures: 2 } }
    )
  )
})

/** Plays requests one after the other against a host, each starting when it may; answers the starts. */
const play = (pace: HostPace.HostPace, from: number, times: ReadonlyArray<number | "refused">) => {
  let now = from
  const starts: Array<number> = []
  for (const time of times) {
    const wait = pace.start(lane, now)
    if (wait !== undefined) {
      now = wait.until
      expect(pace.start(lane, now)).toBeUndefined()
    }
    starts.push(now)
    const under = pace.begin(lane, now)
    now += time === "refused" ? 50 : time
    if (time === "refused") under.refused(now)
    else under.firstByte(now)
    under.end()
  }
  return { starts, now }
}

const slowest = (starts: ReadonlyArray<number>) =>
  Math.max(...starts.slice(1).map((start, i) => start - (starts[i] ?? 0)))

describe("the pace of a host", () => {
  it.prop(
    "isn't changed by noise",
    [FastCheck.array(FastCheck.integer({ min: 100, max: 480 }), { maxLength: 100 })],
    ([times]) => {
      const { now, starts } = play(HostPace.make(), 1, times)
      expect(now - 1).toBe(times.reduce((sum, time) => sum + time, 0))
      expect(starts).toHaveLength(times.length)
    }
  )

  it("slows down where answers take longer to begin, and comes back", () => {
    const pace = HostPace.make()
    const { now } = play(
      pace,
      1,
      Array.from({ length: 20 }, () => 100)
    )
    const slow = play(
      pace,
      now,
      Array.from({ length: 40 }, () => 2000)
    )
    expect(slowest(slow.starts)).toBeGreaterThan(4000)
    const well = play(
      pace,
      slow.now,
      Array.from({ length: 60 }, () => 100)
    )
    expect(slowest(well.starts.slice(-10))).toBe(100)
  })

  it("gets used to a host that is slower for good", () => {
    const pace = HostPace.make()
    const { now } = play(
      pace,
      1,
      Array.from({ length: 20 }, () => 100)
    )
    const { starts } = play(
      pace,
      now,
      Array.from({ length: 1000 }, () => 2000)
    )
    expect(slowest(starts.slice(-10))).toBe(2000)
  })

  it("slows down where it is refused, further each time, and never below a start a minute", () => {
    const pace = HostPace.make()
    const { starts } = play(
      pace,
      1,
      Array.from({ length: 30 }, () => "refused" as const)
    )
    const gaps = starts.slice(1).map((start, i) => start - (starts[i] ?? 0))
    for (const [i, gap] of gaps.entries()) {
      expect(gap).toBeGreaterThanOrEqual(gaps[i - 1] ?? 0)
      expect(gap).toBeLessThanOrEqual(60_000)
    }
    expect(gaps.at(-1)).toBe(16 * 50)
  })

  it("counts a refusal once for all that were under way", () => {
    const pace = HostPace.make()
    const under = Array.from({ length: 16 }, () => {
      pace.start(lane, 1)
      return pace.begin(lane, 1)
    })
    for (const { end, refused } of under) {
      refused(1001)
      end()
    }
    // Half of 16 at once, each a second: a start every 125 ms.
    expect(pace.start(lane, 2)?.until).toBe(1 + 125)
  })

  it("is nobody's business if it isn't wanted", () => {
    const { now } = play(
      HostPace.none,
      1,
      Array.from({ length: 100 }, () => "refused" as const)
    )
    expect(now).toBe(1 + 100 * 50)
  })
})

describe("the bandwidth", () => {
  it.scoped("is shared piece by piece, and what comes is never more than the rate and a burst", () =>
    Effect.gen(function* () {
      const rate = 100_000
      const bandwidth = yield* Bandwidth.make(rate)
      const received = [0, 0, 0]
      yield* Effect.forEach(
        received,
        (_, connection) =>
          Effect.gen(function* () {
            for (;;) {
              yield* Effect.promise(() => bandwidth(5000).come)
              received[connection] = (received[connection] ?? 0) + 5000
            }
          }).pipe(Effect.forkScoped),
        { discard: true }
      )
      for (let second = 1; second <= 20; second++) {
        for (let step = 0; step < 40; step++) {
          yield* TestClock.adjust(25)
          // The piece that was let go is received in a turn of the event loop.
          yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        }
        const total = received.reduce((sum, bytes) => sum + bytes, 0)
        expect(total).toBeLessThanOrEqual(second * rate + 64 * 1024 + 3 * 5000)
        expect(total).toBeGreaterThanOrEqual(second * rate * 0.9)
        expect(Math.max(...received) - Math.min(...received)).toBeLessThanOrEqual(5000)
      }
    })
  )

  it.live("slows a download down, and doesn't keep one that is stopped", () =>
    world(
      { "a.test": Behaviour.files({ size: 600_000 }) },
      ({ fetch, origin }) =>
        Effect.gen(function* () {
          const fiber = yield* Effect.fork(fetch(origin.url("a.test", "/x.pdf")))
          yield* Effect.sleep(300)
          expect(fiber.unsafePoll()).toBeNull()
          yield* Fiber.interrupt(fiber)
        }),
      { http: { max_bytes_per_second: 1000 } }
    )
  )
})
