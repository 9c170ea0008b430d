/**
 * Metrics, each defined once: a name by OpenTelemetry's conventions, a unit, what it means, and labels whose values are
 * few. They stand in Effect's registry, where any exporter finds them.
 *
 * Noting a value is a plain call, not an effect: it costs some tens of nanoseconds, so nothing has to be switched off.
 */
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricKey from "effect/MetricKey"
import type * as MetricKeyType from "effect/MetricKeyType"
import * as MetricLabel from "effect/MetricLabel"
import * as MetricState from "effect/MetricState"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** What tells the values of a metric apart. An empty value says that there is none. */
export interface Label {
  readonly name: string
  readonly meaning: string
  /** All values there are; left out where they are words that outcomes carry. */
  readonly values?: ReadonlyArray<string>
}

/** What is known of a metric, whoever reads it. */
export interface Definition {
  /** By OpenTelemetry's conventions, such as `http.client.request.duration`. */
  readonly name: string
  readonly type: "counter" | "gauge" | "histogram"
  /** A unit by UCUM: `s`, `By`, `{job}`. */
  readonly unit: string
  readonly description: string
  readonly labels: ReadonlyArray<Label>
  /** Its name for Prometheus, where convention has another one than the name and the unit give. */
  readonly prometheus?: string
}

/** A value for each label. */
export type Values<Labels extends ReadonlyArray<Label>> = { readonly [K in keyof Labels]: string }

/** A metric that this process counts in. */
export interface Instrument<Labels extends ReadonlyArray<Label> = ReadonlyArray<Label>> {
  readonly definition: Definition
  /** A counter counts `value`, a gauge moves by it, a histogram notes it. */
  readonly note: (value: number, ...labels: Values<Labels>) => void
  /** What a counter or a gauge stands at, or how often a histogram was noted. */
  readonly value: (...labels: Values<Labels>) => number
  /** Makes the series that are there from the start: those of the closed sets of labels, or those it was told. */
  readonly start: () => void
}

interface Options<Labels extends ReadonlyArray<Label>> extends Omit<Definition, "labels" | "type"> {
  readonly labels?: Labels
  /** The series that are there from the start, where not every value of every label is known. */
  readonly initial?: ReadonlyArray<Values<Labels>>
}

// ---------------------------------------------------------------------------------------------------------------
// Constructors
// ---------------------------------------------------------------------------------------------------------------

const all: Array<Pick<Instrument, "definition" | "start">> = []

/** Every metric defined so far, in the order of their definitions. */
export const instruments: ReadonlyArray<Pick<Instrument, "definition" | "start">> = all

/** Values of a label that isn't closed; those that come later are `other`. */
export const MOST_VALUES = 200

/** Keeps the words of a label few, whoever brings them. */
const bounded = ({ values }: Label): ((word: string) => string) => {
  if (values !== undefined) return (word) => word
  const seen = new Set<string>([""])
  return (word) => {
    if (seen.size < MOST_VALUES) seen.add(word)
    return seen.has(word) ? word : "other"
  }
}

interface Node<A> {
  value?: A
  readonly next: Map<string, Node<A>>
}

/** Makes what it answers once for each list of words; `few` is asked about words that are new. */
const memo = <A>(
  few: (words: ReadonlyArray<string>) => ReadonlyArray<string>,
  make: (words: ReadonlyArray<string>) => A
): ((words: ReadonlyArray<string>) => A) => {
  const root: Node<A> = { next: new Map() }
  const kept = (words: ReadonlyArray<string>): A => {
    let node = root
    for (const word of words) {
      const next = node.next.get(word) ?? { next: new Map() }
      node.next.set(word, next)
      node = next
    }
    return (node.value ??= make(words))
  }
  return (words) => {
    let node: Node<A> | undefined = root
    for (let n = 0; n < words.length && node !== undefined; n++) node = node.next.get(words[n] ?? "")
    return node?.value ?? kept(few(words))
  }
}

/** Every combination of the labels' values; none where a label's values aren't all known. */
const combinations = (labels: ReadonlyArray<Label>): ReadonlyArray<ReadonlyArray<string>> =>
  labels.reduce<ReadonlyArray<ReadonlyArray<string>>>(
    (rows, { values = [] }) => rows.flatMap((row) => values.map((value) => [...row, value])),
    [[]]
  )

const instrument = <const Labels extends ReadonlyArray<Label>>(
  type: Definition["type"],
  { initial, ...rest }: Options<Labels>,
  key: MetricKey.MetricKey<MetricKeyType.MetricKeyType<number, unknown>>
): Instrument<Labels> => {
  const definition: Definition = { ...rest, type, labels: rest.labels ?? [] }
  const { labels } = definition
  const words = labels.map(bounded)
  // Each series has a key of its own: a tagged metric looks its own up in the registry whenever something is noted.
  const tagged = memo(
    (values) => words.map((few, n) => few(values[n] ?? "")),
    (values) => {
      const given = labels.flatMap(({ name }, n) => {
        const value = values[n] ?? ""
        return value === "" ? [] : [MetricLabel.make(name, value)]
      })
      return Metric.fromMetricKey(MetricKey.taggedWithLabels(key, given))
    }
  )
  const metric = Metric.fromMetricKey(key)
  const of = (values: ReadonlyArray<string>) => (values.length === 0 ? metric : tagged(values))
  const made: Instrument<Labels> = {
    definition,
    note:
      type === "gauge"
        ? (value, ...values) => of(values).unsafeModify(value, [])
        : (value, ...values) => of(values).unsafeUpdate(value, []),
    value: (...values) => {
      const state = of(values).unsafeValue([])
      return MetricState.isGaugeState(state)
        ? Number(state.value)
        : MetricState.isCounterState(state) || MetricState.isHistogramState(state)
          ? Number(state.count)
          : 0
    },
    start: () => {
      for (const values of initial ?? combinations(labels)) of(values).unsafeValue([])
    }
  }
  all.push(made)
  return made
}

/** What only grows. */
export const counter = <const Labels extends ReadonlyArray<Label> = []>(
  options: Options<Labels>
): Instrument<Labels> =>
  instrument(
    "counter",
    options,
    MetricKey.counter(options.name, { description: options.description, incremental: true })
  )

/** What goes up and down. */
export const gauge = <const Labels extends ReadonlyArray<Label> = []>(
  options: Options<Labels>
): Instrument<Labels> =>
  instrument("gauge", options, MetricKey.gauge(options.name, { description: options.description }))

/** Values sorted into buckets up to each of `bounds`. */
export const histogram = <const Labels extends ReadonlyArray<Label> = []>(
  bounds: ReadonlyArray<number>,
  options: Options<Labels>
): Instrument<Labels> =>
  instrument(
    "histogram",
    options,
    MetricKey.histogram(options.name, MetricBoundaries.fromIterable(bounds), options.description)
  )
