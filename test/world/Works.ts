/** What scenes are made of: works with their documents, how they are written in a list, and how they have to end. */
import type * as Behaviour from "../../src/demo/Behaviour.ts"
import { type Ground, type Paper, paper } from "./Ground.ts"
import type { Services } from "./Services.ts"

/** How a work has to end: with this document, from this place; or with a reason. */
export type Ending =
  | { readonly state: "done"; readonly document: Paper; readonly from: string }
  | { readonly state: "error" | "skipped"; readonly reason: string }

/** A work, as it is written in the list. */
export interface Wanted {
  readonly written: string
  /** The id its job has. */
  readonly id: string
  readonly ending: Ending
}

/** Where a scene plays. */
export interface Stage {
  readonly ground: Ground
  readonly services: Services
  /** Counts the works of the world, from 1. */
  readonly n: number
}

export type Scene = (stage: Stage) => Wanted

export const done = (document: Paper, from: string): Ending => ({ state: "done", document, from })
export const error = (reason: string): Ending => ({ state: "error", reason })

/** Scenes by name, each with the times it is played. */
export type Scenes = Readonly<Record<string, readonly [times: number, scene: Scene]>>

export const doiOf = (n: number): string => `10.5555/world.${n}`

/** Some of the ways in which one DOI is written. */
const DOI_FORMS: ReadonlyArray<(doi: string) => string> = [
  (doi) => doi,
  (doi) => `doi:${doi}`,
  (doi) => `https://doi.org/${doi}`,
  (doi) => `http://dx.doi.org/${doi.toUpperCase()}`,
  (doi) => `DOI: ${doi}`,
  (doi) => `https://doi.org/${encodeURIComponent(doi)}`
]

const written = (doi: string, n: number): string => (DOI_FORMS[n % DOI_FORMS.length] ?? String)(doi)

export const byDoi = (doi: string, n: number, ending: Ending): Wanted => ({
  written: written(doi, n),
  id: `doi:${doi}`,
  ending
})

/** The work of a DOI, as it should be. */
export const right = (doi: string, options?: Parameters<typeof paper>[1]): Paper =>
  paper([`The measurement of ${doi.replaceAll(/\D/g, " ")} things`, `doi:${doi}`], options)

/** A work that somebody else wrote. */
export const other = (n: number): Paper =>
  paper([`Something else altogether, part ${n}`, `doi:10.5555/other.${n}`])

export const cover = (doi: string): Paper =>
  paper(
    [
      `doi:${doi}`,
      "This is the author's accepted manuscript. To cite this document, please cite the published version.",
      "Downloaded from the institutional repository. General rights and terms of use apply.",
      "Full text is available from the publisher."
    ],
    { pages: 1 }
  )

/** A work by DOI of which Unpaywall names one file, on a host with this behaviour at its path. */
export const single =
  (host: string, what: (document: Paper) => Behaviour.Behaviour, ending?: (url: string) => Ending): Scene =>
  ({ ground, n, services }) => {
    const doi = doiOf(n)
    const document = right(doi)
    const url = ground.put(host, `/content/${n}.pdf`, what(document))
    services.unpaywall(doi, url)
    return byDoi(doi, n, ending?.(url) ?? done(document, url))
  }
