/** The whole scheduler over few and many lanes, of sizes by Zipf's law. */
import { join } from "node:path"
import { jobs, zipf } from "../Jobs.ts"
import { inFolder, medians, type Row, type Suite } from "../Measure.ts"
import { drained } from "../Ours.ts"

const CAP = 2
const WORKERS = 64

const MANY = 1000

const name = (lanes: number) => `${lanes.toLocaleString("en-GB")} ${lanes === 1 ? "lane" : "lanes (Zipf)"}`

export const lanes: Suite = {
  name: "lanes",
  about: `the whole scheduler over 1 to 100,000 lanes, cap ${CAP}, ${WORKERS} workers, a handler that does nothing`,
  run: async ({ quick }): Promise<ReadonlyArray<Row>> => {
    const count = quick ? 5000 : 20_000
    const sizes = [1, MANY, 100_000]
    const took = await medians(
      sizes.map((size) => ({
        name: name(size),
        run: () =>
          inFolder((folder) =>
            drained(join(folder, "queue.sqlite"), jobs(count, size, zipf(size)), {
              cap: CAP,
              workers: WORKERS
            })
          )
      })),
      quick ? 1 : 3
    )
    const rate = (size: number) => count / (took.get(name(size)) ?? Number.NaN)
    return sizes.map((size) => ({
      suite: "lanes",
      what: name(size),
      value: rate(size),
      unit: "jobs/s",
      ...(size === MANY ? {} : { ratio: { to: name(MANY), is: rate(size) / rate(MANY) } })
    }))
  }
}
