/**
 * Landing pages: the pages about the work that other resolvers have named become candidates.
 *
 * Nobody is asked here. A page is a request to a content host like any download, so it is made where downloads are: in
 * the lane of its host, with its cap, its pace and its redirects (see `download/Pipeline`). What the page names takes
 * its place in the plan.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { isDoiPage, pmcidOfPage } from "./Address.ts"
import type { Candidate } from "./Candidate.ts"
import { fail } from "./Decode.ts"
import { define } from "./Definition.ts"

/** Who names what stands on a page. */
export const NAME = "landing_page"

/** PMC's pages name only files behind a check for humans. */
const isReadable = ({ url }: Candidate): boolean => pmcidOfPage(url) === undefined

/** The pages worth reading: doi.org only if it isn't known where it leads. */
const worthReading = (pages: ReadonlyArray<Candidate>): ReadonlyArray<Candidate> => {
  const readable = pages.filter(isReadable)
  const resolved = readable.filter(({ url }) => !isDoiPage(url))
  return resolved.some(({ host_type }) => host_type !== "repository") ? resolved : readable
}

export const definition = define({
  name: NAME,
  description:
    "Pages about a work that others have named: they are read for links to its files. Their hosts' limits hold for them; of this section only enabled has an effect.",
  baseUrl: "https://doi.org",
  limits: { max: 1, rate: 1, burst: 1 },
  own: Schema.Struct({}),
  opensPages: true,
  remote: () => false,
  accepts: (_artifact, { pages }) => pages.some(isReadable),
  resolve:
    () =>
    ({ known: { pages } }) => {
      const found = worthReading(pages)
      return found.length > 0
        ? Effect.succeed(found.map((page): Candidate => ({ ...page, kind: "landing", resolver: NAME })))
        : Effect.fail(fail(NAME, "not_found", "nobody has named a page about the work"))
    }
})
