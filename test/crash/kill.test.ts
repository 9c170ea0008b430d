import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { PCGRandom } from "effect/Utils"
import { describe, expect, it } from "vitest"
import { delayed, dripped, files, stalled, tries } from "../../src/demo/Behaviour.ts"
import * as Stage from "../run/Stage.ts"

const ROUNDS = Number(process.env["CRASH_ROUNDS"] ?? 5)
/** A failure is played again with the seed its title names, as far as the operating system plays along. */
const SEED = Number(process.env["CRASH_SEED"] ?? Math.floor(Math.random() * 1e6))

const CAP = 2
const SMALL = Array.from({ length: 12 }, (_, index) => `small-${index}.test`)
/** Large enough to be on the disk in part, slow enough to be met there. */
const LARGE = Array.from({ length: 4 }, (_, index) => `large-${index}.test`)
/** Files of each host for each round; a round ends long before so many are fetched. */
const SMALL_PER_ROUND = 4
const LARGE_PER_ROUND = 1
const WORKERS = 6

const hosts = {
  ...Object.fromEntries(
    SMALL.map((host) => [host, delayed(25, files({ size: { min: 1_000, max: 40_000 } }))])
  ),
  ...Object.fromEntries(
    LARGE.map((host) => [host, dripped({ bytes: 65_536, everyMs: 10 }, files({ size: 500_000 }))])
  )
}

const run = ["queue", "run", "--drain", "--max-per-host", String(CAP), "--quiet"]

describe("kill -9", () => {
  it(
    `loses nothing and repeats nothing that was done, ${ROUNDS} times (CRASH_SEED=${SEED})`,
    { timeout: 60_000 + ROUNDS * 10_000 },
    async () => {
      const random = new PCGRandom(SEED)
      const stage = await Stage.make({ hosts }, { orchestrator: { max_job_crashes: 1000 } })
      const wanted = [
        ...Stage.filesOf(LARGE, LARGE_PER_ROUND * (ROUNDS + 1)),
        ...Stage.filesOf(SMALL, SMALL_PER_ROUND * (ROUNDS + 1))
      ]
      await stage.queue(wanted)
      /** How often the file of each job that was done was asked for by then. */
      const settled = new Map<string, number>()
      const requests = ({ host, path }: Stage.Wanted) =>
        stage.log().filter((seen) => seen.host === host && seen.path === path).length

      const checkDone = async () => {
        const manifest = await stage.manifest()
        expect(manifest.size).toBe(wanted.length)
        const broken = wanted.filter(({ id }) => settled.has(id) && manifest.get(id)?.state !== "done")
        expect(broken, "done, and then no longer").toEqual([])
        const repeated = wanted.filter((one) => settled.has(one.id) && settled.get(one.id) !== requests(one))
        expect(repeated, "asked for again although it was done").toEqual([])
        for (const one of wanted) {
          const line = manifest.get(one.id)
          if (line?.state !== "done" || settled.has(one.id)) continue
          // What is recorded as done is on the disk, whole, at any moment.
          await stage.checkFile(line, one.host, one.path)
          settled.set(one.id, requests(one))
        }
      }

      const finished = () => stage.log().filter((seen) => seen.finished).length
      for (let round = 0; round < ROUNDS; round++) {
        const count = random.integer(2) + 1
        // By what was sent, not by the clock, so that a slow machine is hit in the middle too.
        const killAt = finished() + 8 + random.integer(30)
        const processes = Array.from({ length: count }, () =>
          stage.start(...run, "--workers", String(WORKERS))
        )
        await Stage.until(
          `round ${round} is under way`,
          () => finished() >= killAt || processes.some((one) => !one.alive())
        )
        await Stage.sleep(random.integer(40))
        const left = processes.filter((one) => one.alive())
        expect(left.length, `there is work left in round ${round}`).toBe(count)
        await Promise.all(processes.map((one) => one.kill()))
        await checkDone()
      }
      expect(settled.size).toBeGreaterThan(0)
      expect(settled.size).toBeLessThan(wanted.length)

      const { code, stderr } = await stage.program(...run, "--workers", "32")
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
      await checkDone()
      expect(settled.size).toBe(wanted.length)
      // No unfinished file is left either: the files are exactly those wanted.
      await stage.checkAll(wanted)
      const over = Object.entries(stage.stats()).filter(([, { maxConcurrent }]) => maxConcurrent > CAP)
      expect(over).toEqual([])
      const lines = [...(await stage.manifest()).values()]
      expect(
        lines.filter(({ attempts }) => attempts !== 1),
        "a crash is no attempt"
      ).toEqual([])
    }
  )

  it("in the middle of a body leaves a part, which the next run removes before it fetches the file", async () => {
    const large = files({ size: 1_500_000 })
    const stage = await Stage.make({ hosts: { "large.test": tries(1, stalled(large), large) } })
    const wanted = Stage.filesOf(["large.test"], 1)
    await stage.queue(wanted)
    const first = stage.start(...run)
    await Stage.until("a part is there", async () => (await stage.parts()).length === 1)
    await first.kill()
    const [left] = await stage.parts()
    expect(left).toContain(join(Stage.OUT, ".partial"))
    expect(await stage.counts()).toMatchObject({ in_progress: 1, done: 0 })
    expect((await stage.here("queue", "stats")).stdout).toContain("was left by a process that is gone")

    const second = await stage.program("queue", "run", "--drain")
    expect(second.code).toBe(0)
    expect(second.stderr).toMatch(/ reclaimed /)
    expect(second.stderr).toMatch(/removed 1 unfinished file/)
    expect(stage.log().map(({ headers, status }) => [status, headers.range])).toEqual([
      [200, null],
      [200, null]
    ])
    await stage.checkAll(wanted)
    expect(await readdir(join(stage.folder, Stage.OUT, ".partial"))).toEqual([])
    expect(await stage.show("large.test-0")).toMatchObject({ state: "done", attempts: 1, crashes: 1 })
  })

  it("in the middle of a large body is gone on from where it was", async () => {
    const large = files({ size: 24_000_000 })
    const stage = await Stage.make({ hosts: { "large.test": tries(1, stalled(large), large) } })
    const wanted = Stage.filesOf(["large.test"], 1)
    await stage.queue(wanted)
    const first = stage.start(...run)
    const partial = join(stage.folder, Stage.OUT, ".partial")
    // Before its first checkpoint there is nothing to go on from.
    await Stage.until("a part has a checkpoint", async () => {
      const log = (await readdir(partial).catch(() => [])).find((name) => name.endsWith(".log"))
      return log !== undefined && (await readFile(join(partial, log), "utf8")).includes("sha256")
    })
    await first.kill()

    const second = await stage.program("queue", "run", "--drain")
    expect(second.code, second.stderr).toBe(0)
    expect(stage.log()).toMatchObject([{ status: 200 }, { status: 206, finished: true }])
    expect(stage.log()[1]?.bytes).toBeLessThan(24_000_000 - 8_000_000)
    await stage.checkAll(wanted)
    expect(await readdir(partial)).toEqual([])
  })
})
