/**
 * `verify`: whether every file the manifest names is there, with the bytes it had.
 */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { Config } from "../../Config.ts"
import { WorkQueue } from "../../WorkQueue.ts"
import * as CommandOptions from "../CommandOptions.ts"
import { Exited, ExitCode } from "../Exit.ts"
import * as FileCheck from "../FileCheck.ts"
import * as Output from "../Output.ts"
import { display } from "../progress/Display.ts"
import * as Setup from "../Setup.ts"
import { clean, count } from "../Text.ts"

const lineOf = ({ action, id, message, moved_to, path, problem }: FileCheck.Problem): string => {
  const notes = [
    ...(message === null ? [] : [message]),
    ...(action === "restored" ? ["put back from objects"] : []),
    ...(moved_to === null ? [] : [`moved to ${moved_to}`])
  ]
  return `${problem}  ${clean(id)}  ${clean(path)}${notes.length === 0 ? "" : `  (${clean(notes.join("; "))})`}`
}

const conclusion = (tally: FileCheck.Tally): string => {
  const { doubted, earlier, files, found, lost, moved, queued, restored } = tally
  const parts = [
    `${count(files, "file")} checked`,
    ...(found === 0 ? ["all as they were"] : [`${found} missing or damaged`, `${queued} queued again`]),
    ...(restored === 0 ? [] : [`${restored} put back`]),
    ...(lost === 0 ? [] : [`${lost} lost ('contentdownload queue refresh --id ID' tries again)`]),
    ...(moved === 0 ? [] : [`${moved} moved to .damaged`]),
    ...(earlier === 0 ? [] : [`${count(earlier, "earlier file")} kept beside them`]),
    ...(doubted === 0 ? [] : [`${doubted} may be another work or a cover sheet`])
  ]
  return parts.join(", ")
}

export const verify = Command.make(
  "verify",
  {
    dryRun: Options.boolean("dry-run").pipe(
      Options.withDescription("Only looks: nothing is queued again, moved or put back.")
    ),
    deep: Options.boolean("deep").pipe(
      Options.withDescription(
        "Opens each document again, too: a file whose bytes are right may have come when less was looked at."
      )
    ),
    out: Options.text("out").pipe(
      Options.withPseudoName("DIR"),
      Options.withDescription("The folder the files are in. Default: downloads."),
      Options.optional
    ),
    ...CommandOptions.display,
    ...CommandOptions.options
  },
  (args) =>
    Effect.gen(function* () {
      const queue = yield* WorkQueue
      const { settings } = yield* Config
      yield* FileCheck.refuseWrongFolder(settings.download.out)
      const startedAt = yield* Clock.currentTimeMillis
      const tally: FileCheck.Tally = {
        files: 0,
        bytes: 0,
        found: 0,
        queued: 0,
        restored: 0,
        lost: 0,
        doubted: 0,
        moved: 0,
        earlier: 0
      }
      const deep = args.deep
        ? Option.some(
            yield* Effect.flatMap(
              Effect.promise(() => import("../../download/DeepCheck.ts")),
              ({ make }) => make(settings.download)
            )
          )
        : Option.none()
      if (!args.quiet && !args.noProgress) {
        const { done } = yield* queue.stats
        const plain = Effect.suspend(() => FileCheck.headline(tally, startedAt, done))
        yield* display({ living: () => plain, plain })
      }
      const problems = FileCheck.problems({ dryRun: args.dryRun, deep }, tally)
      if (args.format === "json") {
        const { out } = yield* Output.Output
        yield* out('{\n"problems": ')
        yield* Output.array(problems, (problem) => problem)
        const { bytes, doubted, earlier, files, found, lost, moved, queued, restored } = tally
        const rest = JSON.stringify({
          checked: files,
          bytes,
          found,
          queued,
          restored,
          lost,
          moved,
          doubted,
          earlier
        })
        yield* out(`,\n${rest.slice(1)}\n`)
      } else {
        yield* Stream.runForEach(problems, (problem) => Output.line(lineOf(problem)))
        if (!args.quiet) yield* Output.line(conclusion(tally))
      }
      if (tally.found > 0) return yield* new Exited({ code: ExitCode.failedJobs })
    }).pipe(
      Effect.scoped,
      Effect.provide(Setup.layerQueue("existing")),
      Effect.provide(Setup.layerStorage),
      Setup.run(args, [
        ...CommandOptions.flag("--out", ["download", "out"], args.out),
        ...CommandOptions.quietly(args)
      ])
    )
).pipe(
  Command.withDescription(
    "Checks every file against the manifest, byte for byte. What is damaged is moved to the folder .damaged; what is missing or damaged is put back from objects or queued again, unless its latest try was in vain already: such a file is lost until 'queue refresh' or 'queue retry-failed' is asked for."
  )
)
