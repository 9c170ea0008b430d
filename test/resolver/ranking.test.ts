import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { type Candidate, type CandidateKind, HostType, Version } from "../../src/resolver/Candidate.ts"
import { order, type Preferences, rank } from "../../src/resolver/Ranking.ts"

const candidate = FastCheck.record(
  {
    url: FastCheck.integer({ min: 0, max: 30 }).map((n) => `http://a.test/${n}`),
    resolver: FastCheck.constantFrom("one", "two"),
    kind: FastCheck.constantFrom<Array<CandidateKind>>(
      ...(["pdf", "xml", "html", "landing", "unknown"] as const)
    ),
    version: FastCheck.constantFrom(...Version.literals),
    host_type: FastCheck.constantFrom(...HostType.literals)
  },
  { requiredKeys: ["url", "resolver"] }
)
const candidates = FastCheck.array(candidate, { maxLength: 20 })
const preferences: FastCheck.Arbitrary<Preferences> = FastCheck.record({
  kinds: FastCheck.shuffledSubarray(["pdf", "xml", "html"] as const, { minLength: 1 }),
  prefer: FastCheck.constantFrom("version" as const, "repository" as const)
})

const of = (url: string, about: Partial<Candidate> = {}): Candidate => ({ url, resolver: "r", ...about })
const urls = (ranked: ReadonlyArray<Candidate>) => ranked.map(({ url }) => url)

describe("the order of candidates", () => {
  it.prop("is total and transitive", [candidate, candidate, candidate, preferences], ([a, b, c, given]) => {
    const compare = order(given)
    expect(compare(a, a)).toBe(0)
    expect(compare(a, b) + compare(b, a)).toBe(0)
    if (compare(a, b) <= 0 && compare(b, c) <= 0) expect(compare(a, c)).toBeLessThanOrEqual(0)
  })

  it.prop("adds nothing, names each URL once, and is final", [candidates, preferences], ([all, given]) => {
    const ranked = rank(all, given)
    expect(new Set(urls(ranked)).size).toBe(ranked.length)
    for (const each of ranked) expect(all).toContain(each)
    expect(rank(ranked, given)).toEqual(ranked)
  })

  it.prop(
    "doesn't depend on what came first, but among equals",
    [candidates, preferences],
    ([all, given]) => {
      const [there, back] = [rank(all, given), rank(all.toReversed(), given)]
      expect(urls(there).toSorted()).toEqual(urls(back).toSorted())
      there.forEach((each, index) => expect(order(given)(each, back[index] ?? each)).toBe(0))
    }
  )

  it.prop("keeps equals as they came", [candidates, preferences], ([all, given]) => {
    const distinct = all.map((each, index) => ({ ...each, url: `http://a.test/${index}` }))
    const ranked = rank(distinct, given)
    for (const [index, each] of ranked.entries()) {
      const next = ranked[index + 1]
      if (next !== undefined && order(given)(each, next) === 0) {
        expect(distinct.indexOf(each)).toBeLessThan(distinct.indexOf(next))
      }
    }
  })

  it.prop("leaves out only what isn't wanted", [candidates, preferences], ([all, given]) => {
    const left = all.filter(({ url }) => !urls(rank(all, given)).includes(url))
    for (const { kind = "unknown" } of left) {
      expect(kind).not.toBe("landing")
      expect(given.kinds).not.toContain(kind === "unknown" ? "pdf" : kind)
    }
  })

  it("has the best hundred of what is said to be more copies of a work than there can be", () => {
    const many = Array.from({ length: 5000 }, (_, n) => of(`submitted ${n}`, { version: "submittedVersion" }))
    const ranked = rank([...many, of("published", { version: "publishedVersion" })])
    expect(urls(ranked)).toEqual(["published", ...urls(many).slice(0, 99)])
  })

  it("is the published version, the accepted one, an unknown one, the submitted one", () => {
    const ranked = rank([
      of("submitted", { kind: "pdf", version: "submittedVersion" }),
      of("none", { kind: "pdf" }),
      of("published", { kind: "pdf", version: "publishedVersion" }),
      of("accepted", { kind: "pdf", version: "acceptedVersion" })
    ])
    expect(urls(ranked)).toEqual(["published", "accepted", "none", "submitted"])
  })

  it("puts a repository's PDF before any page, and before a publisher's if that is preferred", () => {
    const all = [
      of("page", { kind: "landing", version: "publishedVersion" }),
      of("publisher", { kind: "pdf", version: "publishedVersion", host_type: "publisher" }),
      of("repository", { kind: "pdf", version: "acceptedVersion", host_type: "repository" })
    ]
    expect(urls(rank(all))).toEqual(["publisher", "repository", "page"])
    expect(urls(rank(all, { kinds: ["pdf"], prefer: "repository" }))).toEqual([
      "repository",
      "publisher",
      "page"
    ])
  })

  it("follows the kinds that are wanted, with what may be a PDF right after PDFs", () => {
    const all = [
      of("xml", { kind: "xml" }),
      of("unknown"),
      of("html", { kind: "html" }),
      of("pdf", { kind: "pdf" })
    ]
    expect(urls(rank(all))).toEqual(["pdf", "unknown"])
    expect(urls(rank(all, { kinds: ["xml", "pdf"], prefer: "version" }))).toEqual(["xml", "pdf", "unknown"])
    expect(urls(rank(all, { kinds: ["html"], prefer: "version" }))).toEqual(["html"])
  })
})
