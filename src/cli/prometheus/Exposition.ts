/**
 * Metrics as text for Prometheus (exposition format 0.0.4), with the names and units it wants: base units, `_total`
 * for what only grows, buckets that add up.
 */
import * as MetricKeyType from "effect/MetricKeyType"
import type * as MetricPair from "effect/MetricPair"
import * as MetricState from "effect/MetricState"
import * as Option from "effect/Option"

/** A value under some labels. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
  /** What is put behind the family's name. */
  readonly suffix?: string
}

/** All values of one name. */
export interface Family {
  readonly name: string
  readonly help: string
  readonly type: "counter" | "gauge" | "histogram"
  readonly samples: ReadonlyArray<Sample>
}

const escapeHelp = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")

const escapeLabel = (text: string): string => escapeHelp(text).replaceAll('"', '\\"')

const number = (value: number): string =>
  value === Number.POSITIVE_INFINITY ? "+Inf" : value === Number.NEGATIVE_INFINITY ? "-Inf" : String(value)

const labelled = (labels: Sample["labels"]): string => {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`)
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`
}

/** The text of families, each once. */
export const render = (families: ReadonlyArray<Family>): string =>
  families
    .map(({ help, name, samples, type }) =>
      [
        `# HELP ${name} ${escapeHelp(help)}`,
        `# TYPE ${name} ${type}`,
        ...samples.map(
          ({ labels, suffix = "", value }) => `${name}${suffix}${labelled(labels)} ${number(value)}`
        ),
        ""
      ].join("\n")
    )
    .join("")

const total = (name: string): string => (name.endsWith("_total") ? name : `${name}_total`)

/** Buckets that add up, with the one for everything, the sum and the count. */
const histogram = (
  labels: Sample["labels"],
  state: MetricState.MetricState.Histogram
): ReadonlyArray<Sample> => {
  const bounded = state.buckets.filter(([bound]) => Number.isFinite(bound))
  return [
    ...Array.from(bounded, ([bound, count]): Sample => ({
      labels: { ...labels, le: number(bound) },
      value: count,
      suffix: "_bucket"
    })),
    { labels: { ...labels, le: "+Inf" }, value: state.count, suffix: "_bucket" },
    { labels, value: state.sum, suffix: "_sum" },
    { labels, value: state.count, suffix: "_count" }
  ]
}

/** The metrics whose names begin with `prefix`, as families in the order of their names. */
export const families = (
  pairs: ReadonlyArray<MetricPair.MetricPair.Untyped>,
  prefix: string
): ReadonlyArray<Family> => {
  const found = new Map<
    string,
    { readonly help: string; readonly type: Family["type"]; readonly samples: Array<Sample> }
  >()
  for (const { metricKey, metricState } of pairs) {
    if (!metricKey.name.startsWith(prefix)) continue
    const tags = Array.from(metricKey.tags, ({ key, value }) => [key, value] as const)
    const labels = Object.fromEntries(tags.toSorted(([a], [b]) => (a < b ? -1 : 1)))
    const type = MetricState.isHistogramState(metricState)
      ? "histogram"
      : MetricState.isCounterState(metricState) && MetricKeyType.isCounterKey(metricKey.keyType)
        ? "counter"
        : "gauge"
    const name = type === "counter" ? total(metricKey.name) : metricKey.name
    const samples = MetricState.isHistogramState(metricState)
      ? histogram(labels, metricState)
      : MetricState.isCounterState(metricState)
        ? [{ labels, value: Number(metricState.count) }]
        : MetricState.isGaugeState(metricState)
          ? [{ labels, value: Number(metricState.value) }]
          : []
    const family = found.get(name) ?? {
      help: Option.getOrElse(metricKey.description, () => name),
      type,
      samples: []
    }
    family.samples.push(...samples)
    found.set(name, family)
  }
  return Array.from(found, ([name, family]): Family => ({ name, ...family })).toSorted((a, b) =>
    a.name < b.name ? -1 : 1
  )
}
