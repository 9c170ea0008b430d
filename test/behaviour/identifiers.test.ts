/** Identifiers have one spelling, whatever they were written like. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import { excerpt, MAX_EXCERPT_LENGTH } from "../../src/artifact/Excerpt.ts"
import { fromLine, fromText } from "../../src/Artifact.ts"
import * as Identifier from "../../src/artifact/Identifier.ts"

interface Case {
  readonly input: string
  readonly kind: string | null
  readonly normalised: string | null
  readonly doi?: string
  readonly version?: number
}

const { cases }: { cases: ReadonlyArray<Case> } = JSON.parse(
  readFileSync(new URL("../fixtures/samples/identifiers.json", import.meta.url), "utf8")
)

// Pieces that identifiers are made of, so that arbitrary texts come near to them.
const fragment = FastCheck.oneof(
  FastCheck.constantFrom(
    "https://",
    "http://dx.",
    "doi.org/",
    "doi:",
    "DOI: ",
    "info:doi/",
    "10.1234",
    "10.48550/arXiv.",
    "/",
    "//",
    "arXiv:",
    "2301.12345",
    "v2",
    "math.GT/0309136",
    "arxiv.org/abs/",
    "PMC",
    "pmid:",
    "7759461",
    "W123",
    ".pdf",
    "(",
    ")",
    "<",
    ">",
    "[",
    "]",
    "%3C",
    "%3E",
    "%253C",
    "%28",
    "%",
    ".",
    ",",
    ";",
    '"',
    " ",
    "?q",
    "#f",
    "Ü",
    "@"
  ),
  FastCheck.string({ maxLength: 5, unit: "binary" })
)
const text = FastCheck.array(fragment, { maxLength: 10 }).map((pieces) => pieces.join(""))

const suffix = FastCheck.stringMatching(/^[a-z0-9]([a-z0-9().:;/_-]{0,30}[a-z0-9])?$/).filter(
  (value) => !value.includes(")") && !value.includes("(")
)
const aDoi = FastCheck.tuple(FastCheck.integer({ min: 1000, max: 999_999 }), suffix)
  .map(([prefix, rest]) => `10.${prefix}/${rest}`)
  .filter((doi) => !/\/\//.test(doi.slice(0, 12)) && !doi.startsWith("10.48550/"))

const normalisers = {
  doi: Identifier.doi,
  arxiv: Identifier.arxiv,
  pmid: Identifier.pmid,
  pmcid: Identifier.pmcid,
  openalex: Identifier.openalex,
  url: Identifier.url
}

describe("normalising", () => {
  for (const [kind, normalise] of Object.entries(normalisers)) {
    it.prop(
      `a normal ${kind} is left as it is`,
      [FastCheck.oneof(text, FastCheck.webUrl())],
      ([input]) => {
        const once = normalise(input)
        if (Either.isRight(once)) {
          assert.deepStrictEqual(normalise(once.right), once)
        } else {
          assert.isAtMost(once.left.length, 200)
          assert.notMatch(once.left, /[\p{Cc}\p{Cs}]/u)
        }
      },
      { fastCheck: { numRuns: 500 } }
    )
  }

  it.prop("every spelling of a DOI is the same DOI", [aDoi], ([doi]) => {
    const spellings = [
      doi,
      doi.toUpperCase(),
      ` doi:${doi} `,
      `DOI: ${doi}`,
      `info:doi/${doi}`,
      `doi.org/${doi}`,
      `https://doi.org/${doi}`,
      `http://dx.doi.org/${encodeURIComponent(doi)}`,
      `https://doi.org/${doi}?utm_source=x#top`,
      `(${doi})`,
      `<${doi}>`,
      `"${doi}",`,
      `(see https://doi.org/${doi}).`
    ]
    for (const spelling of spellings) {
      assert.deepStrictEqual(
        Identifier.identify(spelling),
        Either.right({ kind: "doi", value: doi }),
        spelling
      )
    }
  })

  it.prop(
    "what is recognised is recognised again in its normal spelling",
    [text],
    ([input]) => {
      const first = Identifier.identify(input)
      if (Either.isRight(first)) {
        const { kind, value } = first.right
        const labelled = kind === "pmid" ? `PMID:${value}` : value
        const again = Either.getOrThrow(Identifier.identify(labelled))
        assert.deepStrictEqual([again.kind, again.value], [kind, value])
      }
    },
    { fastCheck: { numRuns: 1000 } }
  )
})

describe("identify", () => {
  for (const { doi, input, kind, normalised, version } of cases) {
    it(`${input} is ${kind ?? "refused"}`, () => {
      const found = Identifier.identify(input)
      if (kind === null || normalised === null) {
        assert.isTrue(Either.isLeft(found))
        return
      }
      assert.deepStrictEqual<unknown>(Either.getOrThrow(found), {
        kind,
        value: normalised,
        ...(version === undefined ? {} : { version }),
        ...(doi === undefined ? {} : { doi })
      })
    })
  }

  const accepted: ReadonlyArray<readonly [input: string, kind: string, value: string]> = [
    ["arXiv:2301.12345 [cs.LG]", "arxiv", "2301.12345"],
    ["https://export.arxiv.org/pdf/1304.1068", "arxiv", "1304.1068"],
    ["https://doi.org/10.48550/arXiv.2301.12345", "arxiv", "2301.12345"],
    ["https://arxiv.org/html/2301.12345", "url", "https://arxiv.org/html/2301.12345"],
    ["10.1234//x", "doi", "10.1234/x"],
    ["Smith 2013. Nature. doi:10.1038/nature12373.", "doi", "10.1038/nature12373"],
    ["https://pmc.ncbi.nlm.nih.gov/articles/PMC7759461/", "pmcid", "PMC7759461"],
    [
      "https://europepmc.org/articles/PMC1?pdf=render",
      "url",
      "https://europepmc.org/articles/PMC1?pdf=render"
    ],
    ["https://europepmc.org/article/MED/32939066", "pmid", "32939066"],
    ["HTTP://Example.ORG:80/a/../b.pdf#page=2", "url", "http://example.org/b.pdf"],
    ["https://example.org/10.1234/x.pdf", "url", "https://example.org/10.1234/x.pdf"],
    ["http://127.0.0.1:8080/?q=10.1234/x", "url", "http://127.0.0.1:8080/?q=10.1234/x"]
  ]
  for (const [input, kind, value] of accepted) {
    it(`${input} is the ${kind} ${value}`, () => {
      const found = Either.getOrThrow(Identifier.identify(input))
      assert.deepStrictEqual([found.kind, found.value], [kind, value])
    })
  }

  const refused: ReadonlyArray<readonly [input: string, reason: RegExp]> = [
    ["", /^empty$/],
    ["10/fgxbc2", /short DOI/],
    ["https://doi.org/10/fgxbc2", /short DOI/],
    ["doi:10.1234", /is no DOI/],
    ["10.1234/a 10.1234/b", /more than one DOI/],
    ["arXiv:2313.12345", /is no arXiv id/],
    ["PMID:x", /is no PMID/],
    ["32939066", /bare number/],
    ["2301.1234", /is neither/],
    ["ftp://example.org/a.pdf", /only http and https/],
    ["example.org/a.pdf", /is neither/],
    ["https://example.org/a b.pdf", /a space in it/],
    ["http://", /is no http/],
    ["https://user:secret@example.org/a", /user name or password/],
    ["https://example.org/\u0000a", /control characters/],
    [`https://example.org/${"a".repeat(10_000)}`, /longer than 8192/]
  ]
  for (const [input, reason] of refused) {
    it(`${JSON.stringify(input.slice(0, 40))} is refused`, () => {
      const found = Identifier.identify(input)
      assert.match(Either.isLeft(found) ? found.left : "", reason)
    })
  }
})

describe("an excerpt", () => {
  it.prop("is short and has nothing unprintable in it", [FastCheck.string({ unit: "binary" })], ([input]) => {
    const shown = excerpt(input)
    assert.isAtMost(shown.length, MAX_EXCERPT_LENGTH + 3)
    assert.notMatch(shown, /[\p{C}\p{Zl}\p{Zp}]/u)
  })

  it.prop(
    "never shows the password of a URL, however long",
    [FastCheck.integer({ min: 0, max: 200 })],
    ([length]) => {
      assert.notInclude(excerpt(`ftp://user:se${"c".repeat(length)}ret@example.org/`), "user:sec")
    }
  )
})

const idsOf = (texts: ReadonlyArray<string>) =>
  new Set(texts.map((each) => Either.getOrThrow(Either.map(fromText(each), ({ id }) => id))))

describe("one work", () => {
  it.each<readonly [string, ReadonlyArray<string>]>([
    [
      "doi:10.1038/nature12373",
      [
        "10.1038/NATURE12373",
        "doi: 10.1038/nature12373",
        "https://doi.org/10.1038/nature12373?utm_source=x#top",
        "http://dx.doi.org/10.1038%2Fnature12373",
        "info:doi/10.1038/nature12373",
        "(10.1038/nature12373)."
      ]
    ],
    [
      "arxiv:2301.12345",
      [
        "2301.12345",
        "arXiv:2301.12345",
        "10.48550/arXiv.2301.12345",
        "https://doi.org/10.48550/ARXIV.2301.12345",
        "https://arxiv.org/abs/2301.12345",
        "https://arxiv.org/pdf/2301.12345.pdf"
      ]
    ],
    [
      "pmcid:PMC7759461",
      ["PMC7759461", "https://pmc.ncbi.nlm.nih.gov/articles/PMC7759461/", "pmcid: 7759461"]
    ],
    [
      "openalex:W2032131498",
      ["W2032131498", "https://openalex.org/W2032131498", "https://api.openalex.org/works/w2032131498"]
    ]
  ])("is one job, %s, however it is written", (id, texts) => {
    assert.deepEqual([...idsOf(texts)], [id])
  })

  it("is one job in a line's URLs, too", () => {
    for (const url of ["https://arxiv.org/abs/2301.12345", "https://doi.org/10.48550/arXiv.2301.12345"]) {
      const line = Either.getOrThrow(fromLine({ url }))
      assert.strictEqual(line.id, "arxiv:2301.12345")
      assert.deepEqual(line.urls, [])
    }
  })
})
