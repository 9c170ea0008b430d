/**
 * The program: from its arguments to an exit code. What fails is said in one line on stderr before it ends.
 */
import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as ValidationError from "@effect/cli/ValidationError"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { parse } from "./Argv.ts"
import { type Exited, usage } from "./Exit.ts"
import { reported } from "./Failures.ts"
import { help } from "./Help.ts"
import * as Output from "./Output.ts"
import { clean } from "./Text.ts"

/** The version of the program; put in when it is bundled. */
export const version = process.env["CONTENTDOWNLOAD_VERSION"] ?? "development"

// The library prints what it refuses by itself; here it is said once, in one line.
const silent: Effect.Effect<Console.Console> = Effect.map(Console.consoleWith(Effect.succeed), (console) => ({
  ...console,
  error: () => Effect.void
}))

/** The arguments are in order as words, but one has a value that isn't allowed. */
const refused = (error: ValidationError.ValidationError): Exited =>
  usage(clean(HelpDoc.toAnsiText(error.error)).replaceAll(/\s+/g, " ").trim())

const program = (args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    // The commands bring most of the program with them: not for a version.
    if (args.length === 1 && args[0] === "--version") return yield* Output.line(version)
    const { grammar, root } = yield* Effect.promise(() => import("./commands/index.ts"))
    const run = Command.run(root, { name: "contentdownload", version })
    const parsed = parse(grammar, args)
    switch (parsed._tag) {
      case "Version":
        return yield* Output.line(version)
      case "Help":
        return yield* Effect.flatMap(Output.Output, ({ out, stdout }) =>
          out(`${help(parsed.node, stdout)}\n`)
        )
      case "Wrong":
        return yield* usage(parsed.message)
      case "Completions":
        return yield* run(["node", "contentdownload", "--completions", parsed.shell])
      case "Command":
        return yield* run(["node", "contentdownload", ...parsed.argv])
    }
  }).pipe(
    Effect.catchIf(ValidationError.isValidationError, refused),
    Effect.provide(CliConfig.layer({ isCaseSensitive: true, autoCorrectLimit: 0 }))
  )

/**
 * Runs the program with the arguments after its name. Needs the platform, `Output` and `Signals`; ends with
 * `Exited` for every exit code but 0.
 */
export const main = (args: ReadonlyArray<string>) =>
  reported(Effect.flatMap(silent, (console) => Effect.withConsole(program(args), console)))
