/** Stored documents opened again: what each setting of the identity makes of them. */
import { createHash } from "node:crypto"
import { mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as DeepCheck from "../../src/download/DeepCheck.ts"
import type { InspectSettings } from "../../src/download/Inspect.ts"
import * as Storage from "../../src/download/Storage.ts"
import type { JobDetail } from "../../src/Job.ts"
import { pdf } from "../fixtures/Pdf.ts"
import { detail } from "./Given.ts"
import { folder } from "./Rig.ts"

const TITLE = "On the Orbits of Comets and Other Wanderers"
const BODY = Array.from({ length: 30 }, (_, n) => `Line ${n} says something about the sky.`)

/** The reason a stored file is doubted for. */
const doubt = (
  identity: InspectSettings["identity"],
  content: Uint8Array,
  artifact: { readonly title?: string; readonly sha256?: string } = { title: TITLE },
  path = "ab/paper~01234567.pdf"
) =>
  Effect.gen(function* () {
    const out = yield* folder
    mkdirSync(dirname(join(out, path)), { recursive: true })
    writeFileSync(join(out, path), content)
    const job: JobDetail = detail("paper", { id: "paper", urls: [], ...artifact })
    const check = yield* DeepCheck.make({ identity }).pipe(
      Effect.provideService(Storage.Storage, Storage.make({ out, min_free_bytes: 0 }))
    )
    const found = yield* check(job, {
      url: "http://a.test/",
      final_url: "http://a.test/",
      path,
      sha256: createHash("sha256").update(content).digest("hex"),
      bytes: content.length,
      content_type: "application/pdf",
      resolver: "direct",
      redirects: 0
    })
    return Option.getOrUndefined(Option.map(found, ({ reason, refused }) => ({ reason, refused })))
  }).pipe(Effect.scoped)

const right = pdf({ pages: [[TITLE, ...BODY], BODY] })
const other = pdf({ pages: [["Growing Tomatoes in the Dark", ...BODY], BODY] })

it.live("a whole document that is the right one is no problem", () =>
  Effect.gen(function* () {
    for (const identity of ["off", "warn", "require"] as const) {
      expect(yield* doubt(identity, right)).toBeUndefined()
    }
  })
)

it.live("a document that was cut off behind its first page is refused", () =>
  Effect.gen(function* () {
    const cut = Buffer.concat([
      Buffer.from("%PDF-1.7\n9 0 obj\n<< /Linearized 1 /L 99999 >>\nendobj\n"),
      right,
      Buffer.from("startxref\n0\n%%EOF\n7 0 obj")
    ])
    expect(yield* doubt("off", cut)).toEqual({ reason: "damaged-pdf", refused: true })
  })
)

it.live("another work is doubted where it is warned of, refused where its identity is required", () =>
  Effect.gen(function* () {
    expect(yield* doubt("off", other)).toBeUndefined()
    expect(yield* doubt("warn", other)).toEqual({ reason: "wrong-document", refused: false })
    expect(yield* doubt("require", other)).toEqual({ reason: "wrong-document", refused: true })
    expect(yield* doubt("warn", pdf({ pages: [[]] }))).toBeUndefined()
    expect(yield* doubt("require", pdf({ pages: [[]] }))).toEqual({
      reason: "unproven-document",
      refused: true
    })
  })
)

it.live("what is damaged, or no PDF under a PDF's name, is refused; what has its expected hash is not", () =>
  Effect.gen(function* () {
    const cut = right.subarray(0, 700)
    expect(yield* doubt("off", cut)).toEqual({ reason: "damaged-pdf", refused: true })
    const sha256 = createHash("sha256").update(cut).digest("hex")
    expect(yield* doubt("require", cut, { title: TITLE, sha256 })).toBeUndefined()
    const page = Buffer.from("<!doctype html><html>hello</html>")
    expect(yield* doubt("off", page)).toEqual({ reason: "not-a-pdf", refused: true })
    const xml = Buffer.from('<?xml version="1.0"?><article><p></article>')
    expect(yield* doubt("off", xml, {}, "ab/paper~01234567.xml")).toEqual({
      reason: "damaged-xml",
      refused: true
    })
  })
)
