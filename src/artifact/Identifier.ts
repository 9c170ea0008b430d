/**
 * Identifiers in one spelling each: however a DOI, an arXiv id, a PMID, a PMCID, an OpenAlex id or a URL was
 * written, equal ones become the same string, and normalising that string again changes nothing. What isn't one is
 * refused with a reason of one line. Nothing here looks anything up.
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { arxivPaper, paperOfArxivDoi } from "./ArxivId.ts"
import { doi, doiLabel, doiUrl, webUrl } from "./Doi.ts"
import { excerpt, forbidden, isNo, visible } from "./Excerpt.ts"

export { arxiv, arxivOfDoi, pinned } from "./ArxivId.ts"
export { doi } from "./Doi.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** What a text was recognised as, with its normal spelling. */
export type Identifier =
  | { readonly kind: "doi" | "pmid" | "pmcid" | "openalex" | "url"; readonly value: string }
  | {
      readonly kind: "arxiv"
      /** Without the version. */
      readonly value: string
      /** Only if the text named one. */
      readonly version?: number
      /** The arXiv DOI, if the text was one. */
      readonly doi?: string
    }

/** The longest URL, in characters. */
export const MAX_URL_LENGTH = 8192

type Normalised = Either.Either<string, string>

// ---------------------------------------------------------------------------------------------------------------
// URL
// ---------------------------------------------------------------------------------------------------------------

// What joins letters belongs to words of some languages.
const unseen = /(?![\u200c\u200d])\p{Cf}/gu

/**
 * An absolute http or https URL as the URL standard writes it, without its fragment. A URL with a user name or a
 * password is refused: it would end up in logs and in the manifest.
 */
export const url = (text: string): Normalised => {
  const trimmed = text.replace(unseen, "").trim()
  if (trimmed.length > MAX_URL_LENGTH) {
    return Either.left(`a URL longer than ${MAX_URL_LENGTH} characters`)
  }
  if (forbidden.test(trimmed)) {
    return Either.left(`${excerpt(trimmed)} has control characters in it`)
  }
  return Either.flatMap(
    Either.try({
      try: () => new URL(trimmed),
      catch: () => `${excerpt(trimmed)} is no http:// or https:// URL`
    }),
    (parsed) => {
      if (parsed.protocol !== "http:" && parsed.protocol !== "https:") {
        return Either.left(`${excerpt(trimmed)}: only http and https URLs can be downloaded`)
      }
      if (parsed.username !== "" || parsed.password !== "") {
        return Either.left(`a URL of ${excerpt(parsed.host)} has a user name or password in it`)
      }
      parsed.hash = ""
      return Either.right(parsed.href)
    }
  )
}

// ---------------------------------------------------------------------------------------------------------------
// PMID, PMCID, OpenAlex
// ---------------------------------------------------------------------------------------------------------------

// No form of these is longer; it bounds what the patterns have to look at.
const MAX_FORM_LENGTH = 300

