/**
 * `queue backup`: a verified copy of the queue, also while others run it.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import { Config } from "../../Config.ts"
import * as CommandOptions from "../CommandOptions.ts"
import { Exited, ExitCode, usage } from "../Exit.ts"
import * as Output from "../Output.ts"
import { duration, size } from "../progress/Numbers.ts"
import * as Setup from "../Setup.ts"
import { count, cut } from "../Text.ts"

export const backup = Command.make(
  "backup",
  {
    file: Args.text({ name: "FILE" }).pipe(Args.withDescription("The file the copy is written to.")),
    force: Options.boolean("force").pipe(Options.withDescription("Replace the file if it is there.")),
    ...CommandOptions.options
  },
  (args) =>
    Effect.gen(function* () {
      const { settings } = yield* Config
      yield* Setup.refuseMissing(settings.queue.path)
      const store = yield* Effect.promise(() => import("../../store/sqlite/Backup.ts"))
      const made = yield* store
        .backup({ from: settings.queue.path, to: args.file, force: args.force })
        .pipe(
          Effect.catchTag("BackupError", ({ message, reason }) =>
            reason === "exists" || reason === "same"
              ? usage(message)
              : new Exited({ code: ExitCode.fatal, message })
          )
        )
      if (args.format === "json") {
        const { bytes, elapsedMs, jobs, path, schema } = made
        return yield* Output.value({ path, bytes, jobs, schema, elapsed_ms: elapsedMs })
      }
      yield* Output.line(
        `${cut(args.file, 500)}: ${count(made.jobs, "job")}, ${size(made.bytes)}, verified, in ${duration(made.elapsedMs)}`
      )
    }).pipe(Setup.run(args))
).pipe(
  Command.withDescription(
    "Copies the queue to a file, safely while it is running, and verifies the copy. To restore: end all runs, put the " +
      "copy in the queue's place, and remove the files beside it that end in -wal and -shm."
  )
)
