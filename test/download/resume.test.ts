import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import type { Fetched } from "../../src/download/Fetch.ts"
import { pdf } from "../fixtures/Pdf.ts"
import { type World, world } from "./Fetching.ts"
import { filesIn } from "./Rig.ts"

const MB = 1024 * 1024
const whole = Behaviour.files({ size: 3 * MB })

/** Two leases on one URL, the first of which breaks off; what the second ends with, and what the server saw of it. */
const twice = (behaviour: Behaviour.Behaviour, more: Parameters<World["fetch"]>[1] = {}, host = "a.test") =>
  world({ [host]: behaviour }, ({ fetch, origin, out }) =>
    Effect.gen(function* () {
      const url = origin.url(host, "/paper.pdf")
      const first = yield* Effect.flip(fetch(url, more))
      expect(first).toMatchObject({ class: "retry" })
      const left = yield* filesIn(out)
      const result = yield* fetch(url, { ...more, token: 2 })
      const [, ...seen] = yield* origin.log
      return { result, seen, left, sha256: hashOf(out, result), files: yield* filesIn(out) }
    })
  )

const hashOf = (out: string, fetched: Fetched) =>
  fetched._tag === "Stored"
    ? createHash("sha256")
        .update(readFileSync(join(out, fetched.receipt.path)))
        .digest("hex")
    : undefined

/** What a file of these options is, at the path that is used here. */
const hashOfFile = (options: Parameters<typeof Behaviour.files>[0]) =>
  world({ "a.test": Behaviour.files(options) }, ({ origin }) =>
    Effect.sync(() => origin.expected("a.test", "/paper.pdf").sha256)
  )

