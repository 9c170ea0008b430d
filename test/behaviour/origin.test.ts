/** The local origin: what each behaviour looks like to a client, and what the origin says it saw. */
import { createHash } from "node:crypto"
import { describe, expect, it } from "@effect/vitest"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { Agent, type Dispatcher, request } from "undici"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import * as Origin from "../../src/demo/Origin.ts"
import * as OriginFile from "../../src/demo/OriginFile.ts"
import * as Reply from "../../src/demo/Reply.ts"

// ---------------------------------------------------------------------------------------------------------------
// A client
// ---------------------------------------------------------------------------------------------------------------

interface Got {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

interface ClientOptions {
  readonly method?: Dispatcher.HttpMethod
  readonly dispatcher?: Dispatcher
}

class ClientError extends Data.TaggedError("ClientError")<{ readonly code: string }> {}

const attempt = <A>(run: (signal: AbortSignal) => Promise<A>) =>
  Effect.tryPromise({
    try: run,
    catch: (error) =>
      new ClientError({
        code: error instanceof Error && "code" in error ? String(error.code) : String(error)
      })
  })

const send = (
  origin: Origin.OriginService,
  host: string,
  path: string,
  options: ClientOptions & { readonly signal: AbortSignal }
) => {
  const address = origin.addresses.includes(host) ? host : origin.addresses[0]
  return request(`http://${address}:${origin.port}${path}`, {
    ...options,
    headers: { host: `${host}:${origin.port}` }
  })
}

/** The head of an answer, the body not read yet. */
const open = (origin: Origin.OriginService, host: string, path: string) =>
  attempt((signal) => send(origin, host, path, { signal }))

/** A whole answer; the connection is dropped on interruption. */
const get = (origin: Origin.OriginService, host: string, path: string, options: ClientOptions = {}) =>
  attempt(async (signal): Promise<Got> => {
    const { body, headers, statusCode } = await send(origin, host, path, { ...options, signal })
    return { status: statusCode, headers, body: Buffer.from(await body.arrayBuffer()) }
  })

/** The bytes of a body until `enough` of them came. Fails if it breaks off. */
const drain = (body: AsyncIterable<Buffer>, received: { bytes: number }, enough = Number.POSITIVE_INFINITY) =>
  attempt(async () => {
    for await (const chunk of body) {
      received.bytes += chunk.length
      if (received.bytes > enough) break
    }
  })

const agent = (options: Agent.Options = {}) =>
  Effect.acquireRelease(
    Effect.sync(() => new Agent(options)),
    (made) => Effect.promise(() => made.destroy())
  )

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

/** Asks until it holds. */
const eventually = <A>(self: Effect.Effect<A>, holds: (a: A) => boolean): Effect.Effect<A> =>
  Effect.flatMap(self, (a) =>
    holds(a) ? Effect.succeed(a) : Effect.zipRight(Effect.sleep("5 millis"), eventually(self, holds))
  )

const oneHost = (behaviour: Behaviour.Behaviour) => Origin.make({ hosts: { "one.test": behaviour } })

/** What a client gets from a host with this behaviour. */
const ask = (behaviour: Behaviour.Behaviour, path = "/a.pdf") =>
  Effect.flatMap(oneHost(behaviour), (origin) => get(origin, "one.test", path))

const hosts = FastCheck.stringMatching(/^[a-z]{1,8}\.test$/)
const paths = FastCheck.webPath().map((made) => `/${made}`)

// ---------------------------------------------------------------------------------------------------------------
// Files
// ---------------------------------------------------------------------------------------------------------------

describe("files", () => {
  it.effect.prop(
    "have the size asked for and the bytes of their path, the same every time",
    { host: hosts, path: paths, size: FastCheck.integer({ min: 1200, max: 300_000 }) },
    ({ host, path, size }) =>
      Effect.sync(() => {
        const bytes = OriginFile.fileBytes(host, path, { size })
        expect(bytes.length).toBe(size)
        expect(sha256(OriginFile.fileBytes(host, path, { size }))).toBe(sha256(bytes))
        expect(OriginFile.expected(host, path, { size })).toEqual({ size, sha256: sha256(bytes) })
        expect(sha256(OriginFile.fileBytes(host, `${path}x`, { size }))).not.toBe(sha256(bytes))
        expect(sha256(OriginFile.fileBytes(`x${host}`, path, { size }))).not.toBe(sha256(bytes))
      }),
    { fastCheck: { numRuns: 40 } }
  )

  it.effect.prop(
    "are PDFs whose cross-reference table and stream lengths are right",
    { host: hosts, path: paths, size: FastCheck.integer({ min: 0, max: 100_000 }) },
    ({ host, path, size }) =>
      Effect.sync(() => {
        const text = Buffer.from(OriginFile.fileBytes(host, path, { size })).toString("latin1")
        expect(text.startsWith("%PDF-1.4\n")).toBe(true)
        expect(text.endsWith("\n%%EOF\n")).toBe(true)
        const xref = Number(/startxref\n(\d+)\n/.exec(text.slice(-64))?.[1])
        expect(text.slice(xref, xref + 9)).toBe("xref\n0 7\n")
        const offsets = [...text.slice(xref).matchAll(/^(\d{10}) 00000 n $/gm)].map(([, offset]) =>
          Number(offset)
        )
        expect(offsets).toHaveLength(6)
        offsets.forEach((offset, index) => {
          expect(text.slice(offset, offset + 8)).toBe(`${index + 1} 0 obj\n`)
          const stream = /^.*\n<< \/Length (\d+) >>\nstream\n/.exec(text.slice(offset, offset + 80))
          if (stream !== null) {
            const end = offset + stream[0].length + Number(stream[1])
            expect(text.slice(end, end + 11)).toBe("\nendstream\n")
          }
        })
        expect(text.slice(xref)).toContain("trailer\n<< /Size 7 /Root 1 0 R >>\n")
      }),
    { fastCheck: { numRuns: 40 } }
  )

  it.scopedLive("come over the wire as expected, with length, type, strong ETag and Last-Modified", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make({
        hosts: {
          "small.test": Behaviour.files({ size: 2000 }),
          "range.test": Behaviour.delayed(1, Behaviour.files({ size: { min: 50_000, max: 400_000 } })),
          "noise.test": Behaviour.files({ size: 10, kind: "noise" })
        }
      })
      const asked = [
        ["small.test", "/a.pdf"],
        ["range.test", "/b.pdf"],
        ["range.test", "/c.pdf?size=1000000"],
        ["noise.test", "/d"],
        ["noise.test", "/empty?size=0"],
        ["unknown.test", "/e.pdf?x=1&size=5000"]
      ] as const
      for (const [host, path] of asked) {
        const got = yield* get(origin, host, path)
        expect({ size: got.body.length, sha256: sha256(got.body) }).toEqual(origin.expected(host, path))
        expect(got.status).toBe(200)
        expect(got.headers["content-length"]).toBe(String(got.body.length))
        expect(got.headers["content-type"]).toBe(
          host === "noise.test" ? "application/octet-stream" : "application/pdf"
        )
        expect(got.headers["etag"]).toMatch(/^"[0-9a-f-]+"$/)
        expect(Date.parse(String(got.headers["last-modified"]))).not.toBeNaN()
      }
      expect(origin.expected("range.test", "/c.pdf?size=1000000").size).toBe(1_000_000)
      expect(origin.expected("small.test", "/a.pdf").size).toBe(2000)
      const sizes = ["/1", "/2", "/3", "/4"].map((path) => origin.expected("range.test", path).size)
      expect(new Set(sizes).size).toBe(4)
      expect(sizes.every((size) => size >= 50_000 && size <= 400_000)).toBe(true)
    })
  )

