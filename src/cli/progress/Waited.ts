/**
 * What the workers of a run waited for. While some of them have nothing to do although jobs are queued, that time is
 * charged to what those jobs wait for, in proportion to their numbers.
 */
import { cut } from "../Text.ts"
import type { Sight } from "./Estimate.ts"

/** Times in milliseconds of the run: a second in which half of the workers had nothing to do is half a second. */
export interface Waited {
  /** By cause: `cap`, `pace`, `later`, `paused`, or the reason a host gave, such as `http-429`. */
  readonly byCause: ReadonlyMap<string, number>
  readonly totalMs: number
}

/** Reasons that are told apart. */
const MOST = 50

/** Two sights further apart than this say nothing on the time between them: the machine slept. */
const GAP_MS = 60_000

/** An account with nothing in it. Sights are noted in the order of their times. */
export const makeWaited = () => {
  const byCause = new Map<string, number>()
  let last: number | undefined

  const add = (cause: string, ms: number): void => {
    const key = byCause.has(cause) || byCause.size < MOST ? cause : "other"
    byCause.set(key, (byCause.get(key) ?? 0) + ms)
  }

  const note = ({ at, paused, stats, waits, workers }: Sight): void => {
    const elapsed = last === undefined ? 0 : at - last
    last = at
    if (workers === null || elapsed <= 0 || elapsed > GAP_MS || stats.queued === 0) return
    const ms = elapsed * Math.max(0, 1 - workers.busy / workers.all)
    if (ms === 0) return
    if (paused) return add("paused", ms)
    const holding = waits.filter(({ cause }) => cause !== "worker")
    const jobs = holding.reduce((sum, wait) => sum + wait.jobs, 0)
    for (const wait of holding) {
      add(wait.cause === "hold" ? cut(wait.reason ?? "hold", 60) : wait.cause, (ms * wait.jobs) / jobs)
    }
  }

  return {
    note,
    result: (): Waited => ({
      byCause: new Map(byCause),
      totalMs: [...byCause.values()].reduce((sum, ms) => sum + ms, 0)
    })
  }
}
