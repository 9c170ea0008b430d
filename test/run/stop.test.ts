import { describe, expect, it } from "vitest"
import { delayed, files } from "../../src/demo/Behaviour.ts"
import * as Gate from "./Gate.ts"
import * as Stage from "./Stage.ts"
import * as Told from "./Told.ts"

const HOSTS = Array.from({ length: 4 }, (_, index) => `host-${index}.test`)

/** A queue of one job whose host never answers. */
const stuck = async (grace_seconds: number) => {
  const stage = await Stage.make({}, { orchestrator: { grace_seconds } })
  const gate = await Gate.make()
  await stage.queue([{ id: "held", urls: [gate.url("/held.pdf")] }])
  const run = stage.start("queue", "run", "--drain", "--format", "json")
  await Stage.until("the host is asked", () => gate.waiting() === 1)
  return { stage, gate, run }
}

/** The job is back where it was, as if nobody had ever tried. */
const checkReleased = async (stage: Stage.Stage) => {
  expect(await stage.counts()).toMatchObject({ queued: 1, in_progress: 0 })
  expect(await stage.show("held")).toMatchObject({ state: "queued", attempts: 0, crashes: 0, worker: null })
  expect(await stage.parts()).toEqual([])
}

describe("the first signal", () => {
  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143]
  ] as const)(
    "%s lets running jobs end, starts no further ones, and says what was done",
    async (signal, code) => {
      const stage = await Stage.make(
        { otherwise: delayed(400, files({ size: 4_000 })) },
        {
          http: { resolve: Object.fromEntries(HOSTS.map((host) => [host, "127.0.0.1"])) }
        }
      )
      await stage.queue(Stage.filesOf(HOSTS, 20))
      const run = stage.start("queue", "run", "--drain", "--workers", "8")
      await Stage.until("a second round is under way", () => stage.log().length >= 12)
      run.signal(signal)
      await Stage.until("the signal is noticed", () => run.stderr().includes("running job"))
      // Whatever is asked for from now on was leased before.
      const known = stage.log().length
      const ended = await run.ended
      expect(ended.code, ended.stderr).toBe(code)
      expect(ended.stderr).toMatch(/Finishing [1-8] running jobs?; Ctrl-C again to stop at once/)

      const log = stage.log()
      expect(log.length).toBeLessThanOrEqual(known + 8)
      expect(log.filter(({ finished }) => !finished)).toEqual([])
      expect(await stage.counts()).toMatchObject({
        queued: 80 - log.length,
        in_progress: 0,
        done: log.length
      })
      expect(ended.stdout).toMatch(
        new RegExp(`^Stopped after .*; ${80 - log.length} jobs still queued\\.$`, "m")
      )
      expect(ended.stdout).toMatch(new RegExp(`^ +done +${log.length} `, "m"))
      expect(await stage.parts()).toEqual([])
      for (const line of (await stage.manifest()).values()) {
        expect(line.attempts, line.id).toBe(line.state === "done" ? 1 : 0)
      }
    }
  )

  it("releases what doesn't end within the grace time", async () => {
    const { run, stage } = await stuck(0.7)
    const signalled = Date.now()
    run.signal("SIGINT")
    const ended = await run.ended
    expect(ended.code, ended.stderr).toBe(130)
    // It got the time it was promised.
    expect(Date.now() - signalled).toBeGreaterThanOrEqual(700)
    expect(Told.summary(ended.stdout)).toMatchObject({
      ended: "stopped",
      ends: { done: 0, released: 1, retry: 0, error: 0 },
      queue: { queued: 1, in_progress: 0 }
    })
    await checkReleased(stage)
  })

  it("gives a job that ends within the grace time its end", async () => {
    const { gate, run, stage } = await stuck(60)
    run.signal("SIGTERM")
    await Stage.until("the signal is noticed", () => run.stderr().includes("running job"))
    gate.open()
    const ended = await run.ended
    expect(ended.code, ended.stderr).toBe(143)
    expect(Told.summary(ended.stdout)).toMatchObject({ ended: "stopped", ends: { done: 1, released: 0 } })
    expect(await stage.counts()).toMatchObject({ queued: 0, in_progress: 0, done: 1 })
  })

  it("ends a run that waits for something to do", async () => {
    const stage = await Stage.make({ hosts: { "one.test": files({ size: 2_000 }) } })
    await stage.queue(Stage.filesOf(["one.test"], 1))
    const run = stage.start("queue", "run", "--format", "json")
    await Stage.until("all is done", async () => (await stage.counts()).done === 1)
    run.signal("SIGTERM")
    const ended = await run.ended
    expect(ended).toMatchObject({ code: 143, stderr: "" })
    expect(Told.summary(ended.stdout)).toMatchObject({ ended: "stopped", ends: { done: 1 } })
  })
})

describe("the second signal", () => {
  it("stops at once, also when a host never answers", async () => {
    const { gate, run, stage } = await stuck(3600)
    run.signal("SIGINT")
    await Stage.until("the first is noticed", () => run.stderr().includes("Finishing 1 running job;"))
    expect(gate.waiting()).toBe(1)
    run.signal("SIGINT")
    const ended = await run.ended
    expect(ended.code, ended.stderr).toBe(130)
    expect(Told.summary(ended.stdout)).toMatchObject({ ended: "stopped", ends: { released: 1 } })
    await Stage.until("its connection is closed", () => gate.waiting() === 0)
    await checkReleased(stage)
  })
})