  it.scopedLive("can be asked for by HEAD", () =>
    Effect.gen(function* () {
      const origin = yield* oneHost(Behaviour.files({ size: 3000 }))
      const got = yield* get(origin, "one.test", "/a.pdf", { method: "HEAD" })
      expect(got.headers["content-length"]).toBe("3000")
      expect(got.body.length).toBe(0)
    })
  )
})

// ---------------------------------------------------------------------------------------------------------------
// Behaviours
// ---------------------------------------------------------------------------------------------------------------

describe("a rate limit", () => {
  it.effect.prop(
    "serves the most it may in any window, and never more",
    {
      gaps: FastCheck.array(FastCheck.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 60 }),
      max: FastCheck.integer({ min: 1, max: 5 }),
      windowMs: FastCheck.integer({ min: 1, max: 200 })
    },
    ({ gaps, max, windowMs }) =>
      Effect.sync(() => {
        const behaviour = Behaviour.rateLimited({ max, windowMs }, Behaviour.status(200))
        const memory = Reply.emptyMemory()
        const served: Array<number> = []
        let at = 0
        for (const gap of gaps) {
          at += gap
          const inWindow = served.filter((time) => time > at - windowMs).length
          const reply = Reply.make(behaviour, { host: "a", path: "/", at, port: 1 }, memory)
          expect(reply.head?.status).toBe(inWindow < max ? 200 : 429)
          if (reply.head?.status === 200) served.push(at)
        }
      })
  )

  it.scopedLive("refuses the first requests to the host, whatever their path", () =>
    Effect.gen(function* () {
      const origin = yield* oneHost(Behaviour.rateLimited({ first: 2, retryAfter: 7 }))
      const answers = yield* Effect.forEach(["/a", "/b", "/b", "/a"], (path) => get(origin, "one.test", path))
      expect(answers.map(({ status }) => status)).toEqual([429, 429, 200, 200])
      expect(answers.map(({ headers }) => headers["retry-after"])).toEqual(["7", "7", undefined, undefined])
    })
  )

  it.scopedLive("can name a date, never an earlier one than meant", () =>
    Effect.gen(function* () {
      const before = Date.now()
      const got = yield* ask(
        Behaviour.rateLimited({ first: 1, status: 503, retryAfter: { seconds: 3, form: "date" } })
      )
      expect(got.status).toBe(503)
      const date = String(got.headers["retry-after"])
      expect(new Date(date).toUTCString()).toBe(date)
      expect(Date.parse(date)).toBeGreaterThanOrEqual(before + 3000)
      expect(Date.parse(date)).toBeLessThanOrEqual(Date.now() + 4000)
    })
  )

  it.scopedLive("can keep silent about when to come back", () =>
    Effect.gen(function* () {
      const got = yield* ask(Behaviour.rateLimited({ first: 1, retryAfter: null }))
      expect(got.status).toBe(429)
      expect(got.headers["retry-after"]).toBeUndefined()
    })
  )
})

