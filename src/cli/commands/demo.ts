/**
 * `demo`: a queue of real downloads from a world of local hosts, run by the ordinary code.
 */
import { join } from "node:path"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import { read } from "../../artifact/ArtifactFile.ts"
import { Config, layerSettings, type Settings } from "../../Config.ts"
import * as Origin from "../../demo/Origin.ts"
import { type World, world } from "../../demo/World.ts"
import { WorkQueue } from "../../WorkQueue.ts"
import * as CommandOptions from "../CommandOptions.ts"
import { Exited, ExitCode, usage } from "../Exit.ts"
import { defectsLogged } from "../Failures.ts"
import { accepted, report } from "../Import.ts"
import * as Logging from "../Logging.ts"
import * as Output from "../Output.ts"
import { exitCode, Signals } from "../Signals.ts"
import { run as runQueue } from "../Run.ts"
import { self } from "../Self.ts"
import { data, lines } from "../Summary.ts"
import { beside, count } from "../Text.ts"
import * as Setup from "../Setup.ts"

/** Says that a folder is the demo's, so that the next demo may replace it. */
const MARKER = ".contentdownload-demo"

const folderFailed = (folder: string) => (error: { readonly message: string }) =>
  new Exited({ code: ExitCode.fatal, message: `the demo's folder ${folder} can't be used: ${error.message}` })

/** An empty folder for the demo. One that holds anything else than an earlier demo is left alone. */
const freshFolder = (folder: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    if (yield* fs.exists(folder)) {
      const inside = yield* fs.readDirectory(folder)
      if (inside.length > 0 && !inside.includes(MARKER)) {
        return yield* usage(`${folder} holds something else than a demo; --out names another folder`)
      }
      yield* fs.remove(folder, { recursive: true })
    }
    yield* fs.makeDirectory(folder, { recursive: true })
    yield* fs.writeFileString(join(folder, MARKER), "")
  }).pipe(
    Effect.catchAll((error) => (error._tag === "Exited" ? error : Effect.fail(folderFailed(folder)(error))))
  )

/** Where the demo's things are. */
interface Place {
  readonly list: string
  readonly queue: string
  readonly files: string
}

const settingsOf = (place: Place, made: World, log: Partial<Settings["log"]>) =>
  layerSettings({
    orchestrator: { max_workers: 16, max_per_host: 2, retry_backoff_seconds: 1, jitter_seconds: 0.2 },
    queue: { path: place.queue },
    // Nobody watches for as long as one would leave a real host alone.
    http: { resolve: made.resolve, breaker_pause_seconds: 0.5 },
    download: { out: place.files },
    // It is offline: nobody outside is asked about what fails here.
    resolvers: { order: [] },
    log
  })

const introduce = (made: World, place: Place) =>
  Output.note(
    [
      `A world of ${Object.keys(made.hosts).length} hosts on this machine, and ${count(made.artifacts.length, "artifact")} to download from them:`,
      ...Object.entries(made.descriptions).map(([host, habit]) => `  ${host.padEnd(15)} ${habit}`),
      `The list is ${place.list}.`,
      ""
    ].join("\n")
  )

const explain = (made: World, place: Place, columns: number) => {
  const queue = `--queue ${place.queue}`
  return [
    "",
    ...beside(
      "",
      `As meant: ${count(made.expected.done, "file")} in ${place.files}; ${count(made.expected.error, "artifact")} can't be had from anywhere (gone, or behind a login page). ` +
        "The slow host held up only its own jobs. The busy one was left alone for the two seconds it asked for. " +
        "Broken connections were tried again, after a pause once there were five in a row; login pages named .pdf were not taken for papers.",
      Math.min(columns, 110)
    ),
    "",
    "Look around:",
    `  ${self()} queue stats --by lane ${queue}`,
    `  ${self()} queue list --state error ${queue}`,
    `  ${self()} queue show paywall-001 ${queue}`,
    "Download a list of your own, a URL, DOI or arXiv id a line:",
    `  ${self()} queue import my-list.txt`,
    `  ${self()} queue run --drain`
  ].join("\n")
}

