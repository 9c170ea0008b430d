/** An artifact line becomes a normal artifact, or is refused with one reason. */
import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import { Artifact, fromLine, fromText } from "../../src/Artifact.ts"
import { MAX_ID_LENGTH } from "../../src/Job.ts"

const decode = Schema.decodeUnknownEither(Artifact)
const encode = Schema.encodeSync(Artifact)

const maybe = <A>(arbitrary: FastCheck.Arbitrary<A>) =>
  FastCheck.option(arbitrary, { nil: undefined, freq: 2 })

const url = FastCheck.oneof(
  FastCheck.webUrl({ withFragments: true, withQueryParameters: true }),
  FastCheck.constantFrom(
    "https://doi.org/10.1038/NATURE12373",
    "http://dx.doi.org/10.5555/other",
    "https://doi.org/10.48550/arXiv.2301.12345v2"
  )
)

/** Artifact lines that are right, in many of the ways they may be written. */
const goodLine = FastCheck.record(
  {
    id: FastCheck.oneof(FastCheck.stringMatching(/^[\w:/. -]{0,20}\w$/), FastCheck.nat()),
    urls: FastCheck.oneof(FastCheck.array(url, { maxLength: 4 }), url),
    url,
    doi: FastCheck.constantFrom(
      "10.1038/NATURE12373",
      "https://doi.org/10.5555/x",
      "10.48550/arXiv.2301.12345",
      ""
    ),
    arxiv: FastCheck.constantFrom("arXiv:1605.08386v2", "math.GT/0309136", null),
    pmid: FastCheck.oneof(FastCheck.integer({ min: 1, max: 99_999_999 }), FastCheck.constant("PMID: 12")),
    pmcid: FastCheck.constantFrom("PMC7759461", 7759461, "7759461"),
    openalex: FastCheck.constant("https://openalex.org/w2032131498"),
    title: FastCheck.string({ unit: "binary", maxLength: 20 }),
    sha256: FastCheck.stringMatching(/^[0-9a-fA-F]{64}$/),
    size: FastCheck.maxSafeNat(),
    metadata: FastCheck.dictionary(FastCheck.string(), FastCheck.jsonValue()),
    somethingNew: FastCheck.jsonValue()
  },
  { requiredKeys: ["url"] }
)

describe("a good line", () => {
  it.prop("is taken, and taking what came of it changes nothing", [goodLine], ([line]) => {
    const artifact = Either.getOrThrowWith(fromLine(line), (reason) => new Error(reason))
    assert.deepStrictEqual(Either.getOrThrow(fromLine(artifact)), artifact)
  })

  it.prop("comes back from the queue as it went in", [goodLine], ([line]) => {
    const artifact = Either.getOrThrow(fromLine(line))
    const stored: unknown = JSON.parse(JSON.stringify(encode(artifact)))
    assert.deepStrictEqual<unknown>(Either.getOrThrow(decode(stored)), JSON.parse(JSON.stringify(artifact)))
  })

  it.prop("has an id of its own if it was given none, and it fits", [FastCheck.webUrl()], ([address]) => {
    const long = `${address.replace(/#.*/, "")}?${"q".repeat(2000)}`
    const [short, cut] = [fromLine({ url: address }), fromLine({ url: long })].map(Either.getOrThrow)
    assert.isAtMost(short?.id.length ?? Infinity, MAX_ID_LENGTH)
    assert.strictEqual(cut?.id.length, MAX_ID_LENGTH)
    assert.notStrictEqual(cut?.id, Either.getOrThrow(fromLine({ url: `${long}r` })).id)
  })
})

describe("anything else", () => {
  it.prop(
    "ends in an artifact or in one printable line",
    [
      FastCheck.oneof(
        FastCheck.anything(),
        FastCheck.record({
          id: maybe(FastCheck.anything()),
          artifact_id: maybe(FastCheck.anything()),
          urls: maybe(FastCheck.anything()),
          url: maybe(FastCheck.string({ unit: "binary" })),
          doi: maybe(FastCheck.string({ unit: "binary" })),
          arxiv: maybe(FastCheck.string()),
          pmid: maybe(FastCheck.anything()),
          title: maybe(FastCheck.anything()),
          sha256: maybe(FastCheck.anything()),
          size: maybe(FastCheck.anything()),
          metadata: maybe(FastCheck.anything())
        })
      )
    ],
    ([value]) => {
      const result = fromLine(value)
      if (Either.isLeft(result)) {
        assert.isAtMost(result.left.length, 200)
        assert.match(result.left, /^[^\p{Cc}\p{Cs}]+$/u)
      } else {
        assert.isTrue(Either.isRight(decode(JSON.parse(JSON.stringify(result.right)))))
      }
    },
    { fastCheck: { numRuns: 1000 } }
  )
})

