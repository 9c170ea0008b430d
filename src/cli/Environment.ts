/**
 * The environment variables of the program. Those of the process, unless a program that embeds the command line
 * gives it others.
 */
import * as Context from "effect/Context"

export class Environment extends Context.Reference<Environment>()("contentdownload/cli/Environment", {
  defaultValue: (): { readonly [name: string]: string | undefined } => process.env
}) {}
