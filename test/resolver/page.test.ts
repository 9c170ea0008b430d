/** Which of a page's links, or of a record's files, is the work. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import * as Page from "../../src/resolver/Page.ts"
import { ask } from "./Asking.ts"

const URL = "https://repo.test/items/1"

const read = (html: string) => {
  const page = Page.collector()
  page.write(Buffer.from(html))
  return Page.read(page.end(), { url: URL, resolver: "r", linkHeader: undefined })
}
const urls = (html: string) => read(html).candidates.map(({ url }) => url)

const tag = (content: string) => `<meta name="citation_pdf_url" content="${content}">`

describe("a tag for the PDF", () => {
  const link = '<a href="/files/1.pdf">PDF</a>'

  it.each([
    ["empty", '<meta name="citation_pdf_url" content="">'],
    ["blank, on a page with a base", '<base href="/"><meta name="citation_pdf_url" content=" ">'],
    ["the page itself", `<meta name="citation_pdf_url" content="${URL}">`],
    ["no address", '<meta name="citation_pdf_url" content="javascript:void(0)">'],
    [
      "the item's handle",
      '<meta name="DC.format" content="application/pdf"><meta name="DC.identifier" content="http://hdl.handle.net/1/2">'
    ],
    ["a link to nothing", '<link rel="alternate" type="application/pdf" href="">']
  ])("that is %s hides no link on the page", (_, tags) => {
    expect(urls(tags + link)).toEqual(["https://repo.test/files/1.pdf"])
  })

  it("that is no address gives way to the next one", () => {
    expect(urls(tag("") + tag("/a.pdf") + tag("/b.pdf"))).toEqual(["https://repo.test/a.pdf"])
  })

  it.each([
    ["http://repo.test/a.pdf", "https://repo.test/a.pdf"],
    ["http://repo.test:8080/a.pdf", "http://repo.test:8080/a.pdf"],
    ["http://other.test/a.pdf", "http://other.test/a.pdf"]
  ])("%s on a page of https is asked for as %s", (named, asked) => {
    expect(urls(tag(named))).toEqual([asked])
  })
})

describe("a link", () => {
  it.each([
    "/discovery/1.pdf",
    "/recovery-of-forests.pdf",
    "/water-supply.pdf",
    "/supplier-networks.pdf",
    "/landslides.pdf",
    "/posterior-collapse.pdf",
    "/cartilage-repair.pdf",
    "/rental-markets.pdf",
    "/registered-report.pdf",
    "/appendicitis.pdf",
    "/vitamin-D-supplementation.pdf",
    "/supplemented-diets.pdf",
    "/land_cover_change.pdf",
    "/snow-cover.pdf",
    "/cover%20crops.pdf",
    "/cover-crops.pdf"
  ])("to %s may be the work", (href) => {
    expect(urls(`<a href="${href}">PDF</a>`)).toEqual([`https://repo.test${href}`])
  })

  it.each([
    "/supplement.pdf",
    "/Supplementary_Material.pdf",
    "/ElectronicSupplementaryMaterial.pdf",
    "/frontcover.pdf",
    "/supp1.pdf",
    "/a-suppinfo.pdf",
    "/appendix_A.pdf",
    "/author-guidelines.pdf",
    "/cover.pdf",
    "/coverpage.pdf",
    "/toc.pdf",
    "/licence.pdf",
    "/poster.pdf",
    "/pdf/preview/10.1007/x",
    "/slides.pdf",
    "/purchase/1.pdf",
    "/login?to=/1.pdf",
    "/AddToCart/1.pdf",
    "/subscriptions/1.pdf"
  ])("to %s is not", (href) => {
    expect(urls(`<a href="${href}">PDF</a>`)).toEqual([])
  })

  it("that is there many times, or leads nowhere, takes no other's place", () => {
    const same = '<a class="pdf" href="/pdf/guide.pdf">PDF</a>'.repeat(3)
    const nowhere = '<a class="pdf" href="javascript:open(\'/pdf/\')">PDF</a>'.repeat(3)
    expect(urls(`${nowhere}${same}<a href="/pdf/1.pdf">PDF</a>`)).toEqual([
      "https://repo.test/pdf/guide.pdf",
      "https://repo.test/pdf/1.pdf"
    ])
  })
})

describe("a file that a page shows", () => {
  it.each([
    ['<embed type="application/pdf" src="/file/1">', ["https://repo.test/file/1"]],
    ['<object data="/file/1" type="application/pdf"></object>', ["https://repo.test/file/1"]],
    ['<iframe src="/a/1.pdf?x=1#page=2"></iframe>', ["https://repo.test/a/1.pdf?x=1"]],
    ['<iframe src="/cookies"></iframe><iframe src="/supplement.pdf"></iframe><embed src="/1.swf">', []],
    [`${tag("/told.pdf")}<iframe src="/1.pdf"></iframe>`, ["https://repo.test/told.pdf"]]
  ])("by %s may be the work, if nothing better is told", (html, files) => {
    expect(urls(html)).toEqual(files)
  })
})

describe("a work in JSON-LD", () => {
  const file = "https://repo.test/1.pdf"

  it.each<readonly [string, object]>([
    ["one", { encoding: { encodingFormat: "application/pdf", contentUrl: file } }],
    ["several formats", { encoding: [{ encodingFormat: ["application/pdf"], contentUrl: [file] }] }],
    ["a short format", { associatedMedia: { fileFormat: "PDF", contentUrl: file } }],
    [
      "several licences",
      { license: ["CC BY"], encoding: { encodingFormat: "application/pdf", contentUrl: file } }
    ]
  ])("names its file by %s", (_, work) => {
    const block = JSON.stringify({ "@type": "ScholarlyArticle", ...work })
    expect(urls(`<script type="application/ld+json">${block}</script>`)).toEqual([file])
  })

  it.each([false, "False", "http://schema.org/False"])("that is said to be free by %j comes last", (free) => {
    const works = [
      {
        "@type": "Article",
        isAccessibleForFree: free,
        encoding: { encodingFormat: "pdf", contentUrl: "/paid" }
      },
      { "@type": "Article", isAccessibleForFree: true, encoding: { encodingFormat: "pdf", contentUrl: file } }
    ]
    const blocks = works.map((work) => `<script type="application/ld+json">${JSON.stringify(work)}</script>`)
    expect(urls(blocks.join(""))).toEqual([file, "https://repo.test/paid"])
  })

  it.each([
    `${'{"@id":'.repeat(60_000)}"x"${"}".repeat(60_000)}`,
    `${"[".repeat(200_000)}${"]".repeat(200_000)}`,
    '{"toString":1,"valueOf":1}'
  ])("may be nested as it likes, and of any shape", (value) => {
    for (const name of ["@type", "license", "isAccessibleForFree", "encoding", "@graph", "hasPart"]) {
      const block = `{"@type":"Article","${name}":${value}}`
      expect(urls(`<script type="application/ld+json">[${block},${block}]</script>`)).toEqual([])
      const odd = `{"@type":"Article","encoding":{"encodingFormat":"pdf","contentUrl":${value}}}`
      expect(urls(`<script type="application/ld+json">${odd}</script>`)).toEqual([])
    }
  })

  it("names no file of another kind", () => {
    const block = JSON.stringify({
      "@type": "Article",
      encoding: { encodingFormat: "pdfx", contentUrl: file }
    })
    expect(urls(`<script type="application/ld+json">${block}</script>`)).toEqual([])
  })
})

describe("a page that leads on", () => {
  it.each([
    ["0;url=/2", "https://repo.test/2"],
    ["0; URL='/2'", "https://repo.test/2"],
    ["0; /2", "https://repo.test/2"],
    ["0;url=", undefined],
    ["0", undefined]
  ])("by %s", (content, to) => {
    expect(read(`<meta http-equiv="refresh" content="${content}">`).leadsTo).toBe(to)
  })
})

describe("a record with several PDFs", () => {
  const files = ["supplementary_material.pdf", "paper.pdf", "small.pdf", "README.pdf"]
  const sizes = [9000, 500, 100, 9500]
  const wanted = ["paper.pdf", "small.pdf", "README.pdf", "supplementary_material.pdf"]

  it.live("has its work first, then what stands beside it, the largest of each first", () =>
    Effect.gen(function* () {
      const record = {
        id: 1,
        doi: "10.5281/zenodo.1",
        metadata: { access_right: "open" },
        files: files.map((key, n) => ({
          key,
          size: sizes[n],
          links: { self: `https://zenodo.test/${key}` }
        }))
      }
      const article = {
        id: 1,
        doi: "10.6084/m9.figshare.1",
        files: files.map((name, n) => ({
          name,
          size: sizes[n],
          download_url: `https://figshare.test/${name}`
        }))
      }
      for (const [name, answer] of [
        ["zenodo", record],
        ["figshare", article]
      ] as const) {
        const { result } = yield* ask(name, Behaviour.json(answer), { artifact: { doi: answer.doi } })
        expect(Either.getOrThrow(result).map(({ url }) => url.split("/").at(-1))).toEqual(wanted)
      }
    })
  )
})
