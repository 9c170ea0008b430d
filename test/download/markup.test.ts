/** The words of pages and articles: whatever the markup is, reading it is work that grows with its length alone. */
import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { wordsOf } from "../../src/download/Markup.ts"
import { sniff } from "../../src/download/Sniff.ts"
import * as MarkupParser from "../../src/resolver/MarkupParser.ts"
import { collector } from "../../src/resolver/PageSignals.ts"

const words = (markup: string | Uint8Array, xml = false) =>
  wordsOf(typeof markup === "string" ? Buffer.from(markup) : markup, { xml })

/** What the parser tells of a document. */
const events = (markup: string, xml = false) => {
  const told = { open: 0, close: 0, text: 0, deepest: 0 }
  const parser = MarkupParser.make(
    {
      open: () => {
        told.open += 1
        told.deepest = Math.max(told.deepest, told.open - told.close)
      },
      close: () => void (told.close += 1),
      text: (text) => void (told.text += text.length)
    },
    { xml }
  )
  parser.write(markup)
  parser.end()
  return told
}

describe("the words of a page", () => {
  it("are its text without programs, its title, and what it tells programs", () => {
    const said = words(`<!doctype html><html><head><title>Orbits &amp; more | Journal</title>
      <meta name="citation_doi" content="10.5555/orbits"><meta property="og:title" content="Orbits &amp; more">
      <meta name="citation_reference" content="citation_doi=10.5555/cited">
      <script>var doi = "10.5555/advert"</script><style>p { color: red }</style></head>
      <body><p>On the <i>orbits</i>\n of comets</p></body></html>`)
    expect(said.title).toBe("Orbits & more")
    expect(said.about).toContain("10.5555/orbits")
    expect(said.about).not.toContain("cited")
    expect(said.text).toMatch(/On the orbits\s+of comets/)
    expect(said.text).not.toMatch(/advert|color/)
  })

  it("of an article are without the works it cites or corrects", () => {
    const said = words(
      `<?xml version="1.0"?><article><front><article-id pub-id-type="doi">10.5555/a.1</article-id>
      <article-title>On <italic>E. coli</italic> &amp; light</article-title>
      <related-article>10.5555/wrong</related-article></front>
      <back><ref-list><ref><article-title>Another</article-title>10.5555/cited</ref></ref-list></back></article>`,
      true
    )
    expect(said.title).toBe("On E. coli & light")
    expect(said.text).toContain("10.5555/a.1")
    expect(said.text).not.toMatch(/cited|wrong|Another/)
  })

  it("have titles in lines of their own, whatever their letters are marked with", () => {
    expect(words("<div>Journal</div><h1>On <i>E.</i> coli</h1><p>Text").text).toMatch(
      /^\s*Journal\s*\n\s*On E. coli\s*\n/
    )
    const article = "<a><article-title>On <italic>E.</italic> coli</article-title><p>Text</p></a>"
    expect(words(article, true).text).toMatch(/^\s*On E. coli\s*\n/)
  })

  it("are in the encoding the page names", () => {
    const page = Buffer.from(`<meta charset=iso-8859-1><title>Fluß</title>`, "latin1")
    expect(words(page).title).toBe("Fluß")
    expect(words(`<meta charset="utf-16"><title>Fluß</title>`).title).toBe("Fluß")
    expect(words(`<meta charset="no-such"><title>Fluß</title>`).title).toBe("Fluß")
  })

  it("far down a page stand behind its first page", () => {
    const [first, later] = words(`<p>${"early ".repeat(1000)}</p><p>late</p>`).text.split("\f")
    expect(first).toContain("early")
    expect(first).not.toContain("late")
    expect(later).toContain("late")
  })

  it.prop("are read from whatever there is", [FastCheck.uint8Array({ maxLength: 2000 })], ([bytes]) => {
    const { about, text, title } = words(bytes)
    expect([typeof about, typeof text, typeof title]).toEqual(["string", "string", "string"])
  })
})

describe("markup made to keep a parser busy", () => {
  const SIZE = 256 * 1024
  const hostile = [
    { what: "less-than signs", piece: "<" },
    { what: "nested elements", piece: "<div>" },
    { what: "lists in lists", piece: "<ul><li>" },
    { what: "comments that don't end", piece: "<!--" },
    { what: "programs that don't end", piece: "<script>" },
    { what: "titles", piece: "<title" },
    { what: "attributes", piece: "<a b " },
    { what: "ends without a beginning", piece: "</b>" },
    { what: "ampersands", piece: "&" },
    { what: "line ends", piece: "a-\n" }
  ]
  it.each(hostile)("of $what is given up at a depth, or costs what it has of tags", ({ piece }) => {
    const markup = piece.repeat(SIZE / piece.length)
    for (const xml of [false, true]) {
      const told = events(`<p>${markup}`, xml)
      expect(told.deepest).toBeLessThanOrEqual(MarkupParser.MAX_DEPTH + 1)
      expect(told.open).toBeLessThanOrEqual(SIZE / 2)
      const said = words(markup, xml)
      expect(said.text.length).toBeLessThanOrEqual(3 * SIZE)
    }
  })

  it("is given up by who looks for links, too", () => {
    const page = collector()
    const chunk = Buffer.from("<div>".repeat(10_000))
    expect(page.write(Buffer.from('<meta name="citation_doi" content="10.5555/a">'))).toBe(true)
    expect(page.write(chunk)).toBe(false)
    expect(page.end().meta.get("citation_doi")).toEqual(["10.5555/a"])
  })

  it("is told from other content at once, also where its comments could end in many places", () => {
    expect(sniff(Buffer.from(`${"<!---->".repeat(140)}x`)).mediaType).toBe("text/plain")
    expect(sniff(Buffer.from(`${"<!-- -->".repeat(100)}<html>`)).mediaType).toBe("text/html")
    expect(sniff(Buffer.from(`<!--${"x".repeat(2000)}--><html>`)).mediaType).toBe("text/html")
  })
})
