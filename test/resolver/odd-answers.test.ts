/** Answers that are odd in part: what can be understood of them counts, and what they refuse is no more than that. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import { decoder, items } from "../../src/resolver/Decode.ts"
import type { Name } from "../../src/resolver/Registry.ts"
import { ask, type Options, sample } from "./Asking.ts"

const DOI = "10.5555/tides.7"

const candidates = (name: Name, answer: unknown, options: Options = {}) =>
  Effect.map(
    ask(name, Behaviour.json(answer), { artifact: { doi: DOI }, ...options }),
    ({ documented, result }) => Either.getOrThrow(result).map(({ kind, url }) => `${kind} ${documented(url)}`)
  )

const outcome = (name: Name, behaviour: Behaviour.Behaviour, options: Options = {}) =>
  Effect.map(ask(name, behaviour, { artifact: { doi: DOI }, ...options }), ({ result }) =>
    Either.isLeft(result) ? result.left.outcome : "candidates"
  )

describe("a list with something in it that can't be understood", () => {
  const good = { url_for_pdf: "https://a.test/x.pdf" }

  it.live("is read without that", () =>
    Effect.gen(function* () {
      for (const odd of [null, 7, "x", [], { url_for_pdf: {} }]) {
        const answer = { doi: DOI, oa_locations: [odd, good, odd] }
        expect(yield* candidates("unpaywall", answer), JSON.stringify(odd)).toEqual([
          "pdf https://a.test/x.pdf"
        ])
      }
    })
  )

  it.live("isn't taken for an empty one if that is all of it, unless it is nothing", () =>
    Effect.gen(function* () {
      for (const [odd, ends] of [
        [7, "failed"],
        [null, "no_open_access"]
      ] as const) {
        const answer = Behaviour.json({ doi: DOI, oa_locations: [odd] })
        expect(yield* outcome("unpaywall", answer)).toBe(ends)
      }
    })
  )

  it.live("is one text where a list is expected, or an id in quotation marks", () =>
    Effect.gen(function* () {
      const work = { doi: DOI, downloadUrl: "", sourceFulltextUrls: "https://a.test/x.pdf" }
      expect(
        yield* candidates("core", { totalHits: 1, results: [work] }, { env: { CORE_API_KEY: "key-of-core" } })
      ).toEqual(["pdf https://a.test/x.pdf"])
      const record: Record<string, unknown> = JSON.parse(sample("zenodo/record_pdf.json"))
      expect(
        yield* candidates(
          "zenodo",
          { ...record, id: String(record["id"]) },
          { artifact: { doi: "10.5281/zenodo.10635481" } }
        )
      ).toHaveLength(1)
    })
  )
})

describe("an error with the status of an answer", () => {
  const error = Behaviour.json({ status: "error", error: true, message: "the database is down", total: null })
  const asked: ReadonlyArray<readonly [Name, Options]> = [
    ["unpaywall", {}],
    ["openalex", {}],
    ["crossref", {}],
    ["europe_pmc", {}],
    ["semantic_scholar", {}],
    ["hal", {}],
    ["doaj", {}],
    ["core", { env: { CORE_API_KEY: "key-of-core" } }],
    ["openaire", {}],
    ["pmc", { artifact: { pmid: "1" } }],
    ["zenodo", { artifact: { doi: "10.5281/zenodo.1" } }],
    ["figshare", { artifact: { doi: "10.6084/m9.figshare.1" } }],
    ["osf", { artifact: { doi: "10.31235/osf.io/hqb2p" } }],
    ["doi_redirect", { section: { method: "handle" } }],
    ["wayback", { known: { failed: ["https://a.org/x.pdf"] } }],
    ["wayback", { known: { failed: ["https://a.org/x.pdf"] }, section: { index: "available" } }]
  ]

  it.live.each(asked)("from %s is none", ([name, options]) =>
    Effect.map(outcome(name, error, options), (ends) => expect(ends).toBe("failed"))
  )
})

describe("an empty address of a PDF", () => {
  it.live("leaves the page that stands beside it", () =>
    Effect.gen(function* () {
      const url = "https://a.test/page"
      const location = { url_for_pdf: "", url, url_for_landing_page: url, is_oa: true }
      expect(yield* candidates("unpaywall", { doi: DOI, oa_locations: [location] })).toEqual([
        `landing ${url}`
      ])
      const open = { is_oa: true, pdf_url: " ", landing_page_url: url }
      expect(yield* candidates("openalex", { id: "W1", doi: DOI, locations: [open] })).toEqual([
        `landing ${url}`
      ])
    })
  )
})

describe("a list of many more than there can be", () => {
  it("is read for its beginning, so that it holds up nothing else", () => {
    let seen = 0
    const counted = Schema.Number.pipe(
      Schema.filter(() => {
        seen += 1
        return true
      })
    )
    const text = JSON.stringify(Array.from({ length: 100_000 }, (_, n) => n))
    expect(decoder("r", items(counted))({ text })).toMatchObject({ right: { length: 1000 } })
    // Once as it comes and once as it is taken.
    expect(seen).toBeLessThanOrEqual(2000)
  })
})

describe("a long answer", () => {
  it.live("is one of a work with thousands of authors", () =>
    Effect.gen(function* () {
      const author = Array.from({ length: 5000 }, (_, n) => ({
        given: `Given ${n}`,
        family: "x".repeat(500),
        affiliation: [{ name: "y".repeat(500) }]
      }))
      const link = [{ URL: "https://a.test/x.pdf", "content-type": "application/pdf" }]
      expect(yield* candidates("crossref", { message: { DOI, author, link } })).toEqual([
        "pdf https://a.test/x.pdf"
      ])
    })
  )

  it.live("isn't asked for where a service can say less", () =>
    Effect.gen(function* () {
      const { paths } = yield* ask("openalex", Behaviour.status(404), { artifact: { doi: DOI } })
      expect(paths).toEqual([`/works/doi:${DOI}?select=id,doi,best_oa_location,locations`])
    })
  )
})

describe("a refusal with 403", () => {
  it.live("of an id with signs OpenAlex takes in none says nothing about the rate", () =>
    Effect.gen(function* () {
      const forbidden = Behaviour.status(403)
      expect(yield* outcome("openalex", forbidden)).toBe("rate_limited")
      for (const doi of ["10.5555/a,b", "10.5555/a&b", "10.5555/a|b"]) {
        expect(yield* outcome("openalex", forbidden, { artifact: { doi } }), doi).toBe("not_found")
      }
    })
  )

  it.live.each([
    ["zenodo", "10.5281/zenodo.1", "ZENODO_TOKEN", "no_open_access"],
    ["figshare", "10.6084/m9.figshare.1", "FIGSHARE_TOKEN", "no_open_access"],
    ["osf", "10.31235/osf.io/hqb2p", "OSF_TOKEN", "no_open_access"],
    ["openaire", DOI, "OPENAIRE_TOKEN", "rate_limited"]
  ] as const)("by %s is one of the token only if it says so", ([name, doi, variable, otherwise]) =>
    Effect.gen(function* () {
      const given = { artifact: { doi }, env: { [variable]: "s3cret" } }
      for (const [message, ends] of [
        ["OAuth token is invalid or expired", "config_error"],
        ["Forbidden", otherwise]
      ] as const) {
        const refusal = Behaviour.respond({ status: 403, body: JSON.stringify({ message }) })
        expect(yield* outcome(name, refusal, given)).toBe(ends)
      }
    })
  )

  const first = "https://excluded.org/a.pdf"
  const second = "https://open.org/b.pdf"
  const ERROR = "org.archive.wayback.exception.AdministrativeAccessControlException: Blocked Site Error"

  it.live.each([
    [
      "its body",
      Behaviour.respond({ status: 403, body: `org.archive.util.io.RuntimeIOException: ${ERROR}` })
    ],
    ["a header", Behaviour.status(403, { "x-archive-wayback-runtime-error": ERROR })]
  ] as const)(
    "of a site that is excluded from the archive, told in %s, is of that site alone",
    ([, excluded]) =>
      Effect.gen(function* () {
        const rows = [
          ["urlkey", "timestamp", "original", "digest"],
          ["x", "20200101000000", second, "A"]
        ]
        const { documented, result } = yield* ask(
          "wayback",
          Behaviour.routes(
            { [`/cdx/search/cdx?url=${encodeURIComponent(first)}&*`]: excluded },
            Behaviour.json(rows)
          ),
          { known: { failed: [first, second] } }
        )
        expect(Either.getOrThrow(result).map(({ url }) => documented(url))).toEqual([
          `https://web.archive.org/web/20200101000000id_/${second}`
        ])
        expect(yield* outcome("wayback", excluded, { known: { failed: [first] } })).toBe("not_found")
        expect(yield* outcome("wayback", Behaviour.status(403), { known: { failed: [first] } })).toBe(
          "failed"
        )
      })
  )
})
