/**
 * `resolve`: what would be tried for an artifact, and who says so. Nothing is downloaded, and no page is read.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { type Artifact, fromText } from "../../Artifact.ts"
import { lanePolicy, resolverBucket } from "../../config/Limits.ts"
import { Config, type Settings } from "../../Config.ts"
import * as Preview from "../../download/Preview.ts"
import * as Http from "../../http/Http.ts"
import * as KeyedLimiter from "../../KeyedLimiter.ts"
import type { Candidate } from "../../resolver/Candidate.ts"
import * as Resolvers from "../../resolver/Resolvers.ts"
import * as TokenBucket from "../../TokenBucket.ts"
import * as CommandOptions from "../CommandOptions.ts"
import { Environment } from "../Environment.ts"
import { Exited, ExitCode, orUsage } from "../Exit.ts"
import * as Output from "../Output.ts"
import { clean, cut, isoTime } from "../Text.ts"
import * as Setup from "../Setup.ts"

/** The resolvers with their caps and rates, as a run has them. */
const layer = (settings: Settings) => {
  const policy = lanePolicy(settings)
  return Resolvers.layer(settings).pipe(
    Layer.provide([
      Layer.unwrapEffect(Effect.map(Environment, (env) => Http.layer(settings.http, { env }))),
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

const json = (artifact: Artifact, { asked, candidates }: Preview.Preview) => ({
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

const table = ({ asked, candidates }: Preview.Preview) =>
  Effect.gen(function* () {
    if (asked.length > 0) {
      yield* Output.table(
        Stream.fromIterable(asked),
        [
          { title: "resolver", value: ({ resolver }) => resolver },
          { title: "outcome", value: ({ outcome }) => outcome },
          { title: "urls", value: ({ candidates: named }) => named, align: "right" },
          { title: "message", value: ({ message }) => cut(message ?? "", 120) }
        ],
        ""
      )
      yield* Output.line("")
    }
    yield* Output.table(
      Stream.fromIterable(candidates.map((candidate, index) => ({ candidate, place: index + 1 }))),
      [
        { title: "#", value: ({ place }) => place, align: "right" },
        { title: "kind", value: ({ candidate }) => candidate.kind ?? "unknown" },
        { title: "version", value: ({ candidate }) => candidate.version ?? "" },
        { title: "licence", value: ({ candidate }) => cut(candidate.license ?? "", 40) },
        { title: "host", value: ({ candidate }) => candidate.host_type ?? "" },
        { title: "resolver", value: ({ candidate }) => candidate.resolver },
        { title: "url", value: ({ candidate }) => candidate.url }
      ],
      "Nobody knows where to get it."
    )
  })

export const resolve = Command.make(
  "resolve",
  {
    id: Args.text({ name: "ID" }).pipe(
      Args.withDescription("A URL, DOI, arXiv id, PMID, PMCID or OpenAlex id.")
    ),
    ...CommandOptions.options
  },
  (args) =>
    Effect.gen(function* () {
      const artifact = yield* orUsage(fromText(args.id))
      const { settings } = yield* Config
      const env = yield* Environment
      const given = Object.entries(env).flatMap(([name, value]) =>
        value === undefined ? [] : [[name, value] as const]
      )
      const preview = yield* Preview.preview(artifact).pipe(
        Effect.provide(layer(settings)),
        Effect.withConfigProvider(ConfigProvider.fromMap(new Map(given)))
      )
      if (args.format === "json") yield* Output.value(json(artifact, preview))
      else {
        yield* Output.note(clean(artifact.id))
        yield* table(preview)
      }
      if (preview.candidates.length === 0) return yield* new Exited({ code: ExitCode.failedJobs })
    }).pipe(Setup.run(args))
).pipe(
  Command.withDescription(
    "Shows where a work would be taken from: who is asked, what each answers, and the order to try. Nothing is downloaded."
  )
)
