import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import * as RetryAfter from "../../src/http/RetryAfter.ts"

const WEEK = 7 * 86_400
const NOW = Date.UTC(2026, 10, 24, 12, 0, 0)
const now = FastCheck.integer({ min: Date.UTC(1990, 0), max: Date.UTC(2090, 0) })

describe("Retry-After", () => {
  it.prop(
    "in seconds is a lower bound, up to the maximum",
    [now, FastCheck.nat(10 ** 9), FastCheck.nat(WEEK)],
    ([at, seconds, max]) => {
      const until = Option.getOrThrow(RetryAfter.parse(String(seconds), at, max))
      expect(until).toBe(at + Math.min(seconds, max) * 1000)
    }
  )

  it.prop(
    "as a date that Date prints is that second, if it lies ahead",
    [now, FastCheck.integer({ min: -WEEK, max: WEEK })],
    ([at, ahead]) => {
      const date = Math.floor(at / 1000) * 1000 + ahead * 1000
      const parsed = RetryAfter.parse(new Date(date).toUTCString(), at, 10 * WEEK)
      expect(parsed).toEqual(date > at ? Option.some(date) : Option.none())
    }
  )

  it.prop(
    "is never in the past nor beyond the maximum, whatever the text",
    [FastCheck.string(), now],
    ([text, at]) => {
      const until = Option.getOrElse(RetryAfter.parse(text, at, 100), () => at)
      expect(until).toBeGreaterThanOrEqual(at)
      expect(until).toBeLessThanOrEqual(at + 100_000)
    }
  )

  it.each([
    ["Tue, 24 Nov 2026 12:00:30 GMT", 30],
    ["Tuesday, 24-Nov-26 12:00:30 GMT", 30],
    ["Tue Nov 24 12:00:30 2026", 30],
    ["  7 ", 7],
    ["1.5", 1.5],
    ["0", 0]
  ])("understands %j", (text, seconds) => {
    expect(RetryAfter.parse(text, NOW, WEEK)).toEqual(Option.some(NOW + seconds * 1000))
  })

  it("pads days below ten with a blank in the oldest format", () => {
    expect(RetryAfter.parse("Tue Dec  1 12:00:00 2026", NOW, WEEK)).toEqual(
      Option.some(Date.UTC(2026, 11, 1, 12))
    )
  })

  it("takes a two-digit year far ahead for the last century", () => {
    expect(RetryAfter.parseHttpDate("Sunday, 06-Nov-94 08:49:37 GMT", NOW)).toEqual(
      Option.some(Date.UTC(1994, 10, 6, 8, 49, 37))
    )
  })

  it.each([
    "",
    "soon",
    "-5",
    "1e3",
    "NaN",
    "Infinity",
    "0x10",
    "Tue, 31 Feb 2027 12:00:00 GMT",
    "Tue, 24 Nov 2026 25:00:00 GMT",
    "Tue, 24 Xyz 2026 12:00:30 GMT",
    "Mon, 23 Nov 2026 12:00:00 GMT"
  ])("takes %j for no hint", (text) => {
    expect(RetryAfter.parse(text, NOW, WEEK)).toEqual(Option.none())
  })
})

describe("rate limit resets", () => {
  const hint = (headers: Record<string, string>) => RetryAfter.hint((name) => headers[name], NOW, WEEK)

  it.each([
    ["seconds", { "ratelimit-reset": "30" }],
    ["seconds, with the older name", { "x-ratelimit-reset": "30" }],
    ["a Unix time", { "x-ratelimit-reset": String(NOW / 1000 + 30) }],
    ["a Unix time in milliseconds", { "x-ratelimit-reset": String(NOW + 30_000) }],
    ["what Retry-After says, if it can be read", { "retry-after": "30", "x-ratelimit-reset": "3600" }],
    ["the reset, if Retry-After can't be read", { "retry-after": "later", "ratelimit-reset": "30" }]
  ])("are %s", (_, headers) => {
    expect(hint(headers)).toEqual(Option.some(NOW + 30_000))
  })

  it("that have passed are no hint", () => {
    expect(hint({ "x-ratelimit-reset": String(NOW / 1000 - 30) })).toEqual(Option.none())
    expect(hint({})).toEqual(Option.none())
  })
})
