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
    ["Tue, 24 Nov 2026 12:00:30 +0000", 30],
    ["Tue, 24 Nov 2026 13:00:30 +0100", 30],
    ["Tue, 24 Nov 2026 12:00:30 UTC", 30],
    ["2026-11-24T12:00:30Z", 30],
    ["2026-11-24T07:00:30.000-05:00", 30],
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
    "Mon, 23 Nov 2026 12:00:00 GMT",
    "2026-11-23T12:00:00Z",
    "Tue, 24 Nov 2026 12:00:30",
    "12:30 UTC",
    "2026-13-24T12:00:30Z"
  ])("takes %j for no hint", (text) => {
    expect(RetryAfter.parse(text, NOW, WEEK)).toEqual(Option.none())
  })
})

describe("a server whose clock is wrong, or ours", () => {
  const DAY = 86_400_000
  it.prop(
    "is left alone for as long as it means",
    [FastCheck.integer({ min: -DAY, max: DAY }), FastCheck.integer({ min: 1, max: 86_400 })],
    ([skew, seconds]) => {
      const theirs = Math.floor((NOW + skew) / 1000) * 1000
      const until = theirs + seconds * 1000
      const named = [
        { "retry-after": new Date(until).toUTCString() },
        { "retry-after": new Date(until).toISOString() },
        { "x-ratelimit-reset": String(until / 1000) },
        { "x-ratelimit-reset": String(until) },
        { "retry-after": String(seconds) }
      ]
      for (const one of named) {
        const headers: Record<string, string> = { date: new Date(theirs).toUTCString(), ...one }
        const hint = RetryAfter.hint((name) => headers[name], NOW, WEEK)
        expect(hint, JSON.stringify(one)).toEqual(Option.some(NOW + seconds * 1000))
      }
    }
  )
})

describe("rate limit resets", () => {
  const hint = (headers: Record<string, string>) => RetryAfter.hint((name) => headers[name], NOW, WEEK)

  it.each([
    ["seconds", { "ratelimit-reset": "30" }],
    ["seconds, with the older name", { "x-ratelimit-reset": "30" }],
    ["a Unix time", { "x-ratelimit-reset": String(NOW / 1000 + 30) }],
    ["a Unix time in milliseconds", { "x-ratelimit-reset": String(NOW + 30_000) }],
    ["a date", { "x-ratelimit-reset": "2026-11-24T12:00:30Z" }],
    ["what Retry-After says, if it can be read", { "retry-after": "30", "x-ratelimit-reset": "3600" }],
    ["the reset, if Retry-After can't be read", { "retry-after": "later", "ratelimit-reset": "30" }],
    ["of a policy that is used up", { ratelimit: '"default";r=0;t=30' }],
    ["of a policy, whatever else is said of it", { ratelimit: '"a;b,c";pk=:abc=:; t=30; r=0' }],
    [
      "the latest of the policies that are used up",
      { ratelimit: '"burst";r=0;t=3, "day";r=9;t=900,"h\\"";r=0;t=30' }
    ],
    ["of the older form with all in one", { ratelimit: "limit=10, remaining=0, reset=30" }],
    ["of a policy before those of older forms", { ratelimit: '"default";r=0;t=30', "ratelimit-reset": "3" }],
    ["of older forms, if no policy is used up", { ratelimit: '"default";r=2;t=900', "ratelimit-reset": "30" }]
  ])("are %s", (_, headers) => {
    expect(hint(headers)).toEqual(Option.some(NOW + 30_000))
  })

  it("of policies are bounded, and none where nothing is used up or no time is named", () => {
    expect(RetryAfter.parseRateLimit('"default";r=0;t=900', NOW, 60)).toEqual(Option.some(NOW + 60_000))
    for (const text of [
      "",
      '"default"',
      '"default";r=0',
      '"r=0;t=30"',
      '"a";r=1;t=30',
      '"a";r=0,"b";t=30',
      "r=0;t=x"
    ]) {
      expect(RetryAfter.parseRateLimit(text, NOW, WEEK), text).toEqual(Option.none())
    }
  })

  it.prop(
    "of whatever text lie neither in the past nor beyond the maximum",
    [FastCheck.string(), now],
    ([text, at]) => {
      for (const value of [text, `"${text}";r=0;t=${text.length}`, `;r=0;t=${text}`]) {
        const until = Option.getOrElse(RetryAfter.parseRateLimit(value, at, 100), () => at)
        expect(until).toBeGreaterThanOrEqual(at)
        expect(until).toBeLessThanOrEqual(at + 100_000)
      }
    }
  )

  it("that have passed are no hint", () => {
    expect(hint({ "x-ratelimit-reset": String(NOW / 1000 - 30) })).toEqual(Option.none())
    expect(hint({})).toEqual(Option.none())
  })
})
