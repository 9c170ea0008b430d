import { readFileSync } from "node:fs"
import { createHash } from "node:crypto"
import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { sniff } from "../../src/download/Sniff.ts"
import { type Content, type Expected, expectation, hopeless, verify } from "../../src/download/Verify.ts"

const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1")
const sha256 = (content: Uint8Array): string => createHash("sha256").update(content).digest("hex")

const nothing: Expected = {
  kind: undefined,
  labelled: false,
  sha256: undefined,
  md5: undefined,
  size: undefined
}
const pdf: Expected = { ...nothing, kind: "pdf" }

const content = (body: string | Uint8Array, changes: Partial<Content> = {}): Content => {
  const all = typeof body === "string" ? bytes(body) : body
  return {
    head: all.subarray(0, 65_536),
    tail: all.subarray(-2048),
    bytes: all.length,
    sha256: sha256(all),
    md5: createHash("md5").update(all).digest("hex"),
    lengthKnown: true,
    finalUrl: "http://a.test/x",
    ...changes
  }
}

const PDF_TEXT = `%PDF-1.7\n${"x".repeat(3000)}\n%%EOF\n`

describe("content", () => {
  it.prop(
    "with the expected hash is taken, whatever it is",
    [FastCheck.uint8Array(), FastCheck.boolean()],
    ([body, isPdf]) => {
      const verdict = verify(
        { ...nothing, kind: isPdf ? "pdf" : undefined, sha256: sha256(body), size: body.length + 1 },
        content(body)
      )
      expect(verdict).toHaveProperty("mediaType")
    }
  )

  it.prop(
    "with another hash is never taken",
    [FastCheck.uint8Array(), FastCheck.boolean()],
    ([body, isPdf]) => {
      const verdict = verify(
        { ...nothing, kind: isPdf ? "pdf" : undefined, sha256: sha256(bytes("another")) },
        content(body)
      )
      expect(verdict).toHaveProperty("reason")
    }
  )

  it.prop(
    "expected to be a PDF is one, behind at most a kilobyte of something else",
    [FastCheck.nat(2000)],
    ([junk]) => {
      const verdict = verify(pdf, content(`${"\x01".repeat(junk)}${PDF_TEXT}`))
      expect("mediaType" in verdict).toBe(junk <= 1024)
    }
  )

  it.each([
    ["a PDF", PDF_TEXT, pdf, { mediaType: "application/pdf" }],
    ["a PDF nobody asked to be one", PDF_TEXT, nothing, { mediaType: "application/pdf" }],
    ["a PDF after a byte order mark", `\xef\xbb\xbf${PDF_TEXT}`, pdf, { mediaType: "application/pdf" }],
    ["a page", "<!DOCTYPE html><html>hello</html>", nothing, { mediaType: "text/html" }],
    ["a page for a PDF", " \n<!DOCTYPE html><html>hello</html>", pdf, { reason: "html-instead-of-pdf" }],
    [
      "a page that mentions the magic number",
      "<html>%PDF-1.7</html>",
      pdf,
      { reason: "html-instead-of-pdf" }
    ],
    [
      "an XHTML page for a PDF",
      '<?xml version="1.0"?>\n<html xmlns="x">',
      pdf,
      { reason: "html-instead-of-pdf" }
    ],
    ["an archive for a PDF", "PK\x03\x04abc", pdf, { reason: "not-a-pdf", class: "try-next" }],
    ["noise for a PDF", "\x00\x01\x02", pdf, { reason: "not-a-pdf" }],
    ["noise", "\x00\x01\x02", nothing, { mediaType: "application/octet-stream" }],
    ["text", "a,b\n1,2\n", nothing, { mediaType: "text/plain" }],
    ["XML", '<?xml version="1.0"?><article/>', nothing, { mediaType: "application/xml" }],
    ["nothing", "", nothing, { reason: "empty-body", class: "try-next" }],
    ["nothing for a PDF", "", pdf, { reason: "empty-body" }]
  ] as const)("%s", (_, body, expected, verdict) => {
    expect(verify(expected, content(body))).toMatchObject(verdict)
  })

  it.each([
    ["landing-challenge.html", '<title>Just a moment...</title><form id="challenge-form">', "challenge"],
    ["proof of work", "<html><title>Preparing to download ...</title>", "challenge"],
    ["login form", '<html><input type="password" name="p">', "login-page"]
  ])("is a page of its kind: %s", (_, page, reason) => {
    expect(verify(pdf, content(`<!doctype html><html>${page}`))).toMatchObject({ reason, class: "try-next" })
  })

  it("is a login page if that is where the redirects ended", () => {
    const page = content("<html>welcome</html>", { finalUrl: "http://a.test/sso/login?x" })
    expect(verify(pdf, page)).toMatchObject({ reason: "login-page" })
  })

  it("without a PDF's end is cut short only if nobody said how long it is", () => {
    const cut = PDF_TEXT.slice(0, 2000)
    expect(verify(pdf, content(cut, { lengthKnown: false }))).toMatchObject({
      class: "retry",
      reason: "truncated"
    })
    expect(verify(pdf, content(cut, { lengthKnown: true }))).toMatchObject({ mediaType: "application/pdf" })
    expect(verify(pdf, content(PDF_TEXT, { lengthKnown: false }))).toMatchObject({
      mediaType: "application/pdf"
    })
  })

  it("of another size is refused, and tried again where it may have been cut short", () => {
    const expected = { ...nothing, size: 10 }
    expect(verify(expected, content("12345678901"))).toMatchObject({
      class: "try-next",
      reason: "size-mismatch"
    })
    expect(verify(expected, content("123"))).toMatchObject({ class: "try-next", reason: "size-mismatch" })
    expect(verify(expected, content("123", { lengthKnown: false }))).toMatchObject({
      class: "retry",
      reason: "truncated"
    })
    expect(verify(expected, content("1234567890"))).toMatchObject({ mediaType: "text/plain" })
  })

  it("is compared with an MD5 too", () => {
    const md5 = createHash("md5").update("abc").digest("hex")
    expect(verify({ ...nothing, md5 }, content("abc"))).toMatchObject({ mediaType: "text/plain" })
    expect(verify({ ...nothing, md5 }, content("abd"))).toMatchObject({ reason: "hash-mismatch" })
  })
})