const pmidForms = [
  /^(?:info:pmid\/|(?:pmid|pubmed)\s*[:=]?)\s*0*([1-9]\d{0,8})$/i,
  /^(?:https?:\/\/)?(?:www\.)?pubmed\.ncbi\.nlm\.nih\.gov\/0*([1-9]\d{0,8})\/?(?:[?#].*)?$/i,
  /^(?:https?:\/\/)?(?:www\.)?ncbi\.nlm\.nih\.gov\/(?:m\/)?pubmed\/(?:\?term=)?0*([1-9]\d{0,8})\/?(?:[?#].*)?$/i,
  // PMC finds its articles by their PMIDs, too.
  /^(?:https?:\/\/)?(?:(?:www\.)?ncbi\.nlm\.nih\.gov\/pmc|pmc\.ncbi\.nlm\.nih\.gov)\/articles\/pmid\/0*([1-9]\d{0,8})\/?(?:[?#].*)?$/i,
  /^(?:https?:\/\/)?(?:www\.)?europepmc\.org\/(?:article|abstract)\/med\/0*([1-9]\d{0,8})\/?(?:#.*)?$/i
]

const pmcidForms = [
  // A version, as of articles that are reviewed in public, is the article's too.
  /^pmc(?:id)?\s*[:=]\s*(?:pmc)?\s*0*([1-9]\d{0,9})(?:\.\d{1,2})?$/i,
  /^pmc\s*0*([1-9]\d{0,9})(?:\.\d{1,2})?$/i,
  /^(?:https?:\/\/)?(?:(?:www\.)?ncbi\.nlm\.nih\.gov\/(?:labs\/)?pmc|pmc\.ncbi\.nlm\.nih\.gov)\/articles\/(?:pmc)?0*([1-9]\d{0,9})(?:\.\d{1,2})?(?:\/pdf(?:\/.*)?|\/)?(?:[?#].*)?$/i,
  // Not with a query: `?pdf=render` is the address of a file.
  /^(?:https?:\/\/)?(?:www\.)?europepmc\.org\/articles?\/(?:pmc\/(?:pmc)?|pmc)0*([1-9]\d{0,9})(?:\.\d{1,2})?\/?(?:#.*)?$/i
]

const openalexForms = [
  /^(?:openalex\s*[:=]\s*)?w([1-9]\d{0,14})$/i,
  // The address of a work may stand in that of the interface.
  /^(?:https?:\/\/)?(?:(?:www|api|explore)\.)?openalex\.org\/(?:works\/)?(?:https?:\/\/openalex\.org\/)?w([1-9]\d{0,14})\/?(?:[?#].*)?$/i
]

/** OpenAlex's interface takes works by the identifiers of others, too. */
const openalexOther =
  /^(?:https?:\/\/)?(?:www\.|api\.)?openalex\.org\/works\/((?:doi:|pmid:|pmcid:|https?:\/\/(?:doi\.org|(?:www\.|pubmed\.)?ncbi\.nlm\.nih\.gov)\/)[^?#]+)/i

/** What stands around an identifier in a sentence. */
const around = /^[([{<"'“‘]+|[)\]}>"'”’.,;]+$/g

/** A whole text in brackets or quotation marks, as URLs stand in texts. */
const wrapped = /^(?:<(.+)>|\((.+)\)|\[(.+)\]|"(.+)"|'(.+)'|“(.+)”|‘(.+)’)[.,;]?$/

// Some tables have made a fraction of it.
const bareNumber = /^\s*0*([1-9]\d{0,8})(?:\.0)?\s*$/

const firstMatch = (forms: ReadonlyArray<RegExp>, text: string): Option.Option<string> => {
  const trimmed = visible(text)
  if (trimmed.length > MAX_FORM_LENGTH) {
    return Option.none()
  }
  const bare = trimmed.replace(around, "")
  for (const form of forms) {
    const digits = form.exec(bare)?.[1]
    if (digits !== undefined) {
      return Option.some(digits)
    }
  }
  return Option.none()
}

/** A PMID: its digits. A bare number is one here, where the caller knows that a PMID is meant. */
export const pmid = (text: string): Normalised =>
  Either.fromOption(firstMatch([...pmidForms, bareNumber], text), () => isNo("PMID", text))

/** A PMCID with its prefix: `PMC7759461`. A bare number is one here, where the caller knows that a PMCID is meant. */
export const pmcid = (text: string): Normalised =>
  Either.fromOption(
    Option.map(firstMatch([...pmcidForms, bareNumber], text), (digits) => `PMC${digits}`),
    () => isNo("PMCID", text)
  )

/** An OpenAlex work: `W2032131498`. */
export const openalex = (text: string): Normalised =>
  Either.fromOption(
    Option.map(firstMatch(openalexForms, text), (digits) => `W${digits}`),
    () => isNo("OpenAlex work", text)
  )

// ---------------------------------------------------------------------------------------------------------------
// Any of them
// ---------------------------------------------------------------------------------------------------------------

/**
 * Says what a text is. The addresses of doi.org, arXiv (abstract, PDF), PubMed, PMC and OpenAlex are identifiers,
 * every other http(s) URL is itself, also one with a DOI in it. A bare number is refused: it could be anything.
 */
export const identify = (text: string): Either.Either<Identifier, string> => {
  const trimmed = text.trim()
  if (trimmed === "") {
    return Either.left("empty")
  }
  if (trimmed.length > MAX_URL_LENGTH) {
    return Either.left(`longer than ${MAX_URL_LENGTH} characters`)
  }
  if (forbidden.test(trimmed)) {
    return Either.left(`${excerpt(trimmed)} has control characters in it`)
  }
  return Option.match(known(visible(trimmed)), {
    onSome: Either.right,
    onNone: () => {
      const inside = wrapped.exec(trimmed)?.find((part, index) => index > 0 && part)
      if (inside === undefined) return urlOrReason(trimmed)
      const bare = inside.trim()
      return Option.match(known(visible(bare)), { onSome: Either.right, onNone: () => urlOrReason(bare) })
    }
  })
}

const known = (text: string): Option.Option<Identifier> => {
  const [, other] = text.length > MAX_FORM_LENGTH ? [] : (openalexOther.exec(text) ?? [])
  return other === undefined ? knownAsItIs(text) : knownAsItIs(other)
}

const knownAsItIs = (text: string): Option.Option<Identifier> =>
  (webUrl.test(text) && !doiUrl.test(text) && !/\s/.test(text)
    ? Option.none()
    : Either.getRight(doi(text))
  ).pipe(
    Option.map((value): Identifier =>
      Option.match(paperOfArxivDoi(value), {
        onNone: () => ({ kind: "doi", value }),
        onSome: (paper) => ({ kind: "arxiv", ...paper, doi: value })
      })
    ),
    Option.orElse(() => Option.map(arxivPaper(text), (paper): Identifier => ({ kind: "arxiv", ...paper }))),
    Option.orElse(() => numbered("pmcid", "PMC", firstMatch(pmcidForms, text))),
    Option.orElse(() => numbered("pmid", "", firstMatch(pmidForms, text))),
    Option.orElse(() => numbered("openalex", "W", firstMatch(openalexForms, text)))
  )

const numbered = (kind: "pmid" | "pmcid" | "openalex", prefix: string, digits: Option.Option<string>) =>
  Option.map(digits, (value): Identifier => ({ kind, value: `${prefix}${value}` }))

const labels: Record<string, string> = {
  arxiv: "arXiv id",
  pmid: "PMID",
  pmc: "PMCID",
  pmcid: "PMCID",
  openalex: "OpenAlex work"
}

const urlOrReason = (text: string): Either.Either<Identifier, string> => {
  if (webUrl.test(text) && !doiUrl.test(text)) {
    return /\s/.test(text)
      ? Either.left(`${excerpt(text)} has a space in it; one URL is expected`)
      : Either.flatMap(url(text), (value) =>
          // In its normal spelling it may be the address of a work.
          value === text ? Either.right({ kind: "url", value }) : identify(value)
        )
  }
  if (doiLabel.test(text) || doiUrl.test(text) || /^10\/|\b10\.\d{4,9}\//.test(text)) {
    return Either.left(
      Either.match(doi(text), { onLeft: (reason) => reason, onRight: () => isNo("DOI", text) })
    )
  }
  const label = /^([a-z]+)\s*:/i.exec(text)?.[1]?.toLowerCase() ?? ""
  if (Object.hasOwn(labels, label)) {
    return Either.left(isNo(labels[label] ?? label, text))
  }
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    return Either.left(`${excerpt(text)}: only http and https URLs can be downloaded`)
  }
  if (/^\d+$/.test(text)) {
    return Either.left(`${excerpt(text)} is a bare number; PMID:… or PMC… tells what it means`)
  }
  return Either.left(`${excerpt(text)} is neither a URL nor a DOI, arXiv id, PMID or PMCID`)
}
