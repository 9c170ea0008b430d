/**
 * Europe PMC: free full texts of the life sciences, by DOI, PMID or PMCID.
 *
 * Its own copies render as PDF by `?pdf=render`. A row that says "subscription" proves nothing, and rows that lead to
 * PMC's own PDFs lead to a check for humans.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Artifact } from "../Artifact.ts"
import { baseUrl, key } from "../Setting.ts"
import { at, encode } from "./Address.ts"
import { type Copy, fromCopies } from "./Candidate.ts"
import { decoder, fail, list, maybe, orNone, sameDoi } from "./Decode.ts"
import { define } from "./Definition.ts"

const NAME = "europe_pmc"

// ---------------------------------------------------------------------------------------------------------------
// Answers
// ---------------------------------------------------------------------------------------------------------------

const Result = Schema.Struct({
  source: maybe(Schema.String),
  pmid: maybe(Schema.String),
  pmcid: maybe(Schema.String),
  doi: maybe(Schema.String),
  fullTextUrlList: maybe(
    Schema.Struct({
      fullTextUrl: list(
        Schema.Struct({
          availabilityCode: maybe(Schema.String),
          documentStyle: maybe(Schema.String),
          site: maybe(Schema.String),
          url: maybe(Schema.String)
        })
      )
    })
  ),
  isOpenAccess: maybe(Schema.String),
  inEPMC: maybe(Schema.String),
  hasPDF: maybe(Schema.String),
  license: maybe(Schema.String),
  authMan: maybe(Schema.String),
  epmcAuthMan: maybe(Schema.String),
  nihAuthMan: maybe(Schema.String)
})
type Result = typeof Result.Type

const decode = decoder(
  NAME,
  Schema.Struct({
    hitCount: Schema.Number,
    resultList: maybe(Schema.Struct({ result: list(Result) }))
  })
)

// ---------------------------------------------------------------------------------------------------------------
// Reading
// ---------------------------------------------------------------------------------------------------------------

const versionOf = ({ authMan, epmcAuthMan, nihAuthMan, source }: Result) => {
  if (source === "PPR") return "submittedVersion"
  return [authMan, epmcAuthMan, nihAuthMan].includes("Y") ? "acceptedVersion" : "publishedVersion"
}

const PMC_SITE = /^pubmed\s*central$/i
const PMCID = /^PMC\d+$/

const toCopies = (result: Result, settings: { readonly base_url: string; readonly files_url: string }) => {
  const about = { version: versionOf(result), license: result.license }
  const here = { ...about, host_type: "repository" }
  const rows = (result.fullTextUrlList?.fullTextUrl ?? []).filter(
    ({ availabilityCode, site }) =>
      (availabilityCode === "OA" || availabilityCode === "F") && !PMC_SITE.test(site ?? "")
  )
  const listed = (style: string, kind: Copy["kind"]) =>
    rows
      .filter(({ documentStyle }) => documentStyle === style)
      .map(({ site, url }): Copy => ({ url, kind, ...(site === "Europe_PMC" ? here : about) }))
  const { pmcid } = result
  const own = pmcid !== null && PMCID.test(pmcid) && result.inEPMC === "Y" ? pmcid : undefined
  return [
    ...listed("pdf", "pdf"),
    ...(own === undefined || result.hasPDF !== "Y"
      ? []
      : [{ url: at(settings.files_url, `/articles/${own}?pdf=render`), kind: "pdf", ...here } as const]),
    ...(own === undefined || result.isOpenAccess !== "Y"
      ? []
      : [{ url: at(settings.base_url, `/${own}/fullTextXML`), kind: "xml", ...here } as const]),
    ...listed("html", "html")
  ]
}

const isAbout = (result: Result, { doi, pmcid, pmid }: Artifact): boolean =>
  (doi !== undefined && result.doi !== null && sameDoi(result.doi, doi)) ||
  (pmid !== undefined && result.pmid === pmid) ||
  (pmcid !== undefined && result.pmcid === pmcid)

const queryOf = ({ doi, pmcid, pmid }: Artifact): string | undefined => {
  if (pmcid !== undefined) return `PMCID:${pmcid}`
  // In a quoted phrase only quotes and backslashes mean something.
  if (doi !== undefined) return `DOI:"${doi.replace(/["\\]/g, "\\$&")}"`
  return pmid === undefined ? undefined : `EXT_ID:${pmid} AND SRC:MED`
}

// ---------------------------------------------------------------------------------------------------------------
// Definition
// ---------------------------------------------------------------------------------------------------------------

export const definition = define({
  name: NAME,
  description: "Europe PMC: turns DOIs, PMIDs and PMCIDs into free full texts of the life sciences.",
  baseUrl: "https://www.ebi.ac.uk/europepmc/webservices/rest",
  limits: { max: 2, rate: 3, burst: 3 },
  own: Schema.Struct({
    files_url: key(baseUrl, "https://europepmc.org", "Where its PDFs are.")
  }),
  accepts: (artifact) => queryOf(artifact) !== undefined,
  resolve:
    (settings) =>
    ({ artifact, get }) =>
      Effect.gen(function* () {
        const query = queryOf(artifact)
        if (query === undefined)
          return yield* fail(NAME, "not_found", "the artifact has no identifier it knows")
        const answer = yield* get(
          at(settings.base_url, `/search?query=${encode(query)}&resultType=core&format=json&pageSize=3`)
        )
        const { resultList } = yield* decode(answer)
        const result = (resultList?.result ?? []).find((each) => isAbout(each, artifact))
        if (result === undefined) return yield* fail(NAME, "not_found", "it doesn't know this work")
        return yield* orNone(NAME, fromCopies(NAME, toCopies(result, settings)))
      })
})
