/**
 * `verify`: whether every file the manifest names is there, with the bytes it had.
 */
import { join } from "node:path"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { Config } from "../../Config.ts"
import { type Receipt, receiptOf } from "../../download/Manifest.ts"
import * as Storage from "../../download/Storage.ts"
import { Fatal } from "../../Failure.ts"
import type { JobDetail } from "../../Job.ts"
import { WorkQueue } from "../../WorkQueue.ts"
import * as CommandOptions from "../CommandOptions.ts"
import { Exited, ExitCode } from "../Exit.ts"
import * as Output from "../Output.ts"
import { clean, count } from "../Text.ts"
import * as Setup from "../Setup.ts"

/** Files that are read at once. */
const AT_ONCE = 4

interface Problem {
  readonly id: string
  readonly path: string
  readonly problem: "missing" | "damaged"
}

/** The jobs that ended with a file, done or not modified since. */
const withFile = Stream.unwrap(
  Effect.map(WorkQueue, (queue) =>
    Stream.concat(
      queue.details({ state: "done" }),
      queue.details({ state: "skipped", reason: "not-modified" })
    ).pipe(Stream.filterMap((job) => Option.map(receiptOf(job), (receipt) => ({ job, receipt }))))
  )
)

/** What is wrong with the file of a job. */
const problemOf = (out: string, job: JobDetail, receipt: Receipt) =>
  Effect.gen(function* () {
    const storage = yield* Storage.Storage
    const holds = storage
      .holds(receipt)
      .pipe(Effect.catchTag("Retry", ({ message, reason }) => new Fatal({ reason, message })))
    if (yield* holds) return Option.none<Problem>()
    const fs = yield* FileSystem.FileSystem
    const there = yield* Effect.orElseSucceed(fs.exists(join(out, receipt.path)), () => true)
    return Option.some<Problem>({ id: job.id, path: receipt.path, problem: there ? "damaged" : "missing" })
  })

export const verify = Command.make(
  "verify",
  {
    dryRun: Options.boolean("dry-run").pipe(
      Options.withDescription("Only looks: what is missing or damaged isn't queued again.")
    ),
    out: Options.text("out").pipe(
      Options.withPseudoName("DIR"),
      Options.withDescription("The folder the files are in. Default: downloads."),
      Options.optional
    ),
    ...CommandOptions.options
  },
  (args) =>
    Effect.gen(function* () {
      const queue = yield* WorkQueue
      const { settings } = yield* Config
      const { out } = settings.download
      let checked = 0
      let found = 0
      let queued = 0
      const problems = withFile.pipe(
        Stream.mapEffect(
          ({ job, receipt }) => Effect.map(problemOf(out, job, receipt), (problem) => ({ job, problem })),
          {
            concurrency: AT_ONCE
          }
        ),
        Stream.tap(() => Effect.sync(() => void (checked += 1))),
        Stream.filterMapEffect(({ job, problem }) =>
          Option.map(problem, (what) =>
            Effect.gen(function* () {
              found += 1
              const { reason, state } = job
              if (!args.dryRun && (state === "done" || state === "skipped")) {
                queued += yield* queue.refresh({ id: job.id, state, ...(reason === null ? {} : { reason }) })
              }
              return what
            })
          )
        )
      )
      if (args.format === "json") {
        const all = yield* Stream.runCollect(problems)
        yield* Output.value({ checked, problems: [...all], queued })
      } else {
        yield* Stream.runForEach(problems, ({ id, path, problem }) =>
          Output.line(`${problem}  ${clean(id)}  ${clean(path)}`)
        )
        yield* Output.line(
          found === 0
            ? `${count(checked, "file")} checked, all as they were`
            : `${count(checked, "file")} checked, ${found} missing or damaged, ${queued} queued again`
        )
      }
      if (found > 0) return yield* new Exited({ code: ExitCode.failedJobs })
    }).pipe(
      Effect.provide(Setup.layerQueue("existing")),
      Effect.provide(Setup.layerStorage),
      Setup.run(args, CommandOptions.flag("--out", ["download", "out"], args.out))
    )
).pipe(
  Command.withDescription(
    "Checks every file against the manifest, byte for byte, and queues again what is missing or damaged."
  )
)
