/** What is kept of fifty-one URLs with faults: the right files, and no wrong one. */
import { createHash } from "node:crypto"
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Faults from "../../src/demo/Faults.ts"
import * as Origin from "../../src/demo/Origin.ts"
import { inFolder, type Row, type Suite } from "../Measure.ts"
import * as OurDownloads from "../OurDownloads.ts"
import { carefulDownloaders } from "../peer/CarefulDownloaders.ts"

const AT_ONCE = 16

/** What a contestant gets, and where it leaves the files it takes for whole. */
interface Task {
  readonly urls: ReadonlyArray<string>
  readonly resolve: Readonly<Record<string, string>>
  readonly folder: string
}

interface Contestant {
  readonly name: string
  /** The host of the n-th fault: names are for who can be told where they are. */
  readonly hostOf: (n: number) => string
  /** Answers the folder. */
  readonly run: (task: Task) => Promise<string>
}

const ours: Contestant = {
  name: "ours",
  hostOf: (n) => `fault-${n}.example.org`,
  run: async ({ folder, resolve, urls }) => {
    const settings = OurDownloads.settingsFor(folder, {
      orchestrator: {
        max_workers: AT_ONCE,
        max_job_attempts: 5,
        retry_backoff_seconds: 0.1,
        jitter_seconds: 0
      },
      http: { resolve, idle_timeout_seconds: 3 }
    })
    await OurDownloads.drainUrls(urls, folder, settings)
    return OurDownloads.outOf(folder)
  }
}

/** The hashes of the PDFs in a folder. */
const hashesIn = async (folder: string): Promise<ReadonlyArray<string>> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith(".pdf"))
  return Promise.all(
    files.map(async ({ name, parentPath }) =>
      createHash("sha256")
        .update(await readFile(join(parentPath, name)))
        .digest("hex")
    )
  )
}

/** The files a contestant keeps, each origin as if nobody had asked it before. */
const judge = ({ hostOf, run }: Contestant) =>
  Effect.gen(function* () {
    let count = 0
    const { faults, hosts } = Faults.make(() => hostOf((count += 1)))
    const addresses = ["127.0.0.1", ...Object.keys(hosts).filter((host) => host.startsWith("127."))]
    const origin = yield* Origin.make({ hosts, addresses })
    const urls = faults.map(({ host, path }) => origin.url(host, path))
    const kept = yield* Effect.promise(() =>
      inFolder(async (folder) => hashesIn(await run({ urls, resolve: origin.resolve, folder })))
    )
    const wanted = new Set(faults.flatMap(({ right }) => right?.sha256 ?? []))
    const right = kept.filter((hash) => wanted.has(hash)).length
    return { right, wrong: kept.length - right, of: wanted.size }
  }).pipe(Effect.scoped, Effect.runPromise)

export const faults: Suite = {
  name: "faults",
  about: "fifty-one URLs with faults, each on a host of its own: what is kept",
  run: async ({ log }) => {
    const others = (await carefulDownloaders(log)).map(({ name, run }): Contestant => ({
      name,
      hostOf: (n) => `127.0.1.${n}`,
      run: async ({ folder, urls }) => {
        await run(urls, folder, AT_ONCE)
        return folder
      }
    }))
    const rows: Array<Row> = []
    for (const contestant of [ours, ...others]) {
      const { of, right, wrong } = await judge(contestant)
      const own = contestant === ours
      rows.push(
        {
          suite: "faults",
          what: `right files, ${contestant.name}`,
          value: right,
          unit: "kept",
          ratio: { to: `${of}`, is: right / of, ...(own ? { goal: 1, better: "more" as const } : {}) }
        },
        {
          suite: "faults",
          what: `wrong files, ${contestant.name}`,
          value: wrong,
          unit: "kept",
          ratio: { to: `${of}`, is: wrong / of, ...(own ? { goal: 0, better: "less" as const } : {}) }
        }
      )
    }
    return rows
  }
}
