/**
 * Plans shown and not carried out: of one work (`resolve`) and of what is queued (`queue run --dry-run`).
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Artifact } from "../Artifact.ts"
import { lanePolicy, resolverBucket } from "../config/Limits.ts"
import { Config, type Settings } from "../Config.ts"
import type * as Preview from "../download/Preview.ts"
import * as Http from "../http/Http.ts"
import * as KeyedLimiter from "../KeyedLimiter.ts"
import type { Candidate } from "../resolver/Candidate.ts"
import * as Resolvers from "../resolver/Resolvers.ts"
import * as TokenBucket from "../TokenBucket.ts"
import * as Network from "./Network.ts"
import { isoTime } from "./Text.ts"

/** The resolvers with their caps and rates, as a run has them. */
const layer = (settings: Settings) => {
  const policy = lanePolicy(settings)
  return Resolvers.layer(settings).pipe(
    Layer.provide([
      Layer.unwrapEffect(Effect.map(Network.environment, (env) => Http.layer(settings.http, { env }))),
      KeyedLimiter.layer({
        cap: settings.orchestrator.max_per_host,
        caps: (key) => policy.lane(key).cap
      }),
      TokenBucket.layerMemory({ limits: resolverBucket(settings) })
    ])
  )
}

const candidateJson = (candidate: Candidate) => ({
  url: candidate.url,
  resolver: candidate.resolver,
  kind: candidate.kind ?? "unknown",
  version: candidate.version ?? null,
  license: candidate.license ?? null,
  host_type: candidate.host_type ?? null,
  md5: candidate.md5 ?? null,
  sha256: candidate.sha256 ?? null,
  size: candidate.size ?? null
})

/** A plan for programs. */
export const json = (artifact: Artifact, { asked, candidates }: Preview.Preview) => ({
  artifact,
  asked: asked.map(({ candidates: named, message, outcome, resolver, until }) => ({
    resolver,
    outcome,
    candidates: named,
    message,
    until: until === null ? null : isoTime(until)
  })),
  candidates: candidates.map(candidateJson)
})

/** Provides the resolvers of the settings. */
export const withResolvers = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Config, ({ settings }) => Effect.provide(effect, layer(settings)))
