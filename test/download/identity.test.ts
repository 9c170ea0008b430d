/** What a document's own words say about which work it is. */
import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Identifier from "../../src/artifact/Identifier.ts"
import { bare, identify } from "../../src/download/Identity.ts"

const TITLE = "On the Difficult Coefficients of Flow in Büchi Automata"
const BODY = "We study what follows from the definition, in several steps and with many words. ".repeat(10)

const said = (text: string, more: { readonly title?: string; readonly about?: string } = {}) => ({
  text,
  title: "",
  about: "",
  ...more
})

/** A paper with arXiv's stamp on it. */
const stamp = (id: string) => said(`arXiv:${id}v2 [cs.DS] 3 Jan 2021\n${BODY}`)

/** Text as typesetting leaves it: ligatures, lines broken anywhere, words parted by hyphens, other capitals. */
const typeset = (text: string) =>
  FastCheck.array(FastCheck.constantFrom("", "", "", "\n", " "), {
    minLength: text.length,
    maxLength: text.length
  }).chain((breaks) =>
    FastCheck.boolean().map((upper) => {
      const broken = Array.from(text, (sign, n) => `${sign}${sign === " " ? (breaks[n] ?? "") : ""}`).join("")
      return (upper ? broken.toUpperCase() : broken).replaceAll("ffi", "ﬃ").replaceAll("fl", "ﬂ")
    })
  )

