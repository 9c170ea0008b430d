/**
 * Figshare: the PDFs of an article there, with their checksums, by its DOI or a page there.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Artifact } from "../Artifact.ts"
import { flag, key } from "../Setting.ts"
import { at, encode } from "./Address.ts"
import { workFirst } from "./Aside.ts"
import { type Copy, fromCopies } from "./Candidate.ts"
import { bareDoi, closedRecord, decoder, fail, items, list, maybe, orNone } from "./Decode.ts"
import { define } from "./Definition.ts"
import type { Known } from "./Resolver.ts"

const NAME = "figshare"

// ---------------------------------------------------------------------------------------------------------------
// Answers
// ---------------------------------------------------------------------------------------------------------------

const Article = Schema.Struct({
  id: Schema.Number,
  doi: maybe(Schema.String),
  is_embargoed: maybe(Schema.Boolean),
  license: maybe(Schema.Struct({ name: maybe(Schema.String), url: maybe(Schema.String) })),
  files: list(
    Schema.Struct({
      name: maybe(Schema.String),
      size: maybe(Schema.Number),
      is_link_only: maybe(Schema.Boolean),
      download_url: maybe(Schema.String),
      computed_md5: maybe(Schema.String),
      mimetype: maybe(Schema.String)
    })
  )
})
type Article = typeof Article.Type

const decodeArticle = decoder(NAME, Article)
const decodeList = decoder(NAME, items(Schema.Struct({ id: Schema.Number, doi: maybe(Schema.String) })))

// ---------------------------------------------------------------------------------------------------------------
// Reading
// ---------------------------------------------------------------------------------------------------------------

/** The number of an article in its DOI, `10.6084/m9.figshare.N.vK` or alike with another prefix. */
const OWN_DOI = /figshare\.(?:[a-z]\.)?(\d+)(?:\.v(\d+))?$/
const PAGE = /^https?:\/\/(?:[\w-]+\.)*figshare\.com\/articles\/(?:[^/?#]+\/){1,3}(\d+)(?:\/(\d+))?/i

const pathOf = ({ doi }: Artifact, { pages }: Known): string | undefined => {
  const found =
    OWN_DOI.exec(doi ?? "") ?? pages.map(({ url }) => PAGE.exec(url)).find((match) => match !== null)
  if (found === null || found === undefined) return undefined
  const [, id, version] = found
  return version === undefined ? `/v2/articles/${id}` : `/v2/articles/${id}/versions/${version}`
}

const withoutVersion = (doi: string): string => bareDoi(doi).replace(/\.v\d+$/, "")
const isAbout = (doi: string | null, asked: string): boolean =>
  doi !== null && withoutVersion(doi) === withoutVersion(asked)

const toCopies = ({ files, license }: Article): ReadonlyArray<Copy> =>
  workFirst(
    (files ?? []).filter(
      // A link leads elsewhere: then the file isn't here.
      ({ is_link_only, mimetype, name }) =>
        is_link_only !== true && (mimetype === "application/pdf" || /\.pdf$/i.test(name ?? ""))
    ),
    (file) => file.name
  ).map(({ computed_md5, download_url, size }) => ({
    url: download_url,
    kind: "pdf",
    license: license?.url ?? license?.name,
    host_type: "repository",
    md5: computed_md5,
    size
  }))

// ---------------------------------------------------------------------------------------------------------------
// Definition
// ---------------------------------------------------------------------------------------------------------------

export const definition = define({
  name: NAME,
  description: "Figshare: turns its DOIs and pages into the files of their articles.",
  baseUrl: "https://api.figshare.com",
  limits: { max: 1, rate: 0.9, burst: 1 },
  requests: 2,
  own: Schema.Struct({
    search: key(flag, false, "Whether it is asked for DOIs that aren't its own, too.")
  }),
  credential: {
    env: "FIGSHARE_TOKEN",
    needed: false,
    header: (secret) => ({ authorization: `token ${secret}` })
  },
  accepts: (artifact, known) => pathOf(artifact, known) !== undefined,
  acceptsWith: ({ search }, { doi }) => search && doi !== undefined,
  resolve:
    ({ base_url }) =>
    ({ artifact, get, known }) => {
      const { doi } = artifact
      const search = Effect.gen(function* () {
        if (doi === undefined) return yield* fail(NAME, "not_found", "the artifact has no DOI")
        const found = yield* decodeList(
          yield* get(at(base_url, `/v2/articles?doi=${encode(doi)}&page_size=3`), { judge: closedRecord })
        )
        const article = found.find((each) => isAbout(each.doi, doi))
        if (article === undefined) return yield* fail(NAME, "not_found", "it doesn't know this work")
        // A list has no files in it.
        return `/v2/articles/${article.id}`
      })

      return Effect.gen(function* () {
        const path = pathOf(artifact, known) ?? (yield* search)
        const article = yield* decodeArticle(yield* get(at(base_url, path), { judge: closedRecord }))
        if (doi !== undefined && OWN_DOI.test(doi) && article.doi !== null && !isAbout(article.doi, doi)) {
          return yield* fail(NAME, "failed", "its answer is about another work")
        }
        if (article.is_embargoed === true)
          return yield* fail(NAME, "no_open_access", "the article is embargoed")
        return yield* orNone(NAME, fromCopies(NAME, toCopies(article)))
      })
    }
})
