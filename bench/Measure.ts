/**
 * What a suite of the bench is made of: things timed in turn, on fresh files, and the ratio of each to another.
 *
 * Absolute times change with the machine and with what else it does, so everything that is compared is run in one
 * process, alternately, several times, and the medians are compared.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** A folder for one measurement. */
export const inFolder = async <A>(use: (folder: string) => Promise<A> | A): Promise<A> => {
  const folder = mkdtempSync(join(tmpdir(), "contentdownload-bench-"))
  try {
    return await use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A contestant: answers seconds, or whatever is compared. */
export interface Contestant {
  readonly name: string
  readonly run: () => Promise<number>
}

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** Runs all in turn, `rounds` times, and answers the medians by name. */
export const medians = async (
  contestants: ReadonlyArray<Contestant>,
  rounds: number
): Promise<ReadonlyMap<string, number>> => {
  const seen = new Map<string, Array<number>>(contestants.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const { name, run } of contestants) {
      globalThis.gc?.()
      seen.get(name)?.push(await run())
    }
  }
  return new Map([...seen].map(([name, values]) => [name, median(values)]))
}

/** Seconds an action takes. */
export const seconds = async (action: () => unknown): Promise<number> => {
  const from = performance.now()
  await action()
  return (performance.now() - from) / 1000
}

/** A line of the bench's table. */
export interface Row {
  readonly suite: string
  readonly what: string
  readonly value: number
  readonly unit: string
  /** What the value is a ratio to, the ratio, and what it is to be; `better: "more"` means at least. */
  readonly ratio?: {
    readonly to: string
    readonly is: number
    readonly goal?: number
    readonly better?: "more" | "less"
  }
}

export interface Suite {
  readonly name: string
  readonly about: string
  readonly run: (options: Options) => Promise<ReadonlyArray<Row>>
}

export interface Options {
  /** Less rows and rounds, for a quick look. */
  readonly quick: boolean
  /** Also what takes many minutes. */
  readonly large: boolean
  readonly log: (text: string) => void
}
