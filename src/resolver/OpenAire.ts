/**
 * OpenAIRE: where open copies of a work lie, by DOI, PMID, PMCID or arXiv id. Mostly their pages.
 *
 * Each instance is judged by itself: the best access right speaks for the work, not for a given URL.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Artifact } from "../Artifact.ts"
import { at, encode, hasPdfSuffix } from "./Address.ts"
import { arxivId } from "./Arxiv.ts"
import { cleanUrl, type Copy, fromCopies } from "./Candidate.ts"
import { bareDoi, decoder, fail, list, maybe, orNone, speaksOfToken } from "./Decode.ts"
import { define } from "./Definition.ts"

const NAME = "openaire"

// ---------------------------------------------------------------------------------------------------------------
// Answers
// ---------------------------------------------------------------------------------------------------------------

const Pid = Schema.Struct({ scheme: maybe(Schema.String), value: maybe(Schema.String) })

const Instance = Schema.Struct({
  urls: list(Schema.String),
  accessRight: maybe(Schema.Struct({ label: maybe(Schema.String), openAccessRoute: maybe(Schema.String) })),
  license: maybe(Schema.String)
})
type Instance = typeof Instance.Type

const Product = Schema.Struct({ pids: list(Pid), instances: list(Instance) })
type Product = typeof Product.Type

const decode = decoder(
  NAME,
  Schema.Struct({ header: Schema.Struct({ numFound: Schema.Number }), results: list(Product) })
)

// ---------------------------------------------------------------------------------------------------------------
// Reading
// ---------------------------------------------------------------------------------------------------------------

const HOST_TYPES: ReadonlyMap<string | null | undefined, string> = new Map([
  ["green", "repository"],
  ["gold", "publisher"],
  ["hybrid", "publisher"],
  ["bronze", "publisher"],
  ["diamond", "publisher"]
])

const isPdf = (url: string): boolean => hasPdfSuffix(cleanUrl(url) ?? "")

const toCopies = ({ accessRight, license, urls }: Instance): ReadonlyArray<Copy> =>
  accessRight?.label?.toUpperCase() === "OPEN"
    ? (urls ?? []).map((url) => ({
        url,
        kind: isPdf(url) ? "pdf" : "landing",
        license,
        host_type: HOST_TYPES.get(accessRight.openAccessRoute)
      }))
    : []

const pidOf = (artifact: Artifact): string | undefined =>
  artifact.doi ?? artifact.pmid ?? artifact.pmcid ?? arxivId(artifact)?.replace(/v\d+$/, "")

const isAbout = ({ pids }: Product, pid: string): boolean =>
  (pids ?? []).some(({ value }) => value !== null && bareDoi(value) === bareDoi(pid))

// ---------------------------------------------------------------------------------------------------------------
// Definition
// ---------------------------------------------------------------------------------------------------------------

export const definition = define({
  name: NAME,
  description: "OpenAIRE: turns DOIs, PMIDs, PMCIDs and arXiv ids into open copies in repositories.",
  baseUrl: "https://api.openaire.eu",
  limits: { max: 1, rate: 0.015, burst: 5 },
  own: Schema.Struct({}),
  credential: {
    env: "OPENAIRE_TOKEN",
    needed: false,
    header: (secret) => ({ authorization: `Bearer ${secret}` }),
    limits: { rate: 1.9 }
  },
  accepts: (artifact) => pidOf(artifact) !== undefined,
  resolve:
    ({ base_url }) =>
    ({ artifact, get }) =>
      Effect.gen(function* () {
        const pid = pidOf(artifact)
        if (pid === undefined)
          return yield* fail(NAME, "not_found", "the artifact has no identifier it knows")
        const answer = yield* get(
          at(base_url, `/graph/v3/research-products?pid=${encode(pid)}&type=publication&pageSize=5`),
          // It is documented for the rate; tokens run out within the hour.
          {
            judge: ({ status, text }) => (status === 403 && !speaksOfToken(text) ? "rate_limited" : undefined)
          }
        )
        const { results } = yield* decode(answer)
        const products = (results ?? []).filter((product) => isAbout(product, pid))
        if (products.length === 0) return yield* fail(NAME, "not_found", "it doesn't know this work")
        const copies = products.flatMap(({ instances }) => (instances ?? []).flatMap(toCopies))
        const files = copies.toSorted((a, b) => Number(b.kind === "pdf") - Number(a.kind === "pdf"))
        return yield* orNone(NAME, fromCopies(NAME, files))
      })
})
