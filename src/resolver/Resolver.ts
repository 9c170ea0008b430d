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

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** What the job has come to know before this resolver is asked. */
export interface Known {
  /** The URLs that led to nothing and won't later, in the order in which they were tried. */
  readonly failed: ReadonlyArray<string>
  /** The pages about the work that resolvers have named so far. */
  readonly pages: ReadonlyArray<Candidate>
}

/** What is known of a job that hasn't begun. */
export const NOTHING: Known = { failed: [], pages: [] }

/** The answer of a service, as far as a resolver looks at it. */
export interface Answer {
  readonly status: number
  readonly text: string
  /** The value of a header. Names in lower case. */
  readonly header: (name: string) => string | undefined
}

/** How a question ends without an answer. */
export type Outcome = ResolverFailure["outcome"]

/** What one request has of its own. */
export interface Request {
  /** Default: JSON. */
  readonly accept?: string
  /** What this service means by an answer, where that differs from the common table; asked first. */
  readonly judge?: (answer: Answer) => Outcome | "answer" | undefined
  /** How long to wait after a refusal for the rate that names no time. Default: a minute. */
  readonly waitMs?: number
  /** The service refuses connections of those who ask too often: how long to wait then. */
  readonly refusedWaitMs?: number
}

/**
 * Asks the resolver's service: one GET, with its credentials if the URL is its own. Succeeds with an answer that means
 * what was asked for; everything else is a failure, by one table (see `Get`).
 */
export type Get = (url: string, request?: Request) => Effect.Effect<Answer, ResolverFailure>

/** One question to a resolver. */
export interface Question {
  readonly artifact: Artifact
  readonly known: Known
  readonly get: Get
}

/** One source of URLs. */
export interface Resolver {
  /** Its name in the configuration, its lane and its candidates. */
  readonly name: string
  /** Whether it asks a service, and so waits for its lane, its rate and its permit. */
  readonly remote: boolean
  /** The lane its questions stand in, where that isn't its own. */
  readonly lane?: string | undefined
  /** Whether the pages it names are to be read now. Those of other resolvers are put aside until then. */
  readonly opensPages?: boolean
  readonly accepts: (artifact: Artifact, known: Known) => boolean
  /** The URLs it knows, in the order it gives them; never empty. */
  readonly resolve: (question: Question) => Effect.Effect<ReadonlyArray<Candidate>, ResolverFailure>
}

// ---------------------------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------------------------

/**
 * - `not_found`: the service doesn't know the work.
 * - `no_open_access`: it knows the work, and no free copy.
 * - `rate_limited`: it refuses for now; nothing before `until`, milliseconds since the epoch. `paced`: it hasn't refused,
 *   the wait is for our own rate.
 * - `config_error`: it refuses whoever runs this; asking for other works is no use either, unless it is `partial`: it can
 *   be asked for others.
 * - `failed`: no answer, or none that can be understood. `passing`: it may go well later. `forbidden`: it refuses this
 *   request, if not whoever asks.
 */
export class ResolverFailure extends Data.TaggedError("ResolverFailure")<{
  readonly outcome: "not_found" | "no_open_access" | "rate_limited" | "config_error" | "failed"
  readonly message: string
  readonly until?: number | undefined
  /** `until` is so late that others are to be asked meanwhile. */
  readonly away?: boolean | undefined
  readonly paced?: boolean | undefined
  readonly partial?: boolean | undefined
  readonly passing?: boolean | undefined
  readonly forbidden?: boolean | undefined
}> {}
