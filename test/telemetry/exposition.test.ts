/** Metrics as Prometheus reads them. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import { families, render } from "../../src/cli/prometheus/Exposition.ts"

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/

/** The labels of a line, read as the format says. */
const labelsOf = (line: string): ReadonlyArray<readonly [string, string]> =>
  Array.from(line.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\\n]|\\.)*)"/g), ([, name = "", value = ""]) => [
    name,
    value.replaceAll(/\\(.)/g, (_, sign: string) => (sign === "n" ? "\n" : sign))
  ])

describe("the text", () => {
  it.prop(
    "gives back every label and value, whatever is in them",
    [FastCheck.fullUnicodeString(), FastCheck.fullUnicodeString(), FastCheck.double({ noNaN: true })],
    ([value, help, sample]) => {
      const text = render([
        { name: "a_metric", help, type: "gauge", samples: [{ labels: { reason: value }, value: sample }] }
      ])
      const lines = text.split("\n")
      expect(lines).toHaveLength(4)
      expect(lines[0]?.startsWith("# HELP a_metric ")).toBe(true)
      expect(lines[1]).toBe("# TYPE a_metric gauge")
      expect(labelsOf(lines[2] ?? "")).toEqual([["reason", value]])
      expect(Number((lines[2] ?? "").split(" ").at(-1)?.replace("Inf", "Infinity"))).toBe(
        Number(String(sample))
      )
    }
  )
})

describe("a histogram", () => {
  it.effect.prop(
    "has buckets that add up to its count",
    [
      FastCheck.array(FastCheck.double({ min: 0, max: 100, noNaN: true }), { maxLength: 50 }),
      FastCheck.nat()
    ],
    ([values, unique]) =>
      Effect.gen(function* () {
        const name = `test_seconds_${unique}_${values.length}_${Math.random().toString(36).slice(2)}`
        const metric = Metric.histogram(
          name,
          MetricBoundaries.exponential({ start: 0.1, factor: 2, count: 8 }),
          "Seconds"
        )
        yield* Metric.update(metric, 1)
        yield* Effect.forEach(values, (value) => Metric.update(metric, value))
        const [family] = families(yield* Metric.snapshot, name)
        const buckets = (family?.samples ?? []).filter(({ suffix }) => suffix === "_bucket")
        const counts = buckets.map(({ value }) => value)
        expect(counts).toEqual(counts.toSorted((a, b) => a - b))
        expect(counts.at(-1)).toBe(values.length + 1)
        expect(buckets.at(-1)?.labels["le"]).toBe("+Inf")
        for (const { labels, value } of buckets.slice(0, -1)) {
          expect(value).toBe([1, ...values].filter((each) => each <= Number(labels["le"])).length)
        }
      })
  )
})

describe("a counter", () => {
  it.effect("is called a total, with its tags as labels", () =>
    Effect.gen(function* () {
      const metric = Metric.counter("test_things", { description: "Things", incremental: true })
      yield* Metric.incrementBy(Metric.tagged(metric, "kind", "one"), 3)
      yield* Metric.incrementBy(Metric.tagged(metric, "kind", "two"), 4)
      const [family, ...others] = families(yield* Metric.snapshot, "test_things")
      expect(others).toEqual([])
      expect(family).toMatchObject({ name: "test_things_total", type: "counter", help: "Things" })
      expect(family?.name).toMatch(NAME)
      expect(family?.samples.toSorted((a, b) => a.value - b.value)).toEqual([
        { labels: { kind: "one" }, value: 3 },
        { labels: { kind: "two" }, value: 4 }
      ])
    })
  )
})
