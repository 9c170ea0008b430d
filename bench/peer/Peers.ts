/**
 * Other queues on SQLite that run without a server, given the same jobs and the same handler. None of them has caps:
 * their jobs are simply all in one line. One that isn't installed is left out.
 */
import { join } from "node:path"
import Database from "better-sqlite3"

export interface Peer {
  readonly name: string
  /** The share of the jobs it is given, where all would take too long: rates are compared, not times. */
  readonly share: number
  /** Fills a fresh queue, then answers the seconds it takes to run all of it. */
  readonly run: (folder: string, payloads: ReadonlyArray<string>) => Promise<number>
}

const plainjob = async (workers: number): Promise<Peer> => {
  const { better, defineQueue, defineWorker } = await import("plainjob")
  const silent = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} }
  return {
    share: 1,
    name: `plainjob, ${workers} worker${workers === 1 ? "" : "s"}`,
    run: async (folder, payloads) => {
      const queue = defineQueue({
        connection: better(new Database(join(folder, "plainjob.sqlite"))),
        logger: silent,
        // It is text already.
        serializer: String
      })
      for (let from = 0; from < payloads.length; from += 1000) {
        queue.addMany("job", payloads.slice(from, from + 1000))
      }
      let left = payloads.length
      const from = performance.now()
      await new Promise<void>((resolve) => {
        const all = Array.from({ length: workers }, () =>
          defineWorker(
            "job",
            () => {
              left -= 1
              if (left === 0) void Promise.all(all.map((worker) => worker.stop())).then(() => resolve())
            },
            { queue, logger: silent }
          )
        )
        for (const worker of all) void worker.start()
      })
      const took = (performance.now() - from) / 1000
      queue.close()
      return took
    }
  }
}

const liteque = async (concurrency: number): Promise<Peer> => {
  const { buildDBClient, Runner, SqliteQueue } = await import("liteque")
  return {
    share: 0.05,
    name: `liteque, ${concurrency} at once`,
    run: async (folder, payloads) => {
      const db = buildDBClient(join(folder, "liteque.sqlite"), { runMigrations: true, walEnabled: true })
      const queue = new SqliteQueue<string>("job", db, {
        defaultJobArgs: { numRetries: 3 },
        keepFailedJobs: false
      })
      for (const payload of payloads) await queue.enqueue(payload)
      const runner = new Runner<string>(
        queue,
        { run: () => Promise.resolve() },
        { pollIntervalMs: 10, timeoutSecs: 600, concurrency }
      )
      const from = performance.now()
      await runner.runUntilEmpty()
      return (performance.now() - from) / 1000
    }
  }
}

/** The peers that are installed. */
export const peers = async (log: (text: string) => void): Promise<ReadonlyArray<Peer>> => {
  const found: Array<Peer> = []
  for (const load of [() => plainjob(1), () => plainjob(8), () => liteque(64)]) {
    try {
      found.push(await load())
    } catch (error) {
      log(`a peer is left out: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  return found
}
