import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { createColors } from "picocolors"
import { type Eta, eta, finishedOf, fullLine, rates, type Sight } from "../../src/cli/progress/Estimate.ts"
import { duration, percent, size } from "../../src/cli/progress/Numbers.ts"
import { readingParts } from "../../src/cli/progress/Reading.ts"
import { flow, headline, lines } from "../../src/cli/progress/View.ts"
import { balanced } from "../../src/cli/progress/Observer.ts"
import { makeWaited } from "../../src/cli/progress/Waited.ts"
import { causes, verdict } from "../../src/cli/progress/Why.ts"
import { widthOf } from "../../src/cli/Text.ts"
import type { Wait } from "../../src/WorkQueue.ts"
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

const wait: FastCheck.Arbitrary<Wait> = FastCheck.record({
  cause: FastCheck.constantFrom("worker", "cap", "pace", "hold", "later", "paused"),
  reason: FastCheck.option(name),
  jobs: FastCheck.integer({ min: 1, max: 20_000_000 }),
  lanes: FastCheck.integer({ min: 1, max: 1_000 }),
  until: FastCheck.option(time)
})

const sight: FastCheck.Arbitrary<Sight> = FastCheck.record({
  at: time,
  stats,
  waits: FastCheck.array(wait, { maxLength: 7 }),
  workers: FastCheck.option(
    FastCheck.record({ busy: FastCheck.nat(20), all: FastCheck.integer({ min: 1, max: 20 }) })
  ),
  lanes: FastCheck.uniqueArray(lane, { maxLength: 8, selector: (one) => one.lane }),
  paused: FastCheck.boolean(),
  bytes: FastCheck.option(FastCheck.integer({ min: 0, max: 2 ** 45 })),
  failing: FastCheck.option(name),
  fullLine: FastCheck.option(FastCheck.integer({ min: 1, max: 2 ** 40 })),
  load: FastCheck.option(
    FastCheck.record({
      opening: FastCheck.nat(30),
      thread: FastCheck.double({ min: 0, max: 1, noNaN: true })
    })
  )
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
      bytes: before.bytes === null ? null : before.bytes + (progress[8] ?? 0) ** 2,
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
  waits: [],
  paused: false,
  bytes: done * 1_000,
  workers: { busy: 0, all: 4 },
  load: { opening: 0, thread: 0.1 },
  failing: null,
  fullLine: null
})

describe("an estimate", () => {
  it.prop(
    "is never negative; known where work gets less, and nowhere without work or while all is paused",
    { pair: sights },
    ({ pair }) => {
      const [before, now] = pair
      const speed = rates(before, now)
      expect(speed.jobs).toBeGreaterThanOrEqual(0)
      expect(speed.bytes === null).toBe(now.bytes === null)
      expect(speed.bytes ?? 0).toBeGreaterThanOrEqual(0)
      const end = eta(before, now)
      const paused = now.waits.reduce((jobs, one) => (one.cause === "paused" ? jobs + one.jobs : jobs), 0)
      const left = now.stats.queued + now.stats.in_progress - paused
      const gotDone = finishedOf(now.stats) > finishedOf(before.stats) && now.at > before.at
      if (left <= 0 || now.paused) expect(end).toBeNull()
      else if (gotDone) expect(end).not.toBeNull()
      if (end === null) return
      expect(end.ms).toBeGreaterThan(0)
      expect(end.atLeast).toBe(!gotDone)
    }
  )

  it.prop("isn't earlier than any lane's hold, pace and progress allow", { pair: sights }, ({ pair }) => {
    const [before, now] = pair
    const end = eta(before, now)
    if (end === null) return
    const whole = eta({ ...before, lanes: [] }, { ...now, lanes: [] })
    expect(end.ms).toBeGreaterThanOrEqual(whole?.ms ?? 0)
    if (end.lane !== null) expect(now.lanes.map((one) => one.lane)).toContain(end.lane)
    for (const one of now.lanes) {
      if (one.paused || one.ready + one.delayed + one.inFlight === 0) continue
      const starts = Math.max(0, one.ready + one.delayed - one.burst)
      expect(end.ms).toBeGreaterThanOrEqual(Math.max(0, (one.nextAt ?? 0) - now.at) + starts * one.gapMs)
    }
  })

  it("knows paces and holds where nothing gets done", () => {
    const still = seen(0, 0, 5, lanes({ ready: 5, gapMs: 1_000, nextAt: 60_000, blockedReason: "http-429" }))
    expect(eta(still, still)).toEqual({ ms: 64_000, lane: "host:0.example", atLeast: true })
    expect(eta(still, { ...still, paused: true })).toBeNull()
  })

  it("tells a full line by what comes over it", () => {
    const full = [899, 900, 1_100, null].map((bytes) => fullLine({ jobs: 1, bytes }, 1_000))
    expect(full).toEqual([null, 1_000, 1_000, null])
    expect(fullLine({ jobs: 1, bytes: 1e12 }, undefined)).toBeNull()
  })

  it("goes by the slowest lane", () => {
    const before = seen(0, 0, 120, lanes({ ready: 20 }, { ready: 100 }))
    const now = seen(10_000, 20, 100, lanes({ ready: 10, done: 10 }, { ready: 90, done: 10 }))
    expect(rates(before, now)).toEqual({ jobs: 2, bytes: 2_000 })
    expect(eta(before, now)).toEqual({ ms: 90_000, lane: "host:1.example", atLeast: false })
    expect(eta(before, { ...now, lanes: [] })).toEqual({ ms: 50_000, lane: null, atLeast: false })
  })
})

