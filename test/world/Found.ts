/** Scenes of works that are found: by each of the services, by their own URL, over redirects. */
import * as Behaviour from "../../src/demo/Behaviour.ts"
import { sample } from "../resolver/Asking.ts"
import { page, paper, served } from "./Ground.ts"
import type { Services } from "./Services.ts"
import { byDoi, doiOf, done, error, right, type Scene, type Scenes, single, type Stage } from "./Works.ts"

/** A work by DOI that one service knows, and no other. */
const foundBy =
  (host: string, know: (services: Services, doi: string, url: string) => void): Scene =>
  ({ ground, n, services }) => {
    const doi = doiOf(n)
    const document = right(doi)
    const url = ground.put(host, `/files/${n}`, served(document, "application/octet-stream"))
    know(services, doi, url)
    return byDoi(doi, n, done(document, url))
  }

/** A page about a work, with the tags publishers put there. */
const landing = ({ ground, n }: Stage, doi: string, url: string): string =>
  ground.put(
    "journal.example.org",
    `/article/${n}`,
    page(
      sample("landing_page/highwire.html")
        .replaceAll("10.5555/landing.1", doi)
        .replaceAll("https://journal.example.org/content/1/1/1.full.pdf", url)
    )
  )

const byLanding =
  (know: (services: Services, doi: string, landingUrl: string) => void): Scene =>
  (stage) => {
    const { ground, n, services } = stage
    const doi = doiOf(n)
    const document = right(doi)
    const url = ground.put("journal.example.org", `/pdf/${n}`, served(document))
    know(services, doi, landing(stage, doi, url))
    return byDoi(doi, n, done(document, url))
  }

export const FOUND: Scenes = {
  "unpaywall names it": [88, single("press.example.org", served)],
  "OpenAlex names it": [12, foundBy("repo.example.org", (all, doi, url) => all.openalex(`doi:${doi}`, url))],
  "Crossref names it": [12, foundBy("repo.example.org", (all, doi, url) => all.crossref(doi, url))],
  "Semantic Scholar names it": [
    12,
    foundBy("repo.example.org", (all, doi, url) => all.semanticScholar(doi, url))
  ],
  "HAL names it": [10, foundBy("archive.example.org", (all, doi, url) => all.hal(doi, url))],
  "CORE names it": [10, foundBy("archive.example.org", (all, doi, url) => all.core(doi, url))],
  "OpenAIRE names it": [10, foundBy("archive.example.org", (all, doi, url) => all.openaire(doi, url))],
  "DOAJ names its page": [10, byLanding((all, doi, url) => all.doaj(doi, url))],
  "its DOI leads to its page": [10, byLanding((all, doi, url) => all.doiRedirect(doi, url))],
  "Europe PMC has it": [
    12,
    ({ n, services }) => {
      const doi = doiOf(n)
      const document = right(doi)
      return byDoi(doi, n, done(document, services.europePmc({ doi }, `PMC${700_000 + n}`, served(document))))
    }
  ],
  "a PMCID is in the bucket": [
    14,
    ({ n, services }) => {
      const pmcid = `PMC${100_000 + n}`
      const document = right(doiOf(n))
      const from = services.bucket(pmcid, document, served(document, "binary/octet-stream"))
      return {
        written: n % 2 === 0 ? pmcid : `https://pmc.ncbi.nlm.nih.gov/articles/${pmcid}/`,
        id: `pmcid:${pmcid}`,
        ending: done(document, from)
      }
    }
  ],
  "a PMID is converted": [
    14,
    ({ n, services }) => {
      const [pmid, pmcid] = [String(30_000_000 + n), `PMC${200_000 + n}`]
      const document = right(doiOf(n))
      services.converter(pmid, pmcid)
      const from = services.bucket(pmcid, document, served(document, "binary/octet-stream"))
      return { written: `pmid:${pmid}`, id: `pmid:${pmid}`, ending: done(document, from) }
    }
  ],
  "arXiv has it": [
    20,
    ({ n, services }) => {
      const id = `2401.${String(n).padStart(5, "0")}`
      const document = paper([`A preprint on ${n} subjects`, `arXiv:${id}v1 [cs.DL] 3 Jan 2024`])
      const from = services.arxiv(id, served(document))
      return {
        written: n % 2 === 0 ? `arXiv:${id}` : `https://arxiv.org/abs/${id}`,
        id: `arxiv:${id}`,
        ending: done(document, from)
      }
    }
  ],
  "arXiv has withdrawn it": [
    4,
    ({ n, services }) => {
      const id = `2402.${String(n).padStart(5, "0")}`
      services.arxiv(id)
      return { written: `arxiv:${id}`, id: `arxiv:${id}`, ending: error("http-404") }
    }
  ],
  "an OpenAlex id": [
    14,
    ({ ground, n, services }) => {
      const id = `W${2_000_000_000 + n}`
      const document = right(doiOf(n))
      const url = ground.put("repo.example.org", `/files/${n}`, served(document))
      services.openalex(id, url)
      return {
        written: n % 2 === 0 ? id : `https://openalex.org/${id}`,
        id: `openalex:${id}`,
        ending: done(document, url)
      }
    }
  ],
  "Zenodo has it": [
    10,
    ({ n, services }) => {
      const doi = `10.5281/zenodo.${7_000_000 + 2 * n}`
      const document = right(doi)
      return byDoi(doi, n, done(document, services.zenodo(7_000_000 + 2 * n, document, served(document))))
    }
  ],
  "Figshare sends on to its store": [
    10,
    ({ ground, n, services }) => {
      const doi = `10.6084/m9.figshare.${8_000_000 + n}.v1`
      const document = right(doi)
      const url = ground.put("store.example.org", `/signed/${n}?key=secret`, served(document))
      services.figshare(
        8_000_000 + n,
        document,
        ground.put("download.example.org", `/files/${n}`, Behaviour.redirect(url))
      )
      return byDoi(doi, n, done(document, url))
    }
  ],
  "OSF has it": [
    10,
    ({ ground, n, services }) => {
      const guid = `w${String(n).padStart(4, "0")}`
      const doi = `10.31219/osf.io/${guid}`
      const document = right(doi)
      const url = ground.put("store.example.org", `/osf/${n}`, served(document))
      services.osf(guid, document, url)
      return byDoi(doi, n, done(document, url))
    }
  ],
  "only the archive has it still": [
    10,
    ({ ground, n, services }) => {
      const doi = doiOf(n)
      const document = right(doi)
      const url = ground.put("gone.example.org", `/old/${n}.pdf`, Behaviour.status(n % 2 === 0 ? 404 : 410))
      services.unpaywall(doi, url)
      return byDoi(doi, n, done(document, services.wayback(url, served(document))))
    }
  ],
  "a URL": [
    24,
    ({ ground, n }) => {
      const document = paper([`A report without an identifier, number ${n}`])
      const url = ground.put("reports.example.org", `/report-${n}.pdf`, served(document))
      return { written: url, id: url, ending: done(document, url) }
    }
  ],
  "redirects over hosts": [
    10,
    ({ ground, n, services }) => {
      const doi = doiOf(n)
      const document = right(doi)
      const url = ground.put("store.example.org", `/last/${n}`, served(document))
      const second = ground.put("hop.example.org", `/second/${n}`, Behaviour.redirect(url, 307))
      services.unpaywall(
        doi,
        ground.put("link.example.org", `/first/${n}.pdf`, Behaviour.redirect(second, 301))
      )
      return byDoi(doi, n, done(document, url))
    }
  ]
}
