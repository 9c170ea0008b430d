/**
 * arXiv: the PDF's URL follows from the id, so nobody has to be asked. A pinned version stays pinned.
 *
 * On request its API is asked first, which knows whether there is such a paper, and its latest version. The API,
 * arxiv.org and export.arxiv.org count as one client there: one request in three seconds.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type { Artifact } from "../Artifact.ts"
import { baseUrl, flag, key } from "../Setting.ts"
import { at, encode, isArxivPdf } from "./Address.ts"
import { fromCopies } from "./Candidate.ts"
import { fail } from "./Decode.ts"
import { define } from "./Definition.ts"
import type { Answer, ResolverFailure } from "./Resolver.ts"
import { elements } from "./Xml.ts"

const NAME = "arxiv"

const ARXIV_DOI = /^10\.48550\/arxiv\.(.+)$/i

/** The artifact's arXiv id, from its own field or from its arXiv DOI. */
export const arxivId = (artifact: Artifact): string | undefined =>
  artifact.arxiv ?? (artifact.doi === undefined ? undefined : ARXIV_DOI.exec(artifact.doi)?.[1])

// The slash of an old id (`astro-ph/0601001`) belongs to the path.
const pathOf = (id: string): string => `/pdf/${id.split("/").map(encode).join("/")}`

const withoutVersion = (id: string): string => id.replace(/v\d+$/, "")

/** The id of the paper in an answer of the API, with its version. */
const paperIn = (answer: Answer, asked: string): Either.Either<string, ResolverFailure> =>
  Either.flatMap(elements(NAME, answer, "feed"), (all) => {
    const address = all.find(({ path }) => path === "feed/entry/id")?.text
    const id = address === undefined ? undefined : /\/abs\/(.+)$/.exec(address)?.[1]
    // A malformed id is answered with an entry, too: about the error.
    return id !== undefined && withoutVersion(id) === withoutVersion(asked)
      ? Either.right(id)
      : Either.left(fail(NAME, "not_found", "it doesn't know this paper"))
  })

export const definition = define({
  name: NAME,
  description: "arXiv: turns arXiv ids into files.",
  baseUrl: "https://arxiv.org",
  limits: { max: 1, rate: 0.33, burst: 1 },
  own: Schema.Struct({
    export_files: key(
      flag,
      false,
      "Whether arXiv's files, whoever names them, are taken from export_url, which is meant for programs."
    ),
    export_url: key(baseUrl, "https://export.arxiv.org", "Where arXiv's files for programs and its API are."),
    check: key(flag, false, "Whether its API is asked first if there is such a paper.")
  }),
  accepts: (artifact) => arxivId(artifact) !== undefined,
  remote: ({ check }) => check,
  countedBy: ({ export_url }) => export_url,
  improve: ({ base_url, export_files, export_url }) => {
    const base = export_files ? export_url : base_url
    return (candidate, artifact) => {
      if (!isArxivPdf(candidate.url)) return candidate
      const found = new URL(candidate.url).pathname
      const id = arxivId(artifact)
      const wanted = id === undefined ? undefined : pathOf(id)
      // Others name papers without their versions: where one is pinned, another isn't wanted.
      const isVersion = wanted !== undefined && withoutVersion(found) === withoutVersion(wanted)
      const path = isVersion && wanted !== withoutVersion(wanted) ? wanted : found
      return { ...candidate, url: at(base, path) }
    }
  },
  resolve:
    ({ base_url, check, export_url }) =>
    ({ artifact, get }) =>
      Effect.gen(function* () {
        const id = arxivId(artifact)
        if (id === undefined) return yield* fail(NAME, "not_found", "the artifact has no arXiv id")
        const found = (url: string) =>
          fromCopies(NAME, [{ url, kind: "pdf", version: "submittedVersion", host_type: "repository" }])
        if (!check) return found(at(base_url, pathOf(id)))
        const answer = yield* get(at(export_url, `/api/query?id_list=${encode(id)}&max_results=1`), {
          accept: "application/atom+xml",
          judge: ({ status }) => (status === 400 ? "not_found" : undefined)
        })
        return found(at(base_url, pathOf(yield* paperIn(answer, id))))
      })
})