/** The lines above the sentence, as one. */
const words = (all: ReadonlyArray<string>) =>
  all
    .slice(
      0,
      all.findIndex((row) => row.startsWith("Why"))
    )
    .join(" ")
    .replaceAll(/\s+/g, " ")

describe("the living lines", () => {
  it.prop(
    "are no wider and no more than the terminal has, and control nothing",
    {
      pair: sights,
      columns: FastCheck.integer({ min: 1, max: 200 }),
      rows: FastCheck.integer({ min: 1, max: 60 })
    },
    ({ columns, pair, rows }) => {
      const [before, now] = pair
      const [speed, end] = [rates(before, now), eta(before, now)]
      const text = lines(now, speed, end, { colours: plain, columns, rows }).split("\n")
      expect(text.length).toBeLessThanOrEqual(Math.max(1, rows - 1))
      for (const row of text) {
        expect(widthOf(row)).toBeLessThanOrEqual(columns)
        expect(row).not.toMatch(CONTROL)
      }
      const head = headline(now, speed, end)
      expect(head).not.toMatch(CONTROL)
      expect(head).not.toMatch(/NaN|Infinity| -\d|undefined/)
    }
  )

  const given = lanes(
    { ready: 1200, inFlight: 2, done: 10 },
    { delayed: 5, nextAt: 70_000, blockedReason: "http-429" },
    { ready: 3, paused: true },
    ...Array.from({ length: 3 }, () => ({ ready: 1 }))
  )
  const now: Sight = {
    ...seen(10_000, 10, 1_211, given),
    waits: [
      { cause: "cap", reason: null, jobs: 1_200, lanes: 1, until: null },
      { cause: "hold", reason: "http-429", jobs: 7, lanes: 1, until: 70_000 }
    ],
    workers: { busy: 2, all: 4 }
  }
  const shown = (columns: number, rows = 30) =>
    lines(
      now,
      { jobs: 1, bytes: 2_500_000 },
      { ms: 600_000, lane: "host:0.example", atLeast: false },
      { colours: plain, columns, rows }
    ).split("\n")

  const painted = (changes: Partial<Sight>, end: Eta | null = null) =>
    lines({ ...now, ...changes }, { jobs: 1, bytes: 0 }, end, { colours: plain, columns: 200, rows: 30 })

  it("tell what there is, what holds it back, and what to do", () => {
    const rows = shown(200)
    expect(rows.slice(0, 2)).toEqual([
      expect.stringMatching(
        /^\d\d:\d\d:10 {2}10 of 1,221 finished \(0%\), 1\.0 files\/s, 2\.5 MB\/s, about 10 min left, set by host:0\.example$/
      ),
      "10 done, 2 of 4 workers busy, 1,211 waiting"
    ])
    expect(rows[2]).toMatch(
      /^Waiting: 1,200 for a host's cap, 7 held off by a host \(http-429\) until \d\d.*$/
    )
    expect(rows[3]).toBe(
      "Why not faster: host:0.example, which takes longest, has as many requests at once as allowed (2 of 2); 'queue lane set host:0.example --cap 3' raises it, if the host agrees."
    )
    expect(rows[4]).toMatch(/^ {2}host:0\.example +2\/2 running +1,200 waiting {2}at its cap of 2$/)
    expect(rows[5]).toMatch(/ {2}until .*\(http-429\)$/)
    expect(rows[6]).toMatch(/ {2}paused$/)
    expect(rows[9]).toBe("  and 1 more lane")
    expect(rows).toHaveLength(10)
  })

  it("always show the lane that takes longest", () => {
    const longest = { ms: 600_000, lane: "host:5.example", atLeast: false }
    const named = (end: Eta | null) =>
      painted({}, end)
        .split("\n")
        .flatMap((row) => /^ {2}host:(\d)/.exec(row)?.[1] ?? [])
    expect(named(null)).toEqual(["0", "1", "2", "3", "4"])
    expect(named({ ...longest, lane: "host:1.example" })).toEqual(["0", "1", "2", "3", "4"])
    expect(named(longest)).toEqual(["0", "1", "2", "3", "5"])
    expect(painted({}, longest)).toMatch(/\n {2}and 1 more lane$/)
  })

  it("say what lanes wait for that have room, and what most failed for", () => {
    expect(painted({})).not.toContain("for a free worker")
    expect(painted({ workers: { busy: 4, all: 4 } })).toMatch(/host:3.* 1 waiting {2}for a free worker$/m)
    const failed = { ...now.stats, error: 3 }
    expect(painted({ stats: failed })).toMatch(/ 3 in error, /)
    expect(painted({ stats: failed, failing: "http-404" })).toMatch(/ 3 in error \(mostly http-404\), /)
    expect(painted({ paused: true })).toMatch(/^Waiting: 1,211 paused by hand$/m)
  })

  it("fit on a line each where a terminal is as wide as it is by default", () => {
    const rows = shown(80)
    expect(rows).toContain("  host:0.example  2/2 run  1,200 wait  at its cap of 2")
  })

  it("lose no number where there is little room", () => {
    const rows = shown(40)
    // But the time of day, which the person who looks knows anyway.
    expect(words(rows)).toBe(words(shown(200)).slice("00:00:10 ".length))
    expect(rows).toContain("    at its cap of 2")
    expect(shown(40, 3)).toHaveLength(2)
  })

  it.prop(
    "flow without losing a word that fits",
    {
      pieces: FastCheck.array(
        FastCheck.array(FastCheck.stringMatching(/^[a-z0-9]{1,8}$/), { minLength: 1, maxLength: 6 }),
        { minLength: 1, maxLength: 8 }
      ),
      columns: FastCheck.integer({ min: 12, max: 90 })
    },
    ({ columns, pieces }) => {
      const texts = pieces.map((piece) => piece.join(" "))
      const flowed = flow(texts, columns)
      for (const row of flowed) expect(row.length).toBeLessThanOrEqual(columns)
      expect(flowed.map((row) => row.trim()).join(" ")).toBe(texts.join(", "))
    }
  )
})