describe("a host can", () => {
  it.scopedLive("reset the first tries of each path before the head", () =>
    Effect.gen(function* () {
      const origin = yield* oneHost(Behaviour.resets(2))
      const outcomes = yield* Effect.forEach(["/a", "/a", "/b", "/a", "/b", "/b"], (path) =>
        Effect.match(get(origin, "one.test", path), {
          onFailure: () => "reset",
          onSuccess: ({ status }) => status
        })
      )
      expect(outcomes).toEqual(["reset", "reset", "reset", 200, "reset", 200])
      expect((yield* origin.log).map(({ status }) => status)).toEqual([null, null, null, 200, null, 200])
    })
  )

  it.scopedLive("reset in the middle of the body", () =>
    Effect.gen(function* () {
      const origin = yield* oneHost(Behaviour.resets(1, Behaviour.files({ size: 40_000 }), "body"))
      const response = yield* open(origin, "one.test", "/a.pdf")
      expect(response.statusCode).toBe(200)
      const body = yield* Effect.exit(Effect.tryPromise(() => response.body.arrayBuffer()))
      expect(Exit.isFailure(body)).toBe(true)
      expect((yield* get(origin, "one.test", "/a.pdf")).body.length).toBe(40_000)
      expect((yield* origin.log).map(({ bytes, finished }) => [bytes, finished])).toEqual([
        [20_000, false],
        [40_000, true]
      ])
    })
  )

  it.scopedLive("send less than it announces", () =>
    Effect.gen(function* () {
      const origin = yield* oneHost(Behaviour.truncated(Behaviour.files({ size: 10_001 })))
      const response = yield* open(origin, "one.test", "/a.pdf")
      expect(response.headers["content-length"]).toBe("10001")
      const received = { bytes: 0 }
      expect(Exit.isFailure(yield* Effect.exit(drain(response.body, received)))).toBe(true)
      expect(received.bytes).toBe(5000)
    })
  )

  it.scopedLive("stall after half of the body until the client leaves", () =>
    Effect.gen(function* () {
      const origin = yield* oneHost(Behaviour.stalled(Behaviour.files({ size: 10_000 })))
      const fiber = yield* Effect.fork(get(origin, "one.test", "/a.pdf"))
      yield* eventually(origin.log, ([seen]) => seen?.bytes === 5000)
      expect((yield* origin.log)[0]?.endedAt).toBeNull()
      yield* Fiber.interrupt(fiber)
      const [seen] = yield* eventually(origin.log, ([now]) => now !== undefined && now.endedAt !== null)
      expect(seen).toMatchObject({ status: 200, bytes: 5000, finished: false })
    })
  )

  it.scopedLive("answer an HTML page for a PDF, under either content type", () =>
    Effect.gen(function* () {
      const honest = yield* ask(Behaviour.htmlForPdf())
      const lying = yield* ask(Behaviour.htmlForPdf("application/pdf"))
      expect([honest.status, lying.status]).toEqual([200, 200])
      expect(honest.headers["content-type"]).toContain("text/html")
      expect(lying.headers["content-type"]).toBe("application/pdf")
      expect(lying.body.toString()).toMatch(/^<!DOCTYPE html>/)
    })
  )

  it.scopedLive("always answer one status", () =>
    Effect.gen(function* () {
      for (const code of [204, 304, 401, 404, 410, 500]) {
        expect((yield* ask(Behaviour.status(code, { "x-fact": "yes" }))).status).toBe(code)
      }
    })
  )

  it.scopedLive("answer 503 for the first tries of each path, with or without a hint", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make({
        hosts: { "a.test": Behaviour.flaky5xx(1), "b.test": Behaviour.flaky5xx(2, Behaviour.files(), 4) }
      })
      const seen = (host: string) =>
        Effect.map(
          Effect.forEach(["/x", "/x", "/x"], (path) => get(origin, host, path)),
          (answers) => answers.map(({ headers, status }) => [status, headers["retry-after"]])
        )
      expect(yield* seen("a.test")).toEqual([
        [503, undefined],
        [200, undefined],
        [200, undefined]
      ])
      expect(yield* seen("b.test")).toEqual([
        [503, "4"],
        [503, "4"],
        [200, undefined]
      ])
    })
  )

  it.scopedLive("redirect to another host or in a loop", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make({
        hosts: {
          "away.test": Behaviour.redirect("http://there.test:{port}/new{path}", 301),
          "loop.test": Behaviour.redirect("{path}", 307)
        }
      })
      const away = yield* get(origin, "away.test", "/a.pdf?$&=1")
      expect([away.status, away.headers["location"]]).toEqual([
        301,
        `http://there.test:${origin.port}/new/a.pdf?$&=1`
      ])
      const loop = yield* get(origin, "loop.test", "/a.pdf")
      expect([loop.status, loop.headers["location"]]).toEqual([307, "/a.pdf"])
    })
  )

  it.scopedLive("send no length", () =>
    Effect.gen(function* () {
      const got = yield* ask(Behaviour.unsized(Behaviour.files({ size: 9000 })))
      expect(got.headers["content-length"]).toBeUndefined()
      expect(got.headers["transfer-encoding"]).toBe("chunked")
      expect(sha256(got.body)).toBe(OriginFile.expected("one.test", "/a.pdf", { size: 9000 }).sha256)
    })
  )

  it.scopedLive("send a body without an end, no faster than it is read", () =>
    Effect.gen(function* () {
      const origin = yield* oneHost(Behaviour.endless())
      const response = yield* open(origin, "one.test", "/a.pdf")
      const bytes = Effect.map(origin.log, ([seen]) => seen?.bytes ?? 0)
      let last = -1
      let still = 0
      yield* eventually(bytes, (now) => {
        still = now === last ? still + 1 : 0
        last = now
        return still === 20
      })
      expect(last).toBeGreaterThan(0)
      const read = { bytes: 0 }
      yield* drain(response.body, read, last + 1_000_000)
      expect(read.bytes).toBeGreaterThan(last)
      yield* eventually(origin.log, ([seen]) => seen !== undefined && seen.endedAt !== null)
    })
  )

  it.scopedLive("send its body in small pieces", () =>
    Effect.gen(function* () {
      const origin = yield* oneHost(
        Behaviour.dripped({ bytes: 700, everyMs: 1 }, Behaviour.files({ size: 4000 }))
      )
      const got = yield* get(origin, "one.test", "/a.pdf")
      expect(sha256(got.body)).toBe(origin.expected("one.test", "/a.pdf").sha256)
    })
  )

  it.scoped("wait before its answer, by the clock", () =>
    Effect.gen(function* () {
      const origin = yield* oneHost(Behaviour.delayed(60_000))
      const answered = yield* Deferred.make<number, ClientError>()
      yield* Effect.forkScoped(
        Deferred.complete(
          answered,
          Effect.map(get(origin, "one.test", "/a.pdf"), ({ status }) => status)
        )
      )
      yield* Effect.yieldNow().pipe(
        Effect.zipRight(Effect.promise(() => new Promise(setImmediate))),
        Effect.zipRight(origin.stats),
        Effect.repeat({ until: (stats) => stats["one.test"]?.requests === 1 })
      )
      yield* TestClock.adjust("59 seconds")
      expect((yield* origin.log)[0]?.status).toBeNull()
      yield* TestClock.adjust("1 second")
      expect(yield* Deferred.await(answered)).toBe(200)
      expect((yield* origin.log)[0]).toMatchObject({ startedAt: 0, status: 200 })
    })
  )

  it.scopedLive("answer by path: exactly, without the query, by prefix, or else", () =>
    Effect.gen(function* () {
      const origin = yield* oneHost(
        Behaviour.routes(
          {
            "/v2/10.1/x": Behaviour.json({ is_oa: false }),
            "/v2/10.1/x?email=bad": Behaviour.json({ error: true }, 422),
            "/pdf/*": Behaviour.files(),
            "/pdf/private/*": Behaviour.status(403)
          },
          Behaviour.respond({ status: 404, headers: { "content-type": "text/html" }, body: "<p>none" })
        )
      )
      const status = (path: string) => Effect.map(get(origin, "one.test", path), (got) => got.status)
      const found = yield* get(origin, "one.test", "/v2/10.1/x?email=a@b.org")
      expect([found.headers["content-type"], found.body.toString()]).toEqual([
        "application/json; charset=utf-8",
        '{"is_oa":false}'
      ])
      expect(yield* status("/v2/10.1/x?email=bad")).toBe(422)
      expect(yield* status("/pdf/1")).toBe(200)
      expect(yield* status("/pdf/private/1")).toBe(403)
      expect(yield* status("/toString")).toBe(404)
    })
  )
})

