/** Documents that are looked into before they are kept. */
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import { inspect } from "../../src/download/Inspect.ts"
import { type ContentType, HTML, PDF, XML } from "../../src/download/Sniff.ts"
import { fromCause } from "../../src/download/StorageError.ts"
import { type PdfReaderService, PdfUnreadable } from "../../src/pdf/PdfReader.ts"
import { pdf } from "../fixtures/Pdf.ts"
import { type Changes, world } from "./Fetching.ts"
import { filesIn } from "./Rig.ts"

const TITLE = "On the Orbits of Comets and Other Wanderers"
const BODY = Array.from(
  { length: 30 },
  (_, n) => `Line ${n} says something about the sky above the observatory.`
)
const paper = (title: string) => pdf({ pages: [[title, ...BODY], BODY], title })

const serve = (body: string | Uint8Array, type = "application/pdf") =>
  Behaviour.respond({ headers: { "content-type": type }, body })

/** What becomes of one answer. */
const fetched = (
  behaviour: Behaviour.Behaviour,
  changes: Changes,
  path = "/paper.pdf",
  artifact: { readonly title?: string; readonly sha256?: string } = { title: TITLE }
) =>
  world(
    { "a.test": behaviour },
    ({ fetch, origin, out }) =>
      Effect.gen(function* () {
        const end = yield* Effect.either(fetch(origin.url("a.test", path), { artifact }))
        const files = (yield* filesIn(out)).filter((name) => !name.includes("probe"))
        const contents = yield* Effect.forEach(files, (name) =>
          Effect.promise(() => readFile(join(out, name)))
        )
        return { end, contents }
      }),
    changes
  )

const header = (length: number) =>
  Buffer.from(`%PDF-1.7\n99 0 obj\n<< /Linearized 1 /O 4 /L ${String(length).padStart(9)} /N 2 >>\nendobj\n`)
const linearized = (more: number) =>
  Buffer.concat([header(header(0).length + paper(TITLE).length + more), paper(TITLE)])

const strict: Changes = { structure: true, identity: "require" }

