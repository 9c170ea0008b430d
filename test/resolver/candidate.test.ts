import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import { Settings } from "../../src/config/Settings.ts"
import { definition as arxiv } from "../../src/resolver/Arxiv.ts"
import * as Candidate from "../../src/resolver/Candidate.ts"

describe("a candidate's URL", () => {
  it.prop(
    "is http or https, without credentials and fragment, and cleaning it again changes nothing",
    [
      FastCheck.oneof(
        FastCheck.webUrl({ withFragments: true, withQueryParameters: true }),
        FastCheck.string()
      )
    ],
    ([raw]) => {
      const clean = Candidate.cleanUrl(raw)
      if (clean === undefined) return
      expect(clean).toMatch(/^https?:\/\//)
      const url = new URL(clean)
      expect([url.hash, url.username, url.password]).toEqual(["", "", ""])
      expect(Candidate.cleanUrl(clean)).toBe(clean)
    }
  )

  it.each([
    [" https://a.test/x ", "https://a.test/x"],
    ["https://a.test/x?a=1&amp;b=2", "https://a.test/x?a=1&b=2"],
    ["https://a.test/my file[1].pdf", "https://a.test/my%20file%5B1%5D.pdf"],
    ["https://me:secret@a.test/x#page=3", "https://a.test/x"],
    ["http://arxiv.org/abs/1304.1068", "https://arxiv.org/pdf/1304.1068"],
    ["http://www.arxiv.org/abs/astro-ph/0601001v2", "https://arxiv.org/pdf/astro-ph/0601001v2"],
    ["http://arxiv.org/pdf/1306.4120.pdf", "https://arxiv.org/pdf/1306.4120"],
    ["https://arxiv.org/abs/1306.4120/", "https://arxiv.org/pdf/1306.4120"]
  ])("%s is cleaned", (raw, clean) => {
    expect(Candidate.cleanUrl(raw)).toBe(clean)
  })

  it.each(["", "ftp://a.test/x", "javascript:alert(1)", "/relative", "https://"])("%j is none", (raw) => {
    expect(Candidate.cleanUrl(raw)).toBeUndefined()
  })
})

describe("a licence", () => {
  it.each([
    ["CCBY", "cc-by"],
    ["CC BY", "cc-by"],
    ["cc by-nc-nd 4.0", "cc-by-nc-nd-4.0"],
    ["cc-by-4.0", "cc-by-4.0"],
    ["https://creativecommons.org/licenses/by-nc/4.0/", "cc-by-nc-4.0"],
    ["http://creativecommons.org/publicdomain/zero/1.0/", "cc0"],
    ["publisher-specific", "publisher-specific"]
  ])("%s is called %s", (raw, name) => {
    expect(Candidate.normaliseLicense(raw)).toBe(name)
  })
})

const of = (url: string, kind: Candidate.CandidateKind = "pdf") =>
  Candidate.fromCopies("r", [{ url, kind }])[0]

describe("a copy", () => {
  it("at doi.org or a handle is a page, whatever it is said to be", () => {
    expect(of("https://doi.org/10.1/x")).toMatchObject({ kind: "landing" })
    expect(of("http://hdl.handle.net/2027/1")).toMatchObject({ kind: "landing" })
  })

  it("behind PMC's check for humans is only good for the article's page", () => {
    for (const url of [
      "https://www.ncbi.nlm.nih.gov/pmc/articles/PMC5334499/pdf/",
      "https://pmc.ncbi.nlm.nih.gov/articles/PMC5334499/pdf/WJR-9-27.pdf",
      "https://pmc.ncbi.nlm.nih.gov/articles/PMC5334499.2/pdf/",
      "https://www.ncbi.nlm.nih.gov/labs/pmc/articles/PMC5334499/pdf/"
    ]) {
      expect(of(url)).toMatchObject({
        url: "https://pmc.ncbi.nlm.nih.gov/articles/PMC5334499/",
        kind: "landing"
      })
    }
  })

  it("keeps no hash and no size that can't be one", () => {
    expect(
      Candidate.fromCopies("r", [
        { url: "http://a.test/", kind: "pdf", md5: "nonsense", sha256: "AB".repeat(32), size: -1 }
      ])
    ).toEqual([{ url: "http://a.test/", resolver: "r", kind: "pdf", sha256: "ab".repeat(32) }])
  })

  it("counts once, and not at all without a usable URL", () => {
    const found = Candidate.fromCopies("r", [
      { url: "http://a.test/1", kind: "pdf" },
      { url: null, kind: "pdf" },
      { url: "ftp://a.test/1", kind: "pdf" },
      { url: "http://a.test/1#page=2", kind: "html" }
    ])
    expect(found).toEqual([{ url: "http://a.test/1", resolver: "r", kind: "pdf" }])
  })
})

describe("a paper at arXiv that somebody names", () => {
  const defaults = Schema.decodeSync(Settings)({}).resolvers

  it.each([
    ["1304.1068", "1304.1068v2", "1304.1068v2"],
    ["1304.1068v3", "1304.1068v2", "1304.1068v2"],
    ["1304.1068v3", "1304.1068", "1304.1068v3"],
    ["1304.10685", "1304.1068v2", "1304.10685"],
    ["astro-ph/0601001", "astro-ph/0601001v1", "astro-ph/0601001v1"],
    ["1304.1068", undefined, "1304.1068"]
  ])("%s, where %s is wanted, is taken as %s", (named, wanted, taken) => {
    const improve = arxiv.improve(defaults)
    const artifact = { id: "x", urls: [], ...(wanted === undefined ? { doi: "10.1/x" } : { arxiv: wanted }) }
    const candidate = { url: `https://arxiv.org/pdf/${named}`, resolver: "r" }
    expect(improve(candidate, artifact).url).toBe(`https://arxiv.org/pdf/${taken}`)
  })
})
