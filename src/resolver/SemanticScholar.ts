/**
 * Semantic Scholar: a free PDF and further identifiers of a work, by DOI, arXiv id, PMID, PMCID.
 *
 * An object for the PDF proves nothing: its URL may be empty. Without a key all callers share one pool, and a refusal
 * for the rate is nothing unusual.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Artifact } from "../Artifact.ts"
import { arxivId } from "./Arxiv.ts"
import { at, doiPath } from "./Address.ts"
import { type Copy, fromCopies } from "./Candidate.ts"
import { address, decoder, fail, Id, maybe, orNone, sameDoi } from "./Decode.ts"
import { define } from "./Definition.ts"

const NAME = "semantic_scholar"

const Paper = Schema.Struct({
  externalIds: maybe(
    Schema.Struct({ DOI: maybe(Schema.String), ArXiv: maybe(Schema.String), PubMedCentral: maybe(Id) })
  ),
  openAccessPdf: maybe(
    Schema.Struct({
      url: address,
      status: maybe(Schema.String),
      license: maybe(Schema.String)
    })
  ),
  paperId: Schema.String
})
type Paper = typeof Paper.Type

const decode = decoder(NAME, Paper)

const HOST_TYPES: ReadonlyMap<string | null, string> = new Map([
  ["GOLD", "publisher"],
  ["HYBRID", "publisher"],
  ["BRONZE", "publisher"],
  ["GREEN", "repository"]
])

const toCopies = ({ externalIds, openAccessPdf }: Paper): ReadonlyArray<Copy> => {
  const { license = null, status = null, url = null } = openAccessPdf ?? {}
  const { ArXiv: arxiv = null, PubMedCentral: pmc = null } = externalIds ?? {}
  return [
    ...(url === null ? [] : [{ url, kind: "pdf", license, host_type: HOST_TYPES.get(status) } as const]),
    ...(arxiv === null ? [] : [{ url: `https://arxiv.org/abs/${arxiv}`, kind: "pdf" } as const]),
    ...(pmc === null
      ? []
      : [
          {
            url: `https://pmc.ncbi.nlm.nih.gov/articles/PMC${String(pmc).replace(/^PMC/i, "")}/`,
            kind: "landing",
            host_type: "repository"
          } as const
        ])
  ]
}

/** What the paper is called in a path there. */
const pathOf = (artifact: Artifact): string | undefined => {
  const { doi, pmcid, pmid } = artifact
  const arxiv = arxivId(artifact)
  // Its arXiv ids have no version.
  if (arxiv !== undefined) return `ARXIV:${doiPath(arxiv.replace(/v\d+$/, ""))}`
  if (doi !== undefined) return `DOI:${doiPath(doi)}`
  if (pmid !== undefined) return `PMID:${pmid}`
  return pmcid === undefined ? undefined : `PMCID:${pmcid.replace(/^PMC/, "")}`
}

const FIELDS = "externalIds,title,year,isOpenAccess,openAccessPdf"

export const definition = define({
  name: NAME,
  description: "Semantic Scholar: turns DOIs, arXiv ids, PMIDs and PMCIDs into open-access files.",
  baseUrl: "https://api.semanticscholar.org",
  limits: { max: 1, rate: 0.2, burst: 1 },
  own: Schema.Struct({}),
  credential: {
    env: "S2_API_KEY",
    needed: false,
    header: (secret) => ({ "x-api-key": secret }),
    limits: { rate: 0.9 }
  },
  accepts: (artifact) => pathOf(artifact) !== undefined,
  resolve:
    ({ base_url }) =>
    ({ artifact, get }) =>
      Effect.gen(function* () {
        const path = pathOf(artifact)
        if (path === undefined)
          return yield* fail(NAME, "not_found", "the artifact has no identifier it knows")
        const answer = yield* get(at(base_url, `/graph/v1/paper/${path}?fields=${FIELDS}`))
        const paper = yield* decode(answer)
        const doi = paper.externalIds?.DOI ?? null
        if (
          path.startsWith("DOI:") &&
          artifact.doi !== undefined &&
          doi !== null &&
          !sameDoi(doi, artifact.doi)
        ) {
          return yield* fail(NAME, "failed", "its answer is about another work")
        }
        return yield* orNone(NAME, fromCopies(NAME, toCopies(paper)))
      })
})
