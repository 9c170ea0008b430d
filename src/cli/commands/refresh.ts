/**
 * `queue refresh`: has files that are there looked at again, whether their servers have other ones by now.
 */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type RefreshFilter, WorkQueue } from "../../WorkQueue.ts"
import * as CommandOptions from "../CommandOptions.ts"
import * as Output from "../Output.ts"
import { count } from "../Text.ts"
import * as Setup from "../Setup.ts"

/** Jobs that ended with a file: it came, or it was what the server still had. */
const WITH_FILE: ReadonlyArray<Pick<RefreshFilter, "state" | "reason">> = [
  { state: "done" },
  { state: "skipped", reason: "not-modified" }
]

export const refresh = Command.make(
  "refresh",
  {
    id: Options.text("id").pipe(
      Options.withPseudoName("ID"),
      Options.withDescription("Only this artifact. Default: all that have a file."),
      Options.optional
    ),
    dryRun: Options.boolean("dry-run").pipe(Options.withDescription("Only counts them.")),
    lane: CommandOptions.lane,
    ...CommandOptions.options
  },
  (args) =>
    Effect.gen(function* () {
      const queue = yield* WorkQueue
      const only = { id: Option.getOrUndefined(args.id), lane: Option.getOrUndefined(args.lane) }
      let jobs = 0
      for (const ended of WITH_FILE) {
        jobs += yield* queue.refresh({ ...ended, ...only, dryRun: args.dryRun })
      }
      if (args.format === "json") return yield* Output.value({ queued: jobs, dry_run: args.dryRun })
      yield* Output.line(
        args.dryRun
          ? `${count(jobs, "file")} would be looked at again`
          : `${count(jobs, "file")} queued again`
      )
    }).pipe(Effect.provide(Setup.layerQueue("existing")), Setup.run(args))
).pipe(
  Command.withDescription(
    "Queues what is done again. The next run asks each server whether its file has changed, and takes it only then."
  )
)