describe("a PDF", () => {
  it.live("that is whole and the right one is kept, with the evidence", () =>
    Effect.gen(function* () {
      const { contents, end } = yield* fetched(serve(paper(TITLE)), strict)
      expect(end).toMatchObject({
        right: { receipt: { evidence: { identity: "confirmed", by: "title", pages: 2 } } }
      })
      expect(contents).toHaveLength(1)
    })
  )

  const damaged: ReadonlyArray<readonly [string, Uint8Array]> = [
    ["of nothing but its magic number and its end", Buffer.from("%PDF-1.4\n%%EOF\n")],
    ["without pages", pdf({ pages: [] })],
    ["cut off", paper(TITLE).subarray(0, 900)]
  ]
  it.live.each(damaged)("%s is refused, and nothing of it is left", ([, body]) =>
    Effect.gen(function* () {
      const { contents, end } = yield* fetched(serve(body), { structure: true, identity: "warn" })
      expect(end).toMatchObject({ left: { class: "try-next", reason: "damaged-pdf" } })
      expect(contents).toEqual([])
    })
  )

  const filled = (length: number, sign: string, more = "") =>
    Buffer.concat([paper(TITLE), Buffer.alloc(length, sign), Buffer.from(more)])
  const padded: ReadonlyArray<readonly [string, Buffer, boolean]> = [
    ["zeros", filled(200_000, "\0"), true],
    ["line ends", filled(2049, "\r\n"), true],
    ["zeros, just after a block", filled(64 * 1024 - 100, "\0"), true],
    ["a cut rest", filled(3000, "0 obj "), false],
    ["a cut rest, and zeros", filled(3000, "0 obj ", "\0".repeat(5000)), false]
  ]
  it.live.each(padded)("filled up with %s is kept if it ends before blanks", ([, body, kept]) =>
    Effect.gen(function* () {
      const { end } = yield* fetched(serve(body), strict)
      expect(end._tag).toBe(kept ? "Right" : "Left")
      if (kept) expect((yield* fetched(Behaviour.unsized(serve(body)), strict)).end._tag).toBe("Right")
      else expect(end).toMatchObject({ left: { reason: "damaged-pdf" } })
    })
  )

  it.live("whose first page comes first has its last part, or is cut off", () =>
    Effect.gen(function* () {
      // What was changed later has a further part behind it; what was written anew may be shorter.
      for (const more of [0, -100, 1, 5000]) {
        expect((yield* fetched(serve(linearized(more)), strict)).end._tag).toBe("Right")
        expect((yield* fetched(Behaviour.unsized(serve(linearized(more))), strict)).end._tag).toBe("Right")
      }
      const cut = serve(Buffer.concat([linearized(5000), Buffer.from("startxref\n0\n%%EOF\n7 0 obj")]))
      expect((yield* fetched(cut, strict)).end).toMatchObject({
        left: { class: "try-next", reason: "damaged-pdf" }
      })
      expect((yield* fetched(Behaviour.unsized(cut), strict)).end).toMatchObject({
        left: { class: "retry", reason: "truncated" }
      })
    })
  )

  it.live("that is another work is kept with a warning, or refused where its identity is required", () =>
    Effect.gen(function* () {
      const other = serve(paper("Growing Tomatoes in the Dark"))
      const warned = yield* fetched(other, { structure: true, identity: "warn" })
      expect(warned.end).toMatchObject({
        right: { receipt: { evidence: { identity: "mismatch", by: "title" } } }
      })
      const refused = yield* fetched(other, strict)
      expect(refused.end).toMatchObject({ left: { class: "try-next", reason: "wrong-document" } })
      expect(refused.contents).toEqual([])
    })
  )

  it.live("that is a cover sheet alone, or a scan, isn't enough where its identity is required", () =>
    Effect.gen(function* () {
      const cover = pdf({
        pages: [[TITLE, "To cite this version: A. Author.", "Downloaded from the institutional repository"]]
      })
      expect((yield* fetched(serve(cover), strict)).end).toMatchObject({ left: { reason: "cover-sheet" } })
      expect((yield* fetched(serve(pdf({ pages: [[], []] })), strict)).end).toMatchObject({
        left: { reason: "unproven-document" }
      })
    })
  )

  it.live("of which nothing is known is kept also where identity is required", () =>
    Effect.gen(function* () {
      const { end } = yield* fetched(serve(paper(TITLE)), strict, "/paper.pdf", {})
      expect(end).toMatchObject({ right: { receipt: { evidence: { by: "nothing-known" } } } })
    })
  )
})

const article = (end: string) =>
  `<?xml version="1.0"?><article><front><article-title>${TITLE}</article-title>&nbsp;</front><body>${BODY.join(" ")}</body>${end}`
const fetchedXml = (body: string) => fetched(serve(body, "application/xml"), strict, "/article.xml")

describe("XML", () => {
  it.live("is kept if it is well-formed, and refused if not", () =>
    Effect.gen(function* () {
      expect((yield* fetchedXml(article("</article>"))).end).toMatchObject({
        right: {
          receipt: { content_type: "application/xml", evidence: { identity: "confirmed", by: "title" } }
        }
      })
      expect((yield* fetchedXml(article(""))).end).toMatchObject({ left: { reason: "damaged-xml" } })
    })
  )

  it.live.each([
    // Its first letter has the byte of a bracket, behind a sign that XML can't have.
    ["iso-2022-jp", "\u001b$B<RKfJ8\u001b(B"],
    ["iso-8859-1", "<\u00e9l\u00e9ment/>"],
    ["no-such-encoding", "text"]
  ])("in %s is read as it says", ([encoding, text]) =>
    Effect.gen(function* () {
      const xml = article(`<p>${text}</p></article>`).replace("?>", ` encoding="${encoding}"?>`)
      const { end } = yield* fetched(
        serve(Buffer.from(xml, "latin1"), "application/xml"),
        strict,
        "/article.xml"
      )
      expect(end).toMatchObject({ right: { _tag: "Stored" } })
    })
  )

  it.live("with names as long as it likes is refused in a line that is not", () =>
    Effect.gen(function* () {
      const { end } = yield* fetchedXml(`<?xml version="1.0"?><a></${"b\n\u0007".repeat(200_000)}>`)
      expect(end).toMatchObject({ left: { reason: "damaged-xml" } })
      if (end._tag === "Left") {
        expect(end.left.message.length).toBeLessThan(300)
        // oxlint-disable-next-line no-control-regex -- what a terminal would obey
        expect(end.left.message).not.toMatch(/[\x00-\x1f\x7f]/)
      }
    })
  )
})

