/**
 * The whole of a download run, from the queue to the file, against a bare loop and other programs.
 *
 * The loop does the same durable work for each file: it hashes, writes, syncs, renames and syncs the folder. Ours does
 * besides what a run does: it leases and acknowledges in a synced queue, counts permits and paces, confines paths, looks
 * at the first and the last bytes, compares with what has the name already, makes folders durable when a file first
 * comes to them, and writes receipts. Neither opens the documents: a parser of PDFs would be all that is measured.
 *
 * A program of some size is compiled while it runs, which takes a second of processor time; so the files are enough
 * that it counts for little. Nothing is removed while small files are measured: ext4 looks for a new file's inode past
 * all that were freed within the last seconds, so whoever comes after a removal would pay for it.
 */
import { fork } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Download from "../../src/download/index.ts"
import { Handler, KeyedLimiter, Lane, TokenBucket } from "../../src/index.ts"
import { bareFetch } from "../bound/BareFetch.ts"
import { inFolder, medians, type Row, seconds, type Suite } from "../Measure.ts"
import * as OurDownloads from "../OurDownloads.ts"
import { downloaders } from "../peer/Downloaders.ts"

const AT_ONCE = 64

/** What is downloaded: so many files of one size, and how near to the bound that has to come. */
interface Load {
  readonly what: string
  readonly bytes: number
  readonly count: number
  readonly goal: number
}

const loads = (quick: boolean): ReadonlyArray<Load> => [
  { what: "20 KB", bytes: 20_000, count: quick ? 4000 : 8000, goal: 0.8 },
  { what: "5 MB", bytes: 5_000_000, count: quick ? 100 : 200, goal: 1 },
  { what: "1 GB", bytes: 1_000_000_000, count: quick ? 0 : 1, goal: 1 }
]

const settingsFor = (folder: string) =>
  OurDownloads.settingsFor(folder, {
    orchestrator: { max_workers: AT_ONCE, max_per_host: AT_ONCE },
    // The loop doesn't look into what comes.
    download: { max_bytes: 2_000_000_000, structure: false, identity: "off" }
  })

/** The handler alone, with jobs that come from no queue: what the queue and the scheduler cost is the difference. */
const handlerAlone = (urls: ReadonlyArray<string>, folder: string): Promise<number> =>
  Effect.gen(function* () {
    const handler = yield* Handler.Handler
    const lease = { token: 1, worker: "bench", expiresAt: Number.MAX_SAFE_INTEGER, attempts: 0, crashes: 0 }
    const from = performance.now()
    yield* Effect.forEach(
      urls,
      (url, n) => {
        const id = `paper-${n}`
        const payload = { id, urls: [url] }
        return handler.handle({
          payload,
          lease: { ...lease, job: n, id, lane: Lane.hostLane(url), payload, plan: null },
          note: () => Effect.void,
          reroute: () => Effect.succeed("granted" as const)
        })
      },
      { concurrency: AT_ONCE, discard: true }
    )
    return (performance.now() - from) / 1000
  }).pipe(
    Effect.provide(
      Download.layer(settingsFor(folder)).pipe(
        Layer.provide([
          KeyedLimiter.layer({ cap: AT_ONCE }),
          TokenBucket.layerMemory({ limits: () => ({ capacity: 1, refillPerSecond: 1 }) })
        ])
      )
    ),
    Effect.runPromise
  )

const ours = async (urls: ReadonlyArray<string>, folder: string): Promise<number> => {
  const { ends, seconds: took } = await OurDownloads.drainUrls(urls, folder, settingsFor(folder))
  if (ends.done !== urls.length) throw new Error(`${ends.done} of ${urls.length} were done`)
  return took
}

/** A folder for one measurement, that is removed with all the others in the end. */
const inKeptFolder =
  (folders: Array<string>) =>
  <A>(use: (folder: string) => Promise<A>): Promise<A> => {
    const folder = mkdtempSync(join(tmpdir(), "contentdownload-bench-"))
    folders.push(folder)
    return use(folder)
  }

export const downloads: Suite = {
  name: "downloads",
  about: `whole download runs from an origin on this machine, ${AT_ONCE} at once`,
  run: async ({ log, quick }) => {
    const origin = fork(fileURLToPath(new URL("../bound/Origin.mjs", import.meta.url)))
    try {
      const [port] = await once(origin, "message")
      const others = await downloaders(log)
      const rows: Array<Row> = []
      for (const { bytes, count, goal, what } of loads(quick)) {
        if (count === 0) continue
        const urls = Array.from({ length: count }, (_, n) => `http://127.0.0.1:${port}/${bytes}/${n}.pdf`)
        const small = bytes < 1_000_000
        const folders: Array<string> = []
        const within = small ? inKeptFolder(folders) : inFolder
        const took = await medians(
          [
            {
              name: "bound",
              run: () => within((folder) => seconds(() => bareFetch(urls, folder, AT_ONCE)))
            },
            { name: "our handler alone", run: () => within((folder) => handlerAlone(urls, folder)) },
            { name: "ours", run: () => within((folder) => ours(urls, folder)) },
            ...others.map(({ name, run }) => ({
              name,
              run: () => within((folder) => seconds(() => run(urls, folder, AT_ONCE)))
            }))
          ],
          quick ? 1 : 3
        ).finally(() => {
          for (const folder of folders) rmSync(folder, { recursive: true, force: true })
        })
        const rate = (name: string) => ((small ? 1 : bytes / 1e6) * count) / (took.get(name) ?? Number.NaN)
        for (const name of took.keys()) {
          rows.push({
            suite: "downloads",
            what: `${what}, ${name}`,
            value: rate(name),
            unit: small ? "files/s" : "MB/s",
            ...(name === "bound"
              ? {}
              : {
                  ratio: {
                    to: "bound",
                    is: rate(name) / rate("bound"),
                    ...(name === "ours" ? { goal, better: "more" as const } : {})
                  }
                })
          })
        }
      }
      return rows
    } finally {
      origin.disconnect()
    }
  }
}
