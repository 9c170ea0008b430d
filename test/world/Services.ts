/**
 * The seventeen services of a world, over HTTP: each answers the documented request with the shape of a recorded answer,
 * and that it doesn't know the work to any other.
 */
import * as Behaviour from "../../src/demo/Behaviour.ts"
import { sample } from "../resolver/Asking.ts"
import type { Ground, Paper } from "./Ground.ts"

/** Whoever asks. */
export const CONTACT = "someone@example.org"

/** The hosts of the services. */
export const HOSTS = {
  unpaywall: "unpaywall.example.org",
  openalex: "openalex.example.org",
  europe_pmc: "europepmc.example.org",
  crossref: "crossref.example.org",
  arxiv: "arxiv.example.org",
  arxiv_api: "arxiv-api.example.org",
  pmc: "pmc.example.org",
  bucket: "pmc-bucket.example.org",
  doaj: "doaj.example.org",
  semantic_scholar: "semanticscholar.example.org",
  core: "core.example.org",
  zenodo: "zenodo.example.org",
  figshare: "figshare.example.org",
  osf: "osf.example.org",
  hal: "hal.example.org",
  openaire: "openaire.example.org",
  doi_redirect: "doi.example.org",
  wayback: "wayback.example.org"
} as const

/** Addresses that identify, and that nobody asks for a file. */
const IDENTIFIES = /^https?:\/\/(?:openalex\.org|creativecommons\.org|vocabularies\.|purl\.org)/

/** Where an address leads if it leads anywhere. */
const isOutside = (text: string): boolean =>
  /^https?:\/\//.test(text) && !IDENTIFIES.test(text) && !/^http:\/\/[\w.-]+\.example\.org:\d+\//.test(text)

const withoutOutside = (_key: string, value: unknown): unknown =>
  typeof value === "string" && isOutside(value) ? null : value

/**
 * An answer in the shape of a recorded one, about another work: these texts of it are exchanged, and addresses that
 * lead out of the world are left out.
 */
const shaped = (
  file: string,
  exchanged: Readonly<Record<string, string | number>> = {},
  status = 200
): Behaviour.Respond => {
  // The longest first: others may be a part of it.
  const texts = Object.entries(exchanged).toSorted(([a], [b]) => b.length - a.length)
  const text = texts.reduce((rest, [from, to]) => {
    if (!rest.includes(from)) throw new Error(`${file} has no ${from}`)
    return rest.replaceAll(from, String(to))
  }, sample(file))
  const kind = file.slice(file.lastIndexOf(".") + 1)
  const json = kind === "json"
  return Behaviour.respond({
    status,
    headers: { "content-type": kind === "html" ? "text/html; charset=utf-8" : `application/${kind}` },
    body: json ? JSON.stringify(JSON.parse(text, withoutOutside)) : text
  })
}

const encode = encodeURIComponent
const quoted = (field: string, doi: string): string => encode(`${field}:"${doi}"`)

/** What a work is called in a path. */
type Key = { readonly doi: string } | { readonly pmid: string } | { readonly pmcid: string }

/** How Europe PMC is asked for it. */
const europePmc = (key: Key): string =>
  encode(
    "doi" in key
      ? `DOI:"${key.doi}"`
      : "pmid" in key
        ? `EXT_ID:${key.pmid} AND SRC:MED`
        : `PMCID:${key.pmcid}`
  )

