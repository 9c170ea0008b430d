/**
 * `queue run`: does the work.
 */
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as ValidationError from "@effect/cli/ValidationError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Flag } from "../../Config.ts"
import * as CommandOptions from "../CommandOptions.ts"
import { dryRun } from "../DryRun.ts"
import { ExitCode } from "../Exit.ts"
import * as Output from "../Output.ts"
import { ending, run as runQueue } from "../Run.ts"
import { data, lines } from "../Summary.ts"
import { cut } from "../Text.ts"
import * as Setup from "../Setup.ts"

const refused = (name: string, text: string, allowed: string) =>
  Effect.fail(ValidationError.invalidValue(HelpDoc.p(`--${name} is '${cut(text, 60)}'; allowed: ${allowed}`)))

/** `arxiv:1,unpaywall:2`. Whether the names and the numbers are possible is left to the settings. */
const perResolver = Options.text("max-per-resolver").pipe(
  Options.withPseudoName("NAME:N,..."),
  Options.withDescription("Questions at once to single resolvers, such as unpaywall:2."),
  Options.mapEffect((text) => {
    const pairs = text.split(",").map((pair) => /^\s*([^:\s]+)\s*:\s*(\d{1,15})\s*$/.exec(pair))
    const flags = pairs.flatMap((pair): ReadonlyArray<Flag> => {
      const [, name, n] = pair ?? []
      if (name === undefined || n === undefined) return []
      return [
        { flag: "--max-per-resolver", path: ["orchestrator", "max_per_resolver", name], value: Number(n) }
      ]
    })
    return flags.length === pairs.length
      ? Effect.succeed(flags)
      : refused("max-per-resolver", text, "names with numbers, such as unpaywall:2,arxiv:1")
  }),
  Options.withDefault([])
)

const maxWait = CommandOptions.duration("max-wait").pipe(
  Options.withDescription(
    "Draining, how long to wait for work that isn't due yet while nothing comes of any other: 90s, 15m, 2h. Default: 15m."
  ),
  Options.optional
)

export const run = Command.make(
  "run",
  {
    workers: CommandOptions.integer("workers", 1).pipe(
      Options.withDescription("Jobs at once in this process. Default: 8."),
      Options.optional
    ),
    maxPerHost: CommandOptions.integer("max-per-host", 1).pipe(
      Options.withDescription("Requests at once to one host, over all processes on the queue. Default: 4."),
      Options.optional
    ),
    perResolver,
    out: Options.text("out").pipe(
      Options.withPseudoName("DIR"),
      Options.withDescription("The folder the files go to. Default: downloads."),
      Options.optional
    ),
    drain: Options.boolean("drain").pipe(
      Options.withDescription("End when nothing is left to do. Default: go on until Ctrl-C.")
    ),
    maxWait,
    dryRun: Options.boolean("dry-run").pipe(
      Options.withDescription("Only shows what would be tried for each queued job. Nothing is downloaded.")
    ),
    limit: CommandOptions.integer("limit", 1).pipe(
      Options.withDescription("With --dry-run: so many jobs at most. Default: 1000."),
      Options.withDefault(1000)
    ),
    ...CommandOptions.display,
    ...CommandOptions.options
  },
  (args) => {
    const flags: ReadonlyArray<Flag> = [
      ...CommandOptions.flag("--workers", ["orchestrator", "max_workers"], args.workers),
      ...CommandOptions.flag("--max-per-host", ["orchestrator", "max_per_host"], args.maxPerHost),
      ...CommandOptions.flag("--out", ["download", "out"], args.out),
      ...CommandOptions.flag("--max-wait", ["orchestrator", "max_wait_seconds"], args.maxWait),
      ...CommandOptions.quietly(args),
      ...args.perResolver
    ]
    if (args.dryRun) {
      return dryRun(args.format, args.limit).pipe(
        Effect.provide(Setup.layerQueue("existing")),
        Setup.run(args, flags)
      )
    }
    return Effect.gen(function* () {
      const summary = yield* runQueue({
        drain: args.drain,
        progress: !args.quiet && !args.noProgress,
        quiet: args.quiet
      })
      const words = {
        queue: CommandOptions.queueWords(args),
        // Else it would go on in another folder.
        run: Option.match(args.out, {
          onNone: () => [],
          onSome: (out) => ["--out", CommandOptions.quoted(out)]
        })
      }
      const width = yield* Output.width
      const tell =
        args.format === "json"
          ? Output.value(data(summary, words))
          : args.quiet
            ? Effect.void
            : Output.line(lines(summary, words, width).join("\n"))
      // Whoever no longer reads it is told by the code all the same.
      yield* Effect.catchIf(
        tell,
        ({ code }) => code === ExitCode.ok,
        () => Effect.void
      )
      yield* ending(summary)
    }).pipe(Effect.provide(Setup.layerQueue("existing")), Setup.withSettings(args, flags))
  }
).pipe(
  Command.withDescription(
    "Downloads what is queued. Any number of processes may run on one queue; Ctrl-C lets running downloads end."
  )
)
