/**
 * `npm run simulate -- [--schedules N] [--seed S] [--store sqlite|memory] [--history] [--failures N]`: plays N schedules
 * from seed S on, the first of every hundred twice, and compares the histories. It ends at the tenth that fails, or at
 * another one.
 */
import { parseArgs } from "node:util"
import { play } from "./Schedule.ts"

const { values } = parseArgs({
  options: {
    schedules: { type: "string", default: "1000" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    store: { type: "string" },
    failures: { type: "string", default: "10" },
    history: { type: "boolean", default: false }
  }
})
const [schedules, seed] = [Number(values.schedules), Number(values.seed)]
const store = values.store === "sqlite" || values.store === "memory" ? values.store : undefined
if (!(schedules > 0) || !Number.isSafeInteger(seed) || (values.store !== undefined && store === undefined)) {
  process.stderr.write("--schedules and --seed are numbers, --store is sqlite or memory\n")
  process.exit(2)
}

const started = performance.now()
const cpu = process.cpuUsage()
let checked = 0
let failed = 0
for (let n = 0; n < schedules; n++) {
  const played = await play(seed + n, { store })
  checked += played.checked
  if (values.history) process.stdout.write(`${played.history.join("\n")}\n`)
  if ((n + 1) % 100 === 0)
    process.stderr.write(`${n + 1} schedules, ${checked} statements, ${failed} broken\n`)
  const again = n % 100 === 0 ? await play(seed + n, { store }) : played
  const differs = again.history.join("\n") !== played.history.join("\n")
  if (played.broken !== undefined || differs) {
    failed += 1
    process.stderr.write(
      `seed ${played.seed}: ${differs ? "the same seed has played another history" : played.broken}\n` +
        `  play it again: npm run simulate -- --schedules 1 --seed ${played.seed} --history\n`
    )
    if (failed >= Number(values.failures)) break
  }
}
const seconds = (performance.now() - started) / 1000
process.stdout.write(
  `${schedules} schedules from seed ${seed}, ${failed} broken: ${checked} statements were looked at, ` +
    `${process.cpuUsage(cpu).user / 1e6} s cpu, ${Math.round((schedules * 60) / seconds)} schedules a minute.\n`
)
if (failed > 0) process.exitCode = 1
