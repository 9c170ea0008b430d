/** Pages that name files, in the encodings and with the redirects of older servers. */
import { createHash } from "node:crypto"
import { gzipSync } from "node:zlib"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Artifact } from "../../src/Artifact.ts"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import type { Preferences } from "../../src/resolver/Ranking.ts"
import { pdf } from "../fixtures/Pdf.ts"
import { world } from "./Fetching.ts"

type Kinds = Preferences["kinds"]

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

describe("a page that only trickles", () => {
  it.live.each([{ kind: "landing" }, {}] as const)("is given up (%j)", (candidate) => {
    const body = Buffer.from(page() + " ".repeat(100_000))
    const answer = Behaviour.respond({ headers: { "content-type": "text/html" }, body })
    return world(
      { "a.test": Behaviour.dripped({ bytes: 10, everyMs: 20 }, answer) },
      ({ fetch, origin }) =>
        Effect.gen(function* () {
          const asked = fetch(origin.url("a.test", "/page"), { artifact: { doi: "10.5555/x" }, candidate })
          expect(yield* Effect.flip(asked)).toMatchObject({ class: "retry", reason: "too-slow" })
        }),
      { http: { min_bytes_per_second: 10_000, min_rate_window_seconds: 0.2, idle_timeout_seconds: 10 } }
    )
  })
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

/** What becomes of an answer at the own URL of an artifact. */
const asked = (
  body: Buffer,
  artifact: Partial<Artifact>,
  { kinds, path = "/article", type = "text/html" }: { kinds?: Kinds; path?: string; type?: string } = {}
) =>
  world(
    { "a.test": Behaviour.respond({ headers: { "content-type": type }, body }) },
    ({ fetch, origin }) => Effect.either(fetch(origin.url("a.test", path), { artifact })),
    kinds === undefined ? {} : { kinds }
  )

describe("a page at a URL that the list names beside a work", () => {
  const about = Buffer.from(
    `<!doctype html><html><head><meta name="citation_pdf_url" content="/1.pdf"></head><body>${"Words. ".repeat(200)}</body></html>`
  )
  const plain = Buffer.from(
    `<!doctype html><html><head><title>A work</title></head><body>${"Words. ".repeat(200)}</body></html>`
  )
  const work = { doi: "10.5555/wanted.1" }
  const stored = { right: { _tag: "Stored", receipt: { content_type: "text/html", bytes: about.length } } }

  it.live.each([work, { arxiv: "2101.03961" }, { pmid: "12" }, { pmcid: "PMC12" }, { openalex: "W12" }])(
    "is read for the files it names, which aren't the list's own (%j)",
    (artifact) =>
      Effect.gen(function* () {
        const end = yield* asked(about, artifact)
        expect(end).toMatchObject({ right: { _tag: "Opened", candidates: [{ resolver: "landing_page" }] } })
      })
  )

  it.live("isn't the work where it names none", () =>
    Effect.gen(function* () {
      expect(yield* asked(plain, work)).toMatchObject({ left: { reason: "no-open-access" } })
    })
  )

  it.live("isn't read where it is about another work", () =>
    Effect.gen(function* () {
      const other = Buffer.from(
        about.toString().replace("<meta", '<meta name="citation_doi" content="10.5555/other.1"><meta')
      )
      expect(yield* asked(other, work)).toMatchObject({ left: { reason: "wrong-page" } })
    })
  )

  it.live("is what is wanted where pages are, or where nothing else is known", () =>
    Effect.gen(function* () {
      expect(yield* asked(about, work, { kinds: ["pdf", "html"] })).toMatchObject(stored)
      expect(yield* asked(about, {})).toMatchObject(stored)
      expect(yield* asked(about, { title: "A work" })).toMatchObject(stored)
      expect(yield* asked(about, { ...work, size: about.length })).toMatchObject(stored)
      const sha256 = createHash("sha256").update(about).digest("hex")
      expect(yield* asked(about, { ...work, sha256 })).toMatchObject(stored)
    })
  )

  it.live("is a page instead of the PDF where the URL is that of one", () =>
    Effect.gen(function* () {
      expect(yield* asked(about, work, { path: "/1.pdf" })).toMatchObject({
        left: { reason: "html-instead-of-pdf" }
      })
    })
  )

  it.live("is one by its bytes", () =>
    Effect.gen(function* () {
      const end = yield* asked(gzipSync("a table"), work, { type: "" })
      expect(end).toMatchObject({ right: { _tag: "Stored", receipt: { content_type: "application/gzip" } } })
    })
  )
})
