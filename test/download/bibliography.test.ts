/** The manifest as BibTeX: whatever the data are, an entry is one that programs can read. */
import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import { bibtexEntry, citationKey, escape } from "../../src/download/Bibliography.ts"
import { detail } from "./Given.ts"

const job = (id: string, artifact: object, receipt: object | null) =>
  detail(id, { id, urls: ["http://a.test/1"], ...artifact }, receipt)

const receipt = {
  url: "http://a.test/1",
  final_url: "http://b.test/1",
  path: "ab/paper~01234567.pdf",
  sha256: "0".repeat(64),
  bytes: 10,
  content_type: "application/pdf",
  resolver: "direct",
  redirects: 1
}

/** How deep in braces each sign stands, as BibTeX counts: whatever stands before a brace. */
const depths = (text: string): ReadonlyArray<number> => {
  let depth = 0
  return Array.from(text, (sign) => (depth += sign === "{" ? 1 : sign === "}" ? -1 : 0))
}

/** Texts full of what means something to BibTeX and TeX. */
const odd = FastCheck.oneof(
  FastCheck.fullUnicodeString(),
  FastCheck.string({
    unit: FastCheck.constantFrom("{", "}", "\\", "\n", "%", "@", ",", '"', "=", " ", "é", "字")
  })
)

/** Two ids, often the same but for their case. */
const spelled = FastCheck.oneof(
  FastCheck.tuple(odd, odd),
  FastCheck.tuple(FastCheck.string(), FastCheck.boolean()).map(([id, up]): [string, string] => [
    id,
    up ? id.toUpperCase() : id.toLowerCase()
  ])
)

describe("an entry", () => {
  it("names the work, its file and its licence", () => {
    const entry = bibtexEntry(
      job(
        "doi:10.5555/a_b",
        { doi: "10.5555/a_b", title: "Salt & Light: 100% {of} it, p < .05" },
        { ...receipt, license: "cc-by", version: "publishedVersion" }
      )
    )
    expect(Option.getOrNull(entry)).toBe(
      [
        "@misc{doi:10.5555/a_b,",
        "  title = {Salt \\& Light: 100\\% \\{of\\} it, p \\textless{} .05},",
        "  doi = {10.5555/a_b},",
        "  url = {http://b.test/1},",
        "  file = {ab/paper~01234567.pdf},",
        "  license = {cc-by},",
        "  version = {publishedVersion}",
        "}",
        ""
      ].join("\n")
    )
  })

  it("is only there for what has a file", () => {
    expect(Option.isNone(bibtexEntry(job("a", {}, null)))).toBe(true)
  })

  it.prop(
    "has matching braces, whatever its title and its identifiers have, and a key without signs of its own",
    [
      FastCheck.oneof(
        odd.filter((id) => id !== ""),
        FastCheck.webUrl()
      ),
      odd,
      odd
    ],
    ([id, title, license]) => {
      const text = Option.getOrElse(
        bibtexEntry(job(id, { title, doi: title }, { ...receipt, license })),
        () => ""
      )
      const all = depths(text)
      expect(Math.min(...all)).toBe(0)
      expect(all.at(-1)).toBe(0)
      // It ends where it seems to, and nothing stands outside of it.
      expect(all.slice(0, -1).indexOf(0, text.indexOf("{"))).toBe(all.length - 2)
      expect(citationKey(id)).toMatch(/^[A-Za-z0-9:._/-]+$/)
      // oxlint-disable-next-line no-control-regex -- what a terminal would obey
      expect(text.replaceAll("\n", "")).not.toMatch(/[\x00-\x1f\x7f]/)
      expect(text.split("\n").length).toBeLessThanOrEqual(10)
    }
  )

  it.prop(
    "has a key of its own, also to those who don't tell upper case from lower",
    [spelled],
    ([[a, b]]) => {
      FastCheck.pre(a !== b)
      expect(citationKey(a).toLowerCase()).not.toBe(citationKey(b).toLowerCase())
    }
  )

  it("keeps an id in lower case as its key, and tells others apart by their hash", () => {
    expect(["lead", "Lead", "LEAD"].map(citationKey)).toEqual([
      "lead",
      expect.stringMatching(/^Lead-[0-9a-f]{8}$/),
      expect.stringMatching(/^LEAD-[0-9a-f]{8}$/)
    ])
  })

  it("without a title or a licence has neither", () => {
    const text = Option.getOrElse(bibtexEntry(job("a", {}, receipt)), () => "")
    expect(text).toBe("@misc{a,\n  url = {http://b.test/1},\n  file = {ab/paper~01234567.pdf}\n}\n")
  })

  it("has single braces as text, and pairs as they are", () => {
    expect(escape("a { b")).toBe("a \\textbraceleft{} b")
    expect(escape("a {b} c")).toBe("a \\{b\\} c")
  })
})
