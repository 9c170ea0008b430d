/** One queue file drained by two processes at once: what sharing costs, with caps that hold over both. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { createInterface } from "node:readline"
import * as Effect from "effect/Effect"
import { Scheduler } from "../../src/index.ts"
import { jobs } from "../Jobs.ts"
import { inFolder, medians, type Row, type Suite } from "../Measure.ts"
import { fill, noopLayer, queueLayer, run } from "../Ours.ts"

const CAP = 2
const LANES = 1000
const WORKERS = 32

/** What a child says when it is done, as JSON. */
interface Told {
  readonly done: number
  readonly from: number
  readonly to: number
}

/** The child: opens the queue, says so, waits to be told, drains it. */
export const drain = (path: string): Promise<void> =>
  run(
    Effect.gen(function* () {
      const scheduler = yield* Scheduler.Scheduler
      process.stdout.write("ready\n")
      yield* Effect.promise(() => once(process.stdin, "data"))
      const from = Date.now()
      const { ends } = yield* scheduler.run({ drain: true })
      process.stdout.write(`${JSON.stringify({ done: ends.done, from, to: Date.now() } satisfies Told)}\n`)
    }),
    noopLayer(path, { cap: CAP, workers: WORKERS })
  )

const start = (path: string) => {
  const child: ChildProcess = spawn(process.execPath, [process.argv[1] ?? "", "--drain", path], {
    stdio: ["pipe", "pipe", "inherit"]
  })
  if (child.stdout === null) throw new Error("the child has no output")
  return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() }
}

/** Seconds from the first start to the last end, over so many processes. */
const together = (processes: number, count: number): Promise<number> =>
  inFolder(async (folder) => {
    const path = join(folder, "queue.sqlite")
    await run(fill(jobs(count, LANES)), queueLayer(path, CAP))
    const children = Array.from({ length: processes }, () => start(path))
    for (const { lines } of children) await lines.next()
    for (const { child } of children) child.stdin?.end("go\n")
    const told: Array<Told> = []
    for (const { child, lines } of children) {
      const { value } = await lines.next()
      told.push(JSON.parse(String(value)))
      if (child.exitCode === null) await once(child, "exit")
    }
    const done = told.reduce((sum, each) => sum + each.done, 0)
    if (done !== count) throw new Error(`${done} of ${count} jobs were done`)
    return (Math.max(...told.map(({ to }) => to)) - Math.min(...told.map(({ from }) => from))) / 1000
  })

export const processes: Suite = {
  name: "processes",
  about: `one queue file, ${LANES} lanes, cap ${CAP}, drained by one process and by two, ${WORKERS} workers each`,
  run: async ({ quick }): Promise<ReadonlyArray<Row>> => {
    const count = quick ? 5000 : 20_000
    const took = await medians(
      [1, 2].map((many) => ({ name: String(many), run: () => together(many, count) })),
      quick ? 1 : 3
    )
    const rate = (many: number) => count / (took.get(String(many)) ?? Number.NaN)
    return [
      { suite: "processes", what: "one process", value: rate(1), unit: "jobs/s" },
      {
        suite: "processes",
        what: "two processes at once",
        value: rate(2),
        unit: "jobs/s",
        ratio: { to: "one process", is: rate(2) / rate(1) }
      }
    ]
  }
}
