/** What a document's own words say about which work it is. */
import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Identifier from "../../src/artifact/Identifier.ts"
import { identify } from "../../src/download/Identity.ts"
import { bare } from "../../src/download/Titles.ts"

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

  it.prop("is known by its DOI, however that is printed", [doi, FastCheck.nat(9)], ([id, n]) => {
    const printed = [
      `https://doi.org/${id}`,
      `doi:${id}`,
      `DOI ${id.toUpperCase()}. Received`,
      `(doi: ${id})`,
      `[https://dx.doi.org/${id}].`,
      `Fish 12 (2020), ${id}, 1-20`,
      `“${id}”`,
      `https://doi.org/${id}doi: preprint`,
      `https://doi.org/${id.replaceAll("-", "\u2011")}`,
      `\u200bhttps://doi.org/${id.replace("/", "/\u200b")}`
    ][n]
    expect(identify({ doi: id }, said(`${BODY}\n${printed}\n${BODY}`))).toMatchObject({
      identity: "confirmed",
      by: "doi",
      confidence: 0.98
    })
  })

  it.prop("is known by its DOI, also where a line breaks in it", [doi, FastCheck.nat()], ([id, n]) => {
    const places = Array.from(id, (_, at) => at).filter(
      (at) => at <= id.indexOf("/") + 1 || /[-_./:]/.test(id.charAt(at - 1))
    )
    const at = places[n % places.length]
    const broken = `${id.slice(0, at)}\n${id.slice(at)}`
    expect(identify({ doi: id }, said(`${BODY}\nhttps://doi.org/${broken}\n${BODY}`))).toMatchObject({
      identity: "confirmed",
      by: "doi"
    })
  })

  it.each([
    ["10.1145/3292500.3330701", "https://doi.org/10.1145/3292500.\n3330701"],
    ["10.1145/3292500.3330701", "https://doi.org/10.1145/3292500. 3330701"],
    ["10.1038/s41586-020-2649-2", "https:// doi.org/ 10.1038/ s41586-020-2649-2"],
    ["10.1038/s41586-020-2649-2", "https://doi.org/10.1038/s41586-020-\n  2649-2"],
    ["10.1007/s11192-018-2945-y", "https ://doi.org/10.1007/s1119 2-018-2945-y"],
    ["10.1016/s0140-6736(20)30183-5", "https://doi.org/10.1016/S0140-6736(20)30183-5"],
    ["10.1016/s0140-6736(20)30183-5", "https://doi.org/10.1016/S0140-6736\n(20)30183-5"],
    ["10.1016/j.cell.2020.01.001", "https://doi.org/10.1016/j.cell.2020.\n01.001"],
    ["10.1016/j.cell.2020.01.001", "https://doi.org/10.1016/j.cell\n.2020.01.001"],
    ["10.1371/journal.pone.0219558", "https://doi.org/10.1371/journal.po\nne.0219558"],
    ["10.1101/191650", "https://doi.org/10.1101/191650doi: bioRxiv preprint"],
    ["10.1101/191650", "https://doi.org/10.1101/191650; this version posted"],
    ["10.1234/fluffy.1", "doi:10.1234/\ufb02u\ufb00y.1"],
    ["10.5555/tides.7", "doi 10.5555/tides.7 (2) part two"],
    ["10.5555/tides.7", "doi 10.5555/tides.7\n2 Methods"],
    ["10.5555/tides.7", "doi 10.5555/tides.7\u00b2"],
    ["10.5555/tides.7", "(Fish 12, 10.5555/tides.7)2020"],
    ["10.5555/tides.7", "doi 10.5555/tides.7 with references to 10.5555/fish.1"]
  ])("%s is known by %j", (id, printed) => {
    expect(identify({ doi: id }, said(`${BODY}\n${printed}\n${BODY}`))).toMatchObject({
      identity: "confirmed",
      by: "doi",
      confidence: 0.98
    })
  })

  it.each([
    ["10.5555/tides.12", "doi 10.5555/tides.1 2 Journal of Fish"],
    ["10.5555/tides.12", "doi 10.5555/tides.1\n2 Journal of Fish"],
    ["10.5555/tides.12", "doi 10.5555/tides. 12 Journal of Fish"],
    ["10.5555/tides.1123-145", "doi 10.5555/tides.1 123-145"],
    ["10.5555/tides.7(2020)", "doi 10.5555/tides.7 (2020)"],
    ["10.5555/tides.7(2020)", "doi 10.5555/tides.7\n(2020)"],
    ["10.5555/tides12", "doi 10.5555/tides\n12"],
    ["10.5555/tides.7a", "doi 10.5555/tides.7\na study"],
    ["10.5555/tides.7", "doi 10.5555/tides.7_s1 supplement"],
    ["10.5555/tides.7", "doi 10.5555/tides.7(2) part two"],
    ["10.5555/tides.7", "doi 10.5555/tides.7:2 part two"],
    ["10.5555/tides.7", "doi 10.5555/tides.7;2 part two"],
    ["10.5555/tides.7", "doi 10.5555/tides.7.s001"],
    ["10.5555/tides.7", "doi 10.5555/tides.7/-/dc1"],
    ["10.5555/tides.7", "doi 10.5555/tides.7-\n12"],
    ["10.5555/tides.7", "doi 10.5555/tides.7\u201112"],
    ["10.1145/3292500", "doi 10.1145/3292500.\n3330701"],
    ["10.5555/tides.7", "doi 10.5555/fish.1 A comment on doi 10.5555/tides.7"],
    ["10.5555/tides.7", "doi 10.5555/tides.7_s1 supplement of doi 10.5555/tides.7"],
    ["10.5555/tides.7", "doi 10.9999/review.10.5555/tides.7"],
    ["10.5555/tides.7", "Comment on https://doi.org/10.5555/tides.7"],
    ["10.5555/tides.7", "Supplementary material for: doi 10.5555/tides.7"]
  ])("%s is not known by %j", (id, printed) => {
    for (const before of ["", `${BODY}\n`]) {
      const document = said(`${before}${printed}\n${BODY}`)
      expect(identify({ doi: id }, document).identity).not.toBe("confirmed")
      expect(identify({ doi: id, title: TITLE }, document).identity).not.toBe("confirmed")
    }
  })

  it.prop(
    "is not known by a shorter DOI and the number behind it",
    [doi, FastCheck.constantFrom(" ", "\n", "\n\n", "\n\f"), FastCheck.stringMatching(/^[1-9]\d{0,3}$/)],
    ([id, blank, number]) => {
      FastCheck.pre(/[a-z0-9]$/.test(id))
      const wanted = `${id}${number}`
      expect(
        identify({ doi: wanted }, said(`${BODY}\ndoi:${id}${blank}${number}\n${BODY}`)).identity
      ).not.toBe("confirmed")
    }
  )

  it.prop("is known by the stamp of arXiv on it", [arxiv], ([id]) => {
    expect(identify({ arxiv: id }, stamp(id))).toMatchObject({ identity: "confirmed", by: "arxiv" })
  })

  it.prop(
    "is not known by the beginning of a longer DOI",
    [doi, FastCheck.stringMatching(/^[._:;,(/-]{0,3}[a-z0-9]{1,4}$/)],
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

  it.each([
    ["2101.00001", stamp("2101.99999")],
    ["2101.03961", said(`arXiv:2205.00001v1 [cs.LG]\nWe extend arXiv:2101.03961\n${BODY}`)],
    ["2101.03961", said(`arXiv:2205.00001v1 [cs.LG] We extend arXiv:2101.03961v1 [cs.LG]\n${BODY}`)],
    ["2101.03961", said(`${BODY} arXiv:2205.00001v1 [cs.LG] 3 May 2022 as arXiv:2101.03961 has it`)],
    ["2101.03961v3", said(`arXiv:2101.03961v1 [cs.LG]\n${BODY}`)],
    ["2101.03961v3", said(`arXiv:2101.03961v1 [cs.LG] 9 Jan 2021\nas arXiv:2101.03961v3 has it\n${BODY}`)],
    ["hep-th/9901001", said(`arXiv:hep-th/9901002v1 4 Jan 1999\n${BODY}`)]
  ])("is not %s with the stamp of another paper or version of arXiv", (id, document) => {
    const mismatch = { identity: "mismatch", by: "arxiv" }
    expect(identify({ arxiv: id }, document)).toMatchObject(mismatch)
    expect(identify({ arxiv: id, title: "in several steps and with many words" }, document)).toMatchObject(
      mismatch
    )
  })

  it.each([
    ["2101.00001", stamp("2101.00001")],
    ["2101.00001v2", stamp("2101.00001")],
    ["hep-th/9901001v3", said(`arXiv:hep-th/9901001v3  27 Nov 1999\n${BODY}`)],
    ["hep-th/9711200", said(`arXiv:hep-th/9711200 v3 22 Jan 1998\n${BODY}`)],
    ["math/0211159", said(`arXiv:math.DG/0211159 v1   11 Nov 2002\n${BODY}`)],
    ["math/0309136", said(`arXiv:math/0309136v1 [math.GT] 8 Sep 2003\nas arXiv:math/0309135v1 [math.GT]`)],
    ["2101.00001", said(`A cover of a repository\n\f${stamp("2101.00001").text}`)],
    ["2101.00001v2", said(`Preprint: arXiv:2101.00001\n${BODY}`)],
    ["2101.00001", said(BODY, { about: '{"dc:identifier":"https://arxiv.org/abs/2101.00001v1"}' })]
  ])("is %s with what arXiv prints on it", (id, document) => {
    expect(identify({ arxiv: id }, document)).toMatchObject({ identity: "confirmed", by: "arxiv" })
  })

  it("without arXiv's stamp is not known by the paper that it mentions", () => {
    const document = said(`Growing Tomatoes\nWe extend arXiv:2101.00001 and\n${BODY}`)
    expect(identify({ arxiv: "2101.00001" }, document)).toMatchObject({ identity: "unknown", by: "arxiv" })
    expect(identify({ arxiv: "2101.00001v3" }, said(`arXiv:2101.00001v1\n${BODY}`)).identity).toBe("unknown")
  })

  it("with half of the title is known by the arXiv id that it mentions", () => {
    const document = said(`On Difficult Coefficients of Flow\nreport 7, arXiv:2101.00001\n${BODY}`)
    expect(identify({ arxiv: "2101.00001", title: TITLE }, document)).toMatchObject({
      identity: "confirmed",
      by: "arxiv"
    })
  })

  it.each([
    [
      "10.7554/elife.12345",
      "DOI: 10.7554/eLife.12345.001 Abstract\nCite as eLife 2015;4, DOI: 10.7554/eLife.12345"
    ],
    [
      "10.1073/pnas.1201234109",
      "www.pnas.org/lookup/suppl/doi:10.1073/pnas.1201234109/-/DCSupplemental.\nwww.pnas.org/cgi/doi/10.1073/pnas.1201234109"
    ],
    [
      "10.1371/journal.pone.0012345",
      "doi:10.1371/journal.pone.0012345.g001\nCitation: doi:10.1371/journal.pone.0012345"
    ],
    [
      "10.12688/f1000research.12345.2",
      "First published: https://doi.org/10.12688/f1000research.12345.1\nLatest published: https://doi.org/10.12688/f1000research.12345.2"
    ],
    [
      "10.1016/j.jcp.2019.01.001",
      "Permanent link: https://doi.org/10.3929/ethz-b-000312345\nOriginally published in:\nJournal of Flow 380, https://doi.org/10.1016/j.jcp.2019.01.001"
    ],
    [
      "10.1002/ange.201900001",
      "Internationale Ausgabe: DOI: 10.1002/anie.201900001\nDeutsche Ausgabe: DOI: 10.1002/ange.201900001"
    ]
  ])("is %s with a part, a version or a copy of it named before", (wanted, text) => {
    expect(identify({ doi: wanted }, said(`${text}\n${BODY}`))).toMatchObject({
      identity: "confirmed",
      by: "doi"
    })
  })

  it.each([
    ["10.5555/tides.7", "doi 10.5555/tides.1\nas in doi 10.5555/tides.7"],
    ["10.5555/tides.7", "doi 10.5555/tides.7_s1 supplement of doi 10.5555/tides.7"],
    [
      "10.12688/f1000research.12345.2",
      "doi 10.12688/f1000research.54321.1 on doi 10.12688/f1000research.12345.2"
    ]
  ])("is not %s with another work named before", (wanted, text) => {
    expect(identify({ doi: wanted }, said(`${text}\n${BODY}`)).identity).not.toBe("confirmed")
  })

  it("is the work of its own DOI, whatever paper a note cites", () => {
    const note = said(`${TITLE}\ndoi 10.5555/flow.1\n${BODY}\narXiv:1901.00002 [hep-ph]\n`)
    expect(identify({ doi: "10.5555/flow.1", arxiv: "2001.00001", title: TITLE }, note)).toMatchObject({
      identity: "confirmed",
      by: "doi"
    })
  })

  it.each([
    ["Machine Learning", "T. Author\nMachine\nLearning1\nand its limits"],
    ["Machine Learning", "REVIEW\nMachine Learn-\ning*\nT. Author"],
    ["<i>E. coli</i> growth in H<sub>2</sub>O", "E. coli growth in H₂O\nT. Author"],
    ["機械学習入門", "論文\n機械学習\n入門\n著者"],
    [
      "Search for $B^0_s \\to \\mu^+\\mu^-$ decays at $\\sqrt{s}$ = 13 TeV with the detector &amp; more",
      "Search for B⁰ₛ → μ⁺μ⁻ decays at √s = 13 TeV with the detector and more"
    ]
  ])("is known by the title %j where it stands by itself", (title, text) => {
    expect(identify({ title }, said(`${text}\n${BODY}`))).toMatchObject({
      identity: "confirmed",
      by: "title"
    })
  })

  it.each([
    ["Machine Learning", "Sudden Death of Machine Learning"],
    ["Machine Learning", "Growing Tomatoes\nWe use machine learning here."],
    ["Deep learning of images", "Images of the deep: learning from corals"],
    ["機械学習入門", "機械学習入門の書評について"]
  ])("is not known by the title %j in %j", (title, text) => {
    const document = said(`${text}\ndoi:10.5555/own.2 on doi:10.5555/wanted.1\n${BODY}`)
    expect(identify({ title }, document).identity).not.toBe("confirmed")
    expect(identify({ title, doi: "10.5555/wanted.1" }, document).identity).not.toBe("confirmed")
  })

  it.each([
    "Supporting Information",
    "Supporting Information for",
    "Electronic Supplementary Material (ESI) for Soft Matter.\nThis journal is © 2020",
    "Journal of Flow\nSupplementary Information",
    "Supplemental Materials and Methods",
    "Online Appendix to",
    "Peer Review File"
  ])("that begins with %j comes with the work, and is another one", (label) => {
    const document = said(`${label}\n${TITLE}\nA. Author\ndoi:10.5555/wanted.1\n${BODY}`)
    expect(identify({ title: TITLE, doi: "10.5555/wanted.1" }, document)).toMatchObject({
      identity: "mismatch",
      by: "title"
    })
    const own = `Supporting Information for: ${TITLE}`
    expect(identify({ title: own }, said(`${own}\n${BODY}`)).identity).toBe("confirmed")
    const linked = said(`${TITLE}\nA. Author\nA Journal\n${label}\n${BODY}`)
    expect(identify({ title: TITLE }, linked).identity).toBe("confirmed")
  })

  const numbered: ReadonlyArray<readonly [title: string, printed: string, is: boolean]> = [
    [`${TITLE}: Part I`, `${TITLE}: Part II`, false],
    [`${TITLE} II`, `${TITLE} III`, false],
    [`${TITLE} 1`, `${TITLE} 12`, false],
    [`${TITLE}. I. A Survey`, `${TITLE}. II. A Survey`, false],
    [`${TITLE}: Part II`, `${TITLE}:\nPart II1`, true],
    [`${TITLE}: Part I`, `${TITLE} (Part I)\nIntroduction`, true],
    [`${TITLE} of CO2 at 13 TeV`, `${TITLE} of CO₂ at 13\nTeV`, true],
    [`${TITLE} of YBa<sub>2</sub>Cu<sub>3</sub>O<sub>7-x</sub>`, `${TITLE} of YBa 2 Cu 3 O 7−x`, true],
    [`${TITLE} of Mg3(PO4)2`, `${TITLE} of Mg 3 (PO 4 ) 2`, true],
    [`${TITLE} of Fe(III) in water`, `${TITLE} of FeIII in water`, true],
    [`${TITLE} of 1,000 genomes`, `${TITLE} of 1000 genomes`, true],
    [`${TITLE} of 2,000 genomes`, `${TITLE} of 1,000 genomes`, false],
    [`${TITLE}, release 2.5`, `${TITLE}, release 2.6`, false]
  ]
  it.each(numbered)(
    "with the title %j wanted and %j printed is told by its numbers",
    (title, printed, is) => {
      expect(identify({ title }, said(`${printed}\n${BODY}`)).identity === "confirmed").toBe(is)
    }
  )

  it("whose title is in a script that it hasn't may be the wanted one in another language", () => {
    const russian = said(
      `Об орбитах комет\ndoi:10.5555/orbity.1\n${"Мы изучаем то, что следует. ".repeat(20)}`
    )
    expect(identify({ title: TITLE }, russian)).toEqual({ identity: "unknown", by: "title", confidence: 0 })
    expect(identify({ title: "Выращивание томатов в темноте" }, russian).identity).toBe("mismatch")
    expect(identify({ title: "深層学習による画像認識の研究動向" }, said(BODY)).identity).toBe("unknown")
  })

  it("without what makes the title that of a notice is not known by it", () => {
    const notice = `Correction to: ${TITLE}`
    expect(identify({ title: notice }, said(`${TITLE}\n${BODY}`)).identity).not.toBe("confirmed")
    expect(identify({ title: notice }, said(`CORRECTION\n${TITLE}\n${BODY}`)).identity).toBe("confirmed")
  })

  it.each(["Corrigendum to", "Author Correction:", "Reply to", "Retraction Note:"])(
    "whose title begins with %j may have what kind of notice it is above that, too",
    (kind) => {
      const notice = `${kind} “${TITLE}”`
      const label = kind.replace(/ to$|:$/, "")
      expect(identify({ title: notice }, said(`${label}\n${notice}\n${BODY}`)).identity).toBe("confirmed")
      expect(identify({ title: notice }, said(`Comment on ${notice}\n${BODY}`)).identity).toBe("mismatch")
      expect(identify({ title: TITLE }, said(`${label}\n${notice}\n${BODY}`)).identity).toBe("mismatch")
    }
  )

  it("with another DOI is not known by the words of the title alone", () => {
    const document = said(
      `Automata in Büchi: on the Flow of Difficult Coefficients\ndoi:10.5555/own.2\n${BODY}`
    )
    expect(identify({ title: TITLE, doi: "10.5555/wanted.1" }, document).identity).toBe("unknown")
    expect(identify({ title: TITLE }, document).identity).toBe("confirmed")
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

  it.each([
    "-\n",
    "- ",
    "a-\n\n",
    "v1 ",
    "1 0 . ",
    "arXiv:",
    "arXiv:2101.00001v1 ",
    "arXiv:2101.00002 [cs.DS]\n",
    "10.5555/",
    "10.5555/wanted.\n",
    "10.5555/wanted. ",
    "10.5555/wanted.2-",
    "\r",
    "\u2028"
  ])("of a quarter of a megabyte of %j is judged in a time that grows with its length", (piece) => {
    const text = `a${piece}${(piece.at(-1) ?? "").repeat(128 * 1024)}${piece.repeat((128 * 1024) / piece.length)}`
    const { identity } = identify({ title: TITLE, doi: "10.5555/wanted.1", arxiv: "2101.00001" }, said(text))
    expect(identity).not.toBe("confirmed")
  })

  it("is compared with the beginning of a title that is as long as a book", () => {
    const book = `${TITLE} ${"a".repeat(400_000)}`
    expect(identify({ title: book }, said(BODY)).identity).not.toBe("confirmed")
    expect(identify({ title: book }, said(book)).identity).toBe("confirmed")
  })

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
    const citing = said(`Growing Tomatoes\nas in doi:10.5555/wanted.1\n${BODY}\ndoi:10.5555/own.2`)
    expect(identify({ doi: "10.5555/wanted.1", title: TITLE }, citing)).toMatchObject({
      identity: "mismatch"
    })
    // Its own DOI stands on the first page.
    const later = said(`doi:10.5555/own.2\n${BODY}\n\f as in doi:10.5555/wanted.1`)
    expect(identify({ doi: "10.5555/wanted.1" }, later).identity).not.toBe("confirmed")
  })

  it("that names the wanted DOI behind another one may be either", () => {
    const document = said(`doi 10.5555/fish.1 A comment on doi 10.5555/tides.7\n${BODY}`)
    expect(identify({ doi: "10.5555/tides.7" }, document)).toMatchObject({ identity: "unknown", by: "doi" })
  })

  it("with its title is known by its DOI also behind that of another", () => {
    const document = said(`${TITLE}\ncontinues doi:10.5555/other.2\n${BODY}\ndoi:10.5555/wanted.1`)
    expect(identify({ doi: "10.5555/wanted.1", title: TITLE }, document)).toMatchObject({
      identity: "confirmed",
      by: "doi"
    })
  })

  it("whose title goes on is known by its DOI before others, and not by one that it cites", () => {
    const wanted = { doi: "10.5555/wanted.1", title: "Machine Learning" }
    const own = said(`doi:10.5555/wanted.1\nMachine Learn-\ning: a Survey\n${BODY}\nData: doi:10.5555/data.2`)
    expect(identify(wanted, own)).toMatchObject({ identity: "confirmed", by: "doi" })
    const citing = said(`Limits of machine learning\nas in doi:10.5555/wanted.1\n${BODY}\ndoi:10.5555/own.2`)
    expect(identify(wanted, citing).identity).not.toBe("confirmed")
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
