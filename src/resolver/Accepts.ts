/**
 * Which artifacts each resolver can do something with, known without building the resolver: an import has to choose
 * a job's lane before any service is set up.
 */
import type { Artifact } from "../Artifact.ts"

const ARXIV_DOI = /^10\.48550\/arxiv\.(.+)$/i

/** The artifact's arXiv id, from its own field or from its arXiv DOI. */
export const arxivId = (artifact: Artifact): string | undefined =>
  artifact.arxiv ?? (artifact.doi === undefined ? undefined : ARXIV_DOI.exec(artifact.doi)?.[1])

const ACCEPTS: ReadonlyMap<string, (artifact: Artifact) => boolean> = new Map([
  ["arxiv", (artifact: Artifact) => arxivId(artifact) !== undefined],
  ["unpaywall", (artifact: Artifact) => artifact.doi !== undefined]
])

/** Whether the resolver of this name takes the artifact. An unknown name takes none. */
export const accepts = (name: string, artifact: Artifact): boolean => ACCEPTS.get(name)?.(artifact) ?? false
