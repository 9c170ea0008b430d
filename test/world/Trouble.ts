/** Scenes of works on whose way something is wrong: what servers refuse, break off, mix up or put in their place. */
import * as Behaviour from "../../src/demo/Behaviour.ts"
import { sample } from "../resolver/Asking.ts"
import { page, served } from "./Ground.ts"
import { byDoi, cover, doiOf, done, error, other, right, type Scene, type Scenes, single } from "./Works.ts"

/** A page in the place of a PDF; `called`: what it says that it is. */
const pageInstead = (file: string, called = "text/html", status = 200) => page(sample(file), called, status)

const CONSENT =
  "<!DOCTYPE html><html><head><title>Before you continue</title></head><body><h1>We value your privacy</h1>" +
  "<form><button>Accept all cookies</button></form></body></html>"

/** Who fails for a work alone has a host alone: a host that fails again and again is left alone, which is not meant here. */
const ownHost =
  (name: string, scene: (host: string) => Scene): Scene =>
  (stage) =>
    scene(`${name}-${stage.n}.example.org`)(stage)

/** Larger than what is left for another try at least. */
const LARGE = 2_500_000

export const TROUBLE: Scenes = {
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
  "429 without a time": [3, single("curt.example.org", served)],
  "429 with a date": [3, single("dated.example.org", served)],
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
