/**
 * What a resolver's file says of it: everything the rest of the program needs to know, in one place.
 *
 * From it follow its section of the configuration, the cap and the pace of its lane, which artifacts it takes, its
 * credentials, and the resolver itself. `Registry` lists the definitions; nothing else names a single resolver.
 */
import * as Schema from "effect/Schema"
import type * as Effect from "effect/Effect"
import type { Artifact } from "../Artifact.ts"
import { hostLane } from "../Lane.ts"
import { baseUrl, flag, integer, key, positive, section } from "../Setting.ts"
import type { Candidate } from "./Candidate.ts"
import type { Known, Question, Resolver, ResolverFailure } from "./Resolver.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** How often a service may be asked, as it has published it. */
export interface Limits {
  /** Questions at once. */
  readonly max: number
  /** Requests a second in the long run. */
  readonly rate: number
  /** Requests that may follow each other at once after a quiet time. */
  readonly burst: number
}

/** A secret that comes from the environment, and from nowhere else. */
export interface Credential {
  /** The variable. */
  readonly env: string
  /** Without it the service isn't asked at all. */
  readonly needed: boolean
  /** The header it travels in. */
  readonly header: (secret: string) => Readonly<Record<string, string>>
  /** What the service allows those who have it. */
  readonly limits?: Partial<Limits>
}

/** A key of the section that may also come from a variable of the environment. */
export interface Fallback {
  readonly key: string
  readonly env: string
  /** A mail address: else `http.contact`, if that is one. */
  readonly contact?: true
  /** Without it the service isn't asked at all. */
  readonly needed?: true
}

/** What becomes of a candidate for an artifact, whoever named it: the same copy at a better address. */
export type Improve = (candidate: Candidate, artifact: Artifact) => Candidate

/** What is the same in every section. */
const common = (base: string, enabled: boolean, limits: Limits, timeoutSeconds: number) =>
  Schema.Struct({
    enabled: key(flag, enabled, "Whether it is asked at all."),
    base_url: key(baseUrl, base, "Where its service answers."),
    max: key(
      integer(1),
      limits.max,
      "Questions at once, unless orchestrator.max_per_resolver says otherwise."
    ),
    rate_per_second: key(positive(1000), limits.rate, "Requests a second in the long run."),
    burst: key(
      integer(1, 100_000),
      limits.burst,
      "Requests that may follow each other at once after a quiet time."
    ),
    timeout_seconds: key(positive(3600), timeoutSeconds, "How long one question may take.")
  })

/** The settings every resolver has. */
export type CommonSettings = Schema.Schema.Type<ReturnType<typeof common>>

/** What a definition is made of. `Own`: the settings of its section beside the common ones. */
export interface Parts<Name extends string, Own, OwnEncoded> {
  readonly name: Name
  /** One sentence, for the section. */
  readonly description: string
  readonly baseUrl: string
  readonly limits: Limits
  /** Default: enabled. */
  readonly enabled?: boolean
  readonly timeoutSeconds?: number
  /** The most requests one question takes; its lane's pace allows for them. Default 1. */
  readonly requests?: number
  readonly own: Schema.Schema<Own, OwnEncoded>
  readonly fallbacks?: ReadonlyArray<Fallback>
  readonly credential?: Credential
  /** See `Resolver.opensPages`. */
  readonly opensPages?: boolean
  readonly accepts: (artifact: Artifact, known: Known) => boolean
  /** What it takes besides, by its settings. A job's first lane is chosen without. */
  readonly acceptsWith?: (settings: CommonSettings & Own, artifact: Artifact) => boolean
  /** Whether it asks a service. Default: yes. */
  readonly remote?: (settings: CommonSettings & Own) => boolean
  /** An address of the host that counts its questions together with the files it serves. Default: none does. */
  readonly countedBy?: (settings: CommonSettings & Own) => string
  /** What it makes of the candidates of every resolver, itself included. */
  readonly improve?: (settings: CommonSettings & Own) => Improve
  readonly resolve: (
    settings: CommonSettings & Own
  ) => (question: Question) => Effect.Effect<ReadonlyArray<Candidate>, ResolverFailure>
}

/** For resolvers without settings of their own. */
export const NO_OWN = Schema.Struct({})

// ---------------------------------------------------------------------------------------------------------------
// Constructor
// ---------------------------------------------------------------------------------------------------------------

/** A definition, from its parts. */
export const define = <const Name extends string, Own, OwnEncoded>(parts: Parts<Name, Own, OwnEncoded>) => {
  const { limits, name } = parts
  const shared = common(parts.baseUrl, parts.enabled ?? true, limits, parts.timeoutSeconds ?? 30)
  type Settings = CommonSettings & Own
  /** All sections; each definition looks at its own. */
  type Sections = { readonly [N in Name]: Settings }
  /** The lane of the host that counts its questions together with its files; `undefined`: it has a lane of its own. */
  const lane = (sections: Sections) =>
    parts.countedBy === undefined ? undefined : hostLane(parts.countedBy(sections[name]))
  return {
    name,
    limits,
    requests: parts.requests ?? 1,
    fallbacks: parts.fallbacks ?? [],
    credential: parts.credential,
    accepts: parts.accepts,
    section: section(Schema.extend(shared, parts.own), parts.description),
    lane,
    improve: (sections: Sections): Improve => parts.improve?.(sections[name]) ?? ((candidate) => candidate),
    build: (sections: Sections): Resolver => ({
      name,
      remote: parts.remote?.(sections[name]) ?? true,
      lane: lane(sections),
      opensPages: parts.opensPages ?? false,
      accepts: (artifact, known) =>
        parts.accepts(artifact, known) || (parts.acceptsWith?.(sections[name], artifact) ?? false),
      resolve: parts.resolve(sections[name])
    })
  }
}
