/** Every recorded answer of every service, given over real HTTP, is understood as its index says. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import * as Origin from "../../src/demo/Origin.ts"
import * as Http from "../../src/http/Http.ts"
import * as Page from "../../src/resolver/Page.ts"
import { isName, type Name } from "../../src/resolver/Registry.ts"
import { settings } from "../download/Rig.ts"
import { ask, type Options, sample } from "./Asking.ts"

interface Expected {
  readonly url: string
  readonly type: string
  readonly version?: string
  readonly license?: string | null
  readonly host_type?: string
  readonly md5?: string
  readonly sha256?: string
  readonly size?: number
}

interface Sample {
  readonly file: string | null
  readonly resolver: string
  readonly case: string
  readonly request: { readonly url: string }
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly outcome: string
  readonly candidates: ReadonlyArray<Expected>
}

const { samples }: { readonly samples: ReadonlyArray<Sample> } = JSON.parse(sample("index.json"))

const titled = (all: ReadonlyArray<Sample>) =>
  all.map((each) => [each.file ?? `${each.resolver} ${each.status}`, each] as const)

const answerOf = ({ file, headers, status }: Sample) =>
  Behaviour.respond({ status, headers, body: file === null ? "Resource not found." : sample(file) })

const json = (file: string) => Behaviour.respond({ body: sample(file) })

/** The identifier a sample was recorded for. */
const artifactOf = ({ file, request }: Sample): NonNullable<Options["artifact"]> => {
  const asked = decodeURIComponent(request.url)
  const pmcid = /PMC\d+/.exec(asked)?.[0]
  if (file?.startsWith("pmc/") === true && pmcid !== undefined) return { pmcid }
  const arxiv = /(?:ARXIV:|id_list=)([^&?]+)/.exec(asked)?.[1]
  if (arxiv !== undefined) return { arxiv }
  const record = /zenodo\.org\/api\/records\/(\d+)/.exec(asked)?.[1]
  if (record !== undefined) return { doi: `10.5281/zenodo.${record}` }
  const guid = /preprints\/([a-z0-9]{5,})\//.exec(asked)?.[1]
  if (guid !== undefined) return { doi: `10.31235/osf.io/${guid}` }
  const doi = /10\.\d{4,9}\/[^&?"]+/.exec(asked)?.[0].toLowerCase()
  return { doi: doi ?? "10.1038/nature12373" }
}

const bucket = (version: string, listing: Behaviour.Behaviour, metadata: Behaviour.Behaviour) =>
  Behaviour.routes({ [`/metadata/${version}.json`]: metadata, "/?list-type=2*": listing })

const listingOf = (prefix: string) =>
  Behaviour.respond({
    body: `<ListBucketResult><CommonPrefixes><Prefix>${prefix}/</Prefix></CommonPrefixes></ListBucketResult>`
  })

/** How a sample is asked for, where it isn't simply the answer to the first request. */
const special: Readonly<
  Record<string, (given: Sample) => Options & { readonly behaviour?: Behaviour.Behaviour }>
> = {
  "pmc/idconv_found.json": () => ({
    artifact: { doi: "10.1038/s41586-020-2649-2" },
    behaviour: Behaviour.routes({
      "/tools/*": json("pmc/idconv_found.json"),
      "/metadata/PMC7759461.1.json": json("pmc/cloud_metadata.json"),
      "/*": listingOf("PMC7759461.1")
    })
  }),
  "pmc/idconv_not_in_pmc.json": () => ({ artifact: { doi: "10.1016/j.neucom.2021.03.091" } }),
  "pmc/idconv_mixed_400.json": () => ({ artifact: { doi: "10.1038/s41586-020-2649-2" } }),
  "pmc/cloud_versions.xml": (given) => ({
    artifact: { pmcid: "PMC11370360" },
    behaviour: bucket(
      "PMC11370360.2",
      answerOf(given),
      Behaviour.json({ pmcid: "PMC11370360", pdf_url: "s3://pmc-oa-opendata/PMC11370360.2/x.pdf" })
    )
  }),
  "pmc/cloud_metadata.json": (given) => ({
    behaviour: bucket("PMC7759461.1", listingOf("PMC7759461.1"), answerOf(given))
  }),
  "pmc/cloud_metadata_no_pdf.json": (given) => ({
    behaviour: bucket("PMC9000001.1", listingOf("PMC9000001.1"), answerOf(given))
  }),
  "figshare/list_by_doi.json": (given) => ({
    artifact: { doi: "10.6084/m9.figshare.1434614.v1" },
    behaviour: Behaviour.routes({
      "/v2/articles/*": json("figshare/article_pdf.json"),
      "/*": answerOf(given)
    })
  }),
  "figshare/article_pdf.json": () => ({ artifact: { doi: "10.6084/m9.figshare.1434614" } }),
  "figshare/article_link_only.json": () => ({ artifact: { doi: "10.6084/m9.figshare.1434614" } }),
  "figshare/not_found_404.json": () => ({ artifact: { doi: "10.6084/m9.figshare.1" } }),
  "zenodo/files_listing.json": (given) => ({
    behaviour: Behaviour.routes({
      "/api/records/10635481/files": answerOf(given),
      "/*": Behaviour.json({
        id: 10635481,
        doi: "10.5281/zenodo.10635481",
        metadata: { access_right: "open" }
      })
    })
  }),
  "zenodo/search_pdf.json": () => ({
    artifact: { doi: "10.5281/zenodo.10635481" },
    behaviour: json("zenodo/record_pdf.json")
  }),
  "zenodo/record_unescaped_key.json": () => ({ artifact: { doi: "10.5281/zenodo.7956276" } }),
  "europe_pmc/oa_pdf.json": () => ({ section: { files_url: "https://europepmc.org" } }),
  "osf/filter_doi_400.json": () => ({ artifact: { doi: "10.31235/osf.io/hqb2p" } }),
  // What a wrong key is answered with.
  "semantic_scholar/forbidden_403.json": () => ({ env: { S2_API_KEY: "key-of-nobody" } }),
  "wayback/rate_429.html": () => ({ known: { failed: ["https://example.org/paper.pdf"] } }),
  "wayback/available.json": () => ({ section: { index: "available" } }),
  "wayback/none.json": () => ({ section: { index: "available" } }),
  "doi_redirect/handle_found.json": () => ({ section: { method: "handle" } }),
  "doi_redirect/handle_not_found_404.json": () => ({ section: { method: "handle" } })
}

const sections: Readonly<Partial<Record<Name, Options["section"]>>> = {
  arxiv: { check: true },
  pmc: { convert_dois: true },
  zenodo: { search: true },
  figshare: { search: true }
}

/** What an outcome of the index is called here. */
const OUTCOMES: Readonly<Record<string, string>> = {
  quota_exhausted: "rate_limited",
  bad_request: "failed",
  legacy: "failed"
}

/** Samples whose index tells of more than one answer, or of an interface that isn't used. */
const OTHER_OUTCOME: Readonly<Record<string, string>> = {
  "arxiv/bad_id_400.xml": "not_found",
  "pmc/oa_service_legacy_error.xml": "failed",
  "openaire/legacy_search.json": "failed",
  "pmc/idconv_found.json": "candidates",
  "pmc/cloud_versions.xml": "candidates",
  "figshare/list_by_doi.json": "candidates"
}

/** Not the answer of a service to a question, but a document that was downloaded. */
const DOCUMENTS = new Set(["europe_pmc/fulltext_xml.xml", "pmc/preparing_to_download.html"])

const services = samples.filter(
  ({ file, resolver }) => isName(resolver) && resolver !== "landing_page" && !DOCUMENTS.has(file ?? "")
)

/** A page is called `html` by those who know nothing more of it. */
const kinds: Readonly<Record<string, ReadonlyArray<string>>> = { html: ["html", "landing"] }

describe("an answer of a service", () => {
  it.live.each(titled(services))("%s", ([title, given]) =>
    Effect.gen(function* () {
      if (!isName(given.resolver)) return
      const own = special[title]?.(given) ?? {}
      const { documented, result } = yield* ask(given.resolver, own.behaviour ?? answerOf(given), {
        artifact: artifactOf(given),
        known: { failed: [/url=([^&]+)/.exec(given.request.url)?.[1] ?? ""].map(decodeURIComponent) },
        env: { CORE_API_KEY: "key-of-core" },
        ...own,
        section: { ...sections[given.resolver], ...own.section }
      })
      const outcome = OTHER_OUTCOME[title] ?? OUTCOMES[given.outcome] ?? given.outcome
      if (outcome !== "candidates" && outcome !== "landing") {
        expect(Either.isLeft(result) ? result.left.outcome : result.right).toBe(outcome)
        if (outcome === "rate_limited" && Either.isLeft(result)) expect(result.left.until).toBeDefined()
        return
      }
      const found = Either.getOrThrow(result)
      if (given.candidates.length === 0) return
      expect(found.map(({ url }) => documented(url))).toEqual(given.candidates.map(({ url }) => url))
      given.candidates.forEach(({ license, type, url: _url, ...known }, index) => {
        const { priority: _priority, signal: _signal, ...rest } = { priority: 0, signal: 0, ...known }
        expect(found[index]).toMatchObject(rest)
        expect(kinds[type] ?? [type]).toContain(found[index]?.kind)
        if (typeof license === "string") expect(found[index]?.license).toMatch(new RegExp(`^${license}`))
      })
    })
  )
})

describe("a landing page", () => {
  const pages = samples.filter(({ resolver, status }) => resolver === "landing_page" && status === 200)

  it.live.each(titled(pages))("%s", ([, given]) =>
    Effect.gen(function* () {
      const origin = yield* Origin.make({ otherwise: answerOf(given) })
      const http = yield* Http.make(settings("unused").http)
      const response = yield* http.get(origin.url("127.0.0.1", "/"), {}, "configuration")
      const page = Page.collector()
      yield* Effect.promise(async () => {
        for await (const chunk of response.body) page.write(chunk)
      })
      const read = Page.read(page.end(), {
        url: given.request.url,
        resolver: "landing_page",
        linkHeader: response.header("link")
      })
      expect(read.candidates.map(({ kind, url }) => ({ kind, url }))).toEqual(
        given.candidates.map(({ type, url }) => ({ kind: type, url }))
      )
      const [license] = given.candidates.flatMap((each) => each.license ?? [])
      expect(read.candidates[0]?.license).toBe(license)
      expect(read.leadsTo).toBe(
        given.outcome === "follow"
          ? "https://www.sciencedirect.com/science/article/pii/S092523122100477X"
          : undefined
      )
    }).pipe(Effect.scoped)
  )

  it("says in its headers, too, what it leads to", () => {
    const header =
      '<https://a.test/x.pdf>; rel="item"; type="application/pdf", <https://a.test/>; rel="author"'
    const signals = Page.collector().end()
    const { candidates } = Page.read(signals, { url: "https://a.test/1", resolver: "r", linkHeader: header })
    expect(candidates.map(({ url }) => url)).toEqual(["https://a.test/x.pdf"])
  })
})
