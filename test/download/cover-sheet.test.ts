/** Pages about a work that came in place of the work, and how many pages a work is known to have. */
import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { coverSheet, expectedPages } from "../../src/download/Pages.ts"

const COVER =
  "This is the author's version. To cite this version: … Downloaded from the institutional repository."
const TEXT = "We study what follows from the definition, in several steps and with many words."

const pages = (metadata: { readonly [key: string]: unknown }) => expectedPages({ metadata })

describe("a page alone", () => {
  it("is a cover sheet by the words that such pages have, and only then", () => {
    expect(coverSheet(1, COVER)).toBe(0.9)
    expect(coverSheet(1, TEXT)).toBeUndefined()
    expect(coverSheet(9, COVER)).toBeUndefined()
  })

  it("is the document where it has as much text as one", () => {
    expect(coverSheet(1, `${COVER}\n${TEXT.repeat(40)}`)).toBeUndefined()
    expect(coverSheet(1, `${COVER}\n${TEXT.repeat(40)}`, 12)).toBe(0.95)
  })

  it("is one where many are expected, and none where one is", () => {
    expect(coverSheet(1, TEXT, 12)).toBe(0.75)
    expect(coverSheet(1, COVER, 12)).toBe(0.95)
    expect(coverSheet(2, TEXT, 12)).toBe(0.75)
    expect(coverSheet(2, COVER, 3)).toBeUndefined()
    expect(coverSheet(1, COVER, 1)).toBeUndefined()
    expect(coverSheet(12, COVER, 12)).toBeUndefined()
  })
})

describe("the pages of a work", () => {
  it.prop(
    "are those of its range, however that is written",
    [FastCheck.integer({ min: 1, max: 90_000 }), FastCheck.integer({ min: 1, max: 60 })],
    ([from, count]) => {
      const to = from + count - 1
      for (const range of [
        `${from}-${to}`,
        `${from}–${to}`,
        `pp. ${from}--${to}`,
        `e${from} - e${to}`,
        `S${from}-${to}`
      ]) {
        expect(pages({ pages: range }), range).toBe(count)
      }
      expect(pages({ first_page: from, "Last Page": String(to) })).toBe(count)
      expect(pages({ pageCount: count })).toBe(count)
    }
  )

  it.each([
    [{ pages: "1123-45" }, 23],
    [{ page: "12 pp." }, 12],
    [{ pages: "12 pages" }, 12],
    [{ pages: 14 }, undefined],
    [{ pages: "14" }, undefined],
    [{ pages: "xii-xiv" }, undefined],
    [{ pages: "20-10" }, undefined],
    [{ pages: "1-90000" }, undefined],
    [{ pages: ["1-2"] }, undefined],
    [{ pages: null, page_count: "-3" }, undefined],
    [{}, undefined]
  ])("of %j are %s", (metadata, count) => {
    expect(pages(metadata)).toBe(count)
  })
})
