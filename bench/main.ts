/**
 * The bench. `main.mjs [--quick] [--large] [--json] [NAME ...]`: runs the suites named, or all, and writes a table, or JSON, to
 * stdout. Every figure that counts is a ratio to something measured in the same run.
 */
import { downloads } from "./suite/Downloads.ts"
import { fairness } from "./suite/Fairness.ts"
import { faults } from "./suite/Faults.ts"
import { lanes } from "./suite/Lanes.ts"
import { drain, processes } from "./suite/Processes.ts"
import { queue } from "./suite/Queue.ts"
import { scale } from "./suite/Scale.ts"
import { scheduler } from "./suite/Scheduler.ts"
import { sizing } from "./suite/Sizing.ts"
import { telemetry } from "./suite/Telemetry.ts"
import type { Row, Suite } from "./Measure.ts"

const SUITES: ReadonlyArray<Suite> = [
  queue,
  scheduler,
  telemetry,
  lanes,
  processes,
  fairness,
  scale,
  downloads,
  faults,
  sizing
]

const number = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString("en-GB") : value.toPrecision(3)

const verdict = ({ ratio }: Row): string => {
  if (ratio?.goal === undefined) return ""
  const met = ratio.better === "less" ? ratio.is <= ratio.goal : ratio.is >= ratio.goal
  return `${ratio.better === "less" ? "at most" : "at least"} ${ratio.goal}: ${met ? "met" : "NOT MET"}`
}

const table = (rows: ReadonlyArray<Row>): string => {
  const cells = [
    ["suite", "what", "value", "unit", "ratio", "to", "goal"],
    ...rows.map((row) => [
      row.suite,
      row.what,
      number(row.value),
      row.unit,
      row.ratio === undefined ? "" : row.ratio.is.toFixed(2),
      row.ratio?.to ?? "",
      verdict(row)
    ])
  ]
  const widths = (cells[0] ?? []).map((_, column) =>
    Math.max(...cells.map((row) => row[column]?.length ?? 0))
  )
  return cells
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}

const OPTIONS = ["--quick", "--large", "--json"]

const main = async (args: ReadonlyArray<string>): Promise<void> => {
  const noOption = args.find((arg) => arg.startsWith("--") && !OPTIONS.includes(arg))
  if (noOption !== undefined) {
    process.stderr.write(`There is no option ${noOption}; there are ${OPTIONS.join(", ")}.\n`)
    process.exitCode = 2
    return
  }
  const names = args.filter((arg) => !arg.startsWith("--"))
  const unknown = names.find((name) => !SUITES.some((suite) => suite.name === name))
  if (unknown !== undefined) {
    process.stderr.write(
      `There is no suite ${unknown}; there are ${SUITES.map(({ name }) => name).join(", ")}.\n`
    )
    process.exitCode = 2
    return
  }
  const log = (text: string) => process.stderr.write(`${text}\n`)
  const rows: Array<Row> = []
  for (const suite of SUITES) {
    if (names.length > 0 && !names.includes(suite.name)) continue
    log(`${suite.name}: ${suite.about}`)
    rows.push(...(await suite.run({ quick: args.includes("--quick"), large: args.includes("--large"), log })))
  }
  process.stdout.write(args.includes("--json") ? `${JSON.stringify(rows, null, 2)}\n` : `${table(rows)}\n`)
}

const [option, path] = process.argv.slice(2)
// A process that another suite starts.
await (option === "--drain" && path !== undefined ? drain(path) : main(process.argv.slice(2)))
// Some peers leave timers behind.
process.exit()
