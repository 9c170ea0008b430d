/** `npm run torture -- [--cycles N] [--seed S] [--point NAME]`: a long torture of the built program. */
import { POINTS } from "../../src/FailPoint.ts"
import * as Options from "../Options.ts"
import { Broken } from "./Invariants.ts"
import { torture } from "./Torture.ts"

const values = Options.read({
  options: {
    cycles: { type: "string", default: "100" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    point: { type: "string" },
    program: { type: "string" }
  }
})
const point = POINTS.find((name) => name === values.point)
const [cycles, seed] = [Number(values.cycles), Number(values.seed)]
if ((values.point !== undefined && point === undefined) || !(cycles > 0) || !Number.isSafeInteger(seed)) {
  process.stderr.write(`--cycles and --seed are numbers, --point one of ${POINTS.join(", ")}\n`)
  process.exit(2)
}
try {
  const { checked, escaped, kills } = await torture({
    cycles,
    seed,
    point,
    ...(values.program === undefined ? {} : { program: values.program }),
    log: (line) => void process.stderr.write(`${line}\n`)
  })
  const rows = Object.entries(kills).toSorted(([a], [b]) => a.localeCompare(b))
  process.stdout.write(
    [
      `${cycles} cycles from seed ${seed}, nothing broken: ${checked} statements were true.`,
      ...rows.map(([name, count]) => `  killed at ${name.padEnd(14)} ${String(count).padStart(6)}`),
      `  ended before       ${String(escaped).padStart(6)}`,
      ""
    ].join("\n")
  )
} catch (cause) {
  if (!(cause instanceof Broken)) throw cause
  process.stderr.write(`${cause.message}\n`)
  process.exitCode = 1
}
