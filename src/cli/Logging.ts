/**
 * The log: on stderr, as lines for people or one JSON object a line, from the configured level on. No line holds a
 * secret of a URL, or anything that controls a terminal.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import { Config, type Settings } from "../Config.ts"
import { Output } from "./Output.ts"
import { redact } from "./Redact.ts"
import { clean, json, localTime } from "./Text.ts"

const LEVELS: { readonly [level in Settings["log"]["level"]]: LogLevel.LogLevel } = {
  trace: LogLevel.Trace,
  debug: LogLevel.Debug,
  info: LogLevel.Info,
  warning: LogLevel.Warning,
  error: LogLevel.Error,
  fatal: LogLevel.Fatal,
  none: LogLevel.None
}

const textOf = (value: unknown): string =>
  redact(typeof value === "string" ? value : (JSON.stringify(value) ?? String(value)))

const parts = (message: unknown): ReadonlyArray<string> =>
  (Array.isArray(message) ? message : [message]).map(textOf)

const causeLines = (cause: Cause.Cause<unknown>): ReadonlyArray<string> =>
  Cause.isEmpty(cause) ? [] : redact(Cause.pretty(cause, { renderErrorCause: true })).split("\n")

/** One line per message: time, level, message, annotations; a cause follows on lines of its own. */
export const pretty = Logger.make<unknown, string>(({ annotations, cause, date, logLevel, message }) => {
  const words = [...parts(message)]
  for (const [name, value] of HashMap.entries(annotations)) {
    // Its message is its name.
    if (name === "event") continue
    const text = textOf(value)
    words.push(`${name}=${/^[^\s"=]+$/.test(text) ? text : JSON.stringify(text)}`)
  }
  const text = `${localTime(date.getTime()).slice(11)} ${logLevel.label.padEnd(5)} ${clean(words.join(" "))}`
  return [text, ...causeLines(cause).map((line) => `  ${clean(line)}`)].join("\n")
})

/**
 * One JSON object a line: `time` (ISO 8601, UTC), `level`, `message`, the annotations under their names, and `cause`
 * if there is one.
 */
export const jsonLines = Logger.make<unknown, string>(({ annotations, cause, date, logLevel, message }) => {
  const fields = Array.from(HashMap.entries(annotations), ([name, value]) => [
    name,
    typeof value === "number" || typeof value === "boolean" || value === null ? value : textOf(value)
  ])
  return json({
    ...Object.fromEntries(fields),
    time: date.toISOString(),
    level: logLevel._tag.toLowerCase(),
    message: parts(message).join(" "),
    ...(Cause.isEmpty(cause) ? {} : { cause: causeLines(cause).join("\n") })
  })
})

/** The loggers and the level of the settings. */
export const layer: Layer.Layer<never, never, Config | Output> = Layer.unwrapEffect(
  Effect.gen(function* () {
    const { settings } = yield* Config
    const { stderr, unsafeErr } = yield* Output
    const logger =
      settings.log.format === "json"
        ? Logger.map(jsonLines, (text) => unsafeErr(`${text}\n`))
        : Logger.map(pretty, (text) => unsafeErr(`${stderr.colours.dim(text)}\n`))
    return Layer.merge(
      Logger.replace(Logger.defaultLogger, logger),
      Logger.minimumLogLevel(LEVELS[settings.log.level])
    )
  })
)
