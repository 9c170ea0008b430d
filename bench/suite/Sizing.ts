/**
 * What a run needs and what it gets, for the production guide's tables: files a second and memory by workers and by how
 * long hosts take to answer, and what an import takes and leaves. The built program itself is measured, against hosts in
 * this process.
 */
import { spawn } from "node:child_process"
import { createWriteStream } from "node:fs"
import { readFile, stat, writeFile } from "node:fs/promises"
import { once } from "node:events"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { delayed, files } from "../../src/demo/Behaviour.ts"
import * as Origin from "../../src/demo/Origin.ts"
import { inFolder, type Options, type Row, type Suite } from "../Measure.ts"

const BIN = fileURLToPath(new URL("../../dist/bin.js", import.meta.url))

const HOSTS = Array.from({ length: 256 }, (_, n) => `host-${n}.test`)
const FILE_BYTES = 100_000

const sizeOf = (path: string): Promise<number> =>
  stat(path).then(
    ({ size }) => size,
    () => 0
  )

/** The most memory a process has had so far, in bytes; 0 where the system doesn't tell. */
const peakMemory = async (pid: number): Promise<number> => {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "")
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024
}

/** The processor's time a process has had so far, in seconds; 0 where the system doesn't tell. Ticks are hundredths. */
const cpuTime = async (pid: number): Promise<number> => {
  const fields =
    (await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "")).split(") ")[1]?.split(" ") ?? []
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / 100
}

interface Ran {
  readonly seconds: number
  readonly memory: number
  /** Of the processor, with what the start of the program takes. */
  readonly cpu: number
  /** The largest that the write-ahead log was seen to be. */
  readonly log: number
  readonly stdout: string
}

/** Runs the program to its end, and looks at it meanwhile. */
const program = async (folder: string, ...args: ReadonlyArray<string>): Promise<Ran> => {
  const from = performance.now()
  const child = spawn(process.execPath, [BIN, ...args], {
    cwd: folder,
    stdio: ["ignore", "pipe", "ignore"]
  })
  let stdout = ""
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  let memory = 0
  let cpu = 0
  let log = 0
  const timer = setInterval(() => {
    void peakMemory(child.pid ?? 0).then((bytes) => (memory = Math.max(memory, bytes)))
    void cpuTime(child.pid ?? 0).then((used) => (cpu = Math.max(cpu, used)))
    void sizeOf(join(folder, "state/workqueue.sqlite-wal")).then((bytes) => (log = Math.max(log, bytes)))
  }, 100)
  const code = await new Promise((resolve) => child.once("close", resolve))
  clearInterval(timer)
  if (code !== 0) throw new Error(`${args.join(" ")} ended with ${String(code)}`)
  return { seconds: (performance.now() - from) / 1000, memory, cpu, log, stdout }
}

const Summary = Schema.parseJson(Schema.Struct({ elapsed_ms: Schema.Number }))

const writeLines = async (path: string, count: number, url: (n: number) => string): Promise<void> => {
  const out = createWriteStream(path)
  for (let n = 0; n < count; n++) {
    const line = `${JSON.stringify({ id: `paper-${n}`, urls: [url(n)], title: `The tides of the year ${n}` })}\n`
    if (!out.write(line)) await once(out, "drain")
  }
  out.end()
  await once(out, "close")
}

const settings = (origin: Origin.OriginService) =>
  JSON.stringify({
    orchestrator: { max_per_host: 16 },
    http: { resolve: origin.resolve, adaptive_pace: false },
    robots: { enabled: false },
    resolvers: { order: [] }
  })

/** Files a second at so many workers, with hosts that take so long to answer. */
const pace = async (latencyMs: number, workers: number, lasting: number): Promise<ReadonlyArray<Row>> =>
  Effect.gen(function* () {
    const behaviour = delayed(latencyMs, files({ size: FILE_BYTES }))
    const origin = yield* Origin.make({ hosts: Object.fromEntries(HOSTS.map((host) => [host, behaviour])) })
    return yield* Effect.promise(() =>
      inFolder(async (folder) => {
        await writeFile(join(folder, "contentdownload.yaml"), settings(origin))
        // As much as takes some seconds, whatever the bound is: the workers or the processor.
        const count = Math.ceil(Math.min(workers / (latencyMs / 1000), 600) * lasting)
        await writeLines(join(folder, "list.jsonl"), count, (n) =>
          origin.url(HOSTS[n % HOSTS.length] ?? "", `/papers/${n}.pdf`)
        )
        await program(folder, "queue", "import", "list.jsonl", "--quiet")
        const run = ["queue", "run", "--drain", "--no-progress", "--log-level", "none", "--format", "json"]
        const ran = await program(folder, ...run, "--workers", String(workers))
        // Without the start of the program, which a run of weeks doesn't notice.
        const seconds = Schema.decodeSync(Summary)(ran.stdout).elapsed_ms / 1000
        const start = await program(folder, ...run)
        const what = `${workers} workers, hosts answer after ${latencyMs} ms`
        return [
          { suite: "sizing", what, value: count / seconds, unit: "files/s" },
          {
            suite: "sizing",
            what,
            value: ((ran.cpu - start.cpu) / count) * 1000,
            unit: "ms of the processor a file"
          },
          { suite: "sizing", what, value: ran.memory / 1e6, unit: "MB of memory" }
        ]
      })
    )
  }).pipe(Effect.scoped, Effect.runPromise)

/** What an import of so many lines takes, and what it leaves on the disk. */
const imported = (count: number): Promise<ReadonlyArray<Row>> =>
  inFolder(async (folder) => {
    await writeLines(
      join(folder, "list.jsonl"),
      count,
      (n) => `https://host-${n % 5000}.example.org/papers/${n}.pdf`
    )
    const { cpu, log, memory, seconds } = await program(folder, "queue", "import", "list.jsonl", "--quiet")
    const what = `import of ${count.toLocaleString("en-GB")} lines`
    const row = (value: number, unit: string): Row => ({ suite: "sizing", what, value, unit })
    return [
      row(seconds, "s"),
      row(cpu, "s of the processor"),
      row((await sizeOf(join(folder, "state/workqueue.sqlite"))) / count, "bytes of the queue a job"),
      row(log / 1e6, "MB of write-ahead log"),
      row(memory / 1e6, "MB of memory")
    ]
  })

export const sizing: Suite = {
  name: "sizing",
  about: "what a run needs and gets, by workers and latency; what an import takes",
  run: async ({ log, quick }: Options) => {
    const rows: Array<Row> = []
    for (const latencyMs of quick ? [200] : [50, 500, 2000]) {
      for (const workers of quick ? [8] : [8, 32, 128, 512]) {
        log(`sizing: ${workers} workers, ${latencyMs} ms`)
        rows.push(...(await pace(latencyMs, workers, quick ? 2 : 6)))
        log(
          `  ${rows
            .slice(-3)
            .map(({ unit, value }) => `${value.toPrecision(3)} ${unit}`)
            .join(", ")}`
        )
      }
    }
    return [...rows, ...(await imported(quick ? 10_000 : 1_000_000))]
  }
}
