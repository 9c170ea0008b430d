import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Candidate from "../../src/resolver/Candidate.ts"

const of = (url: string, kind?: Candidate.CandidateKind): Candidate.Candidate => ({
  url,
  resolver: "r",
  ...(kind === undefined ? {} : { kind })
})

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
    ["http://www.arxiv.org/abs/astro-ph/0601001v2", "https://arxiv.org/pdf/astro-ph/0601001v2"]
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

describe("ranking", () => {
  it("puts PDFs first, keeps the order otherwise, and leaves pages out", () => {
    const ranked = Candidate.rank([
      of("1", "landing"),
      of("2"),
      of("3", "pdf"),
      of("4", "html"),
      of("5", "xml"),
      of("6", "pdf")
    ])
    expect(ranked.map(({ url }) => url)).toEqual(["3", "6", "2", "5"])
  })
})
