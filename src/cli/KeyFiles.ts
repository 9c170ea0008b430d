/**
 * Keys and mail addresses from files: `NAME_FILE` names the file that holds what the variable `NAME` would, as containers
 * and service managers hand out secrets.
 *
 * Only the variables that say who asks have a file. One that somebody else could read or have written is refused: what it
 * holds is no secret. Its content is in no message.
 */
import { constants } from "node:fs"
import { open } from "node:fs/promises"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { ConfigError } from "../Config.ts"
import { identityVariables } from "../config/Resolvers.ts"
import { exposure, self } from "../config/Trust.ts"
import type { Env } from "./Environment.ts"

/** No key is longer; what is, is something else. */
const MAX_BYTES = 64 * 1024

/** What the file holds, or why it isn't taken. The open file is judged: its name may lead elsewhere a moment later. */
const contentOf = async (path: string): Promise<Either.Either<string, string>> => {
  // A named pipe would be waited for.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const found = await handle.stat()
    if (!found.isFile()) return Either.left("it is no file")
    const exposed = exposure(found, self())
    if (exposed !== undefined)
      return Either.left(`${exposed}; it has to be yours alone, as chmod 600 makes it`)
    if (found.size > MAX_BYTES) return Either.left(`it is larger than ${MAX_BYTES} bytes`)
    const text = (await handle.readFile("utf8")).trim()
    if (text === "") return Either.left("it is empty")
    return /\p{Cc}/u.test(text) ? Either.left("it holds more than one line of text") : Either.right(text)
  } finally {
    await handle.close()
  }
}

const readFile = (path: string): Effect.Effect<Either.Either<string, string>> =>
  Effect.tryPromise(() => contentOf(path)).pipe(
    Effect.catchAll(({ cause }) =>
      Effect.succeed(Either.left(cause instanceof Error ? cause.message : String(cause)))
    )
  )

/** The environment, and in it what the files hold that it names. */
export const read = (env: Env): Effect.Effect<Env, ConfigError> =>
  Effect.gen(function* () {
    const found: { [name: string]: string } = {}
    const issues: Array<{ readonly path: string; readonly message: string }> = []
    for (const name of identityVariables) {
      const variable = `${name}_FILE`
      const path = env[variable]
      if (path === undefined || path === "") continue
      const content =
        (env[name] ?? "") === ""
          ? yield* readFile(path)
          : Either.left(`${name} is set as well; one of them has to go`)
      if (Either.isRight(content)) found[name] = content.right
      else issues.push({ path: "", message: `the file ${path} of ${variable} isn't read: ${content.left}` })
    }
    if (issues.length > 0) return yield* new ConfigError({ issues })
    return { ...env, ...found }
  })
