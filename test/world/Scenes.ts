/**
 * What happens to works in a world: for each way to be found and each thing that goes wrong on the way a scene, which
 * puts one work into the world and says how it has to end.
 */
import * as Behaviour from "../../src/demo/Behaviour.ts"
import { sample } from "../resolver/Asking.ts"
import { type Ground, page, type Paper, paper, served } from "./Ground.ts"
import { HOSTS, type Services } from "./Services.ts"

/** How a work has to end: with this document, from this place; or with a reason. */
export type Ending =
  | { readonly state: "done"; readonly document: Paper; readonly from: string }
  | { readonly state: "error" | "skipped"; readonly reason: string }

/** A work, as it is written in the list. */
export interface Wanted {
  readonly written: string
  /** The id its job has. */
  readonly id: string
  readonly ending: Ending
}

/** Where a scene plays. */
export interface Stage {
  readonly ground: Ground
  readonly services: Services
  /** Counts the works of the world, from 1. */
  readonly n: number
}

export type Scene = (stage: Stage) => Wanted

const done = (document: Paper, from: string): Ending => ({ state: "done", document, from })
const error = (reason: string): Ending => ({ state: "error", reason })

// ---------------------------------------------------------------------------------------------------------------
// Works
// ---------------------------------------------------------------------------------------------------------------

const doiOf = (n: number): string => `10.5555/world.${n}`

/** Some of the ways in which one DOI is written. */
const DOI_FORMS: ReadonlyArray<(doi: string) => string> = [
  (doi) => doi,
  (doi) => `doi:${doi}`,
  (doi) => `https://doi.org/${doi}`,
  (doi) => `http://dx.doi.org/${doi.toUpperCase()}`,
  (doi) => `DOI: ${doi}`,
  (doi) => `https://doi.org/${encodeURIComponent(doi)}`
]

export const written = (doi: string, n: number): string => (DOI_FORMS[n % DOI_FORMS.length] ?? String)(doi)

const byDoi = (doi: string, n: number, ending: Ending): Wanted => ({
  written: written(doi, n),
  id: `doi:${doi}`,
  ending
})

/** The work of a DOI, as it should be. */
const right = (doi: string, options?: Parameters<typeof paper>[1]): Paper =>
  paper([`The measurement of ${doi.replaceAll(/\D/g, " ")} things`, `doi:${doi}`], options)

/** A work that somebody else wrote. */
const other = (n: number): Paper => paper([`Something else altogether, part ${n}`, `doi:10.5555/other.${n}`])

const cover = (doi: string): Paper =>
  paper(
    [
      `doi:${doi}`,
      "This is the author's accepted manuscript. To cite this document, please cite the published version.",
      "Downloaded from the institutional repository. General rights and terms of use apply.",
      "Full text is available from the publisher."
    ],
    { pages: 1 }
  )

/** A work by DOI of which Unpaywall names one file, on a host with this behaviour at its path. */
const single =
  (host: string, what: (document: Paper) => Behaviour.Behaviour, ending?: (url: string) => Ending): Scene =>
  ({ ground, n, services }) => {
    const doi = doiOf(n)
    const document = right(doi)
    const url = ground.put(host, `/content/${n}.pdf`, what(document))
    services.unpaywall(doi, url)
    return byDoi(doi, n, ending?.(url) ?? done(document, url))
  }

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

/** A page in the place of a PDF; `called`: what it says that it is. */
const pageInstead = (file: string, called = "text/html", status = 200) => page(sample(file), called, status)

const CONSENT =
  "<!DOCTYPE html><html><head><title>Before you continue</title></head><body><h1>We value your privacy</h1>" +
  "<form><button>Accept all cookies</button></form></body></html>"

// ---------------------------------------------------------------------------------------------------------------
// Scenes
// ---------------------------------------------------------------------------------------------------------------

/** Who fails for a work alone has a host alone: a host that fails again and again is left alone, which is not meant here. */
const ownHost =
  (name: string, scene: (host: string) => Scene): Scene =>
  (stage) =>
    scene(`${name}-${stage.n}.example.org`)(stage)

/** Larger than what is left for another try at least. */
const LARGE = 2_500_000

