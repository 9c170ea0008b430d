/**
 * HAL: the files of the French open archive, by DOI.
 *
 * One DOI often has several records; those with a file come first. Its files have no suffix.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { at, encode, hasPdfSuffix } from "./Address.ts"
import { type Copy, fromCopies } from "./Candidate.ts"
import { decoder, fail, list, maybe, orNone, sameDoi, Texts, texts } from "./Decode.ts"
import { define } from "./Definition.ts"

const NAME = "hal"

const Doc = Schema.Struct({
  doiId_s: maybe(Texts),
  fileMain_s: maybe(Texts),
  files_s: maybe(Texts),
  licence_s: maybe(Texts),
  linkExtUrl_s: maybe(Texts),
  linkExtId_s: maybe(Texts)
})
type Doc = typeof Doc.Type

// An error may come with status 200: it has no `response`.
const decode = decoder(
  NAME,
  Schema.Struct({ response: Schema.Struct({ numFound: Schema.Number, docs: list(Doc) }) })
)

const FIELDS =
  "halId_s,uri_s,doiId_s,fileMain_s,files_s,openAccess_bool,submitType_s,licence_s,linkExtUrl_s,linkExtId_s"

const toCopies = (doc: Doc): ReadonlyArray<Copy> => {
  const about = { license: texts(doc.licence_s)[0], host_type: "repository" }
  const elsewhere = texts(doc.linkExtId_s).some((id) => /^pubmed/i.test(id)) ? "landing" : "unknown"
  return [
    ...texts(doc.fileMain_s).map((url) => ({ url, kind: "pdf", ...about }) as const),
    ...texts(doc.files_s)
      .filter(hasPdfSuffix)
      .map((url) => ({ url, kind: "pdf", ...about }) as const),
    ...texts(doc.linkExtUrl_s).map(
      (url) => ({ url, kind: hasPdfSuffix(url) ? "pdf" : elsewhere, host_type: "repository" }) as const
    )
  ]
}

export const definition = define({
  name: NAME,
  description: "HAL: turns DOIs into files of the French open archive.",
  baseUrl: "https://api.archives-ouvertes.fr",
  limits: { max: 1, rate: 2, burst: 2 },
  own: Schema.Struct({}),
  accepts: ({ doi }) => doi !== undefined,
  resolve:
    ({ base_url }) =>
    ({ artifact: { doi }, get }) =>
      Effect.gen(function* () {
        if (doi === undefined) return yield* fail(NAME, "not_found", "the artifact has no DOI")
        const query = encode(`doiId_s:"${doi.replace(/["\\]/g, "\\$&")}"`)
        const answer = yield* get(at(base_url, `/search/?q=${query}&wt=json&rows=3&fl=${FIELDS}`))
        const { response } = yield* decode(answer)
        const docs = (response.docs ?? []).filter((doc) => texts(doc.doiId_s).some((id) => sameDoi(id, doi)))
        if (docs.length === 0) return yield* fail(NAME, "not_found", "it doesn't know this work")
        const withFile = docs.toSorted(
          (a, b) => Number(b.fileMain_s !== null) - Number(a.fileMain_s !== null)
        )
        return yield* orNone(NAME, fromCopies(NAME, withFile.flatMap(toCopies)))
      })
})
