/**
 * `config show`, `config init` and `config schema`.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as JSONSchema from "effect/JSONSchema"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Tuple from "effect/Tuple"
import { formatPath } from "../../config/Keys.ts"
import { template } from "../../config/Template.ts"
import { Config, DEFAULT_FILE, leaves, type Loaded, masked, Settings } from "../../Config.ts"
import * as CommandOptions from "../CommandOptions.ts"
import { Exited, ExitCode, usage } from "../Exit.ts"
import * as Output from "../Output.ts"
import { untilSignal } from "../Signals.ts"
import { cut } from "../Text.ts"
import * as Setup from "../Setup.ts"

const showTable = ({ file, origins, settings }: Loaded) =>
  Effect.gen(function* () {
    yield* Output.table(
      Stream.fromIterable(leaves(masked(settings))),
      [
        { title: "setting", value: ({ path }) => formatPath(path) },
        {
          title: "from",
          value: ({ path }) => {
            const origin = origins[formatPath(path)] ?? "default"
            return origin === "file" && file !== null ? file : origin
          }
        },
        // The one that may be long.
        { title: "value", value: ({ value }) => cut(JSON.stringify(value), 200), below: true }
      ],
      ""
    )
  })

const show = Command.make("show", CommandOptions.options, (args) =>
  Effect.flatMap(Config, (loaded) =>
    args.format === "json"
      ? Output.value({ file: loaded.file, settings: masked(loaded.settings), origins: loaded.origins })
      : showTable(loaded)
  ).pipe(Setup.run(args))
).pipe(Command.withDescription("Shows every setting, and where its value comes from."))

const init = Command.make(
  "init",
  {
    file: Args.text({ name: "FILE" }).pipe(
      Args.withDescription(`The file to write, or - for stdout. Default: ${DEFAULT_FILE}.`),
      Args.optional
    ),
    ...CommandOptions.options
  },
  (args) =>
    Effect.gen(function* () {
      const file = Option.getOrElse(
        Option.orElse(args.file, () => args.config),
        () => DEFAULT_FILE
      )
      if (file === "-") return yield* Effect.flatMap(Output.Output, ({ out }) => out(template()))
      const fs = yield* FileSystem.FileSystem
      yield* fs
        .writeFileString(file, template(), { flag: "wx" })
        .pipe(
          Effect.catchAll((error) =>
            error._tag === "SystemError" && error.reason === "AlreadyExists"
              ? usage(`${file} is there already; it stays as it is`)
              : new Exited({ code: ExitCode.usage, message: `${file} can't be written: ${error.message}` })
          )
        )
      yield* args.format === "json" ? Output.value({ file }) : Output.line(`wrote ${file}`)
    }).pipe(untilSignal)
).pipe(
  Command.withDescription("Writes a configuration file with every setting, its default and what it does.")
)

const schema = Command.make("schema", CommandOptions.options, () =>
  untilSignal(Effect.suspend(() => Output.value(JSONSchema.make(Settings, { target: "jsonSchema2020-12" }))))
).pipe(Command.withDescription("Prints the JSON Schema of the configuration file, for editors."))

/** The commands under `config`. */
export const configCommands = Tuple.make(show, init, schema)
