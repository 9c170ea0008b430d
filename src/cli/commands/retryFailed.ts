/**
 * `queue retry-failed`: gives jobs in error another chance.
 */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { WorkQueue } from "../../WorkQueue.ts"
import * as CommandOptions from "../CommandOptions.ts"
import * as Output from "../Output.ts"
import { count } from "../Text.ts"
import * as Setup from "../Setup.ts"

export const retryFailed = Command.make(
  "retry-failed",
  {
    dryRun: Options.boolean("dry-run").pipe(Options.withDescription("Only counts them.")),
    lane: CommandOptions.lane,
    reason: CommandOptions.reason,
    ...CommandOptions.options
  },
  (args) =>
    Effect.gen(function* () {
      const queue = yield* WorkQueue
      const jobs = yield* queue.retryFailed({
        lane: Option.getOrUndefined(args.lane),
        reason: Option.getOrUndefined(args.reason),
        dryRun: args.dryRun
      })
      if (args.format === "json") return yield* Output.value({ queued: jobs, dry_run: args.dryRun })
      yield* Output.line(
        args.dryRun ? `${count(jobs, "job")} would be queued again` : `${count(jobs, "job")} queued again`
      )
    }).pipe(Effect.provide(Setup.layerQueue("existing")), Setup.run(args))
).pipe(Command.withDescription("Queues jobs that ended in error again, with all their tries."))
