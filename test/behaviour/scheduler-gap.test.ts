/** The gap between two turns: at least what was asked for, and longer where turns take long, but not without end. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import * as TestContext from "effect/TestContext"
import type { WorkQueueService } from "../../src/WorkQueue.ts"
import * as Crew from "./Crew.ts"

const GAP_MS = 5

/** Turns that settled something, by when they began and ended. */
type Turns = Array<{ readonly from: number; readonly to: number }>

/** Each turn leases last, and that takes so long. */
const slowly = (ms: number, turns: Turns) => {
  let settling: number | undefined
  return (queue: WorkQueueService): WorkQueueService => ({
    ...queue,
    ack: (...args) =>
      Effect.zipRight(
        Effect.map(Crew.now, (now) => {
          settling ??= now
        }),
        queue.ack(...args)
      ),
    lease: (request) =>
      Effect.gen(function* () {
        const leases = yield* queue.lease(request)
        if (ms > 0) yield* Effect.sleep(ms)
        if (settling !== undefined) turns.push({ from: settling, to: yield* Crew.now })
        settling = undefined
        return leases
      })
  })
}

describe("The gap between two turns", () => {
  it.each([
    { took: 0, gap: GAP_MS },
    { took: 2, gap: 16 },
    { took: 50, gap: 4 * GAP_MS }
  ])("is $gap ms where one takes $took ms", ({ gap, took }) => {
    const turns: Turns = []
    return Effect.gen(function* () {
      // One that runs all the time: without any, nobody is waited for.
      yield* Crew.enqueue(
        Crew.newJob("long", { payload: Crew.script(10_000) }),
        ...Array.from({ length: 40 }, (_, n) => Crew.newJob(`j${n}`, { payload: Crew.script(1 + (n % 3)) }))
      )
      yield* Crew.start({ drain: true })
      for (let ms = 0; ms < 600; ms++) yield* TestClock.adjust("1 millis")
      yield* TestClock.adjust("1 minute")
      expect((yield* Crew.stats).done).toBe(41)
      const waits = turns.slice(1, -1).map(({ from }, n) => from - (turns[n]?.to ?? 0))
      expect(waits.length).toBeGreaterThan(3)
      for (const wait of waits) expect(wait).toBeGreaterThanOrEqual(gap)
      // As jobs end all the time.
      expect(Math.min(...waits)).toBeLessThanOrEqual(gap + 3)
    }).pipe(
      Effect.provide(
        Crew.layer({
          handle: Crew.scripted,
          scheduler: { maxWorkers: 8, turnGap: `${GAP_MS} millis` },
          between: slowly(took, turns)
        })
      ),
      Effect.scoped,
      Effect.provide(TestContext.TestContext),
      Effect.runPromise
    )
  })
})
