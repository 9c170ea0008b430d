/** What is wanted of a work, from the list to the file: PDF, XML or the page, in the order of `download.kinds`. */
import { createHash } from "node:crypto"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { files, json, redirect, respond, routes, status } from "../../src/demo/Behaviour.ts"
import type { ManifestLine } from "../../src/download/Manifest.ts"
import { pdf } from "../fixtures/Pdf.ts"
import * as Stage from "./Stage.ts"

const TITLE = "On the Orbits of Comets and Other Wanderers"
const TEXT = "This is what was seen from the observatory in the nights of one winter. ".repeat(60)
const DOI = "10.5555/s41-orbits-1"

const page = (head: string, body: string) =>
  respond({
    headers: { "content-type": "text/html; charset=utf-8" },
    body: `<!doctype html><html><head><title>${TITLE}</title>${head}</head><body>${body}</body></html>`
  })
const link = (name: string, path: string) => `<meta name="citation_${name}" content="${path}">`
const fullText = page(`<meta name="citation_doi" content="${DOI}">`, `<h1>${TITLE}</h1><p>${TEXT}</p>`)
const article = respond({
  headers: { "content-type": "application/xml" },
  body:
    `<?xml version="1.0"?><article><front><article-id pub-id-type="doi">${DOI}</article-id>` +
    `<article-title>${TITLE}</article-title></front><body><p>${TEXT}</p></body></article>`
})
const paper = respond({
  headers: { "content-type": "application/pdf" },
  body: pdf({ pages: [[TITLE, `doi:${DOI}`, TEXT.slice(0, 90)], [TEXT.slice(0, 90)]], title: TITLE })
})

/** What Europe PMC says of a work that it has as PDF and as XML. */
const found = {
  hitCount: 1,
  resultList: {
    result: [
      {
        source: "MED",
        doi: DOI,
        pmcid: "PMC1",
        isOpenAccess: "Y",
        inEPMC: "Y",
        hasPDF: "Y",
        license: "cc by"
      }
    ]
  }
}

interface Hosts {
  /** Europe PMC's XML and PDF; what isn't given isn't there. */
  readonly xml?: ReturnType<typeof respond>
  readonly pdf?: ReturnType<typeof respond>
  /** The article's page at its journal, and what it links to. */
  readonly page?: ReturnType<typeof respond>
  readonly full?: ReturnType<typeof respond>
}

/** The manifest's line of one DOI, where these kinds are wanted. */
const wanted = async (
  kinds: ReadonlyArray<"pdf" | "xml" | "html">,
  hosts: Hosts
): Promise<ManifestLine & { readonly content: string }> => {
  const none = status(404)
  const stage = await Stage.make(
    {
      hosts: {
        "epmc.test": routes({
          "/search*": json(found),
          "/PMC1/fullTextXML": hosts.xml ?? none,
          "/articles/PMC1?pdf=render": hosts.pdf ?? none
        }),
        "doi.test": redirect("http://journal.test:{port}/article/1"),
        "journal.test": routes({ "/article/1": hosts.page ?? none, "/article/1/full": hosts.full ?? none })
      }
    },
    (origin) => ({
      download: { out: Stage.OUT, kinds, identity: "require" },
      resolvers: {
        order: ["europe_pmc", "doi_redirect", "landing_page"],
        europe_pmc: { base_url: origin.url("epmc.test", ""), files_url: origin.url("epmc.test", "") },
        doi_redirect: { base_url: origin.url("doi.test", "") }
      }
    })
  )
  const list = join(stage.folder, "list.txt")
  await writeFile(list, `${DOI}\n`)
  await stage.does("queue", "import", list)
  await stage.program("queue", "run", "--drain", "--quiet")
  const line = (await stage.manifest()).get(`doi:${DOI}`)
  if (line === undefined) throw new Error("the work is not in the manifest")
  const content = line.path === null ? "" : await readFile(join(stage.folder, Stage.OUT, line.path), "latin1")
  return { ...line, content }
}

describe("a work", () => {
  it("there in both is taken as PDF by default, and as XML where that is wanted first", async () => {
    expect(await wanted(["pdf"], { xml: article, pdf: paper })).toMatchObject({
      state: "done",
      content_type: "application/pdf",
      path: expect.stringMatching(/\.pdf$/),
      identity: "confirmed",
      license: "cc-by"
    })
    expect(await wanted(["xml", "pdf"], { xml: article, pdf: paper })).toMatchObject({
      state: "done",
      content_type: "application/xml",
      path: expect.stringMatching(/\.xml$/),
      identity: "confirmed",
      content: article.body
    })
  })

  it("is taken in the next kind where the first isn't to be had, and in none that isn't wanted", async () => {
    expect(await wanted(["pdf", "xml"], { xml: article })).toMatchObject({
      state: "done",
      content_type: "application/xml"
    })
    expect(await wanted(["pdf"], { xml: article })).toMatchObject({ state: "error", path: null })
    expect(await wanted(["xml", "html"], { pdf: paper })).toMatchObject({ state: "error", path: null })
  })

  it("is taken as the page that its journal names, or that is itself the work", async () => {
    const named = page(link("fulltext_html_url", "/article/1/full"), "<p>An abstract.</p>")
    expect(await wanted(["html"], { page: named, full: fullText })).toMatchObject({
      state: "done",
      content_type: "text/html",
      path: expect.stringMatching(/\.html$/),
      final_url: expect.stringMatching(/\/article\/1\/full$/),
      identity: "confirmed"
    })
    const itself = page(link("doi", DOI) + link("fulltext_html_url", "/article/1"), `<p>${TEXT}</p>`)
    expect(await wanted(["html"], { page: itself })).toMatchObject({
      state: "done",
      content_type: "text/html",
      content: itself.body
    })
  })

  it("isn't taken for the page that asks to log in, nor for one in place of its XML", async () => {
    const login = page("", '<form><input type="password"></form>')
    const named = page(link("fulltext_html_url", "/article/1/full"), "<p>An abstract.</p>")
    expect(await wanted(["html"], { page: named, full: login })).toMatchObject({
      state: "error",
      reason: "login-page",
      path: null
    })
    const wrong = await wanted(["xml"], { xml: page("", `<p>${TEXT}</p>`) })
    expect(wrong).toMatchObject({ state: "error", path: null, content: "" })
  })
})

it("what a line expects of its file is kept to, whatever else is right", async () => {
  const stage = await Stage.make({ hosts: { "papers.test": files() } })
  const { sha256, size } = stage.origin.expected("papers.test", "/a.pdf")
  const other = createHash("sha256").update("another").digest("hex")
  const url = stage.origin.url("papers.test", "/a.pdf")
  const lines = [
    { id: "right", url, sha256: sha256.toUpperCase(), size },
    { id: "other-hash", url, sha256: other },
    { id: "other-size", url, size: size + 1 },
    { id: "right-size", url, size }
  ]
  const list = join(stage.folder, "list.jsonl")
  await writeFile(list, lines.map((line) => `${JSON.stringify(line)}\n`).join(""))
  await stage.does("queue", "import", list)
  expect(await stage.program("queue", "run", "--drain", "--quiet")).toMatchObject({ code: 3 })
  const manifest = await stage.manifest()
  expect([...manifest.values()].map(({ id, reason, state }) => [id, state, reason])).toEqual([
    ["right", "done", null],
    ["other-hash", "error", "hash-mismatch"],
    ["other-size", "error", "size-mismatch"],
    ["right-size", "done", null]
  ])
  expect(manifest.get("right")).toMatchObject({ identity: "confirmed", identity_by: "sha256", confidence: 1 })
})
