import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Summary from "../../src/cli/Summary.ts"
import type { JobEnd } from "../../src/Worker.ts"

/** What servers could call things at the worst. */
const name = FastCheck.oneof(
  FastCheck.constantFrom("http-404", "\u001b[2J\u001b]0;title\u0007\r\n\u202e\u0085"),
  FastCheck.string({ unit: "binary" })
)

// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/

const jobEnd = (end: JobEnd["end"], reason: string | null, on = "host:a.example"): JobEnd => ({
  lease: {
    job: 1,
    token: 1,
    id: "x",
    lane: on,
    worker: "w",
    expiresAt: 0,
    attempts: 0,
    crashes: 0,
    payload: null,
    plan: null
  },
  end,
  reason,
  message: null,
  durationMs: 1
})

const NO_ENDS = { done: 0, skipped: 0, error: 0, retry: 0, waiting: 0, moved: 0, released: 0, lost: 0 }

const summary = (ends: ReadonlyArray<JobEnd>, changes: Partial<Summary.Summary> = {}): Summary.Summary => {
  const tally = Summary.tally()
  const counts = { ...NO_ENDS }
  for (const one of ends) {
    tally.note(one)
    counts[one.end] += 1
  }
  return {
    report: { ended: "drained", nextReadyAt: null, ends: counts },
    tally,
    stats: {
      queued: 0,
      in_progress: 0,
      done: counts.done,
      skipped: 0,
      error: counts.error,
      total: ends.length
    },
    elapsedMs: 2_000,
    bytes: 4_000_000,
    waited: { byCause: new Map(), totalMs: 0 },
    duplicates: null,
    at: Date.UTC(2024, 0, 1, 12),
    ...changes
  }
}

/** No terminal: lines are as long as they like. */
const WIDE = Number.POSITIVE_INFINITY

const NONE: Summary.Words = { queue: [], run: [] }

const words = (lines: ReadonlyArray<string>) => lines.join(" ").split(/ +/)

const waited = (totalMs: number) => ({
  byCause: new Map([
    ["http-429", totalMs / 4],
    ["cap", (totalMs * 3) / 4]
  ]),
  totalMs
})

