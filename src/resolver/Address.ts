/**
 * Addresses of copies: cleaned, and recognised where a host is known to need something special.
 */

const ENTITIES: Readonly<Record<string, string>> = {
  "&amp;": "&",
  "&#38;": "&",
  "&#x26;": "&",
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&#39;": "'"
}

/** A URL longer than this is no address of a paper. */
const MAX_LENGTH = 8192

/**
 * The URL as it will be asked for, or `undefined` if it can't be: HTML entities decoded, blanks and brackets encoded,
 * credentials and fragment dropped, http and https only. An arXiv abstract page becomes the PDF it is about. `base`:
 * what the URL is relative to.
 */
export const cleanUrl = (raw: string, base?: string): string | undefined => {
  if (raw.length > MAX_LENGTH) return undefined
  const text = raw.trim().replace(/&(?:amp|lt|gt|quot|#38|#39|#x26);/gi, (entity) => {
    return ENTITIES[entity.toLowerCase()] ?? entity
  })
  if (!URL.canParse(text, base)) return undefined
  const url = new URL(text, base)
  if (url.protocol !== "http:" && url.protocol !== "https:") return undefined
  url.hash = ""
  url.username = ""
  url.password = ""
  url.pathname = url.pathname.replace(/[[\]]/g, encodeURIComponent)
  if (/^(?:www\.)?arxiv\.org$/.test(url.hostname) && /^\/(?:abs|pdf)\//.test(url.pathname)) {
    return `https://arxiv.org/pdf/${url.pathname.slice("/abs/".length).replace(/(?:\.pdf|\/)+$/i, "")}`
  }
  return url.href
}

/** Whether the URL is a PDF at arXiv. */
export const isArxivPdf = (url: string): boolean => url.startsWith("https://arxiv.org/pdf/")

/** Whether the URL is one of doi.org, which leads to the page of a work. */
export const isDoiPage = (url: string): boolean => /^https?:\/\/(?:dx\.|www\.)?doi\.org\//i.test(url)

/** Whether the URL is a handle's, which repositories give to the pages of their items. */
export const isHandlePage = (url: string): boolean => /^https?:\/\/hdl\.handle\.net\//i.test(url)

/** Whether the path of a URL ends as those of PDFs do. Proves nothing, and its absence proves nothing either. */
export const hasPdfSuffix = (url: string): boolean =>
  URL.canParse(url) && /\.pdf$/i.test(new URL(url).pathname)

const PMC =
  /^https?:\/\/(?:pmc\.ncbi\.nlm\.nih\.gov|(?:www\.)?ncbi\.nlm\.nih\.gov\/(?:labs\/)?pmc)\/articles\/(?:PMC)?(\d+)(?:\.\d{1,2})?(\/pdf\b)?/i

/** The PMCID of an article's page at PMC. */
export const pmcidOfPage = (url: string): string | undefined => {
  const digits = PMC.exec(url)?.[1]
  return digits === undefined ? undefined : `PMC${digits}`
}

/**
 * The page of an article whose PDF this URL is, if it is one of PMC's own: those answer every program with a page that
 * checks for a human, which is an access control and not ours to solve. The files are open elsewhere: see `Pmc`.
 */
export const pmcPageOfBlocked = (url: string): string | undefined => {
  const [, digits, pdf] = PMC.exec(url) ?? []
  return digits === undefined || pdf === undefined
    ? undefined
    : `https://pmc.ncbi.nlm.nih.gov/articles/PMC${digits}/`
}

/** A path's part or a query's value with everything encoded that isn't plain, the slash too. */
export const encode = encodeURIComponent

/** A DOI as a path: its slashes stay, everything else that isn't plain is encoded. */
export const doiPath = (doi: string): string => doi.split("/").map(encodeURIComponent).join("/")

/** A base URL and a path that begins with a slash. */
export const at = (base: string, path: string): string => base.replace(/\/+$/, "") + path
