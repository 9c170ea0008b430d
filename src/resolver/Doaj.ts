/**
 * DOAJ, the directory of open access journals: links to articles, by DOI. Nearly always the article's page.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { at, encode } from "./Address.ts"
import { type CandidateKind, type Copy, fromCopies } from "./Candidate.ts"
import { decoder, fail, list, maybe, orNone, sameDoi } from "./Decode.ts"
import { define } from "./Definition.ts"

const NAME = "doaj"

const Article = Schema.Struct({
  bibjson: Schema.Struct({
    identifier: list(Schema.Struct({ id: maybe(Schema.String), type: maybe(Schema.String) })),
    link: list(
      Schema.Struct({
        type: maybe(Schema.String),
        content_type: maybe(Schema.String),
        url: maybe(Schema.String)
      })
    )
  })
})
type Article = typeof Article.Type

const decode = decoder(NAME, Schema.Struct({ total: Schema.Number, results: list(Article) }))

/** Nearly always a page; the type may be missing. */
const KINDS: ReadonlyMap<string, CandidateKind> = new Map([
  ["pdf", "pdf"],
  ["application/pdf", "pdf"],
  ["xml", "xml"]
])

const isAbout = ({ bibjson }: Article, doi: string): boolean =>
  (bibjson.identifier ?? []).some(
    ({ id, type }) => type?.toLowerCase() === "doi" && id !== null && sameDoi(id, doi)
  )

const toCopies = ({ bibjson }: Article): ReadonlyArray<Copy> =>
  (bibjson.link ?? [])
    .filter(({ content_type, type }) => type === "fulltext" && !/^epub$/i.test(content_type ?? ""))
    .map(({ content_type, url }) => ({
      url,
      kind: KINDS.get((content_type ?? "").toLowerCase()) ?? "landing",
      version: "publishedVersion",
      host_type: "publisher"
    }))

/** A DOI as a term of its query language, quoted where it has something in it that means something there. */
const term = (doi: string): string =>
  /^[a-z0-9./_-]+$/.test(doi) ? `doi:${doi}` : `doi:"${doi.replace(/["\\]/g, "\\$&")}"`

export const definition = define({
  name: NAME,
  description: "DOAJ: turns DOIs into articles of open access journals.",
  baseUrl: "https://doaj.org",
  limits: { max: 1, rate: 1.8, burst: 1 },
  own: Schema.Struct({}),
  accepts: ({ doi }) => doi !== undefined,
  resolve:
    ({ base_url }) =>
    ({ artifact: { doi }, get }) =>
      Effect.gen(function* () {
        if (doi === undefined) return yield* fail(NAME, "not_found", "the artifact has no DOI")
        // The query is a part of the path: a plus would be a plus.
        const answer = yield* get(at(base_url, `/api/v4/search/articles/${encode(term(doi))}?pageSize=3`))
        const { results } = yield* decode(answer)
        const article = (results ?? []).find((each) => isAbout(each, doi))
        if (article === undefined) return yield* fail(NAME, "not_found", "it doesn't know this work")
        return yield* orNone(NAME, fromCopies(NAME, toCopies(article)))
      })
})
