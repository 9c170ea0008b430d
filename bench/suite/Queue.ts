/** The queue alone: enqueue, bulk import, lease and ack in batches, against the bound. */
import { createReadStream } from "node:fs"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { createInterface } from "node:readline"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as ArtifactFile from "../../src/artifact/ArtifactFile.ts"
import * as Route from "../../src/download/Route.ts"
import { WorkQueue } from "../../src/index.ts"
import { type BareJob, BareQueue } from "../bound/BareQueue.ts"
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

const writeFileOf = async (folder: string, count: number): Promise<string> => {
  const source = join(folder, "artifacts.jsonl")
  await writeFile(
    source,
    Array.from(jobs(count, LANES), ({ payload }) => `${payload}\n`)
  )
  return source
}

/** What has to be done with a line at least: parse it, and find the host in its URL. */
const boundFileImport = (count: number): Promise<number> =>
  inFolder(async (folder) => {
    const source = await writeFileOf(folder, count)
    const queue = await BareQueue.open(join(folder, "bound.sqlite"), CAP)
    return seconds(async () => {
      const parsed: Array<BareJob> = []
      for await (const line of createInterface({ input: createReadStream(source) })) {
        const artifact: { readonly id: string; readonly urls: ReadonlyArray<string> } = JSON.parse(line)
        const { hostname } = new URL(artifact.urls[0] ?? "")
        parsed.push({ id: artifact.id, lane: `host:${hostname}`, payload: JSON.stringify(artifact) })
        if (parsed.length === 1000) queue.import(parsed.splice(0))
      }
      if (parsed.length > 0) queue.import(parsed)
      queue.close()
    })
  })

/** From the text of a JSONL file: its lines read and checked, the identifiers in their one form, the lanes chosen. */
const ourFileImport = (count: number): Promise<number> =>
  inFolder(async (folder) => {
    const source = await writeFileOf(folder, count)
    return run(
      Effect.gen(function* () {
        const queue = yield* WorkQueue.WorkQueue
        const from = performance.now()
        const summary = yield* queue.enqueueAll(
          Stream.filterMap(ArtifactFile.read({ source }), ({ result }) =>
            Option.map(Either.getRight(result), (artifact) =>
              Route.toNewJob(artifact, { priority: 0, resolverOrder: [] })
            )
          )
        )
        if (summary.new !== count)
          return yield* Effect.dieMessage(`${summary.new} of ${count} lines were new`)
        return (performance.now() - from) / 1000
      }),
      queueLayer(join(folder, "ours.sqlite"), CAP)
    )
  })

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
      {
        what: "import of a JSONL file",
        count: quick ? 20_000 : 50_000,
        goal: 0.6,
        ours: ourFileImport,
        bound: boundFileImport
      },
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
