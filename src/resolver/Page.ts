/**
 * From a page about a work to the files it names: by the metadata publishers and repositories put there for programs,
 * else by links that look like it. A page that names none is no error: it has no open copy.
 *
 * The order is that of trust: tags for scholarly search first, guesses from links last, and those only if there is
 * nothing better.
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { doi } from "../artifact/Doi.ts"
import { cleanUrl, hasPdfSuffix } from "./Address.ts"
import { type Candidate, type Copy, distinct, fromCopies } from "./Candidate.ts"
import { isAside } from "./Aside.ts"
import * as JsonLd from "./JsonLd.ts"
import type { Anchor, Link, Signals } from "./PageSignals.ts"

export { collector, type Collector, MAX_PAGE_BYTES } from "./PageSignals.ts"

/** What a page leads to. */
export interface Page {
  readonly candidates: ReadonlyArray<Candidate>
  /** The DOI of the work it says it is about, bare and in lower case. */
  readonly doi: string | undefined
  /** Another page that stands for this one. */
  readonly leadsTo: string | undefined
}

/** More guesses than this aren't worth their requests. */
const MAX_GUESSES = 3

const PDF_TYPE = /^application\/(?:x-)?pdf\b/

// ---------------------------------------------------------------------------------------------------------------
// Signals
// ---------------------------------------------------------------------------------------------------------------

const values = ({ meta }: Signals, name: string): ReadonlyArray<string> => meta.get(name) ?? []

const pdf = (url: string | undefined): Copy => ({ url, kind: "pdf" })

/** `<url>; rel="item"; type="application/pdf", …`, as Signposting has it. */
export const parseLinkHeader = (header: string): ReadonlyArray<Link> =>
  Array.from(header.slice(0, 16_384).matchAll(/<([^<>]*)>([^<]*)/g), ([, href = "", rest = ""]) => {
    const parameter = (name: string) =>
      new RegExp(`;\\s*${name}\\s*=\\s*(?:"([^"]*)"|([^\\s;,"]+))`, "i").exec(rest)
    const rel = parameter("rel")
    const type = parameter("type")
    return {
      href,
      rel: (rel?.[1] ?? rel?.[2] ?? "").toLowerCase().split(/\s+/),
      type: (type?.[1] ?? type?.[2] ?? "").toLowerCase()
    }
  })

const linked = (links: ReadonlyArray<Link>): ReadonlyArray<Copy> =>
  links
    .filter(({ rel, type }) => PDF_TYPE.test(type) && (rel.includes("alternate") || rel.includes("item")))
    .map(({ href }) => pdf(href))

