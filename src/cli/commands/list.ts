/**
 * `queue list`: jobs in the order they were queued.
 */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { JobSummary } from "../../Job.ts"
import { WorkQueue } from "../../WorkQueue.ts"
import * as CommandOptions from "../CommandOptions.ts"
import * as Output from "../Output.ts"
import { isoTime, localTimeNear } from "../Text.ts"
import { withWaiting } from "../Waiting.ts"
import * as Setup from "../Setup.ts"

/** A job for programs; `waiting`: what holds it back. */
export const jobJson = (job: JobSummary, waiting: string | null) => ({
  id: job.id,
  state: job.state,
  lane: job.lane,
  priority: job.priority,
  available_at: isoTime(job.availableAt),
  attempts: job.attempts,
  crashes: job.crashes,
  reason: job.reason,
  waiting,
  worker: job.worker,
  lease_expires_at: isoTime(job.leaseExpiresAt),
  enqueued_at: isoTime(job.enqueuedAt),
  finished_at: isoTime(job.finishedAt)
})

export const list = Command.make(
  "list",
  {
    state: CommandOptions.state,
    lane: CommandOptions.lane,
    reason: CommandOptions.reason,
    limit: CommandOptions.integer("limit", 1).pipe(
      Options.withDescription("Show at most so many. Default: 100."),
      Options.withDefault(100)
    ),
    ...CommandOptions.options
  },
  (args) =>
    Effect.gen(function* () {
      const queue = yield* WorkQueue
      const now = yield* Clock.currentTimeMillis
      const jobs = withWaiting(
        queue.list({
          state: Option.getOrUndefined(args.state),
          lane: Option.getOrUndefined(args.lane),
          reason: Option.getOrUndefined(args.reason),
          limit: args.limit
        })
      )
      if (args.format === "json") {
        return yield* Output.array(jobs, ({ job, waiting }) => jobJson(job, waiting))
      }
      yield* Output.table(
        jobs,
        [
          { title: "id", value: ({ job }) => job.id },
          { title: "state", value: ({ job }) => job.state },
          { title: "lane", value: ({ job }) => job.lane, cutTo: 24 },
          { title: "tries", value: ({ job }) => job.attempts, align: "right" },
          { title: "reason", value: ({ job }) => job.reason ?? "" },
          {
            title: "ended",
            value: ({ job }) => (job.finishedAt === null ? "" : localTimeNear(job.finishedAt, now))
          },
          { title: "waiting", value: ({ waiting }) => waiting ?? "", below: true }
        ],
        "No job matches."
      )
    }).pipe(Effect.provide(Setup.layerQueue("existing")), Setup.run(args))
).pipe(Command.withDescription("Lists jobs in the order they were queued."))
