/** What a soak takes for growth. */
import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { trendOf } from "./Trend.ts"

const grows = (values: ReadonlyArray<number>, noise = 10, tolerance = 0.1) =>
  trendOf({ name: "x", noise, tolerance, values }).grows

describe("a row of figures", () => {
  it.prop(
    "that goes up and down by less than its noise doesn't grow",
    [FastCheck.array(FastCheck.integer({ min: -4, max: 4 }), { minLength: 8, maxLength: 200 })],
    ([steps]) => {
      expect(grows(steps.map((step) => 50 + step))).toBe(false)
    }
  )

  it.prop(
    "that gains more than noise and tolerance over its second half grows, however it began",
    [FastCheck.integer({ min: 4, max: 200 }), FastCheck.integer({ min: 0, max: 1000 })],
    ([half, start]) => {
      const first = Array.from({ length: half }, () => start)
      const second = Array.from({ length: half }, (_, n) => 1000 + (300 * n) / (half - 1))
      expect(grows([...first, ...second])).toBe(true)
    }
  )

  it.prop(
    "that only approaches its ceiling in the first half doesn't grow",
    [FastCheck.integer({ min: 4, max: 200 })],
    ([half]) => {
      const first = Array.from({ length: half }, (_, n) => (1000 * n) / half)
      expect(grows([...first, ...Array.from({ length: half }, () => 1000)])).toBe(false)
    }
  )
})
