/** Files and what leads to them, from servers that pack what they send though nobody asked for it. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { brotliCompressSync, gzipSync } from "node:zlib"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import { fileBytes } from "../../src/demo/OriginFile.ts"
import { world } from "./Fetching.ts"

const packed = (
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
  status = 200
): Behaviour.Behaviour =>
  Behaviour.respond({
    status,
    headers: { "content-type": "application/pdf", "content-encoding": "gzip", ...headers },
    body
  })

const PDF = fileBytes("a.test", "/paper.pdf", { size: 3_000_000 })
const LOGIN = `<!doctype html><html><head><title>Log in</title></head><body><form action="/login">
  <input type="password" name="password"></form>${"<p>Please log in.</p>".repeat(20)}</body></html>`
const LANDING = `<html><head><meta name="citation_pdf_url" content="/paper.pdf"></head><body></body></html>`

describe("a packed file", () => {
  it.live("is stored unpacked, and no part of it is asked for after a cut", () =>
    world(
      {
        "a.test": Behaviour.tries(
          1,
          packed(gzipSync(PDF, { level: 0 }).subarray(0, 2_000_000), { etag: '"strong"' }),
          packed(gzipSync(PDF), { etag: '"strong"' })
        )
      },
      ({ fetch, origin, out }) =>
        Effect.gen(function* () {
          const url = origin.url("a.test", "/paper.pdf")
          expect(yield* Effect.flip(fetch(url))).toMatchObject({ class: "retry", reason: "truncated" })
          const fetched = yield* fetch(url, { token: 2 })
          if (fetched._tag !== "Stored") return expect(fetched._tag).toBe("Stored")
          expect(fetched.receipt).toMatchObject({ bytes: PDF.length, content_type: "application/pdf" })
          expect(readFileSync(join(out, fetched.receipt.path)).equals(PDF)).toBe(true)
          expect((yield* origin.log).map(({ headers }) => headers.range)).toEqual([null, null])
        })
    )
  )

  it.live("is whole where an answer says so of its packed bytes", () => {
    const body = gzipSync(PDF)
    const headers = { "content-range": `bytes 0-${body.length - 1}/${body.length}` }
    return world({ "a.test": packed(body, headers, 206) }, ({ fetch, origin }) =>
      Effect.map(fetch(origin.url("a.test", "/paper.pdf")), (fetched) => {
        expect(fetched).toMatchObject({ _tag: "Stored", receipt: { bytes: PDF.length } })
      })
    )
  })

  it.live("is as large as what it stands for", () =>
    world(
      { "a.test": packed(gzipSync(Buffer.concat([PDF, Buffer.alloc(50_000_000)]))) },
      ({ fetch, origin }) =>
        Effect.gen(function* () {
          expect(yield* Effect.flip(fetch(origin.url("a.test", "/paper.pdf")))).toMatchObject({
            class: "skip",
            reason: "too-large"
          })
        })
    )
  )

  it.live("that isn't all there by its Content-Length is cut short", () =>
    world({ "a.test": Behaviour.truncated(packed(gzipSync(PDF))) }, ({ fetch, origin }) =>
      Effect.gen(function* () {
        expect(yield* Effect.flip(fetch(origin.url("a.test", "/paper.pdf")))).toMatchObject({
          class: "retry",
          reason: "truncated"
        })
      })
    )
  )

  it.live.each([
    ["gzip", gzipSync(LOGIN)],
    ["br", brotliCompressSync(LOGIN)]
  ] as const)("that is a login page in %s is none", ([coding, body]) =>
    world(
      { "a.test": packed(body, { "content-type": "text/html", "content-encoding": coding }) },
      ({ fetch, origin }) =>
        Effect.gen(function* () {
          expect(yield* Effect.flip(fetch(origin.url("a.test", "/paper")))).toMatchObject({
            reason: "login-page"
          })
        })
    )
  )

  it.live("in a coding nobody knows is refused by its name", () =>
    world({ "a.test": packed(PDF, { "content-encoding": "zstd" }) }, ({ fetch, origin }) =>
      Effect.gen(function* () {
        expect(yield* Effect.flip(fetch(origin.url("a.test", "/paper.pdf")))).toMatchObject({
          class: "try-next",
          reason: "coding",
          message: expect.stringContaining('"zstd"')
        })
      })
    )
  )
})

describe("what is packed and leads to files", () => {
  it.live("a page is read", () =>
    world({ "a.test": packed(gzipSync(LANDING), { "content-type": "text/html" }) }, ({ fetch, origin }) =>
      Effect.gen(function* () {
        const fetched = yield* fetch(origin.url("a.test", "/page"), { candidate: { kind: "landing" } })
        expect(fetched).toMatchObject({
          _tag: "Opened",
          candidates: [{ url: origin.url("a.test", "/paper.pdf") }]
        })
      })
    )
  )

  it.live("a robots.txt is obeyed", () =>
    world(
      {
        "a.test": Behaviour.routes(
          {
            "/robots.txt": packed(gzipSync("User-agent: *\nDisallow: /\n"), { "content-type": "text/plain" })
          },
          Behaviour.files()
        )
      },
      ({ fetch, origin }) =>
        Effect.gen(function* () {
          expect(yield* Effect.flip(fetch(origin.url("a.test", "/paper.pdf")))).toMatchObject({
            reason: "robots-disallowed"
          })
          expect(yield* origin.stats).toMatchObject({ "a.test": { requests: 1 } })
        }),
      { robots: true }
    )
  )
})