describe("what is accepted", () => {
  const accepted: ReadonlyArray<readonly [title: string, line: unknown, artifact: object]> = [
    [
      "artifact_id and url stand for id and urls",
      { artifact_id: "a", url: "HTTP://Example.org" },
      { id: "a", urls: ["http://example.org/"] }
    ],
    [
      "urls may be one string",
      { urls: "http://a.org/1" },
      { id: "http://a.org/1", urls: ["http://a.org/1"] }
    ],
    ["a number is an id", { id: 17, url: "http://a.org/1" }, { id: "17", urls: ["http://a.org/1"] }],
    [
      "the same URL counts once",
      { id: "a", urls: ["http://a.org", "http://A.org/#x"] },
      { id: "a", urls: ["http://a.org/"] }
    ],
    [
      "a PMID that a table made a fraction of is one",
      { pmid: "12.0" },
      { id: "pmid:12", urls: [], pmid: "12" }
    ],
    [
      "the first identifier gives the id, before the URL",
      { url: "http://a.org/1", pmid: 12, doi: "doi:10.1234/X" },
      { id: "doi:10.1234/x", urls: ["http://a.org/1"], doi: "10.1234/x", pmid: "12" }
    ],
    [
      "null and empty strings are absent",
      { id: "a", url: "http://a.org/", doi: null, title: "", sha256: "", size: null },
      { id: "a", urls: ["http://a.org/"] }
    ],
    [
      "an id that is an identifier is one",
      { id: "10.1234/X" },
      { id: "10.1234/X", urls: [], doi: "10.1234/x" }
    ],
    [
      "an arXiv DOI is an arXiv id too",
      { doi: "10.48550/arXiv.2301.12345" },
      { id: "arxiv:2301.12345", urls: [], doi: "10.48550/arxiv.2301.12345", arxiv: "2301.12345" }
    ],
    [
      "a doi.org URL is its DOI",
      { urls: ["https://doi.org/10.1234/X", "http://a.org/x.pdf"] },
      { id: "doi:10.1234/x", urls: ["http://a.org/x.pdf"], doi: "10.1234/x" }
    ],
    [
      "hashes are lower case, titles one line",
      { url: "http://a.org/", sha256: "A".repeat(64), title: " two\n\tlines\u0000" },
      { id: "http://a.org/", urls: ["http://a.org/"], sha256: "a".repeat(64), title: "two lines" }
    ],
    [
      "unknown keys are ignored",
      { url: "http://a.org/", colour: "red" },
      { id: "http://a.org/", urls: ["http://a.org/"] }
    ]
  ]
  for (const [name, line, artifact] of accepted) {
    it(`is normalised: ${name}`, () => {
      assert.deepStrictEqual<unknown>(Either.getOrThrow(fromLine(line)), artifact)
    })
  }

  it("a key __proto__ does no harm", () => {
    const line: unknown = JSON.parse(
      '{"id":"a","url":"http://a.org/","__proto__":{"doi":"10.1234/x"},"metadata":{"__proto__":{"x":1},"y":[{"__proto__":1}]}}'
    )
    const artifact = Either.getOrThrow(fromLine(line))
    assert.strictEqual(JSON.stringify(artifact), '{"id":"a","urls":["http://a.org/"],"metadata":{"y":[{}]}}')
    assert.isUndefined(artifact.doi)
    assert.notProperty({}, "x")
  })
})

// The deep ones are too deep to be written out.
const shown = (line: unknown, reason: string | RegExp): string =>
  reason === "nested too deeply" ? reason : JSON.stringify(line).slice(0, 60)