/** Fails unless every artifact ended as the world means it to. */
const judge = (made: World) =>
  Effect.gen(function* () {
    const queue = yield* WorkQueue
    const stats = yield* queue.stats
    const { done, error } = made.expected
    if (stats.done === done && stats.error === error && stats.total === done + error) return
    return yield* new Exited({
      code: ExitCode.fault,
      message: `the demo ended otherwise than meant: ${stats.done} done and ${stats.error} in error, not ${done} and ${error}`
    })
  })

export const demo = Command.make(
  "demo",
  {
    out: Options.text("out").pipe(
      Options.withPseudoName("DIR"),
      Options.withDescription(
        "The folder for its list, queue and files; replaced if it is an earlier demo's."
      ),
      Options.withDefault("demo-output")
    ),
    ...CommandOptions.display,
    format: CommandOptions.options.format,
    logLevel: CommandOptions.options.logLevel,
    logFormat: CommandOptions.options.logFormat
  },
  (args) =>
    Effect.gen(function* () {
      const place: Place = {
        list: join(args.out, "artifacts.jsonl"),
        queue: join(args.out, "queue.sqlite"),
        files: join(args.out, "files")
      }
      yield* freshFolder(args.out)
      const origin = yield* Origin.make({ hosts: world(0).hosts }).pipe(
        Effect.catchTag(
          "OriginError",
          (error) => new Exited({ code: ExitCode.fatal, message: error.message })
        )
      )
      const made = world(origin.port)
      const fs = yield* FileSystem.FileSystem
      const text = made.artifacts.map((artifact) => `${JSON.stringify(artifact)}\n`).join("")
      yield* Effect.mapError(fs.writeFileString(place.list, text), folderFailed(args.out))

      const log = {
        level: Option.getOrElse(args.logLevel, () => "warning" as const),
        format: Option.getOrElse(args.logFormat, () => "pretty" as const)
      }
      const tells = args.format === "table" && !args.quiet
      yield* Effect.gen(function* () {
        const { settings } = yield* Config
        const queue = yield* WorkQueue
        if (tells) yield* introduce(made, place)
        const rejected = yield* Ref.make(0)
        const resolverOrder = Setup.resolverOrder(settings)
        const imported = yield* queue
          .enqueueAll(accepted(read({ source: place.list }), { name: place.list, resolverOrder, rejected }))
          .pipe(Effect.catchTag("ArtifactFileError", (error) => usage(error.message)))
        if (tells) yield* report({ ...imported, rejected: yield* Ref.get(rejected) }, "table")
        const summary = {
          ...(yield* runQueue({
            drain: true,
            progress: !args.quiet && !args.noProgress,
            quiet: args.quiet,
            logAsked: Option.isSome(args.logLevel) || Option.isSome(args.logFormat)
          })),
          duplicates: imported.duplicate
        }
        if (summary.report.ended === "stopped") {
          const signals = yield* Signals
          return yield* new Exited({ code: exitCode(yield* signals.first) })
        }
        yield* judge(made)
        const words = {
          queue: CommandOptions.queueWords({ config: Option.none(), queue: Option.some(place.queue) }),
          run: ["--out", CommandOptions.quoted(place.files)]
        }
        if (args.format === "json") return yield* Output.value(data(summary, words))
        if (!tells) return
        const columns = yield* Output.width
        yield* Output.line([...lines(summary, words, columns), explain(made, place, columns)].join("\n"))
      }).pipe(
        defectsLogged,
        Effect.provide(
          Layer.mergeAll(Setup.layerQueue("create"), Logging.layer).pipe(
            Layer.provideMerge(settingsOf(place, made, log))
          )
        )
      )
    }).pipe(Effect.scoped)
).pipe(
  Command.withDescription(
    "Downloads some 200 files from a dozen hosts on this machine, each with a habit real hosts have. Offline."
  )
)
