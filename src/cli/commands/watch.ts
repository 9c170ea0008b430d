/**
 * `queue watch`: the display of a run, for a queue that other processes are running. It only looks.
 */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as CommandOptions from "../CommandOptions.ts"
import { Output, line } from "../Output.ts"
import { finishedOf } from "../progress/Estimate.ts"
import * as Observer from "../progress/Observer.ts"
import * as View from "../progress/View.ts"
import { verdict } from "../progress/Why.ts"
import { showing } from "../Run.ts"
import * as Setup from "../Setup.ts"
import { Signals } from "../Signals.ts"
import { isoTime, json } from "../Text.ts"
import { laneJson } from "./stats.ts"

/** Lanes in the data. */
const LANES = 10

/** A look for programs, on one line. */
const looked = ([sight, speed, end]: Observer.Now): string =>
  json({
    at: isoTime(sight.at),
    ...sight.stats,
    finished: finishedOf(sight.stats),
    paused: sight.paused,
    jobs_per_second: speed.jobs,
    eta_ms: end === null ? null : Math.round(end.ms),
    eta_lane: end?.lane ?? null,
    why: verdict(sight, end),
    waits: sight.waits.map((wait) => ({ ...wait, until: isoTime(wait.until) })),
    lanes: sight.lanes.slice(0, LANES).map((lane) => laneJson(lane, sight.at, sight.paused))
  })

const isDrained = ([{ stats }]: Observer.Now): boolean => stats.queued + stats.in_progress === 0

export const watch = Command.make(
  "watch",
  {
    untilDrained: Options.boolean("until-drained").pipe(
      Options.withDescription("End when nothing is left to do. Default: go on until Ctrl-C.")
    ),
    every: CommandOptions.duration("every").pipe(
      Options.withDescription(
        "With --format json, or where there is no terminal, how often a line is written. Default: 30s."
      ),
      Options.optional
    ),
    ...CommandOptions.options
  },
  (args) =>
    Effect.gen(function* () {
      const { stderr, stdout } = yield* Output
      const signals = yield* Signals
      const observer = yield* Observer.make()
      const living = stderr.tty && stdout.tty && args.format === "table"
      const text = (now: Observer.Now): string =>
        args.format === "json" ? looked(now) : View.headline(...now)
      let last: Observer.Now | undefined
      const write = Effect.flatMap(observer.now, (now) => {
        last = now
        return line(text(now))
      })
      const everyMs = Math.max(100, Option.getOrElse(args.every, () => 30) * 1000)
      const show = living
        ? Effect.zipRight(showing(observer), Effect.never)
        : Effect.zipRight(Effect.repeat(write, Schedule.spaced(everyMs)), Effect.never)
      const drained = args.untilDrained
        ? Effect.repeat(observer.now, { until: isDrained, schedule: Schedule.spaced("250 millis") })
        : Effect.never
      yield* Effect.raceFirst(
        Effect.scoped(show),
        Effect.raceFirst(observer.failed, Effect.raceFirst(drained, signals.first))
      )
      // What it has come to stays, where the living lines have gone; it isn't said twice.
      if ((yield* observer.now) !== last) yield* write
    }).pipe(Effect.scoped, Effect.provide(Setup.layerQueue("existing")), Setup.withSettings(args))
).pipe(
  Command.withDescription(
    "Shows how a queue gets on that other processes are running, and why it isn't faster. Ctrl-C ends it."
  )
)
