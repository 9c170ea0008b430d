import { describe, expect, it } from "@effect/vitest"
import { parse } from "csv-parse/sync"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import * as Manifest from "../../src/download/Manifest.ts"
import type { JobDetail } from "../../src/Job.ts"

const job: JobDetail = {
  job: 1,
  id: "paper",
  state: "done",
  lane: "host:a.test",
  priority: 0,
  availableAt: null,
  attempts: 2,
  crashes: 0,
  reason: null,
  worker: null,
  leaseExpiresAt: null,
  enqueuedAt: 0,
  finishedAt: Date.UTC(2026, 10, 24, 12),
  payload: { id: "paper", urls: ["http://a.test/1", "http://b.test/2"] },
  plan: null,
  result: null,
  message: null,
  history: []
}

const receipt: Manifest.Receipt = {
  url: "http://b.test/2",
  final_url: "http://b.test/3",
  path: "ab/paper~01234567.pdf",
  sha256: "0".repeat(64),
  bytes: 10,
  content_type: "application/pdf",
  resolver: "direct",
  redirects: 1,
  evidence: { identity: "confirmed", by: "doi", confidence: 0.98, pages: 12 }
}

describe("a line of the manifest", () => {
  it("of a stored file says where it came from and where it is", () => {
    expect(Manifest.manifestLine({ ...job, result: receipt })).toEqual({
      id: "paper",
      state: "done",
      reason: null,
      url: "http://b.test/2",
      final_url: "http://b.test/3",
      path: "ab/paper~01234567.pdf",
      sha256: "0".repeat(64),
      bytes: 10,
      content_type: "application/pdf",
      resolver: "direct",
      license: null,
      version: null,
      identity: "confirmed",
      identity_by: "doi",
      confidence: 0.98,
      pages: 12,
      attempts: 2,
      finished_at: "2026-11-24T12:00:00.000Z",
      earlier: null
    })
  })

  it("of anything else says what was wanted and why it isn't there", () => {
    const failed = {
      ...job,
      state: "error",
      reason: "http-404",
      result: { tried: [] },
      finishedAt: null
    } as const
    expect(Manifest.manifestLine(failed)).toMatchObject({
      state: "error",
      reason: "http-404",
      url: "http://a.test/1",
      path: null,
      sha256: null,
      finished_at: null
    })
    expect(Manifest.manifestLine({ ...failed, payload: "?" })).toMatchObject({ url: null })
  })

  it("has a column for each of its fields", () => {
    expect(Manifest.COLUMNS).toEqual(Object.keys(Manifest.ManifestLine.fields))
    expect(Schema.is(Manifest.ManifestLine)(Manifest.manifestLine({ ...job, result: receipt }))).toBe(true)
  })
})

describe("CSV", () => {
  const value = FastCheck.oneof(
    FastCheck.string(),
    FastCheck.string({ unit: FastCheck.constantFrom('"', ",", "\n", "\r", "=", " ", "a") })
  )

  it.prop(
    "gives back exactly what went in",
    [FastCheck.array(value, { minLength: 2, maxLength: 6 })],
    ([values]) => {
      const rows = parse(Manifest.csvRow(values), {
        record_delimiter: "\r\n",
        relax_column_count: true
      })
      expect(rows).toEqual([values])
    }
  )

  it("leaves out what there isn't", () => {
    expect(Manifest.csvLine(Manifest.manifestLine(job))).toBe(
      "paper,done,,http://a.test/1,,,,,,,,,,,,,2,2026-11-24T12:00:00.000Z,\r\n"
    )
  })

  it("has the files that came before in one field", () => {
    const line = Manifest.manifestLine({ ...job, result: { ...receipt, earlier: ["ab/b.pdf", "ab/a.pdf"] } })
    expect(Manifest.csvLine(line)).toMatch(/,ab\/b\.pdf ab\/a\.pdf\r\n$/)
  })

  it.prop(
    "has nothing that a spreadsheet or a terminal would carry out, and is exact otherwise",
    [
      FastCheck.oneof(
        FastCheck.tuple(
          FastCheck.constantFrom("=", "+", "-", "@", "\t=", " +", "＝"),
          FastCheck.string()
        ).map(([sign, rest]) => sign + rest),
        FastCheck.fullUnicodeString({ minLength: 1 }),
        FastCheck.string({
          minLength: 1,
          unit: FastCheck.constantFrom("\u001B", "\u009B", "\n", "[", "=", "a")
        })
      )
    ],
    ([id]) => {
      const [row] = parse(Manifest.csvLine({ ...Manifest.manifestLine(job), id }), {
        record_delimiter: "\r\n"
      })
      const cell: unknown = row?.[0]
      expect(cell).not.toMatch(/^\s*[=+\-@＝＋－＠]/)
      const shown = id.replaceAll(/\p{Cc}+/gu, " ")
      expect([shown, `'${shown}`]).toContain(cell)
      if (/^[a-z0-9]/i.test(id)) expect(cell).toBe(shown)
    }
  )
})