// ---------------------------------------------------------------------------------------------------------------
// The record
// ---------------------------------------------------------------------------------------------------------------

describe("the record", () => {
  it.scopedLive("holds each request with its headers, in the order of arrival", () =>
    Effect.gen(function* () {
      const origin = yield* oneHost(Behaviour.files({ size: 1500 }))
      yield* Effect.promise(() =>
        request(`http://127.0.0.1:${origin.port}/a.pdf?v=1`, {
          headers: {
            host: "One.Test",
            range: "bytes=5-",
            "user-agent": "tester",
            "accept-encoding": "identity"
          }
        }).then(({ body }) => body.dump())
      )
      yield* get(origin, "127.0.0.1", "/b.pdf?size=1500")
      const log = yield* eventually(origin.log, (now) => now.length === 2 && now[1]?.endedAt !== null)
      expect(log[0]).toMatchObject({
        host: "one.test",
        path: "/a.pdf?v=1",
        method: "GET",
        // The rest of it.
        status: 206,
        bytes: 1495,
        finished: true,
        headers: { range: "bytes=5-", ifRange: null, userAgent: "tester", acceptEncoding: "identity" }
      })
      expect(log[1]).toMatchObject({ host: "127.0.0.1", path: "/b.pdf?size=1500" })
      expect(log[0]?.endedAt).toBeGreaterThanOrEqual(log[0]?.startedAt ?? Number.POSITIVE_INFINITY)
    })
  )

  it.scopedLive("counts the requests that are open at once, for each host apart", () =>
    Effect.gen(function* () {
      const stuck = Behaviour.stalled(Behaviour.files({ size: 2000 }))
      const origin = yield* Origin.make({ hosts: { "a.test": stuck, "b.test": stuck } })
      const dispatcher = yield* agent()
      const start = (host: string, count: number) =>
        Effect.forEach(
          Array.from({ length: count }, (_, index) => `/${index}`),
          (path) => Effect.fork(get(origin, host, path, { dispatcher }))
        )
      const a = yield* start("a.test", 7)
      const b = yield* start("b.test", 3)
      yield* eventually(origin.stats, (now) => now["a.test"]?.open === 7 && now["b.test"]?.open === 3)
      yield* Fiber.interruptAll([...a, ...b])
      yield* eventually(origin.stats, (now) => now["a.test"]?.open === 0 && now["b.test"]?.open === 0)
      expect(yield* origin.stats).toEqual({
        "a.test": { requests: 7, finished: 0, open: 0, maxConcurrent: 7 },
        "b.test": { requests: 3, finished: 0, open: 0, maxConcurrent: 3 }
      })
    })
  )

  it.scopedLive("never counts more at once than a client has open, however fast one follows the other", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make({
        otherwise: Behaviour.delayed(1, Behaviour.files({ size: 30_000 }))
      })
      const dispatcher = yield* agent()
      yield* Effect.forEach(
        Array.from({ length: 400 }, (_, index) => `/${index}`),
        (path) => get(origin, "one.test", path, { dispatcher }),
        { concurrency: 4, discard: true }
      )
      expect((yield* origin.stats)["one.test"]).toMatchObject({ requests: 400, finished: 400 })
      expect((yield* origin.stats)["one.test"]?.maxConcurrent).toBeLessThanOrEqual(4)
      expect((yield* origin.stats)["one.test"]?.maxConcurrent).toBeGreaterThan(1)
    })
  )

  it.scopedLive("ends a request when its client leaves, before the client can start another", () =>
    Effect.gen(function* () {
      const origin = yield* oneHost(Behaviour.stalled(Behaviour.files({ size: 2000 })))
      const dispatcher = yield* agent()
      const leave = (index: number) =>
        Effect.gen(function* () {
          const fiber = yield* Effect.fork(get(origin, "one.test", `/${index}`, { dispatcher }))
          yield* eventually(origin.log, (log) => log[index]?.bytes === 1000)
          yield* Fiber.interrupt(fiber)
        })
      yield* Effect.forEach(
        Array.from({ length: 50 }, (_, index) => index),
        leave,
        { discard: true }
      )
      yield* eventually(origin.stats, (now) => now["one.test"]?.open === 0)
      expect((yield* origin.stats)["one.test"]).toMatchObject({ requests: 50, finished: 0, maxConcurrent: 1 })
    })
  )

  it.scopedLive("takes hundreds of connections at once", () =>
    Effect.gen(function* () {
      const origin = yield* oneHost(Behaviour.stalled(Behaviour.files({ size: 2000 })))
      const dispatcher = yield* agent()
      const fibers = yield* Effect.forEach(
        Array.from({ length: 300 }, (_, index) => `/${index}`),
        (path) => Effect.fork(get(origin, "one.test", path, { dispatcher }))
      )
      yield* eventually(origin.stats, (now) => now["one.test"]?.open === 300)
      yield* Fiber.interruptAll(fibers)
    })
  )
})

