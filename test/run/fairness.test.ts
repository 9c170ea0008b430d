import { describe, expect, it } from "vitest"
import { delayed, files } from "../../src/demo/Behaviour.ts"
import * as Stage from "./Stage.ts"

const SLOW = "slow.test"
const SLOW_JOBS = 135
const FAST = Array.from({ length: 15 }, (_, index) => `fast-${index}.test`)

describe("a slow host that has nine of ten jobs, queued first", () => {
  it.each([
    ["has slots to spare beside it", { workers: 8, maxPerHost: 4 }],
    ["could take every slot", { workers: 4, maxPerHost: 4 }]
  ])("delays no other host's jobs when it %s", async (_, { maxPerHost, workers }) => {
    const stage = await Stage.make({
      hosts: {
        [SLOW]: delayed(60, files({ size: 4_000 })),
        ...Object.fromEntries(FAST.map((host) => [host, delayed(5, files({ size: 4_000 }))]))
      }
    })
    await stage.queue([...Stage.filesOf([SLOW], SLOW_JOBS), ...Stage.filesOf(FAST, 1)])
    const limits = ["--workers", String(workers), "--max-per-host", String(maxPerHost)]
    expect((await stage.program("queue", "run", "--drain", "--quiet", ...limits)).code).toBe(0)

    const hosts = stage.log().map(({ host }) => host)
    expect(hosts).toHaveLength(SLOW_JOBS + FAST.length)
    const lastFast = hosts.findLastIndex((host) => host !== SLOW)
    const slowBefore = hosts.slice(0, lastFast).filter((host) => host === SLOW).length
    // By order, not by the clock: a fair queue is through with them after a few rounds.
    expect(slowBefore).toBeLessThan(SLOW_JOBS / 3)
    expect(stage.stats()[SLOW]?.maxConcurrent).toBe(maxPerHost)
  })
})
