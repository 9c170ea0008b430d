/**
 * Which lane a job waits in: that of the host it will ask first, or of the resolver while no URL is known.
 */
import * as Either from "effect/Either"
import type { Artifact } from "../Artifact.ts"
import type { NewJob } from "../Job.ts"
import { hostLane, resolverLane } from "../Lane.ts"
import { accepts } from "../resolver/Registry.ts"

/**
 * A URL as it is asked for: http or https, without credentials and fragment. Else, in words, what it is instead.
 * `base`: what it is relative to.
 */
export const askedUrl = (location: string, base?: string): Either.Either<string, string> => {
  if (!URL.canParse(location, base)) return Either.left("something that is no URL")
  const url = new URL(location, base)
  if (url.protocol !== "http:" && url.protocol !== "https:") return Either.left(`a ${url.protocol} URL`)
  if (url.username !== "") url.username = ""
  if (url.password !== "") url.password = ""
  // Also the mark of a fragment that is empty.
  if (url.href.includes("#")) url.hash = ""
  return Either.right(url.href)
}

/** The lane of jobs that have no URL and that no resolver takes. They end at once, and say so. */
export const NO_RESOLVER = resolverLane("none")

/** The lane of the artifact's first URL, else of the first resolver in the order that takes the artifact. */
export const firstLane = (artifact: Artifact, resolverOrder: ReadonlyArray<string>): string => {
  const [url] = artifact.urls
  if (url !== undefined) return hostLane(url)
  const resolver = resolverOrder.find((name) => accepts(name, artifact))
  return resolver === undefined ? NO_RESOLVER : resolverLane(resolver)
}

/** What the jobs of several artifacts have in common. */
export interface JobOptions {
  /** The resolvers that may be asked, first to last. */
  readonly resolverOrder: ReadonlyArray<string>
  /** The priority of artifacts that have none of their own. Default 0. */
  readonly priority?: number | undefined
  /** Not to be started before this time, in milliseconds since the epoch. Default: at once. */
  readonly availableAt?: number | undefined
}

/** The artifact as a job for the queue: its payload is the artifact itself. */
export const toNewJob = (
  artifact: Artifact,
  { availableAt, priority, resolverOrder }: JobOptions
): NewJob => ({
  id: artifact.id,
  lane: firstLane(artifact, resolverOrder),
  payload: artifact,
  priority: artifact.priority ?? priority,
  availableAt
})
