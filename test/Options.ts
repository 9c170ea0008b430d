/** The options of the programs that stand beside the tests. */
import { parseArgs, type ParseArgsConfig } from "node:util"

/** What the command line says. What isn't an option ends the program with one line and 2. */
export const read = <T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>>["values"] => {
  try {
    return parseArgs(config).values
  } catch (cause) {
    process.stderr.write(`${cause instanceof Error ? cause.message : String(cause)}\n`)
    process.exit(2)
  }
}