const held = (given: Partial<Wait>): Wait => ({
  cause: "worker",
  reason: null,
  jobs: 40,
  lanes: 1,
  until: null,
  ...given
})

describe("why it isn't faster", () => {
  const base = seen(1_000, 10, 50, lanes({ ready: 50, inFlight: 2 }))
  const why = (changes: Partial<Sight>, end: Eta | null = null) => verdict({ ...base, ...changes }, end)

  it("names the one thing that holds most back", () => {
    expect(why({ paused: true })).toMatch(/the queue is paused by hand/)
    expect(why({ waits: [held({})], workers: { busy: 4, all: 4 } })).toMatch(
      /all 4 workers are busy and 40 more jobs could start now; more --workers/
    )
    const both = [held({ jobs: 3 }), held({ cause: "cap" })]
    expect(why({ waits: both, workers: { busy: 1, all: 4 } })).toMatch(/^host:0\.example has as many/)
    expect(why({ waits: both, workers: { busy: 4, all: 4 } })).toMatch(/^all 4 workers/)
    expect(
      why({
        waits: [
          held({ cause: "hold", reason: "http-429", until: 61_000, lanes: 2 }),
          held({ cause: "cap", jobs: 1 })
        ],
        lanes: lanes({ ready: 40, nextAt: 61_000, blockedReason: "http-429" })
      })
    ).toMatch(/^host:0\.example and 1 more lane asked to be left alone \(http-429\) until/)
    expect(
      why({ waits: [held({ cause: "pace" })], lanes: lanes({ ready: 40, nextAt: 2_000, gapMs: 3_000 }) })
    ).toMatch(/between two requests \(3\.0 s\)/)
    expect(why({ waits: [held({ cause: "later", until: 5_000 })] })).toMatch(
      /failed and is tried again later, first/
    )
    expect(why({ waits: [held({ cause: "paused" })], lanes: lanes({ ready: 1, paused: true }) })).toMatch(
      /'queue resume --lane'/
    )
  })

  it("doesn't ask for more workers where they would wait for the same", () => {
    const all = { waits: [held({})], workers: { busy: 4, all: 4 } }
    expect(why({ ...all, load: { opening: 3, thread: 0.5 } })).toMatch(
      /^all 4 workers are busy, 3 with PDFs that are looked into .*more --workers don't help$/
    )
    expect(why({ ...all, load: { opening: 2, thread: 0.99 } })).toMatch(
      /no time left; more --workers don't help/
    )
    expect(why({ ...all, load: { opening: 2, thread: 0.5 } })).toMatch(/more --workers would help$/)
    // Whoever waits for a host has workers to spare.
    expect(why({ ...all, workers: { busy: 3, all: 4 }, load: { opening: 4, thread: 1 } })).not.toMatch(
      /PDFs|no time/
    )
  })

  it("names the line before hosts and workers, when it is full", () => {
    const cap = { waits: [held({ cause: "cap" })] }
    expect(why({ ...cap, fullLine: 300_000 })).toBe(
      "downloads fill the 300.0 kB/s that they may have (http.max_bytes_per_second)"
    )
    expect(why({ ...cap, fullLine: 300_000, paused: true })).toMatch(/paused by hand/)
  })

  it("names the lane that takes longest before the one with the most jobs", () => {
    const slow = "host:slow.example"
    const both = {
      waits: [held({ cause: "hold", reason: "http-429", until: 61_000 }), held({ cause: "cap", jobs: 5 })],
      lanes: lanes(
        { ready: 40, nextAt: 61_000, blockedReason: "http-429" },
        { ready: 5, inFlight: 2, lane: slow }
      ),
      workers: { busy: 2, all: 4 }
    }
    const longest = { ms: 90_000, lane: slow, atLeast: false }
    expect(why(both, longest)).toMatch(/^host:slow\.example, which takes longest, has as many .* \(2 of 2\)/)
    expect(why(both, { ...longest, lane: null })).toMatch(/^host:0\.example asked to be left alone/)
    // Whoever paused it knows best why.
    const paused = { ...both, waits: [held({ cause: "paused" }), held({ cause: "cap", jobs: 5 })] }
    expect(why(paused, longest)).toMatch(/paused by hand/)
  })

  it.each([
    ["slowed-down", /got slower and is asked less often until .*more workers don't help/],
    ["breaker-open", /failed again and again and is left alone until .*one request finds out/],
    ["crawl-delay", /asks for time between two requests in robots\.txt/],
    ["robots-txt", /is asked for robots\.txt first/]
  ])("doesn't say that a host asked for what is our own doing: %s", (reason, expected) => {
    const one = {
      waits: [held({ cause: "hold", reason, until: 61_000 })],
      lanes: lanes({ ready: 40, nextAt: 61_000, blockedReason: reason })
    }
    expect(why(one)).toMatch(expected)
    expect(causes({ ...base, ...one })[0]).not.toContain("held off by a host")
  })

  it("never puts into a command what a shell would take for something else", () => {
    const nasty = lanes({ ready: 50, inFlight: 2, lane: "host:a;rm$(x)" })
    expect(why({ waits: [held({ cause: "cap" })], lanes: nasty })).toContain("'queue lane set LANE --cap N'")
  })

  it("knows when nobody works, and when nothing is left", () => {
    const idle = { ...base.stats, in_progress: 0 }
    expect(why({ workers: null, waits: [held({})], stats: idle })).toMatch(/nobody works/)
    expect(why({ workers: null, waits: [held({})], stats: { ...idle, in_progress: 3 } })).toMatch(
      /all workers/
    )
    expect(why({ stats: { ...idle, queued: 0 } })).toBe("nothing is left to do")
    expect(why({ stats: { ...idle, queued: 0, in_progress: 1 } })).toMatch(/the last 1 job must end/)
  })
})

describe("the causes", () => {
  it.prop(
    "have as many jobs together as are queued, and none without any",
    { waits: FastCheck.array(wait, { maxLength: 7 }), queued: FastCheck.nat(60) },
    ({ queued, waits }) => {
      const told = balanced(waits, queued)
      const sum = told.reduce((jobs, one) => jobs + one.jobs, 0)
      expect(sum).toBe(waits.length === 0 ? 0 : queued)
      for (const one of told) expect(one.jobs).toBeGreaterThan(0)
      expect(told.length).toBeLessThanOrEqual(waits.length)
    }
  )
})

const idling = (now: number): Sight => ({
  ...seen(now, 0, 40),
  waits: [
    held({ cause: "cap", jobs: 30 }),
    held({ cause: "hold", jobs: 10, reason: "http-429" }),
    held({ jobs: 5 })
  ],
  workers: { busy: 1, all: 4 }
})

describe("what the workers waited for", () => {
  it.prop("is never more than the time that went by", { pair: sights }, ({ pair }) => {
    const waited = makeWaited()
    for (const one of pair) waited.note(one)
    const { byCause, totalMs } = waited.result()
    expect(totalMs).toBeGreaterThanOrEqual(0)
    expect(totalMs).toBeLessThanOrEqual(Math.max(0, pair[1].at - pair[0].at) + 1e-6)
    for (const ms of byCause.values()) expect(ms).toBeGreaterThanOrEqual(0)
  })

  it("is shared out by what the jobs wait for", () => {
    const waited = makeWaited()
    waited.note(idling(0))
    waited.note(idling(4_000))
    waited.note({ ...idling(5_000), workers: { busy: 4, all: 4 } })
    expect(waited.result()).toEqual({
      byCause: new Map([
        ["cap", 2_250],
        ["http-429", 750]
      ]),
      totalMs: 3_000
    })
  })
})

describe("the lines of an import", () => {
  const reading = { name: "a.txt", elapsedMs: 10_000, read: 25_000, rejected: 0, share: 0.25 }

  it("tell how much of the file is read, how fast, and what is left", () => {
    expect(readingParts(reading).join(", ")).toBe(
      "a.txt: 25,000 lines read (25%), 2,500 lines/s, about 30 s left"
    )
    expect(readingParts({ ...reading, rejected: 3, share: null }).join(", ")).toBe(
      "a.txt: 25,000 lines read, 3 rejected, 2,500 lines/s"
    )
  })

  it.prop(
    "never promise what can't be known",
    {
      elapsedMs: FastCheck.nat(1e9),
      read: FastCheck.nat(1e8),
      share: FastCheck.option(FastCheck.double({ min: 0, max: 1, noNaN: true }))
    },
    ({ elapsedMs, read, share }) => {
      const text = readingParts({ ...reading, elapsedMs, read, share }).join(", ")
      expect(text).not.toMatch(/NaN|Infinity|-\d/)
      expect(text.includes("left")).toBe(share !== null && share >= 0.001 && share < 1 && elapsedMs >= 2000)
      expect(text.includes("(100%)")).toBe(share === 1)
    }
  )
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

  it.prop(
    "a hundred percent is all of it",
    { part: FastCheck.nat(1_000_000), whole: FastCheck.integer({ min: 1, max: 1_000_000 }) },
    ({ part, whole }) => {
      expect(percent(part, whole) === "100%").toBe(part >= whole)
    }
  )
})
