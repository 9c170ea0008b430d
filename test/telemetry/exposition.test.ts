/** Metrics as Prometheus reads them. */
import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { nameOf, render } from "../../src/cli/telemetry/Exposition.ts"
import type { Distribution } from "../../src/cli/telemetry/Reading.ts"
import type { Definition } from "../../src/Telemetry.ts"
import * as Strict from "./Strict.ts"

const gauge: Definition = {
  name: "a.metric",
  type: "gauge",
  unit: "1",
  description: "It is",
  labels: [{ name: "the.reason", meaning: "why" }]
}

describe("the text", () => {
  it.prop(
    "gives back every label and value, whatever is in them",
    [FastCheck.fullUnicodeString(), FastCheck.fullUnicodeString({ minLength: 1 }), FastCheck.double()],
    ([word, help, value]) => {
      const text = render([
        { definition: { ...gauge, description: help }, points: [{ labels: { "the.reason": word }, value }] }
      ])
      const families = Strict.parse(text)
      expect([...families.keys()]).toEqual(["a_metric"])
      expect(families.get("a_metric")).toMatchObject({ help, type: "gauge" })
      expect(Strict.valueIn(families, "a_metric", { the_reason: word })).toBe(value === 0 ? 0 : value)
    }
  )

  it.prop(
    "of a histogram has buckets that add up to its count",
    [FastCheck.array(FastCheck.double({ min: 0, max: 100, noNaN: true }), { maxLength: 50 })],
    ([values]) => {
      const bounds = [0.1, 0.5, 1, 10]
      const value: Distribution = {
        buckets: bounds.map((bound) => [bound, values.filter((each) => each <= bound).length] as const),
        count: values.length,
        sum: values.reduce((sum, each) => sum + each, 0)
      }
      const definition: Definition = { ...gauge, name: "a.wait", type: "histogram", unit: "s" }
      const families = Strict.parse(render([{ definition, points: [{ labels: { end: "done" }, value }] }]))
      for (const bound of bounds) {
        expect(Strict.valueIn(families, "a_wait_seconds_bucket", { end: "done", le: String(bound) })).toBe(
          values.filter((each) => each <= bound).length
        )
      }
      expect(Strict.valueIn(families, "a_wait_seconds_bucket", { end: "done", le: "+Inf" })).toBe(
        values.length
      )
      expect(Strict.valueIn(families, "a_wait_seconds_sum", { end: "done" })).toBe(value.sum)
    }
  )

  it("leaves out what has no series", () => {
    expect(render([{ definition: gauge, points: [] }])).toBe("")
  })
})

describe("a name", () => {
  it.each([
    [{ ...gauge, type: "counter" as const, unit: "{lease}" }, "a_metric_total"],
    [{ ...gauge, type: "counter" as const, unit: "By" }, "a_metric_bytes_total"],
    [{ ...gauge, unit: "s" }, "a_metric_seconds"],
    [{ ...gauge, unit: "By", prometheus: "process_resident_memory_bytes" }, "process_resident_memory_bytes"]
  ])("%j has its unit behind: %s", (definition, name) => {
    expect(nameOf(definition)).toBe(name)
  })
})

describe("the strict reader", () => {
  const good = "# HELP a_total A\n# TYPE a_total counter\na_total 1\n"
  it.each([
    ["no end", "has no end", good.slice(0, -1)],
    ["no help", "no help before", good.replace("# HELP a_total A\n", "")],
    ["a series twice", "comes twice", `${good}a_total 2\n`],
    ["a family twice", "comes twice", `${good}${good}`],
    ["a counter that is no total", "no total", good.replaceAll("a_total", "a")],
    ["a value that is none", "one is no number", good.replace(" 1", " one")],
    ["an open label", "no end", good.replace("a_total 1", 'a_total{b="c} 1')],
    ["a wrong escape", "is no escape", good.replace("a_total 1", 'a_total{b="\\t"} 1')],
    [
      "buckets that don't add up",
      "doesn't add up",
      '# HELP h H\n# TYPE h histogram\nh_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n'
    ],
    [
      "a histogram without its last bucket",
      "has no last bucket",
      "# HELP h H\n# TYPE h histogram\nh_sum 1\nh_count 1\n"
    ]
  ])("refuses %s", (_, message, text) => {
    expect(() => Strict.parse(good)).not.toThrow()
    expect(() => Strict.parse(text)).toThrow(message)
  })
})
