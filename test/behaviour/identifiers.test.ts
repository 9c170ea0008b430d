/** Identifiers have one spelling, whatever they were written like. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Stream from "effect/Stream"
import { fromBytes } from "../../src/artifact/ArtifactFile.ts"
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
    "@",
    "\u200b",
    "\u00ad",
    "\u2013",
    "%2D",
    "%E2%80%93",
    "…",
    "'",
    "](",
    "[",
    ":443",
    "https://doi.org:443/",
    "https:///",
    "\\",
    "。",
    "/../",
    "%2E",
    "&amp;",
    "example.org/"
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
      `https://doi.org:443/${doi}`,
      `http://dx.doi.org:80/${doi}`,
      `\u200b${doi.replace("/", "\u200b/\u00ad")}\u2060`,
      `https://doi.org/${doi}%E2%80%8B`,
      `[${doi}](https://doi.org/${doi})`,
      `[https://doi.org/${doi}](<https://doi.org/${doi}>).`,
      `Fish, A. (2020). [${doi}](doi:${doi}).`,
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
        const { id } = Either.getOrThrow(fromText(input))
        assert.strictEqual(Either.getOrThrow(fromText(id)).id, id)
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
    ["10.1016/S0140‐6736(05)67889–0", "doi", "10.1016/s0140-6736(05)67889-0"],
    ["https://doi.org/10.1016/S0140%E2%80%906736(05)67889\u22120", "doi", "10.1016/s0140-6736(05)67889-0"],
    ["10.1038%2Fs41586%2D020%2D2649%2D2", "doi", "10.1038/s41586-020-2649-2"],
    ["doi:10.5555%2Fa%2Eb%5Fc%7Ed", "doi", "10.5555/a.b_c~d"],
    ["10.1038/nature12373。", "doi", "10.1038/nature12373"],
    ["10.1038/nature12373…", "doi", "10.1038/nature12373"],
    ["(arXiv:2301.12345).", "arxiv", "2301.12345"],
    ["[2301.12345v2]", "arxiv", "2301.12345"],
    ["hep\u2011th/9901001", "arxiv", "hep-th/9901001"],
    ["<https://example.org/a.pdf>", "url", "https://example.org/a.pdf"],
    ['"https://example.org/a.pdf",', "url", "https://example.org/a.pdf"],
    ["(https://example.org/a.pdf)", "url", "https://example.org/a.pdf"],
    ["https://example.org/(a)", "url", "https://example.org/(a)"],
    ["https://example.org/a\u2013b.pdf", "url", "https://example.org/a%E2%80%93b.pdf"],
    ["[10.1000/xyz](https://doi.org/10.1000/xyz)", "doi", "10.1000/xyz"],
    ["[10.1000/a[b]](https://doi.org/10.1000/a%5Bb%5D)", "doi", "10.1000/a[b]"],
    ["https://doi.org:443/10.1000/xyz", "doi", "10.1000/xyz"],
    ["https:///doi.org/10.1000/xyz", "doi", "10.1000/xyz"],
    ["https://arxiv.org:443/abs/2301.12345", "arxiv", "2301.12345"],
    ["arXiv:2301.12345 [cs.LG].", "arxiv", "2301.12345"],
    ["arXiv:2301.\u200b12345", "arxiv", "2301.12345"],
    ["PMC7759461.", "pmcid", "PMC7759461"],
    ["PMC7759461.2.", "pmcid", "PMC7759461"],
    ["(PMC7759461),", "pmcid", "PMC7759461"],
    ["PMID: 1.", "pmid", "1"],
    ["PM\u00adID: 1;", "pmid", "1"],
    ["https://example.org/a\u200b.pdf\u200b", "url", "https://example.org/a.pdf"],
    ["https://example.org/\u0645\u200c\u0645", "url", "https://example.org/%D9%85%E2%80%8C%D9%85"],
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
    ["[10.1234/a](https://doi.org/10.1234/b)", /more than one DOI/],
    ["https:///doi.org/abc", /is no DOI/],
    ["https://doi.org/fgxbc2", /short DOI/],
    ["<example.org/a.pdf>", /^"example.org\/a.pdf" is neither/],
    ["(".repeat(4000) + ")".repeat(4000), /is neither/],
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
      "doi:10.1002/(sici)1097-4571(199605)47:5<405::aid-asi7>3.0.co;2-y",
      [
        "10.1002/(SICI)1097-4571(199605)47:5<405::AID-ASI7>3.0.CO;2-Y",
        "https://doi.org/10.1002/(SICI)1097-4571(199605)47:5%3C405::AID-ASI7%3E3.0.CO;2-Y",
        "https://doi.org/10.1002%2F%28SICI%291097-4571%28199605%2947%3A5%3C405%3A%3AAID-ASI7%3E3.0.CO%3B2-Y",
        "10.1002/%28SICI%291097-4571%28199605%2947%3A5%3C405%3A%3AAID-ASI7%3E3.0.CO%3B2-Y",
        "10.1002/(SICI)1097-4571(199605)47:5&lt;405::AID-ASI7&gt;3.0.CO;2-Y",
        "10.1002/(SICI)1097-4571(199605)47:5&amp;lt;405::AID-ASI7&amp;gt;3.0.CO;2-Y"
      ]
    ],
    [
      "doi:10.1016/j.cell.2020.01.001",
      [
        "10.1016/J.CELL.2020.01.001/",
        "https://doi.org/10.1016/j.cell.2020.01.001/",
        "https://doi.org/doi:10.1016/j.cell.2020.01.001",
        "urn:doi:10.1016/j.cell.2020.01.001",
        "doi=10.1016/j.cell.2020.01.001",
        "https://api.openalex.org/works/doi:10.1016/j.cell.2020.01.001",
        "https://api.openalex.org/works/https://doi.org/10.1016/j.cell.2020.01.001?mailto=x@example.org"
      ]
    ],
    ["doi:10.1000/a[b]{c}#d?e", ["10.1000/a[b]{c}#d?e", "https://doi.org/10.1000/A%5Bb%5D%7Bc%7D%23d%3Fe"]],
    [
      "arxiv:hep-th/9901001v3",
      [
        "hep-th/9901001v3",
        "arXiv:hep-th/9901001v3",
        "https://arxiv.org/abs/hep-th/9901001v3",
        "http://arxiv.org/pdf/hep-th/9901001v3.pdf",
        "10.48550/arXiv.hep-th/9901001v3"
      ]
    ],
    ["arxiv:math/0309136", ["math.GT/0309136", "arXiv math.GT/0309136", "oai:arXiv.org:math/0309136"]],
    [
      "pmid:32939066",
      [
        "PMID: 32939066",
        "pmid32939066",
        "PMID=032939066",
        "pubmed:32939066",
        "info:pmid/32939066",
        "https://pubmed.ncbi.nlm.nih.gov/32939066/?from_term=x",
        "https://www.ncbi.nlm.nih.gov/pubmed/?term=32939066",
        "https://europepmc.org/abstract/MED/32939066",
        "https://pmc.ncbi.nlm.nih.gov/articles/pmid/32939066/",
        "https://www.ncbi.nlm.nih.gov/m/pubmed/32939066/",
        "https://api.openalex.org/works/pmid:32939066"
      ]
    ],
    [
      "pmcid:PMC7759461",
      [
        "PMC7759461",
        "pmc 7759461",
        "PMC7759461.2",
        "pmcid: 7759461",
        "PMCID=PMC7759461",
        "https://pmc.ncbi.nlm.nih.gov/articles/PMC7759461/",
        "https://www.ncbi.nlm.nih.gov/pmc/articles/7759461/",
        "https://europepmc.org/article/PMC/PMC7759461",
        "https://europepmc.org/article/pmc/7759461",
        "https://pmc.ncbi.nlm.nih.gov/articles/PMC7759461.2/",
        "https://www.ncbi.nlm.nih.gov/pmc/articles/PMC7759461.2/pdf/a.pdf",
        "https://www.ncbi.nlm.nih.gov/labs/pmc/articles/PMC7759461/"
      ]
    ],
    [
      "openalex:W2032131498",
      [
        "W2032131498",
        "openalex:w2032131498",
        "https://openalex.org/W2032131498",
        "http://openalex.org/works/w2032131498/",
        "https://api.openalex.org/w2032131498",
        "https://api.openalex.org/works/w2032131498?select=id",
        "https://api.openalex.org/works/https://openalex.org/W2032131498",
        "https://explore.openalex.org/works/W2032131498"
      ]
    ]
  ])("is one job, %s, however it is written", (id, texts) => {
    assert.deepEqual([...idsOf(texts)], [id])
  })

  it.each<readonly [string, string, number]>([
    ["https://arxiv.org/abs/2301.12345", "arxiv:2301.12345", 0],
    ["https://doi.org/10.48550/arXiv.2301.12345", "arxiv:2301.12345", 0],
    ["https://doi.org/10.1038/nature12373", "doi:10.1038/nature12373", 0],
    ["https://pubmed.ncbi.nlm.nih.gov/32939066/", "pmid:32939066", 0],
    ["https://pmc.ncbi.nlm.nih.gov/articles/PMC7759461/", "pmcid:PMC7759461", 0],
    ["https://openalex.org/W2032131498", "openalex:W2032131498", 0],
    // The file itself.
    ["https://arxiv.org/pdf/2301.12345", "arxiv:2301.12345", 1],
    ["https://example.org/10.1038/nature12373.pdf", "https://example.org/10.1038/nature12373.pdf", 1]
  ])("is one job as a line's URL %s, too", (url, id, urls) => {
    const line = Either.getOrThrow(fromLine({ url }))
    assert.strictEqual(line.id, id)
    assert.lengthOf(line.urls, urls)
  })

  it("keeps a URL that stands for another work than the one named", () => {
    const line = Either.getOrThrow(fromLine({ doi: "10.1000/x", url: "https://doi.org/10.1000/y" }))
    assert.strictEqual(line.id, "doi:10.1000/x")
    assert.deepEqual(line.urls, ["https://doi.org/10.1000/y"])
  })

  it.effect("is one job in a plain list of all kinds, with a mark, comments and any line ends", () =>
    Effect.gen(function* () {
      const list =
        "\ufeff# what we want\r\n10.1038/NATURE12373\r\n\r\n  https://doi.org/10.1038/nature12373  \n" +
        "# arXiv\narXiv:hep-th/9901001v3\r\nhttps://arxiv.org/abs/hep-th/9901001v3\n\tPMID:32939066\n" +
        "https://pubmed.ncbi.nlm.nih.gov/32939066/\nPMC7759461\npmcid: 7759461\r\nW2032131498\n" +
        "https://openalex.org/works/w2032131498\nhttps://example.org/a.pdf#page=2\nHTTPS://EXAMPLE.ORG/a.pdf\n32939066"
      const read = fromBytes(Stream.make(Buffer.from(list)), { source: "list.txt", format: "list" })
      const lines = Chunk.toReadonlyArray(yield* Stream.runCollect(read))
      const ids = lines.flatMap(({ result }) => (Either.isRight(result) ? [result.right.id] : []))
      const refused = lines.flatMap(({ line, result }) => (Either.isLeft(result) ? [line] : []))
      assert.deepEqual(
        [...new Set(ids)],
        [
          "doi:10.1038/nature12373",
          "arxiv:hep-th/9901001v3",
          "pmid:32939066",
          "pmcid:PMC7759461",
          "openalex:W2032131498",
          "https://example.org/a.pdf"
        ]
      )
      assert.lengthOf(ids, 12)
      assert.deepEqual(refused, [16])
    })
  )
})