// ---------------------------------------------------------------------------------------------------------------
// Listening
// ---------------------------------------------------------------------------------------------------------------

describe("listening", () => {
  it.scopedLive("serves a hundred addresses on one port, each a host of its own", () =>
    Effect.gen(function* () {
      const addresses = Array.from({ length: 100 }, (_, index) => `127.0.0.${index + 1}`)
      const origin = yield* Origin.make({
        addresses,
        hosts: { "127.0.0.7": Behaviour.status(404), "named.test": Behaviour.files() }
      })
      const got = yield* Effect.forEach(addresses, (address) => get(origin, address, "/a.pdf"), {
        concurrency: 10
      })
      got.forEach(({ body, status }, index) => {
        const address = addresses[index] ?? ""
        if (address === "127.0.0.7") expect(status).toBe(404)
        else expect(sha256(body)).toBe(origin.expected(address, "/a.pdf").sha256)
      })
      expect(Object.keys(yield* origin.stats)).toHaveLength(100)
      expect(origin.resolve).toEqual({ "named.test": "127.0.0.1" })
      expect(origin.url("127.0.0.9", "/x")).toBe(`http://127.0.0.9:${origin.port}/x`)
    })
  )

  it.scopedLive("closes everything with its scope, also what is stalled or waits", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const origin = yield* Scope.extend(
        Origin.make({
          addresses: ["127.0.0.1", "127.0.0.2"],
          hosts: {
            "stalled.test": Behaviour.stalled(Behaviour.files({ size: 5_000_000 })),
            "waiting.test": Behaviour.delayed(3_600_000),
            "endless.test": Behaviour.endless()
          }
        }),
        scope
      )
      const dispatcher = yield* agent()
      const asked = ["stalled.test", "waiting.test", "endless.test", "stalled.test"]
      const fibers = yield* Effect.forEach(asked, (host) =>
        Effect.fork(get(origin, host, "/a", { dispatcher }))
      )
      // An idle connection that is kept alive is open too.
      yield* get(origin, "fine.test", "/a", { dispatcher })
      yield* eventually(origin.log, (log) => log.length === 5)
      yield* Scope.close(scope, Exit.void)
      const exits = yield* Effect.forEach(fibers, Fiber.await)
      expect(exits.every(Exit.isFailure)).toBe(true)
      for (const address of origin.addresses) {
        const refused = yield* Effect.flip(get(origin, address, "/a"))
        expect(refused).toMatchObject({ code: "ECONNREFUSED" })
      }
      expect(Object.values(yield* origin.stats).every((now) => now.open === 0)).toBe(true)
    })
  )

  it.scopedLive("says which address it can't have", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make()
      const taken = yield* Effect.flip(Origin.make({ port: origin.port }))
      expect(taken.reason).toBe("taken")
      expect(taken.message).toContain(`127.0.0.1, port ${origin.port}`)
      const outside = yield* Effect.flip(Origin.make({ addresses: ["127.0.0.1", "0.0.0.0"] }))
      expect(outside).toMatchObject({ reason: "unavailable", message: "0.0.0.0 is no loopback address" })
      expect((yield* Effect.flip(Origin.make({ addresses: [] }))).reason).toBe("unavailable")
    })
  )
})
