/**
 * `queue lane list`, `set` and `reset`: caps and paces of single lanes, changed while the queue is running. Stored in
 * the queue, over whatever the configuration says, so it holds for all processes and across restarts.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { asciiHost, hostName, hostOf, type LaneStats, resolverOf } from "../../Lane.ts"
import { WorkQueue } from "../../WorkQueue.ts"
import * as CommandOptions from "../CommandOptions.ts"
import { usage } from "../Exit.ts"
import * as Output from "../Output.ts"
import { cut } from "../Text.ts"
import { waiting } from "../Waiting.ts"
import { byHand, laneJson } from "./stats.ts"
import * as Setup from "../Setup.ts"

const key = Args.text({ name: "KEY" }).pipe(
  Args.withDescription("The lane, such as host:example.org or resolver:unpaywall.")
)

const find = (lane: string) =>
  Effect.flatMap(WorkQueue, (queue) => Effect.map(queue.laneStats({ limit: 1, lane }), ([found]) => found))

/** The name of a host's or a resolver's lane, whether or not it has had jobs yet. */
const nameOf = (text: string): string | undefined => {
  const host = hostOf(text)
  if (host !== undefined) return asciiHost(host) === undefined ? undefined : `host:${hostName(host)}`
  return resolverOf(text) === undefined ? undefined : text
}

/** The lane that is meant: one that is there, or may come. */
const meant = (text: string) =>
  Effect.gen(function* () {
    const name = nameOf(text)
    if (name !== undefined) return name
    if ((yield* find(text)) !== undefined) return text
    return yield* usage(`there is no lane ${cut(text, 100)}; the lane of a host is called host:NAME`)
  })

const limitsOf = ({ burst, cap, gapMs }: LaneStats): string =>
  `cap ${cap}, ${gapMs === 0 ? "no pace" : `gap ${gapMs} ms, burst ${burst}`}`

const show = (lane: string, format: Output.Format) =>
  Effect.gen(function* () {
    const queue = yield* WorkQueue
    const now = yield* find(lane)
    if (now === undefined) return
    if (format === "json") {
      return yield* Output.value(laneJson(now, yield* Clock.currentTimeMillis, yield* queue.paused))
    }
    yield* Output.line(`${cut(lane, 200)}: ${limitsOf(now)}`)
  })

const set = Command.make(
  "set",
  {
    key,
    cap: CommandOptions.integer("cap", 1).pipe(
      Options.withDescription("Jobs of the lane at once, over all processes on the queue."),
      Options.optional
    ),
    gap: CommandOptions.integer("gap", 0).pipe(
      Options.withPseudoName("MS"),
      Options.withDescription("Milliseconds between two starts; 0 for no pace."),
      Options.optional
    ),
    burst: CommandOptions.integer("burst", 1).pipe(
      Options.withDescription("Starts that may follow each other at once after a quiet time."),
      Options.optional
    ),
    ...CommandOptions.options
  },
  (args) =>
    Effect.gen(function* () {
      const overrides = {
        cap: Option.getOrUndefined(args.cap),
        gapMs: Option.getOrUndefined(args.gap),
        burst: Option.getOrUndefined(args.burst)
      }
      if (Object.values(overrides).every((value) => value === undefined)) {
        return yield* usage("there is nothing to set; --cap, --gap or --burst says what")
      }
      const queue = yield* WorkQueue
      const lane = yield* meant(args.key)
      yield* queue.setLane(lane, overrides)
      yield* show(lane, args.format)
    }).pipe(
      Effect.provide(Setup.layerQueue(nameOf(args.key) === undefined ? "existing" : "create")),
      Setup.run(args)
    )
).pipe(
  Command.withDescription(
    "Sets limits of one lane, over the configuration's, until 'queue lane reset'. Running processes obey at once."
  )
)

const reset = Command.make("reset", { key, ...CommandOptions.options }, (args) =>
  Effect.gen(function* () {
    const queue = yield* WorkQueue
    const lane = yield* meant(args.key)
    if ((yield* find(lane)) === undefined) {
      return yield* usage(`there is no lane ${cut(lane, 100)}; 'contentdownload queue lane list' lists them`)
    }
    yield* queue.setLane(lane, null)
    yield* show(lane, args.format)
  }).pipe(Effect.provide(Setup.layerQueue("existing")), Setup.run(args))
).pipe(Command.withDescription("Gives a lane back to the limits of the configuration."))

const list = Command.make(
  "list",
  {
    set: Options.boolean("set").pipe(
      Options.withDescription("Only lanes with limits that were set by hand.")
    ),
    limit: CommandOptions.integer("limit", 1).pipe(
      Options.withDescription("Show at most so many, those with the most work first. Default: 100."),
      Options.withDefault(100)
    ),
    ...CommandOptions.options
  },
  (args) =>
    Effect.gen(function* () {
      const queue = yield* WorkQueue
      const lanes = yield* queue.laneStats({ limit: args.limit, ...(args.set ? { overridden: true } : {}) })
      const rows = Stream.fromIterable(lanes)
      const now = yield* Clock.currentTimeMillis
      const paused = yield* queue.paused
      if (args.format === "json") return yield* Output.array(rows, (lane) => laneJson(lane, now, paused))
      yield* Output.table(
        rows,
        [
          { title: "lane", value: ({ lane }) => lane },
          { title: "pool", value: ({ pool }) => pool, cutTo: 20 },
          { title: "cap", value: ({ cap }) => cap, align: "right" },
          { title: "gap ms", value: ({ gapMs }) => gapMs, align: "right" },
          { title: "burst", value: ({ burst }) => burst, align: "right" },
          { title: "set by hand", value: byHand },
          { title: "waiting", value: (lane) => waiting(lane, now, paused) ?? "", below: true }
        ],
        args.set ? "No lane has limits that were set by hand." : "The queue has no lanes yet."
      )
    }).pipe(Effect.provide(Setup.layerQueue("existing")), Setup.run(args))
).pipe(
  Command.withDescription(
    "Shows the limits of lanes, which of them were set by hand, and what each waits for."
  )
)

export const laneCommands = [list, set, reset] as const
