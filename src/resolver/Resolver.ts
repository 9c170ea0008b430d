/**
 * A resolver: from an artifact's identifiers to URLs its file may be downloaded from.
 *
 * The ways in which one can have no answer stay apart, since each means something else for the job: a service that
 * knows no free copy has answered, one that is asked too often hasn't.
 */
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type { Artifact } from "../Artifact.ts"
import type { Candidate } from "./Candidate.ts"

/**
 * - `not_found`: the service doesn't know the work.
 * - `no_open_access`: it knows the work, and no free copy.
 * - `rate_limited`: it refuses for now; nothing before `until`, milliseconds since the epoch.
 * - `config_error`: it refuses whoever runs this; asking for other works is no use either.
 * - `failed`: no answer, or none that can be understood. `passing`: it may go well later.
 */
export class ResolverFailure extends Data.TaggedError("ResolverFailure")<{
  readonly outcome: "not_found" | "no_open_access" | "rate_limited" | "config_error" | "failed"
  readonly message: string
  readonly until?: number | undefined
  readonly passing?: boolean | undefined
}> {}

/** One source of URLs. */
export interface Resolver {
  /** Its name in the configuration, its lane and its candidates. */
  readonly name: string
  /** Whether it asks a service, and so waits for its lane, its rate and its permit. */
  readonly remote: boolean
  readonly accepts: (artifact: Artifact) => boolean
  /** The URLs it knows, in the order it gives them; never empty. */
  readonly resolve: (artifact: Artifact) => Effect.Effect<ReadonlyArray<Candidate>, ResolverFailure>
}
