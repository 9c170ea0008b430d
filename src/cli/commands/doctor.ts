/**
 * `doctor`: looks at everything a run stands on, and says what to do about what isn't right. It changes nothing, and
 * works while runs go on.
 */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { Config } from "../../Config.ts"
import * as WorkerIdentity from "../../WorkerIdentity.ts"
import type { WorkQueueError } from "../../WorkQueue.ts"
import * as CommandOptions from "../CommandOptions.ts"
import { diskFindings } from "../doctor/DiskChecks.ts"
import * as Finding from "../doctor/Finding.ts"
import { lockFindings } from "../doctor/LockChecks.ts"
import { type Judging, queueFindings } from "../doctor/QueueChecks.ts"
import { Environment } from "../Environment.ts"
import { Exited, ExitCode } from "../Exit.ts"
import * as Output from "../Output.ts"
import * as Setup from "../Setup.ts"
import { beside, clean, count } from "../Text.ts"

const EXIT_CODES = {
  ok: ExitCode.ok,
  note: ExitCode.ok,
  warning: ExitCode.failedJobs,
  error: ExitCode.fatal
} as const

const unreadable = ({ message, reason }: WorkQueueError): Finding.Finding =>
  Finding.error(
    "queue",
    message,
    reason === "corrupt"
      ? "end all runs, keep the file, and put a backup in its place ('contentdownload queue backup --help')"
      : reason === "busy"
        ? "look for a program that holds the file locked"
        : "check that the path is right, and the permissions of the file and its folder"
  )

const queue = (judging: Judging) =>
  Effect.gen(function* () {
    const store = yield* Effect.promise(() => import("../../store/sqlite/Inspect.ts"))
    const inspection = yield* store.inspect(judging.settings.queue.path, judging.now, judging.quick)
    return queueFindings(inspection, judging)
  }).pipe(Effect.catchAll((error) => Effect.succeed([unreadable(error)])))

const MARKS = { ok: "ok", note: "note", warning: "WARNING", error: "ERROR" } as const

const told = (findings: ReadonlyArray<Finding.Finding>) =>
  Effect.gen(function* () {
    const { out, stdout } = yield* Output.Output
    const columns = yield* Output.width
    const paint = {
      ok: stdout.colours.green,
      note: stdout.colours.dim,
      warning: stdout.colours.yellow,
      error: stdout.colours.red
    }
    const lines = findings.flatMap(({ check, fix, level, message }) => {
      const mark = MARKS[level].padEnd(7)
      const rows = beside(`${mark}  ${check.padEnd(8)}  `, clean(message), columns)
      return [
        ...rows.map((line, index) => (index === 0 ? paint[level](mark) + line.slice(mark.length) : line)),
        ...(fix === null ? [] : beside(`${" ".repeat(19)}-> `, clean(fix), columns))
      ]
    })
    yield* out(`${lines.join("\n")}\n`)
    const found = (level: Finding.Level) => findings.filter((one) => one.level === level).length
    yield* Output.line(
      Finding.worst(findings) === "error" || Finding.worst(findings) === "warning"
        ? `${count(found("error"), "error")}, ${count(found("warning"), "warning")}.`
        : "All is well."
    )
  })

export const doctor = Command.make(
  "doctor",
  {
    online: Options.boolean("online").pipe(
      Options.withDescription("Also ask each resolver for a sign of life: one request each.")
    ),
    quick: Options.boolean("quick").pipe(
      Options.withDescription("Leave out what takes time with millions of jobs: the recount and the indices.")
    ),
    ...CommandOptions.options
  },
  (args) =>
    Effect.gen(function* () {
      const { settings } = yield* Config
      const identity = yield* WorkerIdentity.make
      const judging = {
        now: yield* Clock.currentTimeMillis,
        settings,
        isDead: identity.isDead,
        quick: args.quick
      }
      const env = yield* Environment
      const checks = yield* Effect.promise(() => import("../doctor/ResolverChecks.ts"))
      const findings = Finding.sorted([
        ...(yield* queue(judging)),
        ...(yield* lockFindings(settings.queue.path)),
        ...(yield* diskFindings(settings)),
        ...checks.resolverFindings(settings, env),
        ...(args.online ? yield* checks.onlineFindings(settings, env) : [])
      ])
      const level = Finding.worst(findings)
      yield* args.format === "json" ? Output.value({ level, findings }) : told(findings)
      const code = EXIT_CODES[level]
      if (code !== ExitCode.ok) return yield* new Exited({ code })
    }).pipe(Setup.run(args))
).pipe(
  Command.withDescription(
    "Looks at the queue, the disks, the clock and the settings, and says what to do. 0: well, 3: warnings, 6: errors."
  )
)
