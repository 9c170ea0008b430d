/**
 * doi.org: the page a DOI leads to. Only its first redirect is looked at; the page's own host has a lane for the rest.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { key, oneOf } from "../Setting.ts"
import { at, doiPath, encode } from "./Address.ts"
import { fromCopies } from "./Candidate.ts"
import { decoder, fail, list, maybe } from "./Decode.ts"
import { define } from "./Definition.ts"

const NAME = "doi_redirect"

const decodeHandle = decoder(
  NAME,
  Schema.Struct({
    responseCode: Schema.Number,
    values: list(
      Schema.Struct({
        type: maybe(Schema.String),
        data: maybe(Schema.Struct({ value: maybe(Schema.Unknown) }))
      })
    )
  })
)

const REDIRECTS = new Set([301, 302, 303, 307, 308])

export const definition = define({
  name: NAME,
  description: "DOI links: turn DOIs into the pages they lead to, for landing_page to read.",
  baseUrl: "https://doi.org",
  limits: { max: 2, rate: 2, burst: 2 },
  own: Schema.Struct({
    method: key(
      oneOf("redirect", "handle"),
      "redirect",
      "Whether the page is taken from the redirect of the DOI or from the record of its handle."
    )
  }),
  accepts: ({ doi }) => doi !== undefined,
  resolve:
    ({ base_url, method }) =>
    ({ artifact: { doi }, get }) =>
      Effect.gen(function* () {
        if (doi === undefined) return yield* fail(NAME, "not_found", "the artifact has no DOI")
        const page = (url: unknown) => {
          const found = fromCopies(NAME, [{ url: typeof url === "string" ? url : null, kind: "landing" }])
          return found.length > 0
            ? Effect.succeed(found)
            : Effect.fail(fail(NAME, "not_found", "this DOI leads to no page"))
        }
        if (method === "handle") {
          const handle = yield* decodeHandle(
            yield* get(at(base_url, `/api/handles/${doiPath(doi)}?type=URL`))
          )
          const value = (handle.values ?? []).find(({ type }) => type === "URL")
          return yield* page(handle.responseCode === 1 ? value?.data?.value : null)
        }
        const answer = yield* get(at(base_url, `/${encode(doi)}`), {
          accept: "text/html",
          judge: ({ status }) => (REDIRECTS.has(status) ? "answer" : undefined)
        })
        return yield* page(REDIRECTS.has(answer.status) ? answer.header("location") : null)
      })
})
