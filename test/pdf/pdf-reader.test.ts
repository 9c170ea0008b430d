/** Real PDFs through the real parser, in its thread. */
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
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
