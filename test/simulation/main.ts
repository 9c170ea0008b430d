/**
 * `npm run simulate -- [--schedules N] [--seed S] [--store sqlite|memory] [--jobs N] [--history] [--failures N]`: plays N
 * schedules from seed S on, the first of every hundred twice, and compares the histories. It ends at the tenth that
 * fails, or at another one. They are dealt out to as many threads as there are processors, or to N.
 */
import { availableParallelism } from "node:os"
import { isMainThread, parentPort, Worker } from "node:worker_threads"
import * as Options from "../Options.ts"
import { play, type Played } from "./Schedule.ts"

const values = Options.read({
  options: {
    schedules: { type: "string", default: "1000" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    store: { type: "string" },
    jobs: { type: "string", default: String(availableParallelism()) },
    failures: { type: "string", default: "10" },
    history: { type: "boolean", default: false }
  }
})
const [schedules, first, jobs] = [Number(values.schedules), Number(values.seed), Number(values.jobs)]
const store = values.store === "sqlite" || values.store === "memory" ? values.store : undefined

/** Seeds that one thread plays before it asks for more. */
interface Portion {
  readonly from: number
  readonly count: number
}

const PORTION = 20

/**
 * Portions that a thread lives for. Fibers of processes that were killed never end, and as long as they don't Effect keeps
 * them, and with them their worlds.
 */
const LIFE = 10

/** What is told of a schedule; its history only if somebody wants to read it. */
interface Told extends Omit<Played, "history"> {
  readonly history: ReadonlyArray<string> | undefined
}

const playAll = async ({ count, from }: Portion): Promise<ReadonlyArray<Told>> => {
  const told: Array<Told> = []
  for (let seed = from; seed < from + count; seed++) {
    const played = await play(seed, { store })
    const again = (seed - first) % 100 === 0 ? await play(seed, { store }) : played
    const differs = again.history.join("\n") !== played.history.join("\n")
    const broken = differs ? "the same seed has played another history" : played.broken
    told.push({ ...played, broken, history: values.history ? played.history : undefined })
  }
  return told
}

const listen = (port: NonNullable<typeof parentPort>) => {
  port.on("message", (portion: Portion) => void playAll(portion).then((told) => port.postMessage(told)))
}

const main = async () => {
  if (
    !(schedules > 0 && jobs > 0) ||
    !Number.isSafeInteger(first) ||
    (values.store !== undefined && store === undefined)
  ) {
    process.stderr.write("--schedules, --seed and --jobs are numbers, --store is sqlite or memory\n")
    return 2
  }
  const started = performance.now()
  let [next, played, checked, failed] = [first, 0, 0, 0]
  const take = (): Portion | undefined => {
    const count = Math.min(PORTION, first + schedules - next)
    if (count <= 0 || failed >= Number(values.failures)) return undefined
    next += count
    return { from: next - count, count }
  }
  const report = (told: ReadonlyArray<Told>) => {
    for (const { broken, checked: looked, history, seed } of told) {
      played += 1
      checked += looked
      if (history !== undefined) process.stdout.write(`${history.join("\n")}\n`)
      if (broken !== undefined) {
        failed += 1
        process.stderr.write(
          `seed ${seed}: ${broken}\n` +
            `  play it again: npm run simulate -- --schedules 1 --seed ${seed} --history\n`
        )
      }
      if (played % 500 === 0)
        process.stderr.write(`${played} schedules, ${checked} statements, ${failed} broken\n`)
    }
  }
  /** A thread that is given portions as long as there are any and it lives; whether there were enough. */
  const thread = () =>
    new Promise<boolean>((resolve, reject) => {
      const worker = new Worker(new URL(import.meta.url), {
        argv: process.argv.slice(2),
        resourceLimits: { maxYoungGenerationSizeMb: 64 }
      })
      let given = 0
      const give = () => {
        const portion = given < LIFE ? take() : undefined
        given += 1
        if (portion === undefined) void worker.terminate().then(() => resolve(given > LIFE))
        else worker.postMessage(portion)
      }
      worker.on("error", reject)
      worker.on("message", (told: ReadonlyArray<Told>) => {
        report(told)
        give()
      })
      give()
    })
  const threads = async () => {
    while (await thread());
  }
  await Promise.all(Array.from({ length: Math.min(jobs, Math.ceil(schedules / PORTION)) }, threads))
  const seconds = (performance.now() - started) / 1000
  process.stdout.write(
    `${played} schedules from seed ${first}, ${failed} broken: ${checked} statements were looked at, ` +
      `${process.cpuUsage().user / 1e6} s cpu, ${Math.round((played * 60) / seconds)} schedules a minute.\n`
  )
  return failed > 0 ? 1 : 0
}

if (isMainThread) process.exitCode = await main()
else if (parentPort !== null) listen(parentPort)
