/** Two processes on one queue, both at work before there is anything else to do. */
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { Ended } from "../cli/Program.ts"
import * as Gate from "./Gate.ts"
import * as Stage from "./Stage.ts"

export interface Pair {
  /** Lets both end once the queue is empty, and waits for that. */
  readonly ended: () => Promise<ReadonlyArray<Ended>>
}

/** Starts them, draining, with one job `held` that keeps both from ending: one has it, the other waits for its end. */
export const start = async (stage: Stage.Stage, ...args: ReadonlyArray<string>): Promise<Pair> => {
  const gate = await Gate.make()
  await stage.queue([{ id: "held", urls: [gate.url("/held.pdf")] }])
  const first = stage.start("queue", "run", "--drain", ...args)
  await Stage.until("the first process runs", () => gate.waiting() === 1)
  // What a dead worker left is removed at the start: a sign of the second process.
  const partial = join(stage.folder, Stage.OUT, ".partial")
  await mkdir(partial, { recursive: true })
  await writeFile(join(partial, "left~999.1.part"), "left")
  const second = stage.start("queue", "run", "--drain", ...args)
  await Stage.until("the second process runs", async () => (await stage.parts()).length === 0)
  return {
    ended: () => {
      gate.open()
      return Promise.all([first.ended, second.ended])
    }
  }
}