describe("the summary", () => {
  const ends = [
    ...Array.from({ length: 3 }, () => jobEnd("done", null)),
    ...Array.from({ length: 2 }, () => jobEnd("error", "http-404")),
    jobEnd("error", "login-page", "host:b.example"),
    jobEnd("retry", "reset")
  ]

  it("tells each kind of end with its reasons, the most frequent first, and what to do", () => {
    const rows = Summary.lines(summary(ends), { queue: ["--queue", "my.sqlite"], run: ["--out", "my"] }, WIDE)
    expect(rows).toEqual([
      "Drained after 2.0 s.",
      expect.stringMatching(/^ {2}done +3 {2}4\.0 MB, 2\.0 MB\/s$/),
      expect.stringMatching(/^ {2}error +3 {2}http-404 2, login-page 1$/),
      expect.stringMatching(/^ {2}retried +1 {2}reset 1$/),
      "  worst hosts: host:a.example 2 in error, 1 retried; host:b.example 1 in error",
      expect.stringMatching(
        /^Try what failed again: .*queue retry-failed --queue my\.sqlite && .*queue run --drain --queue my\.sqlite --out my$/
      )
    ])
  })

  it.prop(
    "breaks no word, and leaves the command to copy in one piece, however narrow the terminal",
    { columns: FastCheck.integer({ min: 20, max: 200 }) },
    ({ columns }) => {
      const many = [...ends, ...["reset", "http-503", "truncated"].map((reason) => jobEnd("retry", reason))]
      const given = () => summary(many, { waited: waited(1_600), duplicates: 7 })
      const wide = Summary.lines(given(), NONE, WIDE)
      const rows = Summary.lines(given(), NONE, columns)
      expect(rows.at(-1)).toBe(wide.at(-1))
      expect(words(rows)).toEqual(words(wide))
      for (const row of rows.slice(0, -1)) {
        // A single word may be wider than what is left beside the name and the number of its row.
        expect(row.length <= columns || !row.trim().includes(" ") || /^ {2}\w/.test(row)).toBe(true)
      }
      if (columns >= 60) expect(rows.slice(0, -1).filter((row) => row.length > columns)).toEqual([])
    }
  )

  it("takes a robots.txt that is asked for first for no trouble with the host", () => {
    const waits = ["robots-txt", "http-429", "robots-txt"].map((reason) => jobEnd("waiting", reason))
    const given = summary([...ends, ...waits])
    expect(Summary.lines(given, NONE, WIDE)).toContain("  held             1  http-429 1")
    expect(Summary.data(given, NONE)).toMatchObject({
      reasons: { waiting: { "robots-txt": 2, "http-429": 1 } },
      lanes: { "host:a.example": { waiting: 1 } }
    })
  })

  it("tells what is left, and until when", () => {
    const left = { queued: 2, in_progress: 0, done: 0, skipped: 0, error: 4, total: 6 }
    const at = Date.UTC(2024, 0, 1, 12)
    const ended = (report: Partial<Summary.Summary["report"]>) =>
      Summary.lines(
        summary([], {
          stats: left,
          report: { ended: "deferred", nextReadyAt: null, ends: NO_ENDS, ...report }
        }),
        NONE,
        WIDE
      )
    expect(ended({})[0]).toBe("Drained as far as it goes after 2.0 s; 2 jobs left for later: paused.")
    expect(ended({ nextReadyAt: at + 1_000 })[0]).toMatch(/the next is due at \d\d:\d\d:01\.$/)
    expect(ended({ ended: "stopped" })[0]).toBe("Stopped after 2.0 s; 2 jobs still queued.")
    expect(ended({})).toContain("  4 jobs in error since earlier runs")
  })

  it("tells what was spared, and what the workers waited for when it was much", () => {
    const rows = Summary.lines(summary([], { waited: waited(1_600), duplicates: 7 }), NONE, WIDE)
    expect(rows).toContain("  spared           7  duplicates, not fetched again")
    expect(rows).toContain("  waited         80%  of the workers' time: hosts' caps 1.2 s, http-429 0.4 s")
    expect(Summary.lines(summary([], { waited: waited(60) }), NONE, WIDE)).toEqual([
      "Nothing to do: of 0 jobs in the queue none is left."
    ])
  })

  it("is the same as data", () => {
    const given = summary(ends, {
      waited: { byCause: new Map([["cap", 12.4]]), totalMs: 12.4 },
      duplicates: 2
    })
    expect(Summary.data(given, { queue: ["--queue", "q"], run: [] })).toEqual({
      ended: "drained",
      next_ready_at: null,
      elapsed_ms: 2_000,
      bytes: 4_000_000,
      ends: { ...NO_ENDS, done: 3, error: 3, retry: 1 },
      reasons: { skipped: {}, error: { "http-404": 2, "login-page": 1 }, retry: { reset: 1 }, waiting: {} },
      lanes: {
        "host:a.example": { error: 2, retry: 1, waiting: 0 },
        "host:b.example": { error: 1, retry: 0, waiting: 0 }
      },
      waited_ms: { cap: 12 },
      duplicates: 2,
      retry_command: expect.stringMatching(/retry-failed --queue q && /),
      queue: { queued: 0, in_progress: 0, done: 3, skipped: 0, error: 3, total: 7 }
    })
  })

  it.prop(
    "is a few lines that control nothing, whatever reasons and lanes are called",
    { names: FastCheck.array(FastCheck.tuple(name, name), { maxLength: 2_000 }) },
    ({ names }) => {
      const many = names.map(([reason, on]) => jobEnd("error", reason, on))
      const told = summary(many)
      const rows = Summary.lines(told, NONE, WIDE)
      expect(rows.length).toBeLessThanOrEqual(5)
      for (const row of rows) expect(row).not.toMatch(CONTROL)
      // Neither does the memory grow with what servers call things.
      expect(told.tally.lanes.size).toBeLessThanOrEqual(1000)
      expect(told.tally.reasons.get("error")?.size ?? 0).toBeLessThanOrEqual(1000)
    }
  )
})
