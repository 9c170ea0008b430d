/**
 * `queue stats`: how much is queued, running and finished, in all or by lane.
 */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { LaneStats } from "../../Lane.ts"
import { WorkQueue } from "../../WorkQueue.ts"
import * as CommandOptions from "../CommandOptions.ts"
import * as Output from "../Output.ts"
import { isoTime } from "../Text.ts"
import { waiting } from "../Waiting.ts"
import * as Setup from "../Setup.ts"

const isOverridden = ({ overrides }: LaneStats): boolean => Object.keys(overrides).length > 0

/** The limits that were set by hand, for people. */
const byHand = ({ overrides: { burst, cap, gapMs } }: LaneStats): string =>
  [
    ...(cap === undefined ? [] : [`cap ${cap}`]),
    ...(gapMs === undefined ? [] : [`gap ${gapMs} ms`]),
    ...(burst === undefined ? [] : [`burst ${burst}`])
  ].join(", ")

/** A lane for programs. */
export const laneJson = (lane: LaneStats, now: number, queuePaused: boolean) => ({
  lane: lane.lane,
  pool: lane.pool,
  cap: lane.cap,
  gap_ms: lane.gapMs,
  burst: lane.burst,
  overridden: isOverridden(lane),
  ready: lane.ready,
  delayed: lane.delayed,
  in_flight: lane.inFlight,
  done: lane.done,
  skipped: lane.skipped,
  error: lane.error,
  next_at: isoTime(lane.nextAt),
  paused: lane.paused,
  blocked_reason: lane.blockedReason,
  waiting: waiting(lane, now, queuePaused)
})

const byState = (format: Output.Format) =>
  Effect.gen(function* () {
    const queue = yield* WorkQueue
    const stats = yield* queue.stats
    const paused = yield* queue.paused
    if (format === "json") return yield* Output.value({ ...stats, paused })
    const rows = [
      ["queued", stats.queued],
      ["in progress", stats.in_progress],
      ["done", stats.done],
      ["skipped", stats.skipped],
      ["error", stats.error],
      ["total", stats.total]
    ] as const
    yield* Output.table(
      Stream.fromIterable(rows),
      [
        { title: "state", value: ([state]) => state },
        { title: "jobs", value: ([, jobs]) => jobs, align: "right" }
      ],
      ""
    )
    if (paused) yield* Output.note("The queue is paused; 'contentdownload queue resume' lets it go on.")
  })

const byLane = (format: Output.Format, limit: number) =>
  Effect.gen(function* () {
    const queue = yield* WorkQueue
    const all = yield* queue.laneStats({ limit })
    const lanes = Stream.fromIterable(all)
    const paused = yield* queue.paused
    const now = yield* Clock.currentTimeMillis
    if (format === "json") return yield* Output.array(lanes, (lane) => laneJson(lane, now, paused))
    yield* Output.table(
      lanes,
      [
        { title: "lane", value: ({ lane }) => lane },
        { title: "ready", value: ({ ready }) => ready, align: "right" },
        { title: "later", value: ({ delayed }) => delayed, align: "right" },
        { title: "running", value: ({ cap, inFlight }) => `${inFlight}/${cap}`, align: "right" },
        { title: "done", value: ({ done }) => done, align: "right" },
        { title: "skipped", value: ({ skipped }) => skipped, align: "right" },
        { title: "error", value: ({ error }) => error, align: "right" },
        ...(all.some(isOverridden) ? [{ title: "set", value: byHand }] : []),
        { title: "waiting", value: (lane) => waiting(lane, now, paused) ?? "" }
      ],
      "The queue has no lanes yet."
    )
  })

export const stats = Command.make(
  "stats",
  {
    by: Options.choice("by", ["state", "lane"]).pipe(
      Options.withDescription(
        "Totals by state, or one line for each lane: a host, or a resolver. Default: state."
      ),
      Options.withDefault("state" as const)
    ),
    limit: CommandOptions.integer("limit", 1).pipe(
      Options.withDescription("Show at most so many lanes, those with the most work first. Default: 100."),
      Options.withDefault(100)
    ),
    ...CommandOptions.options
  },
  (args) =>
    (args.by === "state" ? byState(args.format) : byLane(args.format, args.limit)).pipe(
      Effect.provide(Setup.layerQueue("existing")),
      Setup.run(args)
    )
).pipe(Command.withDescription("Shows how many jobs are queued, running and finished."))