describe("a download that broke off", () => {
  it.live.each([
    ["a truncation", Behaviour.truncated(whole)],
    // Slowly: what a reset finds on its way is lost with it.
    ["a reset", Behaviour.resetInBody(Behaviour.dripped({ bytes: MB / 4, everyMs: 20 }, whole))],
    ["a stall", Behaviour.stalled(whole)],
    ["a truncation without a length", Behaviour.unsized(Behaviour.truncated(whole))]
  ] as const)("by %s goes on where it was", ([, broken]) =>
    Effect.gen(function* () {
      const { files, left, result, seen, sha256 } = yield* twice(Behaviour.tries(1, broken, whole))
      const expected = yield* hashOfFile({ size: 3 * MB })
      expect(left).toHaveLength(2)
      expect(result).toMatchObject({ _tag: "Stored", receipt: { sha256: expected, bytes: 3 * MB } })
      expect(sha256).toBe(expected)
      expect(files).toHaveLength(1)
      expect(seen).toMatchObject([{ status: 206, headers: { range: expect.any(String) } }])
      expect(seen[0]?.bytes).toBeLessThan(2 * MB)
      expect(seen[0]?.headers.ifRange).toMatch(/^"/)
    })
  )

  it.live("again and again goes on each time", () =>
    world(
      { "a.test": Behaviour.tries(3, Behaviour.truncated(Behaviour.files({ size: 16 * MB })), whole16) },
      ({ fetch, origin, out }) =>
        Effect.gen(function* () {
          const url = origin.url("a.test", "/paper.pdf")
          for (const token of [1, 2, 3]) yield* Effect.flip(fetch(url, { token }))
          const result = yield* fetch(url, { token: 4 })
          const { sha256 } = origin.expected("a.test", "/paper.pdf")
          expect(result).toMatchObject({ receipt: { sha256, bytes: 16 * MB } })
          expect(hashOf(out, result)).toBe(sha256)
          const seen = yield* origin.log
          expect(seen.map(({ status }) => status)).toEqual([200, 206, 206, 206])
          expect(seen.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThan(18 * MB)
        }),
      { maxBytes: 100 * MB }
    )
  )

  it.live("is never put together with another content", () =>
    Effect.gen(function* () {
      const { seen, sha256 } = yield* twice(
        Behaviour.tries(1, Behaviour.truncated(whole), Behaviour.files({ size: 3 * MB, edition: 1 }))
      )
      expect(sha256).toBe(yield* hashOfFile({ size: 3 * MB, edition: 1 }))
      expect(seen).toMatchObject([{ status: 200 }])
      expect(seen[0]?.headers.range).not.toBeNull()
    })
  )

  it.live.each([
    ["ignored", 1],
    ["refused", 2],
    ["shifted", 2],
    ["lied", 2],
    ["short", 2],
    ["silent", 2],
    ["retagged", 2]
  ] as const)("is fetched anew when its range is %s", ([how, requests]) =>
    Effect.gen(function* () {
      const { files, result, seen, sha256 } = yield* twice(
        Behaviour.tries(1, Behaviour.truncated(whole), Behaviour.ranged(how, whole))
      )
      const expected = yield* hashOfFile({ size: 3 * MB })
      expect(result).toMatchObject({ _tag: "Stored", receipt: { sha256: expected } })
      expect(sha256).toBe(expected)
      expect(seen).toHaveLength(requests)
      expect(seen.at(-1)).toMatchObject({ status: 200 })
      expect(files).toHaveLength(1)
    })
  )

  it.live.each([304, 400, 403, 405, 412, 416])("is fetched anew when its range is refused with %d", (code) =>
    Effect.gen(function* () {
      const refused = Behaviour.tries(1, Behaviour.status(code), whole)
      const { result, seen, sha256 } = yield* twice(Behaviour.tries(1, Behaviour.truncated(whole), refused))
      expect(result).toMatchObject({ _tag: "Stored" })
      expect(sha256).toBe(yield* hashOfFile({ size: 3 * MB }))
      expect(seen).toMatchObject([
        { status: code, headers: { range: expect.any(String) } },
        { status: 200, headers: { range: null } }
      ])
    })
  )

  it.live.each([
    [401, {}],
    [404, {}],
    [410, {}],
    [403, { "cf-mitigated": "challenge" }]
  ] as const)("is not asked for anew when it is the file that is refused, with %d %j", ([code, headers]) =>
    world(
      { "a.test": Behaviour.tries(1, Behaviour.truncated(whole), Behaviour.status(code, headers)) },
      ({ fetch, origin }) =>
        Effect.gen(function* () {
          const url = origin.url("a.test", "/paper.pdf")
          yield* Effect.flip(fetch(url))
          expect(yield* Effect.flip(fetch(url, { token: 2 }))).toMatchObject({ class: "try-next" })
          expect((yield* origin.log).map(({ status }) => status)).toEqual([200, code])
        })
    )
  )

  it.live.each([
    [1, 500, [200, 500, 206]],
    [2, 500, [200, 500, 500, 200]],
    // An outage says nothing of the range.
    [2, 502, [200, 502, 502, 206]],
    [2, 503, [200, 503, 503, 206]]
  ] as const)("goes on when its server failed %d times since with %d, or anew", ([times, code, statuses]) =>
    world(
      {
        "a.test": Behaviour.tries(
          1,
          Behaviour.truncated(whole),
          Behaviour.tries(times, Behaviour.status(code), whole)
        )
      },
      ({ fetch, origin }) =>
        Effect.gen(function* () {
          const url = origin.url("a.test", "/paper.pdf")
          const failures = statuses.length === 4 && statuses[3] === 206 ? [1, 2, 3] : [1, 2]
          for (const token of failures)
            expect(yield* Effect.flip(fetch(url, { token }))).toMatchObject({ class: "retry" })
          expect(yield* fetch(url, { token: 9 })).toMatchObject({ _tag: "Stored" })
          expect((yield* origin.log).map(({ status }) => status)).toEqual(statuses)
        })
    )
  )

  it.live("is fetched anew when what came together is not what was promised", () =>
    Effect.gen(function* () {
      const sha256 = yield* hashOfFile({ size: 3 * MB })
      const { result, seen } = yield* twice(
        Behaviour.tries(1, Behaviour.truncated(whole), Behaviour.ranged("spliced", whole)),
        { artifact: { sha256 } }
      )
      expect(result).toMatchObject({ _tag: "Stored", receipt: { sha256 } })
      expect(seen.map(({ status }) => status)).toEqual([206, 200])
    })
  )

  it.live.each([
    ["with a weak tag", { etag: 'W/"1"' }, null],
    ["without a tag, changed long ago", { etag: null }, "Mon, 01 Jan 2024 00:00:00 GMT"],
    ["without a tag, changed just now", { etag: null, "last-modified": new Date().toUTCString() }, null],
    ["without any validator", { etag: null, "last-modified": null }, null],
    ["that says it has no ranges", { "accept-ranges": "none" }, null]
  ] as const)("from a server %s asks with If-Range %j", ([, headers, ifRange]) =>
    Effect.gen(function* () {
      const { left, seen, sha256 } = yield* twice(
        Behaviour.tries(
          1,
          Behaviour.truncated(Behaviour.headed(headers, whole)),
          Behaviour.headed(headers, whole)
        )
      )
      expect(sha256).toBe(yield* hashOfFile({ size: 3 * MB }))
      expect(left).toHaveLength(ifRange === null ? 0 : 2)
      expect(seen).toMatchObject([{ status: ifRange === null ? 200 : 206, headers: { ifRange } }])
    })
  )

  it.live("after little leaves nothing", () =>
    Effect.gen(function* () {
      const small = Behaviour.files({ size: 1.5 * MB })
      const { left, seen } = yield* twice(Behaviour.tries(1, Behaviour.truncated(small), small))
      expect(left).toEqual([])
      expect(seen).toMatchObject([{ status: 200, headers: { range: null } }])
    })
  )

  it.live("keeps its beginning while the host has other troubles", () =>
    world(
      {
        "a.test": Behaviour.tries(
          1,
          Behaviour.truncated(whole),
          Behaviour.tries(1, Behaviour.status(429), Behaviour.tries(1, Behaviour.reset(), whole))
        )
      },
      ({ fetch, origin }) =>
        Effect.gen(function* () {
          const url = origin.url("a.test", "/paper.pdf")
          yield* Effect.flip(fetch(url))
          expect(yield* fetch(url, { token: 2 })).toMatchObject({ _tag: "Held" })
          yield* Effect.flip(fetch(url, { token: 3 }))
          expect(yield* fetch(url, { token: 4 })).toMatchObject({ _tag: "Stored" })
          expect((yield* origin.log).map(({ status }) => status)).toEqual([200, 429, null, 206])
        })
    )
  )

  it.live("by a stop goes on after it", () =>
    world(
      { "a.test": Behaviour.tries(1, Behaviour.dripped({ bytes: MB, everyMs: 60 }, whole16), whole16) },
      ({ fetch, origin, out }) =>
        Effect.gen(function* () {
          const url = origin.url("a.test", "/paper.pdf")
          const fiber = yield* Effect.fork(fetch(url))
          yield* origin.log.pipe(
            Effect.delay(5),
            Effect.repeat({ until: ([seen]) => (seen?.bytes ?? 0) >= 4 * MB })
          )
          yield* Fiber.interrupt(fiber)
          expect(yield* filesIn(out)).toHaveLength(2)
          const result = yield* fetch(url, { token: 2 })
          const { sha256 } = origin.expected("a.test", "/paper.pdf")
          expect(result).toMatchObject({ receipt: { sha256 } })
          expect((yield* origin.log)[1]).toMatchObject({ status: 206 })
        }),
      { maxBytes: 100 * MB }
    )
  )

  it.live("leaves room for the next candidate of the same lease", () =>
    world({ "a.test": Behaviour.truncated(whole), "b.test": whole }, ({ fetch, origin, out }) =>
      Effect.gen(function* () {
        yield* Effect.flip(fetch(origin.url("a.test", "/paper.pdf")))
        const result = yield* fetch(origin.url("b.test", "/paper.pdf"))
        expect(result).toMatchObject({
          receipt: { sha256: origin.expected("b.test", "/paper.pdf").sha256 }
        })
        expect(yield* filesIn(out)).toHaveLength(1)
      })
    )
  )
})

/** What comes of a part that nobody asked for, of which the server says this. */
const part = (said: string, body = pdf()) =>
  world(
    {
      "a.test": Behaviour.respond({
        status: 206,
        headers: { "content-type": "application/pdf", "content-range": said },
        body
      })
    },
    ({ fetch, origin }) => Effect.map(Effect.either(fetch(origin.url("a.test", "/paper.pdf"))), Either.merge)
  )

describe("a part that nobody asked for", () => {
  const bytes = pdf().length

  it.live("is the file if it is all of it", () =>
    Effect.gen(function* () {
      expect(yield* part(`bytes 0-${bytes - 1}/${bytes}`)).toMatchObject({
        _tag: "Stored",
        receipt: { bytes }
      })
    })
  )

  it.live.each([
    `bytes 0-${bytes - 1}/${bytes + 1}`,
    `bytes 1-${bytes}/${bytes + 1}`,
    `bytes 0-${bytes - 1}/*`,
    "",
    "x"
  ])("is none if it is %j", (said) =>
    Effect.gen(function* () {
      expect(yield* part(said)).toMatchObject({ class: "retry", reason: "http-206" })
    })
  )
})

const whole16 = Behaviour.files({ size: 16 * MB })

/** A file that was fetched, and what comes of fetching it once more. */
const after = (
  second: Behaviour.Behaviour,
  headers: Readonly<Record<string, string | null>> = {},
  change: (out: string, path: string) => Effect.Effect<void> = () => Effect.void
) =>
  world(
    { "a.test": Behaviour.tries(1, Behaviour.headed(headers, Behaviour.files()), second) },
    ({ fetch, origin, out }) =>
      Effect.gen(function* () {
        const url = origin.url("a.test", "/paper.pdf")
        const first = yield* fetch(url)
        if (first._tag !== "Stored") return yield* Effect.dieMessage(first._tag)
        yield* change(out, first.receipt.path)
        const result = yield* fetch(url, { token: 2, previous: first.receipt })
        return { first: first.receipt, result, seen: (yield* origin.log)[1], files: yield* filesIn(out) }
      })
  )

describe("a file that is there", () => {
  it.live.each([
    ["a tag", {}],
    ["a weak tag", { etag: 'W/"1"' }],
    ["a date", { etag: null }]
  ] as const)("isn't taken again when %s shows that it is the same", ([, headers]) =>
    Effect.gen(function* () {
      const { first, result, seen } = yield* after(Behaviour.headed(headers, Behaviour.files()), headers)
      expect(seen).toMatchObject({ status: 304, bytes: 0 })
      expect(result).toEqual({ _tag: "Unmodified", receipt: first })
    })
  )

  it.live("is taken when it has changed, beside the old one", () =>
    Effect.gen(function* () {
      const { files, first, result } = yield* after(Behaviour.files({ edition: 1 }))
      expect(result).toMatchObject({ _tag: "Stored" })
      expect(result).not.toMatchObject({ receipt: { sha256: first.sha256 } })
      expect(files).toHaveLength(2)
    })
  )

  it.live.each(["removed", "damaged"] as const)("is taken when it was %s, without a condition", (how) =>
    Effect.gen(function* () {
      const { first, result, seen } = yield* after(Behaviour.files(), {}, (out, path) =>
        Effect.promise(async () => {
          const { rm, truncate } = await import("node:fs/promises")
          await (how === "removed" ? rm(join(out, path)) : truncate(join(out, path), 100))
        })
      )
      expect(seen).toMatchObject({ status: 200, headers: { ifNoneMatch: null } })
      expect(result).toMatchObject({ _tag: "Stored", receipt: { sha256: first.sha256 } })
    })
  )
})
