/**
 * arXiv ids in one spelling: `2104.12255` or `astro-ph/0601001`, followed by `vN` only where a version was pinned.
 * Without a version one gets the latest, so a pinned one belongs to what is wanted.
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { doi } from "./Doi.ts"
import { isNo, visible } from "./Excerpt.ts"

// No form of an arXiv id is longer; it bounds what the patterns have to look at.
const MAX_LENGTH = 300

const arxivUrl = /^(?:https?:\/\/)?(?:[a-z]+\.)?arxiv\.org\/(?:abs|pdf)\/([^?#]+)/i
const arxivDoi = /^10\.48550\/arxiv\.(.+)$/
const newScheme = /^(\d\d)(0[1-9]|1[0-2])\.(\d{4,5})(?:v([1-9]\d{0,2}))?$/i
const oldScheme = /^([a-z-]+)(?:\.[a-z-]{2,})?\/(\d\d(?:0[1-9]|1[0-2])\d{3})(?:v([1-9]\d{0,2}))?$/i

// The archives that ever gave out ids of the old scheme, which ended in March 2007.
const archives = new Set(
  (
    "acc-phys adap-org alg-geom ao-sci astro-ph atom-ph bayes-an chao-dyn chem-ph cmp-lg comp-gas cond-mat cs " +
    "dg-ga funct-an gr-qc hep-ex hep-lat hep-ph hep-th math math-ph mtrl-th nlin nucl-ex nucl-th patt-sol physics " +
    "plasm-ph q-alg q-bio quant-ph solv-int supr-con"
  ).split(" ")
)

/** A paper, with the version if one was named. */
export type Paper = { readonly value: string; readonly version?: number }

/** An arXiv id as it stands in URLs: `2104.12255`, `astro-ph/0601001`, with `vN` if the text pinned a version. */
export const arxiv = (text: string): Either.Either<string, string> => {
  const paper = Option.orElse(arxivPaper(text), () =>
    Option.flatMap(Either.getRight(doi(text)), paperOfArxivDoi)
  )
  return Either.fromOption(Option.map(paper, pinned), () => isNo("arXiv id", text))
}

/** The paper an arXiv DOI stands for, as `arxiv` writes it; `None` for any other DOI. */
export const arxivOfDoi = (normalised: string): Option.Option<string> =>
  Option.map(paperOfArxivDoi(normalised), pinned)

/** A paper's id as it stands in URLs. */
export const pinned = (paper: Paper): string =>
  paper.version === undefined ? paper.value : `${paper.value}v${paper.version}`

/** The paper an arXiv DOI stands for; `None` for any other DOI. */
export const paperOfArxivDoi = (normalised: string): Option.Option<Paper> =>
  Option.flatMap(Option.fromNullable(arxivDoi.exec(normalised)?.[1]), arxivPaper)

/** The paper a text names by its arXiv id or its address there; not by its DOI. */
export const arxivPaper = (text: string): Option.Option<Paper> => {
  const trimmed = visible(text)
  if (trimmed.length > MAX_LENGTH) {
    return Option.none()
  }
  const path = arxivUrl.exec(trimmed)?.[1]
  const id =
    path === undefined
      ? trimmed
          .replace(/^(?:oai:arxiv\.org:|arxiv\s*:?\s*)/i, "")
          .replace(/[.,;]+$/, "")
          .replace(/\s+\[[a-z-]+(?:\.[a-z-]+)?\]$/i, "")
          .replace(/[.,;]$/, "")
      : path.replace(/\/$/, "").replace(/\.pdf$/i, "")

  const recent = newScheme.exec(id)
  if (recent !== null) {
    const [, year = "", month = "", number = "", version] = recent
    const since = `${year}${month}`
    // Four digits until the end of 2014, five from then on; the scheme began in April 2007.
    const digits = since < "1501" ? 4 : 5
    return since >= "0704" && number.length === digits
      ? Option.some(withVersion(`${since}.${number}`, version))
      : Option.none()
  }
  const [, archive = "", number = "", version] = oldScheme.exec(id) ?? []
  return archives.has(archive.toLowerCase())
    ? Option.some(withVersion(`${archive.toLowerCase()}/${number}`, version))
    : Option.none()
}

const withVersion = (value: string, version: string | undefined): Paper =>
  version === undefined ? { value } : { value, version: Number(version) }
