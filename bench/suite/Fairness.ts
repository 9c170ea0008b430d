/** Whether slots go where they help: the makespan over unequal hosts, and what a slow host does to the others. */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Handler, Scheduler, Worker, WorkerIdentity } from "../../src/index.ts"
import type { BareJob } from "../bound/BareQueue.ts"
import { job, jobs, zipf } from "../Jobs.ts"
import { inFolder, type Row, type Suite } from "../Measure.ts"
import { fill, queueLayer, run } from "../Ours.ts"

const CAP = 2
const WORKERS = 64
const FAST_MS = 50
const SLOW_MS = 500

/** A scheduler whose jobs only take their time. */
const sleepingLayer = (path: string, ms: (lane: string) => number) =>
  Scheduler.layer({ maxWorkers: WORKERS }).pipe(
    Layer.provide([Worker.layer(), WorkerIdentity.layer]),
    Layer.provide(
      Handler.layer(Schema.Unknown, ({ lease }) =>
        Effect.as(Effect.sleep(ms(lease.lane)), Handler.Done({ result: null }))
      )
    ),
    Layer.provideMerge(queueLayer(path, CAP))
  )

/** No schedule ends sooner: the largest lane at its cap, or all the work over all the workers. */
const lowerBound = (all: ReadonlyArray<BareJob>, workers: number): number => {
  const counts = new Map<string, number>()
  for (const { lane } of all) counts.set(lane, (counts.get(lane) ?? 0) + 1)
  const largest = Math.max(...counts.values())
  return (Math.max(Math.ceil(largest / CAP), Math.ceil(all.length / workers)) * FAST_MS) / 1000
}

/** Seconds until the last job of the lanes that count has ended; then the run is stopped. */
const lastEnd = (
  all: ReadonlyArray<BareJob>,
  counts: (lane: string) => boolean,
  ms: (lane: string) => number
) =>
  inFolder((folder) =>
    run(
      Effect.gen(function* () {
        yield* fill(all)
        const scheduler = yield* Scheduler.Scheduler
        const from = performance.now()
        let left = all.filter(({ lane }) => counts(lane)).length
        let last = from
        const running = yield* Effect.fork(
          scheduler.run({
            drain: true,
            onEnd: ({ end, lease }) =>
              Effect.suspend(() => {
                if (end !== "done" || !counts(lease.lane)) return Effect.void
                left -= 1
                last = performance.now()
                return left === 0 ? scheduler.stopNow : Effect.void
              })
          })
        )
        yield* Fiber.join(running)
        return (last - from) / 1000
      }),
      sleepingLayer(join(folder, "queue.sqlite"), ms)
    )
  )

export const fairness: Suite = {
  name: "fairness",
  about: `${WORKERS} workers, cap ${CAP}: the makespan over Zipf's hosts, and fast hosts beside a slow one`,
  run: async ({ quick }) => {
    const zipfian = [...jobs(quick ? 500 : 1000, 100, zipf(100))]
    const makespan = await lastEnd(
      zipfian,
      () => true,
      () => FAST_MS
    )
    const bound = lowerBound(zipfian, WORKERS)

    // Imported first, and nine tenths of everything.
    const slow = Array.from({ length: 2700 }, (_, n) => job(n, 0))
    const fast = Array.from({ length: 300 }, (_, n) => job(slow.length + n, 1 + (n % 90)))
    const isFast = (lane: string) => lane !== "host:h0.example"
    const last = await lastEnd([...slow, ...fast], isFast, (lane) => (isFast(lane) ? FAST_MS : SLOW_MS))
    const fastBound = lowerBound(fast, WORKERS - CAP)
    const row = (what: string, value: number, to: number, goal: number): Row => ({
      suite: "fairness",
      what,
      value,
      unit: "s",
      ratio: { to: `bound ${to.toFixed(2)} s`, is: value / to, goal, better: "less" }
    })
    return [
      row("makespan over 100 hosts", makespan, bound, 1.12),
      row("last job of the fast hosts", last, fastBound, 3)
    ]
  }
}
