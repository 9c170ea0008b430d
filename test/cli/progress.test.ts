import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { createColors } from "picocolors"
import { eta, finishedOf, rates, type Sight } from "../../src/cli/progress/Estimate.ts"
import { duration, headline, lines, size } from "../../src/cli/progress/View.ts"
import type { LaneStats } from "../../src/Lane.ts"

const WIDE = { min: 0, max: 20_000_000 }
const count = FastCheck.oneof(
  FastCheck.constant(0),
  FastCheck.integer({ min: 0, max: 30 }),
  FastCheck.integer(WIDE)
)
/** Names as settings and servers could have them at the worst. */
const name = FastCheck.oneof(
  FastCheck.constantFrom("host:example.org", "resolver:unpaywall"),
  FastCheck.string({ unit: "binary" }),
  FastCheck.constant("\u001b[2J\u001b]0;title\u0007\r\n\u202e\u0085")
)
const time = FastCheck.integer({ min: 0, max: 2 ** 41 })

const lane = FastCheck.record({
  lane: name,
  pool: name,
  cap: FastCheck.integer({ min: 1, max: 1_000_000 }),
  gapMs: count,
  burst: count,
  overrides: FastCheck.constant({}),
  ready: count,
  delayed: count,
  inFlight: count,
  done: count,
  skipped: count,
  error: count,
  nextAt: FastCheck.option(time),
  paused: FastCheck.boolean(),
  blockedReason: FastCheck.option(name)
})

const stats = FastCheck.record({
  queued: count,
  in_progress: count,
  done: count,
  skipped: count,
  error: count
}).map((one) => ({ ...one, total: one.queued + one.in_progress + one.done + one.skipped + one.error }))

const sight: FastCheck.Arbitrary<Sight> = FastCheck.record({
  at: time,
  stats,
  lanes: FastCheck.uniqueArray(lane, { maxLength: 8, selector: (one) => one.lane }),
  paused: FastCheck.boolean(),
  bytes: FastCheck.integer({ min: 0, max: 2 ** 45 })
})

/** A sight, and a later one of the same queue, on which some of each lane's work was done, or undone. */
const sights = FastCheck.tuple(
  sight,
  FastCheck.integer({ min: -5, max: 100_000 }),
  FastCheck.array(FastCheck.integer({ min: -3, max: 1000 }), { minLength: 9, maxLength: 9 })
).map(([before, later, progress]): readonly [Sight, Sight] => {
  const step = (finished: number, index: number) => Math.max(0, finished + (progress[index] ?? 0))
  return [
    before,
    {
      ...before,
      at: before.at + later,
      bytes: before.bytes + (progress[8] ?? 0) ** 2,
      stats: { ...before.stats, done: step(before.stats.done, 8) },
      lanes: before.lanes.map((one, index) => ({ ...one, done: step(one.done, index) }))
    }
  ]
})

// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/
const plain = createColors(false)

const lanes = (...given: ReadonlyArray<Partial<LaneStats>>): ReadonlyArray<LaneStats> =>
  given.map((one, index) => ({
    lane: `host:${index}.example`,
    pool: "hosts",
    cap: 2,
    gapMs: 0,
    burst: 1,
    overrides: {},
    ready: 0,
    delayed: 0,
    inFlight: 0,
    done: 0,
    skipped: 0,
    error: 0,
    nextAt: null,
    paused: false,
    blockedReason: null,
    ...one
  }))

const seen = (at: number, done: number, queued: number, given: ReadonlyArray<LaneStats> = []): Sight => ({
  at,
  stats: { queued, in_progress: 0, done, skipped: 0, error: 0, total: queued + done },
  lanes: given,
  paused: false,
  bytes: done * 1_000
})

