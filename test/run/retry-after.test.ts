import { describe, expect, it } from "vitest"
import { type Behaviour, delayed, files, rateLimited, status as always } from "../../src/demo/Behaviour.ts"
import type { Seen } from "../../src/demo/Traffic.ts"
import * as Stage from "./Stage.ts"
import * as Told from "./Told.ts"

const small = files({ size: 4_000 })

const refusesOnce = (seconds: number, form: "seconds" | "date", status: number): Behaviour =>
  rateLimited({ first: 1, status, retryAfter: { seconds, form } }, small)

/** The requests to a host after the one it refused, which has to be its first; and what came elsewhere meanwhile. */
const afterRefusal = (log: ReadonlyArray<Seen>, host: string, status: number) => {
  const [refused, ...later] = log.filter((seen) => seen.host === host)
  const [next] = later
  if (refused === undefined || next === undefined) throw new Error(`${host} was asked once at most`)
  expect(refused.status).toBe(status)
  expect(later.map((seen) => seen.status)).toEqual(later.map(() => 200))
  const between = log.slice(log.indexOf(refused) + 1, log.indexOf(next))
  return { refusedAt: refused.startedAt, later, between }
}

describe("a host that says when to come back", () => {
  it("is left alone until then, by 429 and by 503, in seconds and as a date, while others go on", async () => {
    const limited = [
      { host: "seconds.test", status: 429, behaviour: refusesOnce(2, "seconds", 429) },
      { host: "date.test", status: 429, behaviour: refusesOnce(2, "date", 429) },
      { host: "overload.test", status: 503, behaviour: refusesOnce(2, "seconds", 503) }
    ]
    const stage = await Stage.make({
      hosts: {
        ...Object.fromEntries(limited.map(({ behaviour, host }) => [host, behaviour])),
        "free.test": delayed(50, small)
      }
    })
    const wanted = [
      ...Stage.filesOf(
        limited.map(({ host }) => host),
        4
      ),
      ...Stage.filesOf(["free.test"], 30)
    ]
    await stage.queue(wanted)
    const args = ["--workers", "4", "--max-per-host", "1", "--format", "json"]
    const { code, stdout } = await stage.program("queue", "run", "--drain", ...args)
    expect(code).toBe(0)
    expect(Told.summary(stdout)).toMatchObject({
      ends: { done: wanted.length, waiting: 3, retry: 0 },
      reasons: { waiting: { "http-429": 2, "http-503": 1 } }
    })
    for (const { host, status } of limited) {
      const { between, later, refusedAt } = afterRefusal(stage.log(), host, status)
      const early = later.filter((seen) => seen.startedAt < refusedAt + 2000)
      expect(early, host).toEqual([])
      expect(between.filter((seen) => seen.host === "free.test").length, host).toBeGreaterThan(5)
      // The refusal is told, and no try is counted for it: the one is that which fetched the file.
      const job = await stage.show(`${host}-0`)
      expect(job).toMatchObject({ state: "done", attempts: 1, crashes: 0 })
      expect(job.history.map((attempt) => attempt.class)).toEqual(["wait", "ok"])
    }
    await stage.checkAll(wanted)
  })

  it("is left alone until then also by a process that starts after the one it told was killed", async () => {
    const stage = await Stage.make({
      hosts: { "busy.test": refusesOnce(5, "seconds", 429), "free.test": delayed(60, small) }
    })
    const busy = Stage.filesOf(["busy.test"], 4)
    const free = Stage.filesOf(["free.test"], 80)
    await stage.queue([...busy, ...free])
    const run = () =>
      stage.start("queue", "run", "--drain", "--workers", "4", "--max-per-host", "1", "--format", "json")
    const first = run()
    await Stage.until("the refusal is in the queue", async () =>
      (await stage.lanes()).some((lane) => lane.lane === "host:busy.test" && lane.next_at !== null)
    )
    await first.kill()
    const seenByFirst = stage.log().length
    const second = run()
    const waiting = await stage.show("busy.test-0")
    expect(waiting).toMatchObject({ state: "queued", attempts: 0, crashes: 0 })
    expect(waiting.waiting).toMatch(/http-429/)

    const { code, stdout } = await second.ended
    expect(code).toBe(0)
    const { later, refusedAt } = afterRefusal(stage.log(), "busy.test", 429)
    expect(later.filter((seen) => seen.startedAt < refusedAt + 5000)).toEqual([])
    // The second process was at work during the wait, so it had to know of it.
    const meanwhile = stage.log().slice(seenByFirst)
    expect(meanwhile.filter((seen) => seen.startedAt < refusedAt + 5000).length).toBeGreaterThan(5)
    expect(Told.summary(stdout).ends.waiting).toBe(0)
    await stage.checkAll([...busy, ...free])
    expect(await stage.show("busy.test-0")).toMatchObject({ attempts: 1, crashes: 0 })
  })
})

describe("hosts that refuse for ever", () => {
  it("hold a draining run up for no longer than it may wait, and it says what is left", async () => {
    const stage = await Stage.make({
      hosts: {
        "limited.test": always(429, { "retry-after": "1" }),
        "overload.test": always(503, { "retry-after": "0" }),
        "free.test": small
      }
    })
    await stage.queue(Stage.filesOf(["limited.test", "overload.test", "free.test"], 2))
    const run = stage.start("queue", "run", "--drain", "--max-wait", "3s", "--format", "json")
    await Stage.until("the run ends", () => !run.alive())
    const { code, stderr, stdout } = await run.ended
    expect(code, stderr).toBe(4)
    const summary = Told.summary(stdout)
    expect(summary).toMatchObject({
      ended: "deferred",
      ends: { done: 2, retry: 0, error: 0 },
      queue: { queued: 4 }
    })
    expect(summary.next_ready_at).not.toBeNull()
    expect(await stage.show("limited.test-0")).toMatchObject({ state: "queued", attempts: 0 })
  })
})