/** What the services of a ground come to know. Each of these says that a service knows a file, at this URL. */
export const make = (ground: Ground) => {
  const { put } = ground
  const nowhere = (host: string, unknown: Behaviour.Behaviour) => void put(host, "/*", unknown)
  nowhere(HOSTS.unpaywall, shaped("unpaywall/not_found_404.json", {}, 404))
  nowhere(HOSTS.openalex, shaped("openalex/not_found_404.html", {}, 404))
  nowhere(HOSTS.crossref, Behaviour.respond({ status: 404, body: "Resource not found." }))
  nowhere(HOSTS.doaj, shaped("doaj/not_found.json"))
  nowhere(HOSTS.semantic_scholar, shaped("semantic_scholar/not_found_404.json", {}, 404))
  nowhere(HOSTS.core, shaped("core/not_found.json"))
  nowhere(HOSTS.hal, shaped("hal/not_found.json"))
  nowhere(HOSTS.openaire, shaped("openaire/not_found.json"))
  nowhere(HOSTS.doi_redirect, shaped("doi_redirect/not_found_404.html", {}, 404))
  nowhere(HOSTS.figshare, shaped("figshare/not_found_404.json", {}, 404))
  nowhere(HOSTS.osf, shaped("osf/not_found_404.json", {}, 404))
  put(HOSTS.europe_pmc, "/rest/*", shaped("europe_pmc/not_found.json"))
  put(HOSTS.wayback, "/cdx/*", shaped("wayback/cdx_empty.json"))
  put(HOSTS.pmc, "/tools/*", shaped("pmc/idconv_not_in_pmc.json"))
  put(HOSTS.bucket, "/?list-type=2*", shaped("pmc/cloud_no_versions.xml"))
  put(HOSTS.arxiv_api, "/api/query*", shaped("arxiv/no_results.xml"))

  return {
    /** `spare`: another copy, a repository's, submitted. */
    unpaywall: (doi: string, url: string, spare?: string) =>
      put(
        HOSTS.unpaywall,
        `/v2/${doi}`,
        shaped("unpaywall/oa_pdf.json", {
          "https://www.nature.com/articles/nature12373.pdf": url,
          "10.1038/nature12373": doi,
          ...(spare === undefined ? {} : { "https://arxiv.org/pdf/1304.1068": spare })
        })
      ),
    /** The work is known, and there is no open copy. */
    closed: (doi: string) =>
      put(
        HOSTS.unpaywall,
        `/v2/${doi}`,
        shaped("unpaywall/closed.json", { "10.1016/j.neucom.2021.03.091": doi })
      ),
    /** `id`: `W123`, or `doi:10...`. */
    openalex: (id: string, url: string) =>
      put(
        HOSTS.openalex,
        `/works/${id}?select=id,doi,best_oa_location,locations`,
        shaped("openalex/oa_pdf.json", {
          "https://www.nature.com/articles/nature12373.pdf": url,
          "10.1038/nature12373": id.startsWith("doi:") ? id.slice("doi:".length) : "10.5555/any"
        })
      ),
    /** The file is where the answer's PMCID says, at this path of the service's own host. */
    europePmc: (key: Key, pmcid: string, file: Behaviour.Behaviour) => {
      put(
        HOSTS.europe_pmc,
        `/rest/search?query=${europePmc(key)}&resultType=core&format=json&pageSize=3`,
        shaped("europe_pmc/oa_pdf.json", {
          "10.3390/biomimetics11020103": "doi" in key ? key.doi : "10.5555/any",
          PMC12938590: pmcid,
          "41744547": "pmid" in key ? key.pmid : "1"
        })
      )
      return put(HOSTS.europe_pmc, `/articles/${pmcid}?pdf=render`, file)
    },
    crossref: (doi: string, url: string) =>
      put(
        HOSTS.crossref,
        `/v1/works/${encode(doi)}`,
        shaped("crossref/oa_pdf.json", {
          "https://www.nature.com/articles/s41598-026-43147-x.pdf": url,
          "10.1038/s41598-026-43147-x": doi
        })
      ),
    /** The paper is listed; its file may be there or not. */
    arxiv: (id: string, file?: Behaviour.Behaviour) => {
      put(
        HOSTS.arxiv_api,
        `/api/query?id_list=${encode(id)}&max_results=1`,
        shaped("arxiv/entry.xml", { "1605.08386": id })
      )
      return file === undefined ? "" : put(HOSTS.arxiv, `/pdf/${id}v1`, file)
    },
    /** The converter knows the PMCID of a PMID. */
    converter: (pmid: string, pmcid: string) =>
      put(
        HOSTS.pmc,
        `/tools/idconv/api/v1/articles/?ids=${pmid}&idtype=pmid&format=json&tool=contentdownload&email=${encode(CONTACT)}`,
        shaped("pmc/idconv_found.json", { PMC7759461: pmcid, "32939066": pmid })
      ),
    /** The bucket has the second version of an article, with the checksum of this document. */
    bucket: (pmcid: string, document: Paper, file: Behaviour.Behaviour) => {
      put(
        HOSTS.bucket,
        `/?list-type=2&prefix=${pmcid}.&delimiter=/`,
        shaped("pmc/cloud_versions.xml", { PMC11370360: pmcid })
      )
      put(
        HOSTS.bucket,
        `/metadata/${pmcid}.2.json`,
        shaped("pmc/cloud_metadata.json", {
          "PMC7759461.1": `${pmcid}.2`,
          PMC7759461: pmcid,
          "4b3fc3a0a63cf2c7c4df3cc1b3d3d25e": document.md5
        })
      )
      return put(HOSTS.bucket, `/${pmcid}.2/${pmcid}.2.pdf`, file)
    },
    doaj: (doi: string, landing: string) =>
      put(
        HOSTS.doaj,
        `/api/v4/search/articles/${encode(`doi:${doi}`)}`,
        shaped("doaj/html_link.json", {
          "https://www.frontiersin.org/articles/10.3389/fpsyg.2021.700180/full": landing,
          "10.3389/fpsyg.2021.700180": doi
        })
      ),
    semanticScholar: (doi: string, url: string) =>
      put(
        HOSTS.semantic_scholar,
        `/graph/v1/paper/DOI:${doi}`,
        shaped("semantic_scholar/oa_pdf.json", {
          "https://www.aclweb.org/anthology/N18-3011.pdf": url,
          "10.18653/v1/N18-3011": doi,
          '"ArXiv": "1805.02262",': ""
        })
      ),
    core: (doi: string, url: string) =>
      put(
        HOSTS.core,
        `/v3/search/works/?q=${quoted("doi", doi)}&limit=3`,
        shaped("core/oa_pdf.json", {
          "https://core.ac.uk/download/77610377.pdf": url,
          "https://repository.example.ac.uk/4711/1/paper.pdf": url,
          "10.1016/j.ejor.2016.01.017": doi
        })
      ),
    zenodo: (record: number, document: Paper, file: Behaviour.Behaviour) => {
      const path = `/api/records/${record}/files/v2n1a04.pdf/content`
      put(
        HOSTS.zenodo,
        `/api/records/${record}`,
        shaped("zenodo/record_pdf.json", {
          "https://zenodo.org/api/records/10635481/files/v2n1a04.pdf/content": ground.url(HOSTS.zenodo, path),
          "10635481": record,
          "10635480": record - 1,
          "472363": document.bytes.length,
          cd464ba5808b8e0e2ac5994824820cb4: document.md5
        })
      )
      return put(HOSTS.zenodo, path, file)
    },
    figshare: (article: number, document: Paper, url: string) =>
      put(
        HOSTS.figshare,
        `/v2/articles/${article}/versions/1`,
        shaped("figshare/article_pdf.json", {
          "https://ndownloader.figshare.com/files/3000002": url,
          "1434614": article,
          "1467486": document.bytes.length,
          "043a51806d646e88cafbf19e7b82846f": document.md5
        })
      ),
    osf: (guid: string, document: Paper, url: string) =>
      put(
        HOSTS.osf,
        `/v2/preprints/${guid}/`,
        shaped("osf/preprint_pdf.json", {
          "https://osf.io/download/5894204f594d900200ed23f2/": url,
          hqb2p_v1: guid,
          "512044": document.bytes.length,
          "7d793037a0760186574b0282f2f435e7": document.md5,
          "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae": document.sha256
        })
      ),
    hal: (doi: string, url: string) =>
      put(
        HOSTS.hal,
        `/search/?q=${quoted("doiId_s", doi)}&*`,
        shaped("hal/oa_pdf.json", {
          "https://hal.science/hal-04637647/document": url,
          "https://hal.science/hal-04637647/file/tutorial.pdf": url,
          "10.31219/osf.io/m6gcn": doi
        })
      ),
    openaire: (doi: string, url: string) =>
      put(
        HOSTS.openaire,
        `/graph/v3/research-products?pid=${encode(doi)}&type=publication&pageSize=5`,
        shaped("openaire/oa_pdf.json", {
          "https://repository.example.eu/bitstream/handle/1/2/paper.pdf?sequence=1&amp;isAllowed=y": url,
          "https://doi.org/10.1089/crispr.2020.0030": url,
          "10.1089/crispr.2020.0030": doi
        })
      ),
    doiRedirect: (doi: string, landing: string) =>
      put(HOSTS.doi_redirect, `/${encode(doi)}`, Behaviour.redirect(landing)),
    /** The archive has a copy of what stood at a URL. */
    wayback: (url: string, file: Behaviour.Behaviour) => {
      put(
        HOSTS.wayback,
        `/cdx/search/cdx?url=${encode(url)}&*`,
        shaped("wayback/cdx.json", { "https://example.org/paper.pdf": url })
      )
      return put(HOSTS.wayback, `/web/20220118125249id_/${url}`, file)
    }
  }
}

