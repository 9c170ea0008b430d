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
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import { type ArtifactFileError, type Line, read } from "../../artifact/ArtifactFile.ts"
import { Config } from "../../Config.ts"
import { toNewJob } from "../../download/Route.ts"
import type { NewJob } from "../../Job.ts"
import { type EnqueueSummary, WorkQueue } from "../../WorkQueue.ts"
import * as Common from "../Common.ts"
import { Exited, ExitCode, usage } from "../Exit.ts"
import * as Output from "../Output.ts"
import { clean, count } from "../Text.ts"

/**
 * Nearly all that an import allocates is garbage at once. Left to itself the engine lets the space for such objects
 * grow to three times what the work needs; kept small it costs no time.
 */
const keepHeapSmall = Effect.sync(() => setFlagsFromString("--semi-space-growth-factor=1"))

interface Source {
  /** The file to read, or `-` for stdin. */
  readonly path: string
  /** What it is called in messages. */
  readonly name: string
}

type Lines = Stream.Stream<Line, ArtifactFileError, FileSystem.FileSystem>

const notReadable = (error: ArtifactFileError) => usage(error.message)

/** Tells the bad lines on stderr and counts them; answers the jobs of the good ones. */
const accepted = (
  lines: Lines,
  source: Source,
  rejected: Ref.Ref<number>,
  toJob: (line: Line) => Either.Either<NewJob, string>
): Stream.Stream<NewJob, ArtifactFileError, FileSystem.FileSystem | Output.Output> =>
  Stream.mapChunksEffect(lines, (chunk) => {
    const good: Array<NewJob> = []
    const bad: Array<string> = []
    for (const line of chunk) {
      const job = toJob(line)
      if (Either.isRight(job)) good.push(job.right)
      else bad.push(clean(`${source.name}:${line.line}: ${job.left}`))
    }
    const jobs = Chunk.unsafeFromArray(good)
    if (bad.length === 0) return Effect.succeed(jobs)
    return Ref.update(rejected, (before) => before + bad.length).pipe(
      Effect.zipRight(Output.note(bad.join("\n"))),
      Effect.as(jobs)
    )
  })

const notKept = (why: string) =>
  new Exited({ code: ExitCode.fatal, message: `stdin can't be kept in a file: ${why}` })

/** Stdin, kept in a file that is removed with the scope, so that it can be read twice. */
const spooled = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const file = yield* fs.makeTempFileScoped({ prefix: "contentdownload-" })
  const stdin = NodeStream.fromReadable<Exited>(
    () => process.stdin,
    (error) => notKept(error instanceof Error ? error.message : String(error))
  )
  yield* Stream.run(stdin, fs.sink(file))
  return file
}).pipe(Effect.catchAll((error) => (error._tag === "Exited" ? error : notKept(error.message))))

const report = (summary: EnqueueSummary & { readonly rejected: number }, format: Output.Format) => {
  const { duplicate, new: added, rejected } = summary
  const total = added + duplicate + rejected
  return format === "json"
    ? Output.value({ new: added, duplicate, rejected, total })
    : Output.line(
        `${count(added, "new", "new")}, ${count(duplicate, "duplicate")}, ${count(rejected, "rejected", "rejected")}`
      )
}

/** The command to type next, for who is watching. */
const suggestRun = (args: Common.Common) =>
  Effect.flatMap(Output.Output, ({ stderr }) => {
    const given = [
      ...Option.match(args.config, { onNone: () => [], onSome: (file) => ["--config", file] }),
      ...Option.match(args.queue, { onNone: () => [], onSome: (path) => ["--queue", path] })
    ]
    return stderr.tty
      ? Output.note(`Next: ${["contentdownload", "queue", "run", "--drain", ...given].join(" ")}`)
      : Effect.void
  })

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
    limit: Common.integer("limit", 1).pipe(
      Options.withDescription("Read at most so many artifacts."),
      Options.optional
    ),
    strict: Options.boolean("strict").pipe(Options.withDescription("Import nothing when a line is bad.")),
    ...Common.options
  },
  (args) =>
    Effect.gen(function* () {
      yield* keepHeapSmall
      const { settings } = yield* Config
      const order = Common.resolverOrder(settings)
      const rejected = yield* Ref.make(0)
      const toJob = (line: Line) => Either.map(line.result, (artifact) => toNewJob(artifact, order))
      const name = args.file === "-" ? "stdin" : args.file
      const path = args.file === "-" && args.strict ? yield* spooled : args.file
      const source: Source = { path, name }
      const lines = (limit: Option.Option<number>): Lines =>
        read({
          source: source.path,
          ...Option.match(args.inputFormat, { onNone: () => ({}), onSome: (format) => ({ format }) }),
          ...Option.match(limit, { onNone: () => ({}), onSome: (most) => ({ limit: most }) })
        })

      // A file that can't be read is said before a queue is made for it.
      if (source.path !== "-") yield* Stream.runDrain(lines(Option.some(1)))
      if (args.strict) {
        const good = yield* Stream.runCount(accepted(lines(args.limit), source, rejected, toJob))
        const bad = yield* Ref.get(rejected)
        if (bad > 0) {
          yield* report({ new: 0, duplicate: 0, rejected: bad }, args.format)
          return yield* usage(`nothing was imported: ${bad} of ${count(bad + good, "line")} bad`)
        }
      }
      const summary = yield* Effect.flatMap(WorkQueue, (queue) =>
        queue.enqueueAll(accepted(lines(args.limit), source, rejected, toJob))
      ).pipe(Effect.provide(Common.layerQueue("create")))
      const bad = yield* Ref.get(rejected)
      yield* report({ ...summary, rejected: bad }, args.format)
      if (summary.new + summary.duplicate === 0 && bad > 0) return yield* usage("no line was good")
      yield* suggestRun(args)
    }).pipe(Effect.catchTag("ArtifactFileError", notReadable), Effect.scoped, Common.run(args))
).pipe(
  Command.withDescription("Queues the artifacts of a file; those that are queued already stay as they are.")
)