describe("what is refused", () => {
  const refused: ReadonlyArray<readonly [line: unknown, reason: string | RegExp]> = [
    [[], "an array where an object is expected"],
    ["10.1234/x", "a string where an object is expected"],
    [null, "null where an object is expected"],
    [{}, /^no URL and no identifier/],
    [{ id: "a name" }, /^no URL and no identifier/],
    [{ title: "a title" }, /^no URL and no identifier/],
    [{ id: "", url: "http://a.org/" }, "id: empty"],
    [{ id: true, url: "http://a.org/" }, "id: a boolean where a string is expected"],
    [{ id: 2 ** 60, url: "http://a.org/" }, /^id: a number too large/],
    [{ id: "a\u0000b", url: "http://a.org/" }, 'id: "a\\u{0}b" has control characters in it'],
    [{ id: "\ud800", url: "http://a.org/" }, /^id: .* has control characters/],
    [{ id: "x".repeat(MAX_ID_LENGTH + 1), url: "http://a.org/" }, "id: longer than 1024 characters"],
    [{ url: "ftp://a.org/" }, 'url: "ftp://a.org/": only http and https URLs can be downloaded'],
    [{ urls: ["http://a.org/", "nowhere"] }, 'urls[1]: "nowhere" is no http:// or https:// URL'],
    [{ urls: [1] }, "urls[0]: a number where a string is expected"],
    [{ url: "http://me:secret@a.org/" }, 'url: a URL of "a.org" has a user name or password in it'],
    [{ urls: Array.from({ length: 101 }, (_, n) => `http://a.org/${n}`) }, /^urls: 101 URLs, at most 100/],
    [{ doi: "10.x" }, 'doi: "10.x" is no DOI'],
    [{ doi: 10.1234 }, "doi: a number where a string is expected"],
    [{ arxiv: 2301.12345 }, "arxiv: a number where a string is expected"],
    [{ arxiv: "x" }, 'arxiv: "x" is no arXiv id'],
    [{ pmid: -1 }, 'pmid: "-1" is no PMID'],
    [{ pmcid: "PMC" }, 'pmcid: "PMC" is no PMCID'],
    [{ url: "http://a.org/", sha256: "abc" }, 'sha256: "abc" where 64 hexadecimal digits are expected'],
    [{ url: "http://a.org/", size: 1.5 }, 'size: "1.5" where a whole number of bytes is expected'],
    [{ url: "http://a.org/", size: -1 }, 'size: "-1" where a whole number of bytes is expected'],
    [{ url: "http://a.org/", title: 1 }, "title: a number where a string is expected"],
    [{ url: "http://a.org/", metadata: [] }, "metadata: an array where an object is expected"],
    [JSON.parse(`${"[".repeat(100_000)}${"]".repeat(100_000)}`), "nested too deeply"],
    [
      { url: "http://a.org/", metadata: JSON.parse(`{"a":${"[".repeat(64)}${"]".repeat(64)}}`) },
      "nested too deeply"
    ]
  ]
  for (const [line, reason] of refused) {
    it(`${shown(line, reason)}: ${String(reason)}`, () => {
      const result = fromLine(line)
      assert.isTrue(Either.isLeft(result))
      const said = Either.isLeft(result) ? result.left : ""
      if (typeof reason === "string") {
        assert.strictEqual(said, reason)
      } else {
        assert.match(said, reason)
      }
    })
  }
})

describe("a text alone", () => {
  const texts: ReadonlyArray<readonly [text: string, artifact: object]> = [
    ["https://doi.org/10.1234/X", { id: "doi:10.1234/x", urls: [], doi: "10.1234/x" }],
    ["arXiv:1605.08386v2", { id: "arxiv:1605.08386v2", urls: [], arxiv: "1605.08386v2" }],
    [
      "https://arxiv.org/abs/astro-ph/0601001",
      { id: "arxiv:astro-ph/0601001", urls: [], arxiv: "astro-ph/0601001" }
    ],
    ["PMID: 12", { id: "pmid:12", urls: [], pmid: "12" }],
    ["PMC12", { id: "pmcid:PMC12", urls: [], pmcid: "PMC12" }],
    ["w12", { id: "openalex:W12", urls: [], openalex: "W12" }],
    ["http://a.org/x#y", { id: "http://a.org/x", urls: ["http://a.org/x"] }]
  ]
  for (const [input, artifact] of texts) {
    it(`${input} is an artifact, and the same as a line`, () => {
      const found = Either.getOrThrow(fromText(input))
      assert.deepStrictEqual<unknown>(found, artifact)
      assert.deepStrictEqual(Either.getOrThrow(fromLine(found)), found)
    })
  }
})
