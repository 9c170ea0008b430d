/**
 * How the program ends: the exit codes, and the one error that carries them.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"

/** The exit codes scripts may rely on. */
export const ExitCode = {
  ok: 0,
  /** A bug. */
  fault: 1,
  /** A wrong command line, configuration or input. */
  usage: 2,
  /** Drained; some jobs ended in error. */
  failedJobs: 3,
  /** Drained as far as allowed; some jobs wait for later. */
  deferred: 4,
  /** The disk or the queue can't be used. */
  fatal: 6,
  sighup: 129,
  sigint: 130,
  sigterm: 143
} as const

/** What each code means, for the references. */
export const EXIT_MEANINGS: { readonly [name in keyof typeof ExitCode]: string } = {
  ok: "all done or skipped; what was asked for was done",
  fault: "an internal fault",
  usage: "a wrong command line, configuration or input",
  failedJobs:
    "drained, and some jobs are in error; `verify`: files are missing or damaged; `resolve`: no source is known; `doctor`: warnings",
  deferred: "drained as far as allowed; the rest waits, and the summary says until when",
  fatal: "the disk or the queue can't be used; `doctor`: errors",
  sighup: "its terminal is gone (SIGHUP); ended cleanly",
  sigint: "interrupted by Ctrl-C, cleanly",
  sigterm: "ended by SIGTERM, cleanly"
}

/** The program ends with `code`; `message`, if there is one, is still to be said on stderr. */
export class Exited extends Data.TaggedError("Exited")<{
  readonly code: number
  readonly message?: string
}> {}

/** Ends with code 2: what was asked for can't be done as it was asked. */
export const usage = (message: string): Exited => new Exited({ code: ExitCode.usage, message })

/** A result with a reason on its left side, as an ending with code 2. */
export const orUsage = <A>(result: Either.Either<A, string>): Effect.Effect<A, Exited> =>
  Either.match(result, { onLeft: (why) => usage(why), onRight: (value) => Effect.succeed(value) })
