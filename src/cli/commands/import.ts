/**
 * `queue import`: the artifacts of a file, in a stream. Memory doesn't grow with the file.
 *
 * Each bad line is told with its number and its reason, and the good ones go in; with `--strict` the whole file is
 * read first, and nothing goes in when a line is bad.
 */
import { setFlagsFromString } from "node:v8"
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import { type ArtifactFileError, read as readFile } from "../../artifact/ArtifactFile.ts"
import { Config } from "../../Config.ts"
import { openStream } from "../../Input.ts"
import { WorkQueue } from "../../WorkQueue.ts"
import * as CommandOptions from "../CommandOptions.ts"
import { Exited, ExitCode, usage } from "../Exit.ts"
import { accepted, type Lines, report } from "../Import.ts"
import * as Output from "../Output.ts"
import { showReading } from "../progress/Reading.ts"
import { self } from "../Self.ts"
import { count } from "../Text.ts"
import * as Setup from "../Setup.ts"

/**
 * Nearly all that an import allocates is garbage at once. Left to itself the engine lets the space for such objects
 * grow to three times what the work needs; kept small it costs no time.
 */
const keepHeapSmall = Effect.sync(() => setFlagsFromString("--semi-space-growth-factor=1"))

const notReadable = (error: ArtifactFileError) => usage(error.message)

const notKept = (name: string, why: string) =>
  new Exited({ code: ExitCode.fatal, message: `${name} can't be kept in a file: ${why}` })

/** What can be read only once, kept in a file that is removed with the scope. */
const spooled = (path: string, name: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const file = yield* fs.makeTempFileScoped({ prefix: "contentdownload-" })
    const bytes = NodeStream.fromReadable<Exited>(
      () => openStream(path),
      (error) => notKept(name, error instanceof Error ? error.message : String(error))
    )
    yield* Stream.run(bytes, fs.sink(file))
    return file
  }).pipe(Effect.catchAll((error) => (error._tag === "Exited" ? error : notKept(name, error.message))))

/** The length of a file, in bytes; `null` of what has none, or isn't to be read to its end. */
const lengthOf = (path: string, limit: Option.Option<number>) =>
  path === "-" || Option.isSome(limit)
    ? Effect.succeed(null)
    : Effect.flatMap(FileSystem.FileSystem, (fs) => fs.stat(path)).pipe(
        Effect.map(({ size, type }) => (type === "File" && size > 0n ? Number(size) : null)),
        Effect.orElseSucceed(() => null)
      )

/** Whether it is standard input, a pipe or a device: what was read of it is gone. */
const isReadOnce = (path: string) =>
  path === "-"
    ? Effect.succeed(true)
    : Effect.flatMap(FileSystem.FileSystem, (fs) => fs.stat(path)).pipe(
        Effect.map(({ type }) => type !== "File" && type !== "Directory"),
        // Reading it says what is wrong.
        Effect.orElseSucceed(() => false)
      )

/** The command to type next, for who is watching. */
const suggestRun = (args: CommandOptions.Common) =>
  Effect.flatMap(Output.Output, ({ stderr }) =>
    stderr.tty
      ? Output.note(`Next: ${[self(), "queue run --drain", ...CommandOptions.queueWords(args)].join(" ")}`)
      : Effect.void
  )

export const importFile = Command.make(
  "import",
  {
    file: Args.text({ name: "FILE" }).pipe(
      Args.withDescription(
        "JSON objects line by line, a plain list of URLs, DOIs and other identifiers, or CSV with a header; " +
          "also gzipped. - for stdin."
      )
    ),
    inputFormat: Options.choice("input-format", ["jsonl", "list", "csv"]).pipe(
      Options.withDescription("What the file is. Default: told by its name, else by its first lines."),
      Options.optional
    ),
    limit: CommandOptions.integer("limit", 1).pipe(
      Options.withDescription("Read at most so many artifacts."),
      Options.optional
    ),
    priority: CommandOptions.priority,
    notBefore: CommandOptions.notBefore,
    strict: Options.boolean("strict").pipe(Options.withDescription("Import nothing when a line is bad.")),
    ...CommandOptions.display,
    ...CommandOptions.options
  },
  (args) =>
    Effect.gen(function* () {
      yield* keepHeapSmall
      const { settings } = yield* Config
      const rejected = yield* Ref.make(0)
      const read = yield* Ref.make(0)
      const tell = (lines: { readonly new: number; readonly duplicate: number; readonly rejected: number }) =>
        args.quiet && args.format === "table" ? Effect.void : report(lines, args.format)
      const name = args.file === "-" ? "stdin" : args.file
      const once = yield* isReadOnce(args.file)
      const source = once && args.strict ? yield* spooled(args.file, name) : args.file
      const options = {
        name,
        resolverOrder: Setup.resolverOrder(settings),
        rejected,
        read,
        priority: Option.getOrUndefined(args.priority),
        availableAt: Option.getOrUndefined(args.notBefore)
      }
      const length = yield* lengthOf(source, args.limit)
      // A strict import reads the file twice.
      const passes = args.strict ? 2 : 1
      let pass = 0
      let bytes = 0
      const share = Effect.sync(() =>
        length === null ? null : Math.min(1, (pass - 1 + Math.min(1, bytes / length)) / passes)
      )
      const begin = Effect.zipRight(
        Ref.set(read, 0),
        Effect.sync(() => {
          pass += 1
          bytes = 0
        })
      )
      const lines = (limit: Option.Option<number>): Lines =>
        readFile({
          source,
          onBytes: (more) => {
            bytes += more
          },
          ...Option.match(args.inputFormat, { onNone: () => ({}), onSome: (format) => ({ format }) }),
          ...Option.match(limit, { onNone: () => ({}), onSome: (most) => ({ limit: most }) })
        })

      // A file that can't be read is said before a queue is made for it.
      if (!once || args.strict) yield* Stream.runDrain(lines(Option.some(1)))
      yield* begin
      const showing =
        args.quiet || args.noProgress
          ? undefined
          : yield* Effect.forkScoped(
              Effect.scoped(Effect.zipRight(showReading(name, { read, rejected, share }), Effect.never))
            )
      const hide = showing === undefined ? Effect.void : Fiber.interrupt(showing)
      if (args.strict) {
        const good = yield* Stream.runCount(accepted(lines(args.limit), options))
        const bad = yield* Ref.get(rejected)
        if (bad > 0) {
          yield* hide
          yield* tell({ new: 0, duplicate: 0, rejected: bad })
          return yield* usage(`nothing was imported: ${bad} of ${count(bad + good, "line")} bad`)
        }
      }
      if (args.strict) yield* begin
      const summary = yield* Effect.flatMap(WorkQueue, (queue) =>
        queue.enqueueAll(accepted(lines(args.limit), options))
      ).pipe(Effect.provide(Setup.layerQueue("create")))
      yield* hide
      const bad = yield* Ref.get(rejected)
      yield* tell({ ...summary, rejected: bad })
      if (summary.new + summary.duplicate === 0 && bad > 0) return yield* usage("no line was good")
      if (!args.quiet) yield* suggestRun(args)
    }).pipe(
      Effect.catchTag("ArtifactFileError", notReadable),
      Effect.scoped,
      Setup.run(args, CommandOptions.quietly(args))
    )
).pipe(
  Command.withDescription("Queues the artifacts of a file; those that are queued already stay as they are.")
)
