/**
 * CORE: copies in repositories, by DOI.
 *
 * It answers nobody without a key. Its file hosts in turn don't want the key, and don't get it.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { at, encode, hasPdfSuffix } from "./Address.ts"
import { type Copy, fromCopies } from "./Candidate.ts"
import { decoder, fail, list, maybe, orNone, sameDoi, Texts, texts } from "./Decode.ts"
import { define } from "./Definition.ts"

const NAME = "core"

const Work = Schema.Struct({
  doi: maybe(Schema.String),
  downloadUrl: maybe(Schema.String),
  sourceFulltextUrls: maybe(Texts),
  links: list(Schema.Struct({ type: maybe(Schema.String), url: maybe(Schema.String) }))
})
type Work = typeof Work.Type

const decode = decoder(NAME, Schema.Struct({ totalHits: Schema.Number, results: list(Work) }))

const toCopies = ({ downloadUrl, links, sourceFulltextUrls }: Work): ReadonlyArray<Copy> => {
  const downloads = (links ?? []).filter(({ type }) => type === "download").map(({ url }) => url)
  return [
    ...[downloadUrl, ...downloads].map((url) => ({ url, kind: "pdf", host_type: "repository" }) as const),
    ...texts(sourceFulltextUrls).map(
      (url) => ({ url, kind: hasPdfSuffix(url) ? "pdf" : "unknown", host_type: "repository" }) as const
    )
  ]
}

export const definition = define({
  name: NAME,
  description: "CORE: turns DOIs into copies in repositories. It needs a key, in CORE_API_KEY.",
  baseUrl: "https://api.core.ac.uk",
  limits: { max: 1, rate: 0.14, burst: 1 },
  own: Schema.Struct({}),
  credential: {
    env: "CORE_API_KEY",
    needed: true,
    header: (secret) => ({ authorization: `Bearer ${secret}` })
  },
  accepts: ({ doi }) => doi !== undefined,
  resolve:
    ({ base_url }) =>
    ({ artifact: { doi }, get }) =>
      Effect.gen(function* () {
        if (doi === undefined) return yield* fail(NAME, "not_found", "the artifact has no DOI")
        const query = encode(`doi:"${doi.replace(/["\\]/g, "\\$&")}"`)
        // Without the slash after `works` it redirects.
        const answer = yield* get(at(base_url, `/v3/search/works/?q=${query}&limit=3`))
        const { results } = yield* decode(answer)
        const works = (results ?? []).filter((work) => work.doi !== null && sameDoi(work.doi, doi))
        if (works.length === 0) return yield* fail(NAME, "not_found", "it doesn't know this work")
        return yield* orNone(NAME, fromCopies(NAME, works.flatMap(toCopies)))
      })
})