describe("an estimate", () => {
  it.prop(
    "is never negative, and known only where there is work and it gets less",
    { pair: sights },
    ({ pair }) => {
      const [before, now] = pair
      const speed = rates(before, now)
      expect(speed.jobs).toBeGreaterThanOrEqual(0)
      expect(speed.bytes).toBeGreaterThanOrEqual(0)
      const end = eta(before, now)
      const left = now.stats.queued + now.stats.in_progress
      const gotDone = finishedOf(now.stats) > finishedOf(before.stats)
      expect(end !== null).toBe(left > 0 && gotDone && now.at > before.at)
      if (end !== null) expect(end.ms).toBeGreaterThan(0)
    }
  )

  it.prop(
    "isn't earlier for lanes that are known than for the work as a whole",
    { pair: sights },
    ({ pair }) => {
      const [before, now] = pair
      const whole = eta({ ...before, lanes: [] }, { ...now, lanes: [] })
      const bound = eta(before, now)
      expect(whole?.lane ?? null).toBeNull()
      expect(bound === null).toBe(whole === null)
      if (bound === null || whole === null) return
      expect(bound.ms).toBeGreaterThanOrEqual(whole.ms)
      if (bound.lane === null) expect(bound.ms).toBe(whole.ms)
      else expect(now.lanes.map((one) => one.lane)).toContain(bound.lane)
    }
  )

  it("goes by the slowest lane", () => {
    const before = seen(0, 0, 120, lanes({ ready: 20 }, { ready: 100 }))
    const now = seen(10_000, 20, 100, lanes({ ready: 10, done: 10 }, { ready: 90, done: 10 }))
    expect(rates(before, now)).toEqual({ jobs: 2, bytes: 2_000 })
    expect(eta(before, now)).toEqual({ ms: 90_000, lane: "host:1.example" })
    expect(eta(before, { ...now, lanes: [] })).toEqual({ ms: 50_000, lane: null })
  })
})

describe("the living lines", () => {
  it.prop(
    "are no wider than the terminal, are as many as they say, and control nothing",
    { pair: sights, columns: FastCheck.integer({ min: 1, max: 200 }) },
    ({ columns, pair }) => {
      const [before, now] = pair
      const text = lines(now, rates(before, now), eta(before, now), { colours: plain, columns })
      const rows = text.split("\n")
      expect(rows.length).toBeLessThanOrEqual(7)
      for (const row of rows) {
        expect(Array.from(row).length).toBeLessThanOrEqual(columns)
        expect(row).not.toMatch(CONTROL)
      }
      const head = headline(now, rates(before, now), eta(before, now))
      expect(head).not.toMatch(CONTROL)
      expect(head).not.toMatch(/NaN|Infinity|-\d|undefined/)
    }
  )

  it("tell what there is, and what holds lanes back", () => {
    const given = lanes(
      { ready: 1200, inFlight: 2, done: 10 },
      { delayed: 5, nextAt: 70_000, blockedReason: "http-429" },
      { ready: 3, paused: true },
      ...Array.from({ length: 3 }, () => ({ ready: 1 }))
    )
    const now: Sight = { ...seen(10_000, 10, 1_211, given), paused: false }
    const text = lines(
      now,
      { jobs: 1, bytes: 2_500_000 },
      { ms: 600_000, lane: "host:0.example" },
      {
        colours: plain,
        columns: 120
      }
    )
    const [head, ...rows] = text.split("\n")
    expect(head).toBe(
      "10/1,221 finished, 0 running, 1,211 queued  1.0/s, 2.5 MB/s, 10 min left (host:0.example)"
    )
    expect(rows).toHaveLength(6)
    expect(rows[0]).toMatch(/^ {2}host:0\.example +2\/2 running +1,200 queued$/)
    expect(rows[1]).toMatch(/ {2}until .*\(http-429\)$/)
    expect(rows[2]).toMatch(/ {2}paused$/)
    expect(rows[5]).toBe("  and 1 more lane")
  })
})

describe("numbers for people", () => {
  it.prop(
    "sizes have at most three digits before the point",
    { bytes: FastCheck.integer({ min: 0, max: 1e14 }) },
    ({ bytes }) => {
      expect(size(bytes)).toMatch(/^(?:\d{1,3} B|\d{1,3}\.\d (?:kB|MB|GB|TB))$/)
    }
  )

  it.prop(
    "times never lose their unit or their sign",
    { ms: FastCheck.integer({ min: 0, max: 1e11 }) },
    ({ ms }) => {
      expect(duration(ms)).toMatch(/^(?:\d\.\d s|\d\d s|\d+ min|\d+ h \d+ min|\d+ days)$/)
    }
  )
})
