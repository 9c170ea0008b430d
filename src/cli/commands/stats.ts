/**
 * `queue stats`: how much is queued, running and finished, and why the rest waits; by lane; by reason.
 */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { FinalState } from "../../Job.ts"
import type { LaneStats } from "../../Lane.ts"
import * as WorkerIdentity from "../../WorkerIdentity.ts"
import { type Wait, WorkQueue } from "../../WorkQueue.ts"
import * as CommandOptions from "../CommandOptions.ts"
import * as Output from "../Output.ts"
import { causes, verdict } from "../progress/Why.ts"
import { beside, cut, isoTime } from "../Text.ts"
import { waiting } from "../Waiting.ts"
import * as Setup from "../Setup.ts"

const isOverridden = ({ overrides }: LaneStats): boolean => Object.keys(overrides).length > 0

/** The limits that were set by hand, for people. */
export const byHand = ({ overrides: { burst, cap, gapMs } }: LaneStats): string =>
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

/** Lanes that are looked at to say why the rest waits. */
const LANES = 50

const waitJson = (wait: Wait) => ({ ...wait, until: isoTime(wait.until) })

/** Whether whoever has jobs in progress is gone, as far as this machine can tell. */
const isDeserted = Effect.gen(function* () {
  const queue = yield* WorkQueue
  const { isDead } = yield* WorkerIdentity.make
  return (yield* queue.leases).every(({ worker }) => isDead(worker))
})

const byState = (format: Output.Format) =>
  Effect.gen(function* () {
    const queue = yield* WorkQueue
    const sight = {
      at: yield* Clock.currentTimeMillis,
      stats: yield* queue.stats,
      lanes: yield* queue.laneStats({ limit: LANES }),
      waits: yield* queue.waits,
      paused: yield* queue.paused,
      bytes: null,
      workers: null,
      load: null,
      failing: null,
      fullLine: null
    }
    const { paused, stats, waits } = sight
    if (format === "json") return yield* Output.value({ ...stats, paused, waits: waits.map(waitJson) })
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
    const left = stats.in_progress > 0 && (yield* isDeserted)
    if (stats.queued === 0 && !left) return
    const columns = yield* Output.width
    const why =
      left && !paused
        ? "what is in progress was left by a process that is gone; 'queue run' takes it back"
        : verdict(sight, null)
    const told = [
      ...causes(sight).map((cause, index) => beside(index === 0 ? "Waiting: " : "         ", cause, columns)),
      beside("Why not faster: ", `${why}.`, columns)
    ]
    yield* Output.line(told.flat().join("\n"))
  })

/** How many jobs ended in this state, by reason, the most frequent first. Reads every one of them. */
const byReason = (format: Output.Format, limit: number) =>
  Effect.gen(function* () {
    const queue = yield* WorkQueue
    const counts = new Map<string, { readonly state: FinalState; readonly reason: string; jobs: number }>()
    for (const state of ["error", "skipped"] as const) {
      yield* Stream.runForEach(queue.list({ state }), ({ reason }) =>
        Effect.sync(() => {
          const key = `${state} ${reason}`
          const seen = counts.get(key) ?? { state, reason: reason ?? "", jobs: 0 }
          seen.jobs += 1
          counts.set(key, seen)
        })
      )
    }
    const rows = [...counts.values()].toSorted((a, b) => b.jobs - a.jobs).slice(0, limit)
    if (format === "json") return yield* Output.array(Stream.fromIterable(rows), (row) => row)
    yield* Output.table(
      Stream.fromIterable(rows),
      [
        { title: "state", value: ({ state }) => state },
        { title: "reason", value: ({ reason }) => cut(reason, 60) },
        { title: "jobs", value: ({ jobs }) => jobs, align: "right" }
      ],
      "No job ended in error or was skipped."
    )
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
        { title: "waiting", value: (lane) => waiting(lane, now, paused) ?? "", below: true }
      ],
      "The queue has no lanes yet."
    )
  })

export const stats = Command.make(
  "stats",
  {
    by: Options.choice("by", ["state", "lane", "reason"]).pipe(
      Options.withDescription(
        "Totals by state, and why the rest waits; a line for each lane, a host or a resolver; or how many jobs ended without a file for which reason. Default: state."
      ),
      Options.withDefault("state" as const)
    ),
    limit: CommandOptions.integer("limit", 1).pipe(
      Options.withDescription(
        "Show at most so many lanes or reasons, those with the most jobs first. Default: 100."
      ),
      Options.withDefault(100)
    ),
    ...CommandOptions.options
  },
  ({ by, format, limit, ...args }) =>
    (by === "state" ? byState(format) : by === "lane" ? byLane(format, limit) : byReason(format, limit)).pipe(
      Effect.provide(Setup.layerQueue("existing")),
      Setup.run({ ...args, format })
    )
).pipe(
  Command.withDescription("Shows how many jobs are queued, running and finished, and why the rest waits.")
)