describe("the first bytes", () => {
  it("settle what can't become right", () => {
    expect(hopeless(pdf, bytes("<html>"))).toBe("page")
    expect(hopeless(pdf, bytes("\x00\x01"))).toMatchObject({ reason: "not-a-pdf" })
    expect(hopeless(pdf, bytes(PDF_TEXT))).toBe("no")
    expect(hopeless(nothing, bytes("<html>"))).toBe("no")
    expect(hopeless({ ...pdf, sha256: "0".repeat(64) }, bytes("<html>"))).toBe("no")
  })

  it.each(["unpaywall/not_found_404.html"])("know a real page: %s", (file) => {
    const page = readFileSync(new URL(`../fixtures/samples/${file}`, import.meta.url))
    expect(sniff(page).mediaType).toBe("text/html")
  })
})

describe("a PDF is expected", () => {
  const artifact = { id: "a", urls: [] }
  const expects = (url: string, finalUrl = url, type?: string, kind?: "pdf" | "xml") =>
    expectation(
      artifact,
      { url, resolver: "direct", ...(kind === undefined ? {} : { kind }) },
      [url, finalUrl],
      type
    ).kind === "pdf"

  it("where the candidate, its URL, where it led or the server says so", () => {
    expect(expects("http://a/x", "http://a/x", undefined, "pdf")).toBe(true)
    expect(expects("http://a/x.PDF?y=1")).toBe(true)
    expect(expects("http://a/x", "http://b/y.pdf")).toBe(true)
    expect(expects("http://a/x", "http://a/x", "application/pdf; charset=binary")).toBe(true)
  })

  it("nowhere else", () => {
    expect(expects("http://a/x.pdf.zip")).toBe(false)
    expect(expects("http://a/x?file=y.pdf")).toBe(false)
    expect(expects("http://a/x", "http://a/x", "text/html")).toBe(false)
  })
})
