/** The whole scheduler with a handler that does nothing, against the bound and the peers. */
import { join } from "node:path"
import { BareQueue } from "../bound/BareQueue.ts"
import { jobs } from "../Jobs.ts"
import { type Contestant, inFolder, medians, type Row, seconds, type Suite } from "../Measure.ts"
import { drained } from "../Ours.ts"
import { peers } from "../peer/Peers.ts"

const TTL = 600_000
const CAP = 2
const LANES = 1000

const bound = (count: number, batch: number): Promise<number> =>
  inFolder(async (folder) => {
    const queue = await BareQueue.open(join(folder, "bound.sqlite"), CAP)
    queue.import([...jobs(count, LANES)])
    return seconds(() => {
      queue.drain(batch, TTL, JSON.parse)
      queue.close()
    })
  })

const ours = (count: number, workers: number): Promise<number> =>
  inFolder((folder) => drained(join(folder, "ours.sqlite"), jobs(count, LANES), { cap: CAP, workers }))

export const scheduler: Suite = {
  name: "scheduler",
  about: `the whole scheduler, a handler that does nothing, ${LANES} lanes, cap ${CAP}`,
  run: async ({ log, quick }) => {
    // Enough that compiling, which a run of hours does once, counts for little.
    const count = quick ? 5000 : 60_000
    const payloads = Array.from(jobs(count, LANES), ({ payload }) => payload)
    const others = (await peers(log)).map((peer): Contestant => ({
      name: peer.name,
      run: async () =>
        (await inFolder((folder) => peer.run(folder, payloads.slice(0, count * peer.share)))) / peer.share
    }))
    const took = await medians(
      [
        { name: "bound", run: () => bound(count, 64) },
        { name: "ours, 64 workers", run: () => ours(count, 64) },
        { name: "ours, 8 workers", run: () => ours(count, 8) },
        ...others
      ],
      quick ? 1 : 5
    )
    const rate = (name: string) => count / (took.get(name) ?? Number.NaN)
    const fastest = others.reduce<string | undefined>(
      (best, { name }) => (best === undefined || rate(name) > rate(best) ? name : best),
      undefined
    )
    const row = (what: string, ratio?: Row["ratio"]): Row => ({
      suite: "scheduler",
      what,
      value: rate(what),
      unit: "jobs/s",
      ...(ratio === undefined ? {} : { ratio })
    })
    const our = rate("ours, 64 workers")
    return [
      row("bound"),
      ...others.map(({ name }) => row(name)),
      row("ours, 8 workers", { to: "bound", is: rate("ours, 8 workers") / rate("bound") }),
      row("ours, 64 workers", { to: "bound", is: our / rate("bound"), goal: 0.7, better: "more" }),
      ...(fastest === undefined
        ? []
        : [
            row("ours, 64 workers", {
              to: fastest,
              is: our / rate(fastest),
              goal: 1.3,
              better: "more" as const
            })
          ])
    ]
  }
}
