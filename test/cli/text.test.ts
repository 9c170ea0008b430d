import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { canRepaint, wantsColours } from "../../src/cli/Output.ts"
import { beside, clean, count, cut, json } from "../../src/cli/Text.ts"

const nasty = FastCheck.array(
  FastCheck.oneof(
    FastCheck.string({ unit: "binary" }),
    FastCheck.constantFrom(
      "\u001b[31m",
      "\u001b]0;title\u0007",
      "\u009b2J",
      "\u001b",
      "\u202e",
      "\r",
      "\u0000",
      "\u0085"
    )
  )
).map((parts) => parts.join(""))

describe("text from outside", () => {
  it.prop("can't control the terminal", { text: nasty }, ({ text }) => {
    expect(clean(text)).not.toMatch(/[\p{Cc}\u202A-\u202E\u2066-\u2069]/u)
    expect(clean(clean(text))).toBe(clean(text))
  })

  it.prop("keeps what is harmless", { text: FastCheck.string() }, ({ text }) => {
    expect(clean(text)).toBe(text)
  })

  it.prop(
    "is cut to its room",
    { text: nasty, max: FastCheck.integer({ min: 1, max: 20 }) },
    ({ max, text }) => {
      expect(Array.from(cut(text, max)).length).toBeLessThanOrEqual(max)
    }
  )

  it.prop("is the same after JSON, which holds no control characters", { text: nasty }, ({ text }) => {
    expect(json({ text })).not.toMatch(/[\p{Cc}\u202A-\u202E\u2066-\u2069]/u)
    expect(JSON.parse(json({ text }))).toEqual({ text })
  })

  it("loses whole escape sequences", () => {
    expect(clean("a\u001b[1;31mred\u001b[0m b\u001b]8;;http://x\u0007link\u001b]8;;\u0007\nc")).toBe(
      "ared blink c"
    )
  })

  it("is cut with an ellipsis", () => {
    expect(cut("abcdef", 4)).toBe("abc…")
    expect(cut("abcd", 4)).toBe("abcd")
  })

  it("counts in words", () => {
    expect([count(1, "job"), count(12_004, "job"), count(2, "new", "new")]).toEqual([
      "1 job",
      "12,004 jobs",
      "2 new"
    ])
  })
})

describe("colours", () => {
  it("are for terminals, unless someone says otherwise", () => {
    expect(wantsColours({}, true)).toBe(true)
    expect(wantsColours({}, false)).toBe(false)
    expect(wantsColours({ NO_COLOR: "1" }, true)).toBe(false)
    expect(wantsColours({ NO_COLOR: "" }, true)).toBe(true)
    expect(wantsColours({ FORCE_COLOR: "1" }, false)).toBe(true)
    expect(wantsColours({ FORCE_COLOR: "0" }, true)).toBe(false)
    expect(wantsColours({ FORCE_COLOR: "1", NO_COLOR: "1" }, true)).toBe(false)
    expect(wantsColours({ TERM: "dumb" }, true)).toBe(false)
  })
})

describe("text on a terminal", () => {
  it.prop(
    "is laid out beside its name without losing or breaking a word",
    {
      words: FastCheck.array(FastCheck.stringMatching(/^[a-z0-9]{1,12}$/), { minLength: 1, maxLength: 30 }),
      columns: FastCheck.integer({ min: 30, max: 120 })
    },
    ({ columns, words }) => {
      const rows = beside("  name  ", words.join(" "), columns)
      expect(rows[0]?.startsWith("  name  ")).toBe(true)
      expect(rows.map((row) => row.slice(8)).join(" ")).toBe(words.join(" "))
      for (const row of rows) expect(row.length).toBeLessThanOrEqual(columns)
    }
  )

  it("isn't painted over where that can't be", () => {
    expect(canRepaint({ TERM: "xterm" }, true)).toBe(true)
    expect(canRepaint({}, true)).toBe(true)
    expect(canRepaint({ TERM: "dumb" }, true)).toBe(false)
    expect(canRepaint({ TERM: "xterm" }, false)).toBe(false)
  })
})