export type Services = ReturnType<typeof make>

/** The configuration's section `resolvers`, with every service in the world. */
export const settings = (ground: Pick<Ground, "url">) => {
  const at = (host: string, path = "") => ground.url(host, path)
  const limits = { max: 2, rate_per_second: 200, burst: 5 }
  return {
    unpaywall: { ...limits, base_url: at(HOSTS.unpaywall) },
    openalex: { ...limits, base_url: at(HOSTS.openalex) },
    europe_pmc: { ...limits, base_url: at(HOSTS.europe_pmc, "/rest"), files_url: at(HOSTS.europe_pmc) },
    crossref: { ...limits, base_url: at(HOSTS.crossref) },
    hal: { ...limits, base_url: at(HOSTS.hal) },
    arxiv: { ...limits, base_url: at(HOSTS.arxiv), export_url: at(HOSTS.arxiv_api), check: true },
    pmc: { ...limits, base_url: at(HOSTS.pmc), bucket_url: at(HOSTS.bucket) },
    doaj: { ...limits, base_url: at(HOSTS.doaj) },
    semantic_scholar: { ...limits, base_url: at(HOSTS.semantic_scholar) },
    core: { ...limits, base_url: at(HOSTS.core) },
    // So slow that its pace shows.
    zenodo: { max: 1, rate_per_second: 20, burst: 2, base_url: at(HOSTS.zenodo) },
    // One at a time: after a refusal nothing is under way.
    figshare: { ...limits, max: 1, base_url: at(HOSTS.figshare) },
    osf: { ...limits, max: 1, base_url: at(HOSTS.osf) },
    openaire: { ...limits, base_url: at(HOSTS.openaire) },
    doi_redirect: { ...limits, base_url: at(HOSTS.doi_redirect) },
    wayback: { max: 1, rate_per_second: 30, burst: 3, base_url: at(HOSTS.wayback) }
  }
}

/** What a service's host may be asked, if it is one. Its API and its files may be at different hosts of one service. */
export const limitsOf = (
  ground: Pick<Ground, "url">,
  host: string
): { readonly max: number; readonly rate_per_second: number; readonly burst: number } | undefined =>
  Object.values(settings(ground)).find((section) =>
    Object.values(section).some((value) => typeof value === "string" && new URL(value).hostname === host)
  )
