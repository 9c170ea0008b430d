/** When a failed try is had again, and when it was the last. */
import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as TestClock from "effect/TestClock"
import { Later, Retry } from "../../src/Failure.ts"
import type { HandlerService } from "../../src/Handler.ts"
import * as Worker from "../../src/Worker.ts"
import * as Crew from "./Crew.ts"

const why = { reason: "some-reason", message: "for a person" }

/** Tries the job again and again, as soon as it may be, until it isn't queued any more; answers each wait. */
const tryOn = (handle: HandlerService["handle"], options: Worker.WorkerOptions) =>
  Effect.gen(function* () {
    const { run } = yield* Worker.Worker
    yield* Crew.enqueue(Crew.newJob("j"))
    const waits: Array<number> = []
    let job = yield* Crew.detail("j")
    while (job.state === "queued") {
      yield* run(yield* Crew.leaseOne())
      job = yield* Crew.detail("j")
      const wait = Math.max(0, (job.availableAt ?? 0) - (yield* Crew.now))
      if (job.state === "queued") waits.push(wait)
      yield* TestClock.adjust(wait)
    }
    return { waits, job }
  }).pipe(Effect.provide(Crew.layer({ handle, worker: options })))

describe("retryDelay", () => {
  it.effect.prop(
    "lies between nothing and the doubled bound, which stops at the longest wait",
    {
      tries: FastCheck.array(
        FastCheck.record({
          retry: FastCheck.oneof(
            FastCheck.integer({ min: 1, max: 40 }),
            FastCheck.integer({ min: 1, max: 5_000 })
          ),
          base: FastCheck.oneof(FastCheck.constant(0), FastCheck.nat(1_000_000)),
          max: FastCheck.nat(100_000_000)
        }),
        { minLength: 20, maxLength: 40 }
      )
    },
    ({ tries }) =>
      Effect.gen(function* () {
        for (const { base, max, retry } of tries) {
          const delay = yield* Worker.retryDelay(retry, base, max)
          expect(Number.isInteger(delay)).toBe(true)
          expect(delay).toBeGreaterThanOrEqual(0)
          expect(delay).toBeLessThanOrEqual(max)
          if (retry < 40) expect(delay).toBeLessThanOrEqual(base * 2 ** (retry - 1))
        }
      }),
    { fastCheck: { numRuns: 50 } }
  )

  it.effect("uses the whole of its range, so that a crowd doesn't come back at once", () =>
    Effect.gen(function* () {
      const delays = yield* Effect.replicateEffect(Worker.retryDelay(3, 1_000, 1_000_000), 1_000)
      expect(Math.min(...delays)).toBeLessThan(400)
      expect(Math.max(...delays)).toBeGreaterThan(3_600)
      expect(new Set(delays).size).toBeGreaterThan(500)
    })
  )
})

describe("A job whose tries fail", () => {
  it.scoped.prop(
    "ends in error at maxAttempts, each wait within its bound",
    {
      maxAttempts: FastCheck.integer({ min: 1, max: 6 }),
      base: FastCheck.nat(10_000),
      max: FastCheck.nat(60_000),
      dies: FastCheck.boolean()
    },
    ({ base, dies, max, maxAttempts }) =>
      Effect.gen(function* () {
        const { job, waits } = yield* tryOn(() => (dies ? Effect.die("fault") : new Retry(why)), {
          maxAttempts,
          backoff: base,
          maxBackoff: Duration.millis(max)
        })
        expect(job).toMatchObject({ state: "error", attempts: maxAttempts })
        expect(job.reason).toBe(dies ? "internal-fault" : why.reason)
        expect(waits).toHaveLength(maxAttempts - 1)
        waits.forEach((wait, i) => expect(wait).toBeLessThanOrEqual(Math.min(max, base * 2 ** i)))
      }),
    { fastCheck: { numRuns: 50 } }
  )

  it.scoped("waits for what else there is when no try is left, and ends by what comes of that", () => {
    let runs = 0
    const handle = () => {
      runs += 1
      const atLast = new Later({ reason: "away", message: "m", until: 500_000, plan: "rest" })
      return new Retry(runs <= 3 ? { ...why, plan: "all", atLast } : why)
    }
    return Effect.gen(function* () {
      const { job, waits } = yield* tryOn(handle, { maxAttempts: 2, backoff: 0 })
      expect(waits.map((wait) => wait > 0)).toEqual([false, true, false])
      expect(job).toMatchObject({ state: "error", reason: why.reason, attempts: 2, plan: "rest" })
    })
  })

  it.scoped("gets three tries unless told otherwise", () =>
    Effect.gen(function* () {
      expect((yield* tryOn(() => new Retry(why), { backoff: 1_000 })).job.attempts).toBe(3)
    })
  )

  it.scoped.prop(
    "is not had again before the time the other side named, and waits no less because of it",
    { notBefore: FastCheck.nat(200_000), base: FastCheck.nat(100_000) },
    ({ base, notBefore }) =>
      Effect.gen(function* () {
        const { run } = yield* Worker.Worker
        yield* TestClock.setTime(50_000)
        yield* Crew.enqueue(Crew.newJob("j"))
        yield* run(yield* Crew.leaseOne())
        const at = (yield* Crew.detail("j")).availableAt ?? 50_000
        expect(at).toBeGreaterThanOrEqual(Math.max(50_000, notBefore))
        expect(at).toBeLessThanOrEqual(Math.max(notBefore, 50_000 + base))
      }).pipe(
        Effect.provide(
          Crew.layer({ handle: () => new Retry({ ...why, notBefore }), worker: { backoff: base } })
        )
      ),
    { fastCheck: { numRuns: 50 } }
  )
})