const nested = (depth: number) => `${"<a>".repeat(depth)}${"</a>".repeat(depth)}`
const attributed = (count: number) => `<a ${Array.from({ length: count }, (_, n) => `b${n}="" `).join("")}/>`
const titled = (body: string) => `<?xml version="1.0"?><x><article-title>${TITLE}</article-title>${body}</x>`

describe("XML that tells of an error", () => {
  it.live.each([
    "<Error><Code>AccessDenied</Code></Error>",
    "<!-- <article> --><service-error><statusText>no</statusText></service-error>",
    '<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><error code="idDoesNotExist"/></OAI-PMH>'
  ])("is no document: %s", (body) =>
    Effect.gen(function* () {
      const xml = serve(`<?xml version="1.0"?>\n${body}`, "application/xml")
      for (const structure of [true, false]) {
        const { end } = yield* fetched(xml, { structure, identity: "off" }, "/article.xml", {})
        expect(end).toMatchObject({ left: { class: "try-next", reason: "error-page" } })
      }
    })
  )

  it.live("is told from an article about errors", () =>
    Effect.gen(function* () {
      const body = "<article><title>Errors</title><error code='1'/></article>"
      expect((yield* fetched(serve(body, "application/xml"), strict, "/a.xml", {})).end._tag).toBe("Right")
    })
  )
})

describe("XML made to fill the memory", () => {
  const kinds: ReadonlyArray<readonly [string, string, string, string]> = [
    ["open elements", nested(1000), nested(3000), "open at once"],
    ["attributes", attributed(1000), attributed(20_000), "attributes"]
  ]
  it.live.each(kinds)(
    "with %s without end is refused, and what has many is kept",
    ([, some, endless, said]) =>
      Effect.gen(function* () {
        expect((yield* fetchedXml(titled(some))).end).toMatchObject({ right: { _tag: "Stored" } })
        expect((yield* fetchedXml(titled(endless))).end).toMatchObject({
          left: { reason: "damaged-xml", message: expect.stringContaining(said) }
        })
      })
  )

  it.live("may have any number of entities that only its DTD knows", () =>
    Effect.gen(function* () {
      const entities = titled("&unknown;&épée;&_a.b-c;".repeat(10_000))
      expect((yield* fetchedXml(entities)).end).toMatchObject({ right: { _tag: "Stored" } })
      expect((yield* fetchedXml("<?xml version='1.0'?><x>&1;</x>")).end).toMatchObject({
        left: { reason: "damaged-xml" }
      })
    })
  )
})

const broken = () => Promise.reject(Object.assign(new Error("EIO: i/o error"), { code: "EIO" }))

const document = (type: ContentType, read: () => Promise<never>) => ({
  type,
  bytes: 100,
  tail: Buffer.from("%%EOF"),
  finalUrl: "http://a.test/",
  inspect: <A>(look: (path: string) => Promise<A>) =>
    Effect.tryPromise({
      try: () => look("a.pdf").catch(read),
      catch: (cause) => fromCause(cause, "downloads")
    })
})

describe("a disk that fails", () => {
  const reader: PdfReaderService = {
    read: () => Effect.fail(new PdfUnreadable({ reason: "file", code: "EIO", message: "EIO: i/o error" }))
  }

  it.effect.each([PDF, XML, HTML])("under a $mediaType that is looked into stops the run", (type) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        inspect(reader, { structure: true, identity: "warn" }, { id: "a", urls: [] }, document(type, broken))
      )
      expect(error).toMatchObject({ _tag: "Fatal", reason: "disk-error" })
    })
  )
})
