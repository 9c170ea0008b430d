/**
 * What the program says when it fails: one line on stderr and an exit code for every expected failure, one line
 * for a bug. The code alone says who has to act: 1 us, 2 whoever typed the command, 6 whoever keeps the machine.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ConfigError } from "../Config.ts"
import type { Fatal } from "../Failure.ts"
import type { WorkQueueError } from "../WorkQueue.ts"
import { Exited, ExitCode } from "./Exit.ts"
import { note, type Output } from "./Output.ts"
import { clean } from "./Text.ts"

/** Everything a command may fail with. */
export type Expected = Exited | ConfigError | WorkQueueError | Fatal

interface Report {
  readonly code: number
  readonly lines: ReadonlyArray<string>
}

const report = (error: Expected): Report => {
  switch (error._tag) {
    case "Exited":
      return { code: error.code, lines: error.message === "" ? [] : [error.message] }
    case "ConfigError":
      return { code: ExitCode.usage, lines: error.issues.map((issue) => issue.message) }
    case "WorkQueueError": {
      const hint = error.reason === "busy" ? "; 'contentdownload doctor' says by which, if it stays so" : ""
      return {
        code: error.reason === "internal" ? ExitCode.fault : ExitCode.fatal,
        lines: [error.message + hint]
      }
    }
    case "Fatal":
      return { code: ExitCode.fatal, lines: [error.message] }
  }
}

const describeDefect = (cause: Cause.Cause<unknown>): string => {
  const defect = Cause.squash(cause)
  const text = defect instanceof Error ? `${defect.name}: ${defect.message}` : String(defect)
  return text.split("\n")[0] ?? text
}

/** Says what went wrong, and leaves only the exit code. */
export const reported = <A, R>(effect: Effect.Effect<A, Expected, R>): Effect.Effect<A, Exited, R | Output> =>
  Effect.catchAllCause(effect, (cause) =>
    Effect.gen(function* () {
      const expected = Cause.failureOption(cause)
      if (Option.isSome(expected)) {
        const { code, lines } = report(expected.value)
        yield* Effect.forEach(lines, (line) => note(`contentdownload: ${clean(line)}`), { discard: true })
        return yield* new Exited({ code })
      }
      if (Cause.isInterruptedOnly(cause)) return yield* new Exited({ code: ExitCode.sigint })
      yield* note(`contentdownload: internal fault: ${clean(describeDefect(cause))}`)
      return yield* new Exited({ code: ExitCode.fault })
    })
  )

/** Logs the whole cause of a bug, for who asks for it with `--log-level debug`. */
export const defectsLogged = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.tapErrorCause(effect, (cause) =>
    Option.isNone(Cause.failureOption(cause)) && !Cause.isInterruptedOnly(cause)
      ? Effect.logDebug("internal fault", cause)
      : Effect.void
  )
