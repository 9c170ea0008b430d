/**
 * The log: on stderr, as lines for people or one JSON object a line, from the configured level on.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import { Config, type Settings } from "../Config.ts"
import { Output } from "./Output.ts"
import { clean, localTime } from "./Text.ts"

const LEVELS: { readonly [level in Settings["log"]["level"]]: LogLevel.LogLevel } = {
  trace: LogLevel.Trace,
  debug: LogLevel.Debug,
  info: LogLevel.Info,
  warning: LogLevel.Warning,
  error: LogLevel.Error,
  fatal: LogLevel.Fatal,
  none: LogLevel.None
}

const show = (value: unknown): string =>
  typeof value === "string" ? value : (JSON.stringify(value) ?? String(value))

/** One line per message: time, level, message, annotations; a cause follows on lines of its own. */
const pretty = Logger.make<unknown, string>(({ annotations, cause, date, logLevel, message }) => {
  const parts = (Array.isArray(message) ? message : [message]).map(show)
  for (const [name, value] of HashMap.entries(annotations)) parts.push(`${name}=${show(value)}`)
  const text = `${localTime(date.getTime()).slice(11)} ${logLevel.label.padEnd(5)} ${clean(parts.join(" "))}`
  if (Cause.isEmpty(cause)) return text
  const lines = Cause.pretty(cause, { renderErrorCause: true }).split("\n")
  return [text, ...lines.map((line) => `  ${clean(line)}`)].join("\n")
})

/** The loggers and the level of the settings. */
export const layer: Layer.Layer<never, never, Config | Output> = Layer.unwrapEffect(
  Effect.gen(function* () {
    const { settings } = yield* Config
    const { stderr, unsafeErr } = yield* Output
    const logger =
      settings.log.format === "json"
        ? Logger.map(Logger.jsonLogger, (text) => unsafeErr(`${text}\n`))
        : Logger.map(pretty, (text) => unsafeErr(`${stderr.colours.dim(text)}\n`))
    return Layer.merge(
      Logger.replace(Logger.defaultLogger, logger),
      Logger.minimumLogLevel(LEVELS[settings.log.level])
    )
  })
)
