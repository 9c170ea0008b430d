/**
 * Metrics as text for Prometheus (exposition format 0.0.4), with the names it wants: those of OpenTelemetry with
 * underscores, the unit behind, `_total` for what only grows (OpenTelemetry, "Prometheus and OpenMetrics
 * Compatibility").
 */
import type * as Telemetry from "../../Telemetry.ts"
import type { Distribution, Point, Reading } from "./Reading.ts"

const UNITS: Readonly<Record<string, string>> = { s: "_seconds", By: "_bytes" }

const underscored = (name: string): string => name.replaceAll(/[^a-zA-Z0-9_]/g, "_")

/** What Prometheus calls a metric. A histogram's series have `_bucket`, `_sum` and `_count` behind it. */
export const nameOf = ({ name, prometheus, type, unit }: Telemetry.Definition): string =>
  prometheus ?? `${underscored(name)}${UNITS[unit] ?? ""}${type === "counter" ? "_total" : ""}`

/** What Prometheus calls a label. */
export const labelOf = underscored

const escapeHelp = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")

const escapeLabel = (text: string): string => escapeHelp(text).replaceAll('"', '\\"')

const number = (value: number): string =>
  value === Number.POSITIVE_INFINITY ? "+Inf" : value === Number.NEGATIVE_INFINITY ? "-Inf" : String(value)

const line = (name: string, labels: Point["labels"], value: number): string => {
  const pairs = Object.entries(labels)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([label, word]) => `${labelOf(label)}="${escapeLabel(word)}"`)
  return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${number(value)}`
}

/** Buckets that add up, with the one for everything, the sum and the count. */
const histogram = (name: string, labels: Point["labels"], { buckets, count, sum }: Distribution) => [
  ...buckets.map(([bound, upTo]) => line(`${name}_bucket`, { ...labels, le: number(bound) }, upTo)),
  line(`${name}_bucket`, { ...labels, le: "+Inf" }, count),
  line(`${name}_sum`, labels, sum),
  line(`${name}_count`, labels, count)
]

const family = ({ definition, points }: Reading): string => {
  const name = nameOf(definition)
  return [
    `# HELP ${name} ${escapeHelp(definition.description)}`,
    `# TYPE ${name} ${definition.type}`,
    ...points.flatMap(({ labels, value }) =>
      typeof value === "number" ? [line(name, labels, value)] : histogram(name, labels, value)
    ),
    ""
  ].join("\n")
}

/** The text of the metrics that have any series. */
export const render = (readings: ReadonlyArray<Reading>): string =>
  readings
    .filter(({ points }) => points.length > 0)
    .map(family)
    .join("")
