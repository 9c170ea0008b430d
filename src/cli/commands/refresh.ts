/**
 * `queue refresh`: has files that are there looked at again, whether their servers have other ones by now.
 */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { receiptOf } from "../../download/Manifest.ts"
import { type RefreshFilter, WorkQueue } from "../../WorkQueue.ts"
import * as CommandOptions from "../CommandOptions.ts"
import * as Output from "../Output.ts"
import { count } from "../Text.ts"
import * as Setup from "../Setup.ts"
import { existing } from "./show.ts"

/** Ends that always leave a file: it came, or it was what the server still had. */
const WITH_FILE: ReadonlyArray<Pick<RefreshFilter, "state" | "reason">> = [
  { state: "done" },
  { state: "skipped", reason: "not-modified" }
]

/** Ends that leave a file only to those who had one before. */
const WITHOUT: ReadonlyArray<RefreshFilter["state"]> = ["skipped", "error"]

/** Jobs found in one step. */
const BATCH = 500

/** Which jobs are asked about. */
interface Wanted {
  readonly id: string | undefined
  readonly lane: string | undefined
}

/** Jobs that were looked at again in vain: the file they had before is still theirs. */
const inVain = ({ id, lane }: Wanted) =>
  Effect.map(WorkQueue, (queue) =>
    (id === undefined
      ? Stream.flatMap(Stream.fromIterable(WITHOUT), (state) =>
          queue.details({ state, lane, hasResult: true })
        )
      : Stream.filterMap(Stream.fromEffect(queue.get(id)), (job) => job)
    ).pipe(
      Stream.filter(
        (job) =>
          WITHOUT.some((state) => state === job.state) &&
          job.reason !== "not-modified" &&
          Option.isSome(receiptOf(job))
      )
    )
  ).pipe(Stream.unwrap)

/** Queues them again, or only counts them. */
const refreshInVain = (wanted: Wanted, dryRun: boolean) =>
  Stream.runFoldEffect(Stream.rechunk(inVain(wanted), BATCH).pipe(Stream.chunks), 0, (sum, jobs) =>
    Effect.gen(function* () {
      const queue = yield* WorkQueue
      let total = sum
      for (const state of WITHOUT) {
        const ids = Array.from(jobs).flatMap((job) => (job.state === state ? [job.id] : []))
        if (ids.length === 0) continue
        total += yield* queue.refresh({ state, id: ids, lane: wanted.lane, dryRun })
      }
      return total
    })
  )

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
      const wanted = Option.isNone(args.id) ? undefined : yield* existing(args.id.value)
      const only = { id: wanted?.id, lane: Option.getOrUndefined(args.lane) }
      let jobs = yield* refreshInVain(only, args.dryRun)
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
    "Queues what has a file again. The next run asks each server whether its file has changed, and takes it only then. The file that is there stays, and stays in the manifest, whatever the server says."
  )
)
