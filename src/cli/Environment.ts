/**
 * The environment variables of the program. Those of the process, unless a program that embeds the command line
 * gives it others.
 */
import * as Context from "effect/Context"

/** Variables by name. */
export type Env = { readonly [name: string]: string | undefined }

export class Environment extends Context.Reference<Environment>()("contentdownload/cli/Environment", {
  defaultValue: (): Env => process.env
}) {}
