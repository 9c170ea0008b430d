/**
 * The edge of the program: runs its effect, and ends the process with the exit code it asks for.
 *
 * Signals aren't handled here but in `Signals`, so a command decides itself what the first one means. What was
 * written is flushed before the process ends; a reader that went away ends it quietly.
 */
import { closeSync } from "node:fs"
import { isatty } from "node:tty"
import * as Runtime from "@effect/platform/Runtime"
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Exited, ExitCode } from "./Exit.ts"
import { clean } from "./Text.ts"

const flush = (stream: NodeJS.WriteStream): Promise<void> =>
  new Promise((resolve) => {
    if (stream.writableLength === 0) resolve()
    else stream.write("", () => resolve())
  })

/** The standard streams that were terminals when the program began. */
const terminals = [0, 1, 2].filter((fd) => isatty(fd))

/**
 * Ends the process. Node sets terminals back to how they were, and crashes over one that is gone since; a closed one it
 * leaves alone.
 */
const leave = (code: number): void => {
  for (const fd of terminals) {
    if (isatty(fd)) continue
    try {
      closeSync(fd)
    } catch {
      // It is closed already, then.
    }
  }
  process.exit(code)
}

const end = (code: number): void => {
  void Promise.all([flush(process.stdout), flush(process.stderr)]).then(() => leave(code))
}

const isBrokenPipe = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "EPIPE"

const onUncaught = (error: unknown): void => {
  if (isBrokenPipe(error)) return leave(ExitCode.ok)
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  process.stderr.write(`contentdownload: internal fault: ${clean(text)}\n`)
  leave(ExitCode.fault)
}

const run = Runtime.makeRunMain(({ fiber, teardown }) => {
  // An effect that only waits would else let the process end.
  const keepAlive = setInterval(() => {}, 2 ** 31 - 1)
  process.on("uncaughtException", onUncaught)
  process.on("unhandledRejection", onUncaught)
  // A failed write is told to its writer; without a listener it would be thrown as well.
  process.stdout.on("error", () => {})
  process.stderr.on("error", () => {})
  fiber.addObserver((exit) => {
    clearInterval(keepAlive)
    teardown(exit, end)
  })
})

/** Runs the program. The one place where an effect is run. */
export const runMain = (program: Effect.Effect<void, Exited>): void =>
  run(program, {
    disableErrorReporting: true,
    disablePrettyLogger: true,
    teardown: (exit, onExit) => {
      if (Exit.isSuccess(exit)) return onExit(ExitCode.ok)
      const failure = Option.getOrUndefined(Cause.failureOption(exit.cause))
      if (failure instanceof Exited) return onExit(failure.code)
      onExit(Cause.isInterruptedOnly(exit.cause) ? ExitCode.sigint : ExitCode.fault)
    }
  })
