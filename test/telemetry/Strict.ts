/**
 * A reader of Prometheus' text format 0.0.4 that takes nothing for granted: the first thing that isn't as the format, or
 * the naming rules that `promtool check metrics` goes by, want it, is an error with its line.
 */

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Family {
  readonly name: string
  readonly help: string
  readonly type: string
  readonly samples: ReadonlyArray<Sample>
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const NUMBER = /^(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]Inf|NaN)$/i

const numberOf = (text: string): number => {
  if (!NUMBER.test(text)) throw new Error(`${text} is no number`)
  return Number(text.replace("Inf", "Infinity"))
}

/** The labels between the braces, sign by sign. */
const labelsOf = (text: string): Readonly<Record<string, string>> => {
  const labels: Record<string, string> = {}
  let at = 0
  while (at < text.length) {
    const [, name = ""] = /^([a-zA-Z_][a-zA-Z0-9_]*)="/.exec(text.slice(at)) ?? []
    if (name === "") throw new Error(`no label at ${text.slice(at)}`)
    if (name in labels) throw new Error(`${name} comes twice`)
    at += name.length + 2
    let value = ""
    for (; text[at] !== '"'; at += 1) {
      if (at >= text.length) throw new Error(`the value of ${name} has no end`)
      if (text[at] !== "\\") value += text[at]
      else {
        at += 1
        const escaped = { n: "\n", "\\": "\\", '"': '"' }[text[at] ?? ""]
        if (escaped === undefined) throw new Error(`\\${text[at]} is no escape`)
        value += escaped
      }
    }
    labels[name] = value
    at += 1
    if (at < text.length && text[at] !== ",") throw new Error(`no comma at ${text.slice(at)}`)
    at += 1
  }
  return labels
}

const sampleOf = (line: string): Sample => {
  const [, name = "", labels, value = ""] = /^([^{ ]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
  if (!NAME.test(name)) throw new Error(`${name} is no name`)
  return { name, labels: labels === undefined ? {} : labelsOf(labels), value: numberOf(value) }
}

const seriesOf = ({ labels, name }: Sample): string =>
  `${name} ${JSON.stringify(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1)))}`

const checkHistogram = ({ name, samples }: Family): void => {
  const byLabels = new Map<string, Array<Sample>>()
  for (const sample of samples) {
    const { le: _, ...labels } = sample.labels
    const key = seriesOf({ name, labels, value: 0 })
    byLabels.set(key, [...(byLabels.get(key) ?? []), sample])
  }
  for (const [key, own] of byLabels) {
    const buckets = own.filter((sample) => sample.name === `${name}_bucket`)
    const bounds = buckets.map(({ labels }) => numberOf(labels["le"] ?? "none"))
    const counts = buckets.map(({ value }) => value)
    const count = own.find((sample) => sample.name === `${name}_count`)?.value
    if (!own.some((sample) => sample.name === `${name}_sum`)) throw new Error(`${key} has no sum`)
    if (bounds.at(-1) !== Number.POSITIVE_INFINITY) throw new Error(`${key} has no last bucket`)
    if (bounds.some((bound, n) => n > 0 && bound <= (bounds[n - 1] ?? 0)))
      throw new Error(`${key}: ${bounds.join()}`)
    if (counts.some((value, n) => n > 0 && value < (counts[n - 1] ?? 0)))
      throw new Error(`${key} doesn't add up`)
    if (counts.at(-1) !== count) throw new Error(`${key} counts ${count}, its buckets ${counts.at(-1)}`)
  }
}

const check = (family: Family): void => {
  const { name, samples, type } = family
  if (/[a-z][A-Z]/.test(name)) throw new Error(`${name} is in camel case`)
  if (type === "counter" && !name.endsWith("_total")) throw new Error(`${name} is a counter, but no total`)
  if (type !== "counter" && /_(?:total|count|sum|bucket)$/.test(name)) throw new Error(`${name} is a ${type}`)
  if (/_(?:ms|milliseconds|kb|minutes|hours)(?:_|$)/.test(name)) throw new Error(`${name} has no base unit`)
  const allowed = type === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name]
  const stray = samples.find((sample) => !allowed.includes(sample.name))
  if (stray !== undefined) throw new Error(`${stray.name} stands under ${name}`)
  if (samples.length === 0) throw new Error(`${name} has no samples`)
  if (type === "counter" && samples.some(({ value }) => value < 0)) throw new Error(`${name} is below 0`)
  if (type === "histogram") checkHistogram(family)
}

/** The families of a text, by name. */
export const parse = (text: string): ReadonlyMap<string, Family> => {
  if (!text.endsWith("\n")) throw new Error("the last line has no end")
  const families = new Map<string, Family & { readonly samples: Array<Sample> }>()
  const series = new Set<string>()
  let current: (Family & { readonly samples: Array<Sample> }) | undefined
  let help: readonly [name: string, text: string] | undefined
  for (const [n, line] of text.slice(0, -1).split("\n").entries()) {
    try {
      const [, what, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? []
      if (what === "HELP") {
        if (families.has(name)) throw new Error(`${name} comes twice`)
        if (rest === "") throw new Error(`${name} has no help`)
        help = [name, rest.replaceAll(/\\(n|\\)/g, (_, sign: string) => (sign === "n" ? "\n" : sign))]
      } else if (what === "TYPE") {
        if (!NAME.test(name) || help?.[0] !== name) throw new Error(`${name} has no help before its type`)
        if (!["counter", "gauge", "histogram"].includes(rest)) throw new Error(`${rest} is no type`)
        current = { name, help: help[1], type: rest, samples: [] }
        families.set(name, current)
      } else {
        const sample = sampleOf(line)
        if (current === undefined) throw new Error("a sample without a type")
        if (series.has(seriesOf(sample))) throw new Error("this series comes twice")
        series.add(seriesOf(sample))
        current.samples.push(sample)
      }
    } catch (error) {
      throw new Error(`line ${n + 1}, ${line}: ${String(error)}`, { cause: error })
    }
  }
  for (const family of families.values()) check(family)
  return families
}

/** The value of a series, which has to be there. */
export const valueIn = (
  families: ReadonlyMap<string, Family>,
  name: string,
  labels: Readonly<Record<string, string>> = {}
): number => {
  const wanted = seriesOf({ name, labels, value: 0 })
  const found = [...families.values()].flatMap(({ samples }) => samples).find((s) => seriesOf(s) === wanted)
  if (found === undefined) throw new Error(`there is no ${wanted}`)
  return found.value
}
