/**
 * The options that several commands share, and how their values are read.
 */
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as ValidationError from "@effect/cli/ValidationError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Flag, Settings } from "../Config.ts"
import { MAX_PRIORITY } from "../Job.ts"
import type { Format } from "./Output.ts"

/** The options of every command; spread them into its own, last. */
export const options = {
  config: Options.text("config").pipe(
    Options.withAlias("c"),
    Options.withPseudoName("FILE"),
    Options.withDescription("The configuration file. Default: contentdownload.yaml, if it is there."),
    Options.optional
  ),
  queue: Options.text("queue").pipe(
    Options.withPseudoName("PATH"),
    Options.withDescription("The file of the queue. Default: state/workqueue.sqlite."),
    Options.optional
  ),
  format: Options.choice("format", ["table", "json"]).pipe(
    Options.withDescription("How data is shown. Default: table."),
    Options.withDefault("table" as Format)
  ),
  logLevel: Options.choice("log-level", ["trace", "debug", "info", "warning", "error", "fatal", "none"]).pipe(
    Options.withAlias("l"),
    Options.withDescription("The least important messages that are shown. Default: info."),
    Options.optional
  ),
  logFormat: Options.choice("log-format", ["pretty", "json"]).pipe(
    Options.withDescription("Messages as lines for people, or one JSON object a line. Default: pretty."),
    Options.optional
  )
}

/** The options of commands that show how they get on. */
export const display = {
  quiet: Options.boolean("quiet").pipe(
    Options.withAlias("q"),
    Options.withDescription("No progress and no summary; messages from the level warning on.")
  ),
  noProgress: Options.boolean("no-progress").pipe(
    Options.withDescription("No progress while it runs, but the summary.")
  )
}

/** `--quiet` as the setting it stands for. */
export const quietly = (args: {
  readonly quiet: boolean
  readonly logLevel: Option.Option<unknown>
}): ReadonlyArray<Flag> =>
  args.quiet && Option.isNone(args.logLevel)
    ? [{ flag: "--quiet", path: ["log", "level"], value: "warning" }]
    : []

/** Only jobs in this state. */
export const state = Options.choice("state", ["queued", "in_progress", "done", "skipped", "error"]).pipe(
  Options.withDescription("Only jobs in this state."),
  Options.optional
)

/** Only jobs of this lane. */
export const lane = Options.text("lane").pipe(
  Options.withPseudoName("L"),
  Options.withDescription("Only jobs of this lane, such as host:example.org."),
  Options.optional
)

/** Only jobs with this reason. */
export const reason = Options.text("reason").pipe(
  Options.withPseudoName("R"),
  Options.withDescription("Only jobs with this reason, such as http-404."),
  Options.optional
)

/** The common options as a command gets them. */
export interface Common {
  readonly config: Option.Option<string>
  readonly queue: Option.Option<string>
  readonly format: Format
  readonly logLevel: Option.Option<Settings["log"]["level"]>
  readonly logFormat: Option.Option<Settings["log"]["format"]>
}

/** A word as a shell takes it for what it is. */
export const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`

/** The options that lead to this queue, as they were typed, for a command that is suggested. */
export const queueWords = ({ config, queue }: Pick<Common, "config" | "queue">): ReadonlyArray<string> => [
  ...Option.match(config, { onNone: () => [], onSome: (file) => ["--config", quoted(file)] }),
  ...Option.match(queue, { onNone: () => [], onSome: (path) => ["--queue", quoted(path)] })
]

/** The priority of what is queued. */
export const priority = Options.text("priority").pipe(
  Options.withPseudoName("N"),
  Options.withDescription("What comes first in its lane: lower numbers, also below 0. Default: 0."),
  Options.mapEffect((text) =>
    /^-?\d{1,10}$/.test(text) && Math.abs(Number(text)) <= MAX_PRIORITY
      ? Effect.succeed(Number(text))
      : Effect.fail(
          ValidationError.invalidValue(
            HelpDoc.p(
              `--priority is '${text.slice(0, 60)}'; allowed: a whole number from -${MAX_PRIORITY} to ${MAX_PRIORITY}`
            )
          )
        )
  ),
  Options.optional
)

/** An option that takes a whole number of at least `min`; says so when it gets something else. */
export const integer = (name: string, min: number): Options.Options<number> =>
  Options.text(name).pipe(
    Options.withPseudoName("N"),
    Options.mapEffect((text) =>
      /^\d{1,15}$/.test(text) && Number(text) >= min
        ? Effect.succeed(Number(text))
        : Effect.fail(
            ValidationError.invalidValue(
              HelpDoc.p(`--${name} is '${text.slice(0, 60)}'; allowed: a whole number, at least ${min}`)
            )
          )
    )
  )

const UNIT_SECONDS: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["s", 1],
  ["m", 60],
  ["h", 3600],
  ["d", 86_400]
])

/** The seconds of a text such as `90s` or `30d`. */
const secondsOf = (text: string): number | undefined => {
  const [, n, unit] = /^(\d{1,9}(?:\.\d+)?)([smhd]?)$/.exec(text) ?? []
  const seconds = UNIT_SECONDS.get(unit ?? "?")
  return n === undefined || seconds === undefined ? undefined : Number(n) * seconds
}

/** An option that takes a time such as `90s` or `30d`, in seconds; says so when it gets something else. */
export const duration = (name: string): Options.Options<number> =>
  Options.text(name).pipe(
    Options.withPseudoName("T"),
    Options.mapEffect((text) => {
      const seconds = secondsOf(text)
      return seconds === undefined
        ? Effect.fail(
            ValidationError.invalidValue(
              HelpDoc.p(`--${name} is '${text.slice(0, 60)}'; allowed: a time such as 90s, 15m, 2h or 30d`)
            )
          )
        : Effect.succeed(seconds)
    })
  )

const ISO_TIME = /^(\d{4}-\d\d-\d\d)T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d)?$/

/** An ISO 8601 date and time in milliseconds since the epoch, in this machine's time zone where it names none. */
const instantOf = (text: string): number | undefined => {
  const [, date] = ISO_TIME.exec(text) ?? []
  // The parser takes the 30th of February for the 2nd of March.
  if (date === undefined || new Date(`${date}T00:00Z`).getUTCDate() !== Number(date.slice(-2)))
    return undefined
  const at = Date.parse(text)
  return Number.isNaN(at) ? undefined : at
}

/** The earliest start of what is queued, in milliseconds since the epoch. */
export const notBefore = Options.text("not-before").pipe(
  Options.withPseudoName("TIME"),
  Options.withDescription(
    "Not to be started before that: from now, as 90s, 15m, 2h or 30d, or at a time, as 2030-01-31T18:00Z."
  ),
  Options.mapEffect((text) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const seconds = secondsOf(text)
      const at = seconds === undefined ? instantOf(text) : Math.ceil(now + seconds * 1000)
      return at === undefined
        ? Effect.fail(
            ValidationError.invalidValue(
              HelpDoc.p(
                `--not-before is '${text.slice(0, 60)}'; allowed: a time from now such as 15m or 2h, or one such as 2030-01-31T18:00Z`
              )
            )
          )
        : Effect.succeed(at)
    })
  ),
  Options.optional
)

/** The setting an option stands for, if it was given. */
export const flag = <A>(name: string, path: Flag["path"], value: Option.Option<A>): ReadonlyArray<Flag> =>
  Option.match(value, { onNone: () => [], onSome: (given) => [{ flag: name, path, value: given }] })
