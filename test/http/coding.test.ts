/** Bodies in a content coding nobody asked for, as real servers send them. */
import { randomBytes } from "node:crypto"
import { createServer } from "node:http"
import { createServer as createTcpServer } from "node:net"
import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync } from "node:zlib"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import { codingsOf, Decoded } from "../../src/http/Coding.ts"
import * as Http from "../../src/http/Http.ts"
import { readStart } from "../../src/http/Start.ts"
import { settings } from "../download/Rig.ts"
import { listening } from "./Listening.ts"

type Pack = (plain: Uint8Array) => Buffer

const PACKS: ReadonlyArray<readonly [header: string, pack: Pack]> = [
  ["gzip", gzipSync],
  ["x-gzip", gzipSync],
  ["GZIP", (plain) => Buffer.concat([gzipSync(plain.subarray(0, 3)), gzipSync(plain.subarray(3))])],
  ["deflate", deflateSync],
  ["deflate", deflateRawSync],
  ["br", brotliCompressSync],
  ["identity, gzip", gzipSync],
  ["deflate, gzip", (plain) => gzipSync(deflateRawSync(plain))],
  ["identity", (plain) => Buffer.from(plain)]
]

async function* inPieces(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

const readAll = async (pieces: AsyncIterable<Uint8Array>): Promise<Buffer> => {
  const all: Array<Uint8Array> = []
  for await (const piece of pieces) all.push(piece)
  return Buffer.concat(all)
}

const decodedOf = (header: string, bytes: Uint8Array, size = 1000) =>
  readAll(new Decoded(inPieces(bytes, size), codingsOf({ "content-encoding": header })))

describe("a packed body", () => {
  it.effect.prop(
    "is what was packed, in whatever pieces it comes",
    [
      FastCheck.constantFrom(...PACKS),
      FastCheck.uint8Array({ maxLength: 5000 }),
      FastCheck.integer({ min: 1, max: 999 })
    ],
    ([[header, pack], plain, size]) =>
      Effect.promise(async () => {
        expect(await decodedOf(header, pack(plain), size)).toEqual(Buffer.from(plain))
      }),
    { fastCheck: { numRuns: 60 } }
  )

  // Not those that have an end between two members, or none at all.
  const single = PACKS.filter(([header]) => header !== "GZIP" && header !== "identity")
  it.effect.prop(
    "that is cut anywhere fails",
    [
      FastCheck.constantFrom(...single),
      FastCheck.uint8Array({ minLength: 10, maxLength: 500 }),
      FastCheck.nat()
    ],
    ([[header, pack], plain, at]) =>
      Effect.promise(async () => {
        const packed = pack(plain)
        const cut = packed.subarray(0, 1 + (at % (packed.length - 1)))
        await expect(decodedOf(header, cut)).rejects.toMatchObject({ code: "Z_BUF_ERROR" })
      }),
    { fastCheck: { numRuns: 60 } }
  )

  it("of nothing is nothing", async () => {
    for (const [header] of PACKS) expect(await decodedOf(header, new Uint8Array(0))).toEqual(Buffer.alloc(0))
  })

  it("may be followed by garbage, which is nobody's", async () => {
    const packed = Buffer.concat([gzipSync("whole"), Buffer.alloc(100_000)])
    expect((await decodedOf("gzip", packed)).toString()).toBe("whole")
  })

  it("that stands for far more than it is comes no faster than it is read", async () => {
    const bomb = gzipSync(Buffer.alloc(200_000_000))
    let taken = 0
    const pieces = async function* () {
      for await (const piece of inPieces(bomb, 1000)) {
        taken += piece.length
        yield piece
      }
    }
    let bytes = 0
    for await (const piece of new Decoded(pieces(), ["gzip"])) {
      bytes += piece.length
      if (bytes > 10_000_000) break
    }
    expect(bytes).toBeLessThan(11_000_000)
    expect(taken).toBeLessThan(bomb.length / 2)
  })

  it("that stands for nothing, however much of it comes, is given up", async () => {
    // Deflate's empty blocks, without end.
    const nothing = Buffer.alloc(1_000_000, Buffer.from([0, 0, 0, 0xff, 0xff]))
    const endless = async function* () {
      yield gzipSync("").subarray(0, 10)
      for (;;) yield nothing
    }
    await expect(readAll(new Decoded(endless(), ["gzip"]))).rejects.toMatchObject({ code: "CODING_REFUSED" })
  })

  it.each([
    ["application/gzip", []],
    ["application/x-gzip; charset=binary", []],
    ["application/pdf", ["gzip"]],
    ["application/gzip+x", ["gzip"]]
  ])("of the type %s is taken for %j: a gzip file isn't packed once more", (type, codings) => {
    expect(codingsOf({ "content-encoding": "gzip", "content-type": type })).toEqual(codings)
  })

  it.each(["utf-8", "none", "binary", "8bit", "aws-chunked", "constructor", "identity"])(
    "is none of %s, which is a word in the wrong place",
    (word) => {
      expect(codingsOf({ "content-encoding": word })).toEqual([])
      expect(codingsOf({ "content-encoding": `${word}, GZip` })).toEqual(["gzip"])
    }
  )
})

const answered = (headers: Record<string, string>, body: Uint8Array, limit = 1000) =>
  Effect.gen(function* () {
    const port = yield* listening(createServer((_, response) => response.writeHead(200, headers).end(body)))
    const http = yield* Http.make(settings("unused").http)
    const response = yield* http.get(`http://127.0.0.1:${port}/x`, {}, "configuration")
    const { contentLength, packed } = response
    return { contentLength, packed, ...(yield* readStart(response, limit)) }
  }).pipe(Effect.scoped)

describe("an answer", () => {
  it.live("that is packed is read unpacked, and so is its limit", () =>
    Effect.gen(function* () {
      const body = gzipSync("x".repeat(1_000_000))
      expect(
        yield* answered({ "content-encoding": "gzip", "content-length": String(body.length) }, body)
      ).toEqual({
        contentLength: undefined,
        packed: true,
        text: "x".repeat(1000),
        whole: false
      })
    })
  )

  it.live.each([
    ["zstd", "coding", '"zstd", which isn\'t understood'],
    ["gzip, gzip, gzip, gzip", "coding", "4 codings"],
    ["gzip", "coding", "isn't in the coding that it says"],
    ["br", "coding", "isn't in the coding that it says"]
  ] as const)("in %s that can't be decoded says so", ([coding, reason, message]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        answered({ "content-encoding": coding }, Buffer.from("plain text, all of it"))
      )
      expect(error).toMatchObject({ reason, message: expect.stringContaining(message) })
    })
  )

  it.live("whose packed content ends in the middle is cut short", () =>
    Effect.gen(function* () {
      const body = gzipSync("some text that is long enough", { level: constants.Z_NO_COMPRESSION }).subarray(
        0,
        25
      )
      const error = yield* Effect.flip(answered({ "content-encoding": "gzip" }, body))
      expect(error.reason).toBe("truncated")
    })
  )

  it.live("that is packed leaves its connection to the next one", () =>
    Effect.gen(function* () {
      let connections = 0
      const body = gzipSync(randomBytes(1_000_000))
      const server = createServer((_, response) =>
        response.writeHead(200, { "content-encoding": "gzip" }).end(body)
      )
      server.on("connection", () => (connections += 1))
      const port = yield* listening(server)
      const http = yield* Http.make(settings("unused").http)
      const read = (limit: number) =>
        Effect.scoped(
          Effect.flatMap(http.get(`http://127.0.0.1:${port}/x`, {}, "configuration"), (response) =>
            readStart(response, limit)
          )
        )
      for (const limit of [2_000_000, 2_000_000, 100]) yield* read(limit)
      expect(connections).toBe(1)
    }).pipe(Effect.scoped)
  )

  it.live("that is packed and stops in the middle is told as one that stops", () =>
    Effect.gen(function* () {
      const server = createServer((_, response) => {
        response.writeHead(200, { "content-encoding": "gzip" }).write(gzipSync("some text").subarray(0, 15))
      })
      const port = yield* listening(server)
      const http = yield* Http.make({ ...settings("unused").http, idle_timeout_seconds: 0.3 })
      const error = yield* Effect.flip(
        Effect.flatMap(http.get(`http://127.0.0.1:${port}/x`, {}, "configuration"), (response) =>
          readStart(response, 100)
        )
      )
      expect(error.reason).toBe("idle-timeout")
    }).pipe(Effect.scoped)
  )

  it.live("may begin with a byte order mark", () =>
    Effect.gen(function* () {
      const { text } = yield* answered({}, Buffer.from('\uFEFF{"a":1}'))
      expect(JSON.parse(text)).toEqual({ a: 1 })
    })
  )

  it.live("may have long headers", () =>
    Effect.gen(function* () {
      expect(yield* answered({ "set-cookie": "c".repeat(50_000) }, Buffer.from("here"))).toMatchObject({
        text: "here"
      })
    })
  )

  it.live.each([
    ["/\u00e4 \u00f6.pdf", "utf8", "/\u00e4 \u00f6.pdf"],
    ["/\u00e4.pdf", "latin1", "/\u00e4.pdf"],
    ["/%C3%A4.pdf", "utf8", "/%C3%A4.pdf"]
  ] as const)("that leads to %s in bytes of %s leads there", ([location, encoding, expected]) =>
    Effect.gen(function* () {
      const raw = Buffer.concat([
        Buffer.from("HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: "),
        Buffer.from(location, encoding),
        Buffer.from("\r\n\r\n")
      ])
      const port = yield* listening(createTcpServer((socket) => socket.on("error", () => undefined).end(raw)))
      const http = yield* Http.make(settings("unused").http)
      const response = yield* http.get(`http://127.0.0.1:${port}/x`, {}, "configuration")
      expect(response.header("location")).toBe(expected)
    }).pipe(Effect.scoped)
  )
})
