/** Pages that name files, in the encodings and with the redirects of older servers. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import { pdf } from "../fixtures/Pdf.ts"
import { world } from "./Fetching.ts"

const page = (head = "") =>
  `<html><head>${head}<title>Über</title></head><body><a href="/päper.pdf">PDF</a></body></html>`

const PAGES: ReadonlyArray<readonly [string, string, Buffer]> = [
  ["in UTF-8 that says nothing", "text/html", Buffer.from(page())],
  ["in Latin-1 by its type", "text/html; charset=ISO-8859-1", Buffer.from(page(), "latin1")],
  ["in Latin-1 by itself", "text/html", Buffer.from(page('<meta charset="iso-8859-1">'), "latin1")],
  ["in UTF-16 by its mark", "text/html", Buffer.from(`\uFEFF${page()}`, "utf16le")],
  ["in UTF-16 by its type", "text/html; charset=utf-16be", Buffer.from(page(), "utf16le").swap16()]
]

describe("a page", () => {
  it.live.each(PAGES)("%s is read with its letters", ([, type, body]) =>
    world({ "a.test": Behaviour.respond({ headers: { "content-type": type }, body }) }, ({ fetch, origin }) =>
      Effect.gen(function* () {
        expect(yield* fetch(origin.url("a.test", "/page"), { candidate: { kind: "landing" } })).toMatchObject(
          {
            _tag: "Opened",
            candidates: [{ url: origin.url("a.test", "/p%C3%A4per.pdf") }]
          }
        )
      })
    )
  )
})

describe("a page about another DOI", () => {
  it.live.each(["publisher", "repository"] as const)(
    "is one of a copy, if it is at a repository (%s)",
    (at) => {
      const body = page('<meta name="citation_doi" content="10.1101/2020.01.01.123456">')
      return world(
        { "a.test": Behaviour.respond({ headers: { "content-type": "text/html" }, body }) },
        ({ fetch, origin }) =>
          Effect.gen(function* () {
            const url = origin.url("a.test", "/page")
            const asked = fetch(url, {
              artifact: { doi: "10.5555/wanted.1" },
              candidate: { kind: "landing", host_type: at }
            })
            if (at === "repository") expect(yield* asked).toMatchObject({ _tag: "Opened" })
            else expect(yield* Effect.flip(asked)).toMatchObject({ reason: "wrong-page" })
          })
      )
    }
  )
})

describe("a PDF that its server calls a page", () => {
  it.live.each(["text/html; charset=utf-8", "application/xhtml+xml", ""])(
    "(%j) is the file itself",
    (type) => {
      const body = pdf({ pages: [["words"]], padding: 100_000 })
      return world(
        { "a.test": Behaviour.respond({ headers: type === "" ? {} : { "content-type": type }, body }) },
        ({ fetch, origin }) =>
          Effect.gen(function* () {
            const candidate = { kind: "landing", resolver: "landing_page" } as const
            expect(yield* fetch(origin.url("a.test", "/page"), { candidate })).toMatchObject({
              _tag: "Stored",
              receipt: { bytes: body.length, content_type: "application/pdf" }
            })
          }),
        { structure: true }
      )
    }
  )
})

describe("a redirect in bytes of UTF-8", () => {
  it.live("leads where it says", () =>
    world(
      {
        "a.test": Behaviour.routes(
          // As Node sends it: a byte for each character of Latin-1.
          { "/x.pdf": Behaviour.redirect(Buffer.from("/ä ö.pdf").toString("latin1")) },
          Behaviour.files()
        )
      },
      ({ fetch, origin }) =>
        Effect.gen(function* () {
          expect(yield* fetch(origin.url("a.test", "/x.pdf"))).toMatchObject({
            _tag: "Stored",
            receipt: { final_url: origin.url("a.test", "/%C3%A4%20%C3%B6.pdf") }
          })
        })
    )
  )
})
