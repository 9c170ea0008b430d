/** Processes of the program, and how they are killed. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { setTimeout as sleep } from "node:timers/promises"
import * as Effect from "effect/Effect"
import type { OriginService } from "../../src/demo/Origin.ts"
import { Broken } from "./Invariants.ts"

/** How a process ended. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stderr: string
}

/** How a process is killed: by itself at a point, or from outside. */
export interface Kill {
  readonly failpoint?: string
  /** So many milliseconds after it was started, or after the hosts have seen so many more requests. */
  readonly after?: { readonly ms: number; readonly requests?: number }
}

/** Waits until so many more requests came, or until the process has ended. */
const requested = async (origin: OriginService, count: number, ended: AbortSignal): Promise<void> => {
  const seen = () => Effect.runSync(origin.log).length
  const enough = seen() + count
  while (!ended.aborted && seen() < enough) await sleep(3)
}

/** A process that doesn't end is a fault of its own. */
const DEADLINE_MS = 120_000

/** A process of the program. Throws `Broken` when it doesn't end. */
export const runProgram = async (
  { origin, program }: { readonly origin: OriginService; readonly program: string },
  folder: string,
  args: ReadonlyArray<string>,
  how: Kill = {}
): Promise<Ended> => {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: folder,
    stdio: ["ignore", "ignore", "pipe"],
    env: {
      ...process.env,
      ...(how.failpoint === undefined ? {} : { CONTENTDOWNLOAD_FAILPOINT: how.failpoint })
    }
  })
  let stderr = ""
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()))
  const over = new AbortController()
  const { after } = how
  if (after !== undefined) {
    void requested(origin, after.requests ?? 0, over.signal)
      .then(() => sleep(after.ms))
      .then(() => child.kill("SIGKILL"))
  }
  let late = false
  const deadline = setTimeout(() => {
    late = true
    child.kill("SIGKILL")
  }, DEADLINE_MS)
  await once(child, "close")
  over.abort()
  clearTimeout(deadline)
  if (late) throw new Broken(`${args.join(" ")} didn't end within ${DEADLINE_MS / 1000} seconds: ${stderr}`)
  return { code: child.exitCode, signal: child.signalCode, stderr }
}
