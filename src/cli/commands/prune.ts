/**
 * `queue prune`: takes jobs that ended long ago out of the queue.
 */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { WorkQueue } from "../../WorkQueue.ts"
import * as CommandOptions from "../CommandOptions.ts"
import * as Output from "../Output.ts"
import { count } from "../Text.ts"
import * as Setup from "../Setup.ts"

export const prune = Command.make(
  "prune",
  {
    olderThan: CommandOptions.duration("older-than").pipe(
      Options.withDescription("Only jobs that ended so long ago: 12h, 30d.")
    ),
    state: Options.choice("state", ["done", "skipped", "error"]).pipe(
      Options.withDescription("Only jobs that ended in this state."),
      Options.optional
    ),
    dryRun: Options.boolean("dry-run").pipe(Options.withDescription("Only counts them.")),
    ...CommandOptions.options
  },
  (args) =>
    Effect.gen(function* () {
      const queue = yield* WorkQueue
      const now = yield* Clock.currentTimeMillis
      const jobs = yield* queue.prune({
        finishedBefore: Math.floor(now - args.olderThan * 1000),
        state: Option.getOrUndefined(args.state),
        dryRun: args.dryRun
      })
      if (args.format === "json") return yield* Output.value({ removed: jobs, dry_run: args.dryRun })
      yield* Output.line(
        args.dryRun ? `${count(jobs, "job")} would be removed` : `${count(jobs, "job")} removed`
      )
    }).pipe(Effect.provide(Setup.layerQueue("existing")), Setup.run(args))
).pipe(
  Command.withDescription(
    "Removes jobs that ended long ago from the queue. Their files stay; their ids may be queued again."
  )
)