const dublinCore = (signals: Signals): ReadonlyArray<Copy> => {
  const isPdf = [...values(signals, "dc.format"), ...values(signals, "dcterms.format")].some((format) =>
    PDF_TYPE.test(format.trim().toLowerCase())
  )
  const identifiers = [...values(signals, "dc.identifier"), ...values(signals, "dcterms.identifier")]
  return isPdf ? identifiers.filter((each) => /^https?:\/\//i.test(each.trim())).map(pdf) : []
}

// ---------------------------------------------------------------------------------------------------------------
// Guesses
// ---------------------------------------------------------------------------------------------------------------

const INVITES = /(?:^|[^a-z])(?:pdf|download)(?:[^a-z]|$)/i
const PATHS = /\.pdf(?:$|[?#])|\/pdf\/|\/bitstream\//i
const PAYS =
  /(?<![a-z])(?:buy|purchase|rent|(?:add-?to-?|shopping-?)?cart|subscri(?:b|ption)[a-z]*|login[a-z]*|log-in|sign-?in|register|checkout)(?![a-z])/i

/** The address of the file where the link leads to a viewer. */
const fileOf = (href: string, isOjs: boolean): string =>
  (isOjs ? href.replace(/\/article\/view\/([^/?#]+)\/([^/?#]+)/, "/article/download/$1/$2") : href).replace(
    /\/doi\/(?:epdf|reader)\//,
    "/doi/pdf/"
  )

const guesses = (anchors: ReadonlyArray<Anchor>, isOjs: boolean): ReadonlyArray<Copy> =>
  anchors
    .filter(({ href, words }) => {
      const all = `${words} ${href}`
      return (INVITES.test(words) || PATHS.test(href)) && !isAside(all) && !PAYS.test(all)
    })
    // A download without a word of its kind may be anything.
    .filter(({ href, words }) => PATHS.test(href) || /pdf/i.test(words))
    .toSorted((a, b) => Number(PATHS.test(b.href)) - Number(PATHS.test(a.href)))
    .map(({ href }) => pdf(fileOf(href, isOjs)))

// ---------------------------------------------------------------------------------------------------------------
// Reading
// ---------------------------------------------------------------------------------------------------------------

/** A link as an address: relative to the page, and as safe as the page is on the page's own host. */
const resolved = (href: string | null | undefined, base: string, pageUrl: string): string | undefined => {
  // Nothing is an address, too: that of the page.
  const url = (href ?? "").trim() === "" ? undefined : cleanUrl(href ?? "", base)
  if (url === undefined) return undefined
  const [link, page] = [new URL(url), new URL(pageUrl)]
  if (page.protocol === "https:" && link.protocol === "http:" && link.host === page.hostname) {
    link.protocol = "https:"
    return link.href
  }
  return url
}

/** Where a page leads on: some hand over the page they mean in a parameter. */
const leadsTo = (refresh: string | undefined, base: string): string | undefined => {
  const url = refresh === undefined ? undefined : cleanUrl(refresh, base)
  if (url === undefined) return undefined
  const meant = new URL(url).searchParams.get("Redirect")
  return (meant === null ? undefined : cleanUrl(meant)) ?? url
}

/**
 * What the page at `url` (after redirects) leads to. `header`: its HTTP headers, which may hold links as well;
 * `resolver`: who the candidates are from.
 */
export const read = (
  signals: Signals,
  page: { readonly url: string; readonly resolver: string; readonly linkHeader: string | undefined }
): Page => {
  const base = (signals.base === undefined ? undefined : cleanUrl(signals.base, page.url)) ?? page.url
  const isOjs = values(signals, "generator").some((generator) => /open journal systems/i.test(generator))
  const usable = (copies: ReadonlyArray<Copy>): ReadonlyArray<Candidate> =>
    fromCopies(
      page.resolver,
      copies.map((copy) => ({ ...copy, url: resolved(copy.url, base, page.url) }))
    ).filter(
      // A page may be the work itself, if pages are wanted.
      ({ kind, url }) => kind === "html" || (kind !== "landing" && url !== page.url && url !== base)
    )
  const first = (name: string) => usable(values(signals, name).map(pdf)).slice(0, 1)
  const told = [
    ...first("citation_pdf_url"),
    ...usable(
      values(signals, "eprints.document_url")
        .filter((url) => hasPdfSuffix(cleanUrl(url, base) ?? ""))
        .map(pdf)
    ).slice(0, 1),
    ...first("bepress_citation_pdf_url"),
    ...usable([
      ...linked([
        ...signals.links,
        ...(page.linkHeader === undefined ? [] : parseLinkHeader(page.linkHeader))
      ]),
      ...JsonLd.copies(signals.jsonLd),
      ...dublinCore(signals)
    ])
  ]
  const html = values(signals, "citation_fulltext_html_url")
    .slice(0, 1)
    .map((url): Copy => ({ url, kind: "html" }))
  const files = told.length > 0 ? told : usable(guesses(signals.anchors, isOjs)).slice(0, MAX_GUESSES)
  const named = values(signals, "citation_doi")[0]
  return {
    candidates: distinct([...files, ...usable(html)]),
    doi: Option.getOrUndefined(
      Option.flatMap(Option.fromNullable(named), (text) => Either.getRight(doi(text)))
    ),
    leadsTo: leadsTo(signals.refresh, base)
  }
}