/** By name, each with the times it is played. */
export const SCENES: Readonly<Record<string, readonly [times: number, scene: Scene]>> = {
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
  "a URL that isn't there": [
    8,
    ({ ground, n }) => {
      const url = ground.put("reports.example.org", `/missing-${n}.pdf`, Behaviour.status(404))
      return { written: url, id: url, ending: error("http-404") }
    }
  ],
  "a URL behind a login": [
    6,
    ({ ground, n }) => {
      const url = ground.put(
        "reports.example.org",
        `/closed-${n}.pdf`,
        pageInstead("landing_page/login_instead_of_pdf.html")
      )
      return { written: url, id: url, ending: error("login-page") }
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
  ],
  "redirects in a circle": [
    6,
    single(
      "circle.example.org",
      () => Behaviour.redirect("{path}"),
      () => error("redirect-loop")
    )
  ],
  "a challenge at the publisher, a copy elsewhere": [
    10,
    ownHost("guarded", (host) => ({ ground, n, services }) => {
      const doi = doiOf(n)
      const document = right(doi)
      const url = ground.put("repo.example.org", `/files/${n}`, served(document))
      services.unpaywall(
        doi,
        ground.put(host, `/doi/pdf/${n}`, pageInstead("landing_page/challenge_403.html", "text/html", 403)),
        url
      )
      return byDoi(doi, n, done(document, url))
    })
  ],
  "a challenge that calls itself a PDF": [
    6,
    ownHost("posing", (host) =>
      single(
        host,
        () => pageInstead("pmc/preparing_to_download.html", "application/pdf"),
        () => error("challenge")
      )
    )
  ],
  "a login page": [
    8,
    single(
      "pay.example.org",
      () => pageInstead("landing_page/login_instead_of_pdf.html"),
      () => error("login-page")
    )
  ],
  "a login page that calls itself a PDF": [
    8,
    single(
      "pay.example.org",
      () => Behaviour.htmlForPdf("application/pdf"),
      () => error("login-page")
    )
  ],
  "a page that asks for consent": [
    6,
    single(
      "pay.example.org",
      () => page(CONSENT),
      () => error("consent-page")
    )
  ],
  "a cover sheet": [
    8,
    ({ ground, n, services }) => {
      const doi = doiOf(n)
      services.unpaywall(doi, ground.put("sheets.example.org", `/${n}.pdf`, served(cover(doi))))
      return byDoi(doi, n, error("cover-sheet"))
    }
  ],
  "the wrong paper": [
    10,
    single(
      "mixed-up.example.org",
      (document) => served(other(document.bytes.length)),
      () => error("wrong-document")
    )
  ],
  "the wrong paper first, the right one elsewhere": [
    10,
    ({ ground, n, services }) => {
      const doi = doiOf(n)
      const document = right(doi)
      services.unpaywall(doi, ground.put("mixed-up.example.org", `/${n}.pdf`, served(other(n))))
      const url = ground.put("repo.example.org", `/files/${n}`, served(document))
      services.openalex(`doi:${doi}`, url)
      return byDoi(doi, n, done(document, url))
    }
  ],
  "429 with seconds": [6, single("busy.example.org", served)],
  "429 with a date": [6, single("dated.example.org", served)],
  "503 that passes": [
    6,
    ownHost("tired", (host) => single(host, (document) => Behaviour.flaky5xx(1, served(document))))
  ],
  "a reset that passes": [
    6,
    ownHost("shaky", (host) => single(host, (document) => Behaviour.resets(1, served(document), "body")))
  ],
  "a body that stalls once": [
    4,
    ownHost("stuck", (host) =>
      single(host, (document) => Behaviour.tries(1, Behaviour.stalled(served(document)), served(document)))
    )
  ],
  "a body cut short of its length, once": [
    6,
    ownHost("cut", (host) =>
      single(host, (document) => Behaviour.tries(1, Behaviour.truncated(served(document)), served(document)))
    )
  ],
  "a body cut short without a length, once": [
    6,
    ownHost("torn", (host) =>
      single(host, (document) =>
        Behaviour.tries(
          1,
          Behaviour.unsized(
            served({ ...document, bytes: document.bytes.subarray(0, document.bytes.length / 2) })
          ),
          served(document)
        )
      )
    )
  ],
  "an empty body": [
    6,
    single(
      "empty.example.org",
      () => page("", "application/pdf"),
      () => error("empty-body")
    )
  ],
  "a file that is another one at the second try": [
    4,
    ownHost("changing", (host) => ({ ground, n, services }) => {
      const doi = doiOf(n)
      const [before, after] = [right(doi, { padding: LARGE }), right(doi, { padding: LARGE + 1 })]
      const url = ground.put(
        host,
        `/${n}.pdf`,
        Behaviour.tries(1, Behaviour.resetInBody(served(before)), served(after))
      )
      services.unpaywall(doi, url)
      return byDoi(doi, n, done(after, url))
    })
  ],
  "a file that is gone on with": [
    4,
    ownHost("steady", (host) => ({ ground, n, services }) => {
      const doi = doiOf(n)
      const document = right(doi, { padding: LARGE })
      const url = ground.put(host, `/${n}.pdf`, Behaviour.resets(1, served(document), "body"))
      services.unpaywall(doi, url)
      return byDoi(doi, n, done(document, url))
    })
  ],
  "rules that forbid it": [6, single("forbidding.example.org", served, () => error("robots-disallowed"))],
  "no open copy": [
    14,
    ({ n, services }) => {
      const doi = doiOf(n)
      services.closed(doi)
      return byDoi(doi, n, error("no-candidates"))
    }
  ],
  "nobody knows it": [14, ({ n }) => byDoi(doiOf(n), n, error("no-candidates"))]
}

/** Who refuses at first, and how that is said: each is asked by one at a time. Longer than any wait of our own. */
export const REFUSING: Readonly<Record<string, Behaviour.RetryAfter>> = {
  "busy.example.org": { seconds: 2, form: "seconds" },
  "dated.example.org": { seconds: 3, form: "date" },
  [HOSTS.figshare]: { seconds: 2, form: "seconds" },
  [HOSTS.osf]: { seconds: 3, form: "date" }
}

/** So long an answer takes: it shows how many are under way at once. */
const ANSWERS_AFTER_MS = 4

const ROBOTS: Readonly<Record<string, Behaviour.Behaviour>> = {
  "forbidding.example.org": page("User-agent: *\nDisallow: /content/\n", "text/plain")
}

/** What a host does around all it has. */
export const habits =
  (host: string) =>
  (inner: Behaviour.Behaviour): Behaviour.Behaviour => {
    const retryAfter = REFUSING[host]
    const answers = Behaviour.delayed(ANSWERS_AFTER_MS, inner)
    return Behaviour.routes(
      { "/robots.txt": ROBOTS[host] ?? Behaviour.status(404) },
      retryAfter === undefined ? answers : Behaviour.rateLimited({ first: 2, retryAfter }, answers)
    )
  }
