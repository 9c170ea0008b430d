import { describe, expect, it } from "vitest"
import { delayed, files } from "../../src/demo/Behaviour.ts"
import * as Pair from "./Pair.ts"
import * as Stage from "./Stage.ts"
import * as Told from "./Told.ts"

const CAP = 2
/** Addresses are hosts by themselves, names are led to them by the settings. */
const ADDRESSES = Array.from({ length: 30 }, (_, index) => `127.0.0.${index + 2}`)
const NAMES = ADDRESSES.map((_, index) => `host-${index}.test`)
const HOSTS = [...ADDRESSES, ...NAMES]
/** These have so much to do that in the end only their caps hold them back. */
const BUSY = [...ADDRESSES.slice(0, 4), ...NAMES.slice(0, 4)]
const WANTED = [
  ...Stage.filesOf(BUSY, 20),
  ...Stage.filesOf(
    HOSTS.filter((host) => !BUSY.includes(host)),
    3
  )
]

const stageOf = (answerMs: number) =>
  Stage.make(
    { addresses: ADDRESSES, otherwise: delayed(answerMs, files({ size: { min: 2_000, max: 60_000 } })) },
    { http: { resolve: Object.fromEntries(NAMES.map((name, index) => [name, ADDRESSES[index] ?? ""])) } }
  )

/** From the server's side: no host above its cap, busy ones up to it, and every file asked for once. */
const checkTraffic = (stage: Stage.Stage) => {
  const most = Object.entries(stage.stats()).map(([host, { maxConcurrent }]) => ({ host, maxConcurrent }))
  expect(most).toHaveLength(HOSTS.length)
  expect(most.filter(({ maxConcurrent }) => maxConcurrent > CAP)).toEqual([])
  // Else a cap that is held says nothing.
  const full = most.filter(({ host, maxConcurrent }) => BUSY.includes(host) && maxConcurrent === CAP)
  expect(full.length).toBeGreaterThan(BUSY.length / 2)
  const asked = stage.log().map(({ host, path }) => `${host}${path}`)
  expect(asked.toSorted()).toEqual(WANTED.map(({ host, path }) => `${host}${path}`).toSorted())
}

describe("caps per host", () => {
  it("hold over 60 hosts and 64 workers", async () => {
    const stage = await stageOf(60)
    await stage.queue(WANTED)
    const run = stage.start(
      "queue",
      "run",
      "--drain",
      "--workers",
      "64",
      "--max-per-host",
      "2",
      "--format",
      "json"
    )
    const { code, stderr, stdout } = await run.ended
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
    expect(Told.summary(stdout)).toMatchObject({ ended: "drained", ends: { done: WANTED.length, lost: 0 } })
    checkTraffic(stage)
    await stage.checkAll(WANTED)
  })

  it("hold over two processes on one queue, which share the work", async () => {
    const stage = await stageOf(80)
    const pair = await Pair.start(stage, "--workers", "32", "--max-per-host", "2", "--format", "json")
    await stage.queue(WANTED)
    await Stage.until(
      "all is fetched",
      () => stage.log().filter(({ finished }) => finished).length >= WANTED.length
    )
    const ends = await pair.ended()
    expect(ends.map(({ code }) => code)).toEqual([0, 0])
    const done = ends.map(({ stdout }) => Told.summary(stdout).ends.done)
    expect(Math.min(...done)).toBeGreaterThan(WANTED.length / 10)
    expect(done.reduce((sum, n) => sum + n, 0)).toBe(WANTED.length + 1)
    checkTraffic(stage)
    const manifest = await stage.manifest()
    for (const { host, id, path } of WANTED) {
      const line = manifest.get(id)
      if (line === undefined) throw new Error(`${id} is not in the manifest`)
      await stage.checkFile(line, host, path)
    }
    expect(await stage.parts()).toEqual([])
  })
})
