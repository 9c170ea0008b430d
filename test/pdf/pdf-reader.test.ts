/** Real PDFs through the real parser, in its thread. */
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as PdfReader from "../../src/pdf/PdfReader.ts"
import { folder } from "../download/Rig.ts"
import { pdf } from "../fixtures/Pdf.ts"

const read = (content: Uint8Array, pages = 3) =>
  Effect.gen(function* () {
    const path = join(yield* folder, "a.pdf")
    yield* Effect.promise(() => writeFile(path, content))
    return yield* (yield* PdfReader.PdfReader).read(path, pages)
  }).pipe(Effect.scoped)

describe("a PDF", () => {
  it.live("tells its pages, its text and its metadata", () =>
    Effect.gen(function* () {
      const facts = yield* read(
        pdf({
          pages: [
            ["On the Orbits of Comets", "doi:10.5555/comets.1"],
            ["second page"],
            ["third"],
            ["fourth"]
          ],
          title: "On the Orbits of Comets",
          subject: "Astronomy"
        })
      )
      expect(facts.pages).toBe(4)
      expect(facts.title).toBe("On the Orbits of Comets")
      expect(facts.about).toContain("Astronomy")
      expect(facts.text).toContain("doi:10.5555/comets.1")
      expect(facts.text).toContain("third")
      expect(facts.text).not.toContain("fourth")
    }).pipe(Effect.provide(PdfReader.layer))
  )

  it.live("gives no text where none is asked for, or where there is none", () =>
    Effect.gen(function* () {
      expect((yield* read(pdf({ pages: [["words"]] }), 0)).text).toBe("")
      expect((yield* read(pdf())).text.trim()).toBe("")
    }).pipe(Effect.provide(PdfReader.layer))
  )

  it.live("that is something else is damaged, and the next one opens", () =>
    Effect.gen(function* () {
      const text = Buffer.from(`%PDF-1.7\n${"x".repeat(3000)}\n%%EOF\n`)
      const [first, ...others] = yield* Effect.forEach(
        [text, Buffer.from("%PDF-1.4\n%%EOF"), pdf({ pages: [] })],
        (content) => Effect.flip(read(content))
      )
      expect(first?.reason).toBe("damaged")
      expect(others.map(({ reason }) => reason)).toEqual(["damaged", "damaged"])
      expect((yield* read(pdf())).pages).toBe(1)
    }).pipe(Effect.provide(PdfReader.layer))
  )

  it.live("whose file is gone is not said to be damaged", () =>
    Effect.gen(function* () {
      const reader = yield* PdfReader.PdfReader
      expect(yield* Effect.flip(reader.read(join("nowhere", "a.pdf"), 0))).toMatchObject({
        reason: "file",
        code: "ENOENT"
      })
    }).pipe(Effect.provide(PdfReader.layer))
  )
})

describe("reading", () => {
  it.scopedLive.prop(
    "ends for any beginning of a PDF, with its pages or with a reason",
    { cut: FastCheck.double({ min: 0, max: 1, noNaN: true }) },
    ({ cut }) =>
      Effect.gen(function* () {
        const whole = pdf({ pages: [["one"], ["two"]] })
        const end = yield* Effect.either(read(whole.subarray(0, Math.floor(cut * whole.length))))
        if (end._tag === "Right") expect(end.right.pages).toBeGreaterThan(0)
        else expect(end.left.reason).toBe("damaged")
      }).pipe(Effect.provide(PdfReader.layer)),
    { fastCheck: { numRuns: 10 } }
  )
})

const stream = (dictionary: string, content: string) =>
  `<< ${dictionary} /Length ${content.length} >>\nstream\n${content}\nendstream`

const form = (n: number) =>
  stream(
    `/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X ${n + 2} 0 R >> /Font << /F 5 0 R >> >>`,
    n === 14 ? "BT /F 1 Tf (a) Tj ET" : "/X Do ".repeat(10)
  )

