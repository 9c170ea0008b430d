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

const depths = (text: string): ReadonlyArray<number> => {
  let depth = 0
  return Array.from(
    text.replaceAll(/\\[\\{}]/g, ""),
    (sign) => (depth += sign === "{" ? 1 : sign === "}" ? -1 : 0)
  )
}

describe("an entry", () => {
  it("names the work, its file and its licence", () => {
    const entry = bibtexEntry(
      job(
        "doi:10.5555/a_b",
        { doi: "10.5555/a_b", title: "Salt & Light: 100% {of} it" },
        { ...receipt, license: "cc-by", version: "publishedVersion" }
      )
    )
    expect(Option.getOrNull(entry)).toBe(
      [
        "@misc{doi:10.5555/a_b,",
        "  title = {Salt \\& Light: 100\\% \\{of\\} it},",
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
    "has matching braces and a key without signs of its own",
    [FastCheck.fullUnicodeString({ minLength: 1 }), FastCheck.fullUnicodeString()],
    ([id, title]) => {
      const text = Option.getOrElse(bibtexEntry(job(id, { title }, receipt)), () => "")
      const all = depths(text)
      expect(Math.min(...all)).toBe(0)
      expect(all.at(-1)).toBe(0)
      expect(citationKey(id)).toMatch(/^[A-Za-z0-9:._/-]+$/)
      expect(escape(title)).not.toMatch(/[\r\n]/)
    }
  )
})
