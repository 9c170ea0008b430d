/** `npm run soak -- [--minutes N] [--jobs N]`: a soak of the built program; 1 when something grows or doesn't hold. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Origin from "../../src/demo/Origin.ts"
import * as Options from "../Options.ts"
import { Broken, hosts, soak } from "./Soak.ts"

const values = Options.read({
  options: {
    minutes: { type: "string", default: "10" },
    jobs: { type: "string", default: "150" },
    every: { type: "string", default: "5" },
    program: { type: "string", default: "dist/bin.js" }
  }
})
const [minutes, jobs, everySeconds] = [Number(values.minutes), Number(values.jobs), Number(values.every)]
if (!(minutes > 0) || !(jobs > 0) || !(everySeconds > 0)) {
  process.stderr.write("--minutes, --jobs and --every are numbers above 0\n")
  process.exit(2)
}
const folder = mkdtempSync(join(tmpdir(), "contentdownload-soak-"))
const say = (line: string) => void process.stdout.write(`${line}\n`)
try {
  const report = await Effect.runPromise(
    Effect.scoped(
      Effect.flatMap(Origin.make({ hosts }), (origin) =>
        Effect.tryPromise({
          try: () =>
            soak({
              minutes,
              jobs,
              everySeconds,
              lineSeconds: 10,
              program: values.program,
              folder,
              origin,
              log: say
            }),
          catch: (cause) => cause
        })
      )
    ).pipe(Effect.catchAll((cause) => (cause instanceof Broken ? Effect.succeed(cause) : Effect.die(cause))))
  )
  if (report instanceof Broken) {
    process.stderr.write(`${report.message}\n`)
    process.exitCode = 1
  } else {
    const { checked, ended, imported, kills, trends } = report
    say(
      `${minutes} minutes: ${imported} jobs queued, ${ended} ended, ${kills} kills, ${checked} statements true.`
    )
    for (const { grows, growth, mean, name } of trends) {
      const percent = ((100 * growth) / Math.max(1, mean)).toFixed(1)
      say(
        `  ${name.padEnd(10)} ${grows ? "GROWS" : "flat"}: ${percent} % over the second half, mean ${Math.round(mean)}`
      )
    }
    if (trends.some(({ grows }) => grows)) process.exitCode = 1
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