/** DOIs of every sign that they are made of, as artifacts have them. */
const doi = FastCheck.tuple(
  FastCheck.integer({ min: 1000, max: 99_999 }),
  FastCheck.stringMatching(/^[a-z0-9][a-z0-9._;:()<>[\]/+*#%&@!?^$|{}\\~=,'-]{2,12}$/)
).map(([prefix, suffix]) =>
  Either.getOrElse(Identifier.doi(`10.${prefix}/${suffix}`), () => `10.${prefix}/a-b_c`)
)

/** Ids of arXiv of both schemes. */
const arxiv = FastCheck.oneof(
  FastCheck.stringMatching(/^(?:1[5-9]|2\d)(?:0[1-9]|1[0-2])\.\d{5}$/),
  FastCheck.stringMatching(/^(?:hep-th|astro-ph|math|q-bio|cs)\/0[0-6]0[1-9]\d{3}$/)
)

describe("a document", () => {
  it.prop("is known by its title, however that was set", [typeset(TITLE)], ([title]) => {
    expect(identify({ title: TITLE }, said(`${title}\nA. Author\n${BODY}`))).toMatchObject({
      identity: "confirmed",
      by: "title"
    })
  })

  it.prop("is known by its DOI, also where a line breaks in it", [doi, FastCheck.nat(20)], ([id, at]) => {
    const broken = `${id.slice(0, at)}\n${id.slice(at)}`
    expect(identify({ doi: id }, said(`${BODY}\nhttps://doi.org/${broken}\n${BODY}`))).toMatchObject({
      identity: "confirmed",
      by: "doi"
    })
  })

  it.prop("is known by the stamp of arXiv on it", [arxiv], ([id]) => {
    expect(identify({ arxiv: id }, stamp(id))).toMatchObject({ identity: "confirmed", by: "arxiv" })
  })

  it.prop(
    "is not known by the beginning of a longer DOI",
    [doi, FastCheck.stringMatching(/^[a-z0-9]{1,4}$/)],
    ([id, more]) => {
      expect(identify({ doi: id }, said(`${BODY}\n${id}${more}\n${BODY}`)).identity).not.toBe("confirmed")
    }
  )

  it.prop(
    "is never confirmed by words that have nothing of it",
    [FastCheck.lorem({ maxCount: 200 })],
    ([text]) => {
      expect(
        identify({ title: TITLE, doi: "10.5555/wanted.1", arxiv: "2101.00001" }, said(text)).identity
      ).not.toBe("confirmed")
    }
  )

  it("is another one where its first pages have another title", () => {
    expect(identify({ title: TITLE }, said(`Growing Tomatoes in the Dark\n${BODY}`))).toMatchObject({
      identity: "mismatch",
      by: "title"
    })
  })

  it("is another one with another stamp of arXiv, and the same one with its own", () => {
    expect(identify({ arxiv: "2101.00001" }, stamp("2101.99999"))).toMatchObject({
      identity: "mismatch",
      by: "arxiv"
    })
    expect(identify({ arxiv: "2101.00001v1" }, stamp("2101.00001"))).toMatchObject({
      identity: "confirmed",
      by: "arxiv"
    })
  })

  it("without a text layer tells nothing", () => {
    expect(identify({ title: TITLE }, said(""))).toEqual({
      identity: "unknown",
      by: "no-text",
      confidence: 0
    })
  })

  it("of which nothing is known can't be another one", () => {
    expect(identify({}, said(BODY))).toEqual({ identity: "unknown", by: "nothing-known", confidence: 0 })
  })

  it.each(["-\n", "- ", "a-\n\n", "v1 ", "1 0 . ", "arXiv:", "10.5555/"])(
    "of a quarter of a megabyte of %j is judged in a time that grows with its length",
    (piece) => {
      const text = `a${piece}${(piece.at(-1) ?? "").repeat(128 * 1024)}${piece.repeat((128 * 1024) / piece.length)}`
      const { identity } = identify(
        { title: TITLE, doi: "10.5555/wanted.1", arxiv: "2101.00001" },
        said(text)
      )
      expect(identity).not.toBe("confirmed")
    }
  )

  it("is not known by what it cites, comments on or corrects", () => {
    const cites = said(
      `Growing Tomatoes in the Dark\n${BODY}\nReferences\n[1] ${TITLE}. doi:10.5555/wanted.1`
    )
    expect(identify({ doi: "10.5555/wanted.1" }, cites).identity).not.toBe("confirmed")
    expect(identify({ doi: "10.5555/wanted.1", title: TITLE }, cites).identity).toBe("mismatch")
    for (const before of ["Comment on", "Erratum to:", "Correction:", "Reply to", "Retraction note:"]) {
      const about = said(`${before} “${TITLE}”\ndoi:10.5555/wanted.1\n${BODY}`)
      expect(identify({ title: TITLE, doi: "10.5555/wanted.1" }, about)).toMatchObject({
        identity: "mismatch"
      })
    }
    const own = said(`Comment on the Orbits of Comets\n${BODY}`)
    expect(identify({ title: "Comment on the Orbits of Comets" }, own).identity).toBe("confirmed")
    const named = said(`Growing Tomatoes\ndoi:10.5555/own.2\n${BODY}\nas in doi:10.5555/wanted.1`)
    expect(identify({ doi: "10.5555/wanted.1", title: TITLE }, named)).toMatchObject({ identity: "mismatch" })
    // Its own DOI stands on the first page.
    const later = said(`doi:10.5555/own.2\n${BODY}\n\f as in doi:10.5555/wanted.1`)
    expect(identify({ doi: "10.5555/wanted.1" }, later).identity).not.toBe("confirmed")
  })

  it("is another one where its metadata have another DOI", () => {
    expect(
      identify({ doi: "10.5555/wanted.1" }, said(BODY, { about: "Journal 1 (2020). doi:10.5555/other.2" }))
    ).toEqual({ identity: "mismatch", by: "doi", confidence: 0.7 })
  })

  it("is surer by its first page than by a reference further on", () => {
    const first = identify({ doi: "10.5555/a.1" }, said(`doi:10.5555/a.1\n\f${BODY}`))
    const later = identify({ doi: "10.5555/a.1" }, said(`${BODY}\n\f[7] doi:10.5555/a.1`))
    expect(first.confidence).toBeGreaterThan(later.confidence)
  })
})

describe("bare text", () => {
  it.prop("stays what it is", [FastCheck.fullUnicodeString()], ([text]) => {
    expect(bare(bare(text))).toBe(bare(text))
  })
})
