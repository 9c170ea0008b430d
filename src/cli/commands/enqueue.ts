/**
 * `queue enqueue`: one artifact, given on the command line.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { type Artifact, fromLine, fromText } from "../../Artifact.ts"
import { Config } from "../../Config.ts"
import { toNewJob } from "../../download/Route.ts"
import { WorkQueue } from "../../WorkQueue.ts"
import * as CommandOptions from "../CommandOptions.ts"
import { orUsage } from "../Exit.ts"
import * as Output from "../Output.ts"
import { clean, cut } from "../Text.ts"
import * as Setup from "../Setup.ts"

const isObject = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The artifact of an id alone, or of an id and the other fields of an artifact line. */
const toArtifact = (id: string, json: Option.Option<string>): Either.Either<Artifact, string> => {
  if (Option.isNone(json)) return fromText(id)
  return Either.try({
    try: (): unknown => JSON.parse(json.value),
    catch: (error) => `the JSON can't be read: ${error instanceof Error ? error.message : String(error)}`
  }).pipe(
    Either.flatMap((fields) => {
      if (!isObject(fields)) return Either.left("the JSON isn't an object")
      const own = fields["id"] ?? fields["artifact_id"]
      return own === undefined || own === id
        ? fromLine({ ...fields, id })
        : Either.left(`the JSON has another id than ${cut(id, 60)}`)
    })
  )
}

export const enqueue = Command.make(
  "enqueue",
  {
    id: Args.text({ name: "ID" }).pipe(
      Args.withDescription("A URL, DOI, arXiv id, PMID or PMCID; with JSON, any name for the artifact.")
    ),
    json: Args.text({ name: "JSON" }).pipe(
      Args.withDescription('The other fields of an artifact line, such as {"urls": ["https://..."]}.'),
      Args.optional
    ),
    priority: CommandOptions.priority,
    notBefore: CommandOptions.notBefore,
    ...CommandOptions.options
  },
  (args) =>
    Effect.gen(function* () {
      const artifact = yield* orUsage(toArtifact(args.id, args.json))
      const { settings } = yield* Config
      const result = yield* Effect.flatMap(WorkQueue, (queue) =>
        queue.enqueue(
          toNewJob(artifact, {
            resolverOrder: Setup.resolverOrder(settings),
            priority: Option.getOrUndefined(args.priority),
            availableAt: Option.getOrUndefined(args.notBefore)
          })
        )
      ).pipe(Effect.provide(Setup.layerQueue("create")))
      yield* args.format === "json"
        ? Output.value({ id: artifact.id, result })
        : Output.line(`${result === "new" ? "queued" : "already queued"}: ${clean(artifact.id)}`)
    }).pipe(Setup.run(args))
).pipe(Command.withDescription("Queues one artifact."))
