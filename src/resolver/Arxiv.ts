/**
 * arXiv: the PDF's URL follows from the id, so nobody is asked. A pinned version stays pinned.
 */
import * as Effect from "effect/Effect"
import { accepts, arxivId } from "./Accepts.ts"
import { type Resolver, ResolverFailure } from "./Resolver.ts"

export const NAME = "arxiv"

export interface ArxivSettings {
  /** Where the files are, without a slash at the end. */
  readonly base_url: string
}

export const make = (settings: ArxivSettings): Resolver => ({
  name: NAME,
  remote: false,
  accepts: (artifact) => accepts(NAME, artifact),
  resolve: (artifact) => {
    const id = arxivId(artifact)
    if (id === undefined) {
      return Effect.fail(
        new ResolverFailure({ outcome: "not_found", message: "the artifact has no arXiv id" })
      )
    }
    // The slash of an old id (`astro-ph/0601001`) belongs to the path.
    const path = id.split("/").map(encodeURIComponent).join("/")
    return Effect.succeed([
      {
        url: `${settings.base_url.replace(/\/+$/, "")}/pdf/${path}`,
        resolver: NAME,
        kind: "pdf",
        version: "submittedVersion",
        host_type: "repository"
      }
    ])
  }
})
