/** What a lease costs as the queue grows, and behind a hot lane that is full. `--large` goes to ten million rows. */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { WorkQueue } from "../../src/index.ts"
import type { BareJob } from "../bound/BareQueue.ts"
import { job, jobs, zipf } from "../Jobs.ts"
import { inFolder, median, type Row, type Suite } from "../Measure.ts"
import { fill, queueLayer, run } from "../Ours.ts"

const BATCH = 32
const CAP = 2
const TTL = 600_000

interface Size {
  readonly what: string
  readonly rows: () => Iterable<BareJob>
  readonly goal?: number
}

/** Ahead of everything else, a lane with so many jobs that is full. */
const behindHotLane = function* (hot: number, others: number, lanes: number): Generator<BareJob> {
  for (let n = 0; n < hot; n++) yield job(n, 0)
  for (let n = 0; n < others; n++) yield job(hot + n, 1 + (n % lanes))
}

interface Cost {
  readonly leaseMs: number
  readonly ackMs: number
  readonly rssMb: number
}

/** Medians over leases of 32, each acknowledged before the next; jobs of the hot lane stay leased. */
const cost = (size: Size, rounds: number): Promise<Cost> =>
  inFolder((folder) =>
    run(
      Effect.gen(function* () {
        yield* fill(size.rows())
        const queue = yield* WorkQueue.WorkQueue
        globalThis.gc?.()
        const leaseMs: Array<number> = []
        const ackMs: Array<number> = []
        for (let round = 0; round < rounds; round++) {
          const from = performance.now()
          const leases = yield* queue.lease({ worker: "bench", limit: BATCH, ttl: TTL })
          const leased = performance.now()
          yield* Effect.forEach(
            leases.filter(({ lane }) => lane !== "host:h0.example"),
            (lease) => queue.ack(lease, { state: "done", result: { ok: true } }),
            { concurrency: "unbounded", discard: true }
          )
          leaseMs.push(leased - from)
          ackMs.push(performance.now() - leased)
        }
        return {
          leaseMs: median(leaseMs),
          ackMs: median(ackMs),
          rssMb: process.memoryUsage().rss / 1e6
        }
      }),
      queueLayer(join(folder, "queue.sqlite"), CAP)
    )
  )

const million = 1_000_000

export const scale: Suite = {
  name: "scale",
  about: `a lease of ${BATCH} and its acks as the queue grows, cap ${CAP}`,
  run: async ({ large, log, quick }) => {
    const sizes: ReadonlyArray<Size> = [
      { what: "10 thousand rows, 100 lanes", rows: () => jobs(10_000, 100) },
      ...(quick
        ? [
            {
              what: "100 thousand rows, 10 thousand lanes",
              rows: () => jobs(100_000, 10_000, zipf(10_000)),
              goal: 2
            }
          ]
        : [
            {
              what: "1 million rows, 100 thousand lanes (Zipf)",
              rows: () => jobs(million, 100_000, zipf(100_000)),
              goal: 2
            },
            {
              what: "behind a full lane of a million",
              rows: () => behindHotLane(million, 10_000, 100),
              goal: 2
            }
          ]),
      ...(large
        ? [
            {
              what: "10 million rows, 100 thousand lanes (Zipf)",
              rows: () => jobs(10 * million, 100_000, zipf(100_000)),
              goal: 2
            }
          ]
        : [])
    ]
    const rows: Array<Row> = []
    let small: Cost | undefined
    for (const size of sizes) {
      log(`scale: ${size.what}`)
      const found = await cost(size, 200)
      small ??= found
      const ratio = (is: number): Pick<Row, "ratio"> =>
        found === small
          ? {}
          : {
              ratio: {
                to: "10 thousand rows",
                is,
                ...(size.goal === undefined ? {} : { goal: size.goal, better: "less" as const })
              }
            }
      rows.push(
        {
          suite: "scale",
          what: `lease of ${BATCH}: ${size.what}`,
          value: found.leaseMs,
          unit: "ms",
          ...ratio(found.leaseMs / small.leaseMs)
        },
        {
          suite: "scale",
          what: `ack of ${BATCH}: ${size.what}`,
          value: found.ackMs,
          unit: "ms",
          ...(found === small ? {} : { ratio: { to: "10 thousand rows", is: found.ackMs / small.ackMs } })
        },
        {
          suite: "scale",
          what: `memory: ${size.what}`,
          value: found.rssMb,
          unit: "MB",
          ...(found === small ? {} : { ratio: { to: "10 thousand rows", is: found.rssMb / small.rssMb } })
        }
      )
    }
    return rows
  }
}