/** One page of this content, and further objects from the sixth on. */
const page = (content: string, ...more: ReadonlyArray<string>) => {
  const objects = [
    "<< /Type /Catalog /Pages 2 0 R >>",
    "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
    "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents [4 0 R] /Resources << /Font << /F 5 0 R >> /XObject << /X 6 0 R >> >> >>",
    content,
    "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ...more
  ]
  const body = objects.map((object, n) => `${n + 1} 0 obj\n${object}\nendobj\n`).join("")
  return Buffer.from(`%PDF-1.7\n${body}trailer\n<< /Root 1 0 R >>\n%%EOF\n`, "latin1")
}

/** Forms that call each other ten times each: more work than anybody waits for, in a few kilobytes. */
const endless = () => page(stream("", "/X Do"), ...Array.from({ length: 10 }, (_, n) => form(n + 5)))

/** Blanks of so many megabytes in a sixty-fourth of it, and a word behind them. */
const inflated = (megabytes: number) => {
  const word = "BT /F 1 Tf (word) Tj ET"
  const packed = `${"\x81 ".repeat(megabytes * 8192)}${String.fromCodePoint(word.length - 1)}${word}\x80`
  return page(stream("/Filter /RunLengthDecode", packed))
}

describe("a PDF that unpacks to", () => {
  const sizes: ReadonlyArray<readonly [number, string]> = [
    [1, "has its text"],
    [150, "is read no further"]
  ]
  it.live("more than there is memory for isn't said to be damaged", () =>
    Effect.gen(function* () {
      const text = inflated(150).toString("latin1").replace("/Contents [4 0 R]", "/Contents 4 0 R")
      expect(yield* Effect.flip(read(Buffer.from(text, "latin1")))).toMatchObject({ reason: "gave-up" })
    }).pipe(Effect.provide(PdfReader.layer))
  )

  it.live.each(sizes)("%i MB %s", ([megabytes]) =>
    Effect.gen(function* () {
      const end = yield* Effect.either(read(inflated(megabytes)))
      expect(end._tag === "Right" && end.right.text.includes("word")).toBe(megabytes === 1)
      expect((yield* read(pdf())).pages).toBe(1)
    }).pipe(Effect.provide(PdfReader.layer))
  )
})

describe("a source whose files take long", () => {
  it.live("has them read apart from those of others, for a shorter time each", () =>
    Effect.gen(function* () {
      const out = yield* folder
      const [bad, good] = [join(out, "bad.pdf"), join(out, "good.pdf")]
      yield* Effect.promise(() => writeFile(bad, endless()))
      yield* Effect.promise(() => writeFile(good, pdf({ pages: [["words"]] })))
      const reader = yield* PdfReader.makeWith({ quick: Duration.seconds(2), slow: Duration.seconds(50) })
      const order: Array<string> = []
      const told = (path: string, source: string) =>
        Effect.tap(Effect.either(reader.read(path, 1, source)), (end) =>
          Effect.sync(() => void order.push(`${source} ${end._tag}`))
        )
      const bads = yield* Effect.fork(Effect.all([told(bad, "bad"), told(bad, "bad")], { concurrency: 2 }))
      // The fifty seconds of the first are not over: it is beside it that the others are read.
      yield* Effect.all(
        Array.from({ length: 5 }, () => told(good, "good")),
        { concurrency: 5 }
      )
      yield* Fiber.interrupt(bads)
      expect(order).toEqual(Array.from({ length: 5 }, () => "good Right"))
    }).pipe(Effect.scoped)
  )

  it.live("is given up in the end, and what it sends then gets half the time", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "bad.pdf")
      yield* Effect.promise(() => writeFile(path, endless()))
      const reader = yield* PdfReader.makeWith({ quick: Duration.millis(100), slow: Duration.millis(400) })
      const said = yield* Effect.forEach([1, 2, 3, 4], () => Effect.flip(reader.read(path, 1, "bad")))
      expect(said.map(({ message, reason }) => `${reason}: ${message}`)).toEqual(
        [0.4, 0.2, 0.1, 0.1].map((seconds) => `gave-up: the parser took longer than ${seconds} seconds`)
      )
    }).pipe(Effect.scoped)
  )
})
