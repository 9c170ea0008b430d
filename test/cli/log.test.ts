/** The log: one line for each transition, without secrets, in either form. */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as JobLog from "../../src/cli/JobLog.ts"
import { jsonLines, pretty } from "../../src/cli/Logging.ts"
import { redact } from "../../src/cli/Redact.ts"
import type { JobEnd } from "../../src/Worker.ts"

const lease: JobEnd["lease"] = {
  job: 1,
  token: 1,
  id: "doi:10.1/x",
  lane: "host:a.example",
  worker: "w",
  expiresAt: 0,
  attempts: 2,
  crashes: 0,
  payload: { body: "nobody needs it" },
  plan: { secret: "nor this" }
}

const logged = (effect: Effect.Effect<void>, logger = jsonLines) =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    yield* effect.pipe(
      Effect.provide(
        Logger.replace(
          Logger.defaultLogger,
          Logger.map(logger, (line) => void lines.push(line))
        )
      ),
      Logger.withMinimumLogLevel(LogLevel.All)
    )
    return lines
  })

const end = (one: Pick<JobEnd, "end"> & Partial<JobEnd>): JobEnd => ({
  lease,
  reason: null,
  message: null,
  durationMs: 7,
  ...one
})

// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/

describe("the log", () => {
  for (const [one, event, level] of [
    [end({ end: "done" }), "done", "info"],
    [end({ end: "skipped", reason: "cancelled" }), "skipped", "info"],
    [end({ end: "retry", reason: "reset" }), "retry", "info"],
    [end({ end: "waiting", reason: "http-429" }), "waiting", "info"],
    [end({ end: "moved" }), "moved", "debug"],
    [end({ end: "released", reason: "interrupted" }), "released", "debug"],
    [end({ end: "lost", reason: "lease-lost" }), "lost", "warning"],
    [end({ end: "error", reason: "http-404" }), "failed", "warning"],
    [end({ end: "error", reason: "reset", exhausted: true }), "dead", "warning"]
  ] as const) {
    it.effect(`tells of a job that is ${event}`, () =>
      Effect.gen(function* () {
        const [line, ...more] = yield* logged(JobLog.ended(one))
        expect(more).toEqual([])
        expect(JSON.parse(line ?? "")).toEqual({
          time: "1970-01-01T00:00:00.000Z",
          level,
          event,
          message: event,
          job: "doi:10.1/x",
          lane: "host:a.example",
          attempt: 3,
          ms: 7,
          ...(one.reason === null ? {} : { reason: one.reason })
        })
      })
    )
  }

  it.effect("tells of a lease, without the job's payload and plan", () =>
    Effect.gen(function* () {
      const [line = ""] = yield* logged(JobLog.started(lease))
      expect(JSON.parse(line)).toMatchObject({
        event: "leased",
        level: "debug",
        job: "doi:10.1/x",
        attempt: 3
      })
      expect(line).not.toMatch(/nobody|nor this/)
    })
  )

  it.effect("is for people a line with what differs", () =>
    Effect.gen(function* () {
      const failed = end({ end: "retry", reason: "reset", message: "the other side hung up" })
      const [line] = yield* logged(JobLog.ended(failed), pretty)
      expect(line).toMatch(/^\d\d:\d\d:\d\d INFO {2}retry /)
      for (const part of ["job=doi:10.1/x", "lane=host:a.example", "attempt=3", "reason=reset"]) {
        expect(line).toContain(part)
      }
      expect(line).toContain('detail="the other side hung up"')
      expect(line).not.toContain("event=")
    })
  )

  it.effect.prop(
    "is one line that controls nothing, whatever servers say",
    {
      text: FastCheck.string({ unit: "binary" }),
      nasty: FastCheck.constantFrom("\u001b[2J", "\r\n", "\u202e")
    },
    ({ nasty, text }) =>
      Effect.gen(function* () {
        const one = end({ end: "error", reason: text + nasty, message: nasty + text })
        const given = { ...one, lease: { ...lease, id: text + nasty, lane: nasty } }
        for (const line of [
          ...(yield* logged(JobLog.ended(given))),
          ...(yield* logged(JobLog.ended(given), pretty))
        ]) {
          expect(line).not.toMatch(CONTROL)
        }
      }),
    { fastCheck: { numRuns: 50 } }
  )

  it.effect("keeps secrets of URLs to itself, in messages, annotations and causes", () =>
    Effect.gen(function* () {
      const url = "https://me:pw1@api.example/v1?api_key=pw2&email=a.b%40c.example&q=tides#access_token=pw3"
      const log = Effect.logError(`asked ${url}`, Cause.fail(new Error(`no answer from ${url}`))).pipe(
        Effect.annotateLogs({ url, more: { url } })
      )
      for (const line of [...(yield* logged(log)), ...(yield* logged(log, pretty))]) {
        expect(line).not.toMatch(/pw\d|a\.b|c\.example/)
        expect(line).toContain("q=tides")
      }
    })
  )
})

describe("redacting", () => {
  it.prop(
    "leaves nothing of a secret, wherever it stands",
    {
      secret: FastCheck.stringMatching(/^S[A-Za-z0-9]{8,20}$/),
      name: FastCheck.constantFrom(
        "key",
        "api_key",
        "apikey",
        "apiKey",
        "access_token",
        "X-Amz-Signature",
        "sig",
        "mailto"
      ),
      before: FastCheck.webUrl({ withFragments: false, withQueryParameters: false })
    },
    ({ before, name, secret }) => {
      const [scheme = "", rest = ""] = before.split("://")
      for (const url of [
        `${before}?a=1&${name}=${secret}&b=2`,
        `${before}#${name}=${secret}`,
        `${scheme}://${secret}@${rest}`,
        `${scheme}://user:${secret}@${rest}`,
        `${before}?q=${secret}@mail.example`
      ]) {
        expect(redact(`see ${url}, twice: "${url}"`)).not.toContain(secret)
      }
    }
  )

  it.prop("leaves texts without URLs alone", { text: FastCheck.string() }, ({ text }) => {
    const harmless = text.replaceAll("://", "")
    expect(redact(harmless)).toBe(harmless)
  })

  it("leaves what is public", () => {
    const url = "https://files.example.org/a/b.pdf?page=2&monkey=5&keyword=tides"
    expect(redact(`got ${url} from x@y.example`)).toBe(`got ${url} from x@y.example`)
  })
})
