/** The queue alone: enqueue, bulk import, lease and ack in batches, against the bound. */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { WorkQueue } from "../../src/index.ts"
import { BareQueue } from "../bound/BareQueue.ts"
import { job, jobs } from "../Jobs.ts"
import { type Contestant, inFolder, medians, type Row, seconds, type Suite } from "../Measure.ts"
import { fill, queueLayer, run, toNewJob } from "../Ours.ts"

const LANES = 1000
const CAP = 2
const TTL = 600_000

const boundImport = (count: number): Promise<number> =>
  inFolder(async (folder) => {
    const queue = await BareQueue.open(join(folder, "bound.sqlite"), CAP)
    return seconds(() => {
      queue.import([...jobs(count, LANES)])
      queue.close()
    })
  })

const ourImport = (count: number): Promise<number> =>
  inFolder((folder) =>
    run(
      Effect.gen(function* () {
        const from = performance.now()
        yield* fill(jobs(count, LANES))
        return (performance.now() - from) / 1000
      }),
      queueLayer(join(folder, "ours.sqlite"), CAP)
    )
  )

const ourEnqueues = (count: number): Promise<number> =>
  inFolder((folder) =>
    run(
      Effect.gen(function* () {
        const queue = yield* WorkQueue.WorkQueue
        const from = performance.now()
        for (let n = 0; n < count; n++) yield* queue.enqueue(toNewJob(job(n, n % LANES)))
        return (performance.now() - from) / 1000
      }),
      queueLayer(join(folder, "ours.sqlite"), CAP)
    )
  )

const boundEnqueues = (count: number): Promise<number> =>
  inFolder(async (folder) => {
    const queue = await BareQueue.open(join(folder, "bound.sqlite"), CAP)
    queue.syncEachCommit()
    return seconds(() => {
      for (let n = 0; n < count; n++) queue.import([job(n, n % LANES)])
      queue.close()
    })
  })

const boundRounds = (count: number, batch: number): Promise<number> =>
  inFolder(async (folder) => {
    const queue = await BareQueue.open(join(folder, "bound.sqlite"), CAP)
    queue.import([...jobs(count, LANES)])
    return seconds(() => {
      queue.drain(batch, TTL, JSON.parse)
      queue.close()
    })
  })

const ourRounds = (count: number, batch: number): Promise<number> =>
  inFolder((folder) =>
    run(
      Effect.gen(function* () {
        yield* fill(jobs(count, LANES))
        const queue = yield* WorkQueue.WorkQueue
        const from = performance.now()
        for (;;) {
          const leases = yield* queue.lease({ worker: "bench", limit: batch, ttl: TTL })
          if (leases.length === 0) break
          yield* Effect.forEach(
            leases,
            (lease) => queue.ack(lease, { state: "done", result: { ok: true } }),
            {
              concurrency: "unbounded",
              discard: true
            }
          )
        }
        return (performance.now() - from) / 1000
      }),
      queueLayer(join(folder, "ours.sqlite"), CAP)
    )
  )

export const queue: Suite = {
  name: "queue",
  about: `the queue alone, ${LANES} lanes, cap ${CAP}`,
  run: async ({ quick }) => {
    const rounds = quick ? 1 : 3
    const pairs: ReadonlyArray<{
      readonly what: string
      readonly count: number
      readonly goal?: number
      readonly ours: (count: number) => Promise<number>
      readonly bound: (count: number) => Promise<number>
    }> = [
      { what: "enqueue, each durable", count: quick ? 200 : 1000, ours: ourEnqueues, bound: boundEnqueues },
      { what: "bulk import", count: quick ? 20_000 : 50_000, goal: 0.6, ours: ourImport, bound: boundImport },
      ...[1, 32, 128].map((batch) => ({
        what: `lease and ack, ${batch} at once`,
        count: batch === 1 ? 2000 : 10_000,
        ours: (count: number) => ourRounds(count, batch),
        bound: (count: number) => boundRounds(count, batch)
      }))
    ]
    const rows: Array<Row> = []
    for (const { bound, count, goal, ours, what } of pairs) {
      const contestants: ReadonlyArray<Contestant> = [
        { name: "bound", run: () => bound(count) },
        { name: "ours", run: () => ours(count) }
      ]
      const took = await medians(contestants, rounds)
      const rate = (name: string) => count / (took.get(name) ?? Number.NaN)
      rows.push(
        { suite: "queue", what: `bound: ${what}`, value: rate("bound"), unit: "jobs/s" },
        {
          suite: "queue",
          what: `ours: ${what}`,
          value: rate("ours"),
          unit: "jobs/s",
          ratio: {
            to: "bound",
            is: rate("ours") / rate("bound"),
            ...(goal === undefined ? {} : { goal, better: "more" as const })
          }
        }
      )
    }
    return rows
  }
}
