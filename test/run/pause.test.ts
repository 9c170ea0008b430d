import { describe, expect, it } from "vitest"
import { files } from "../../src/demo/Behaviour.ts"
import * as Stage from "./Stage.ts"

const HOSTS = ["first.test", "second.test"]
const small = files({ size: 2_000 })

/** More than a running process needs to see what another one did. */
const A_WHILE = 400

describe("a pause", () => {
  it("of a lane, or of the queue, is obeyed by a process that is running, and so is its end", async () => {
    const stage = await Stage.make({ hosts: Object.fromEntries(HOSTS.map((host) => [host, small])) })
    const requests = (host: string) => stage.stats()[host]?.requests ?? 0
    const [held, free] = ["first.test", "second.test"]
    await stage.queue(Stage.filesOf([held, free], 1))
    const run = stage.start("queue", "run")
    await Stage.until("both are fetched", async () => (await stage.counts()).done === 2)

    await stage.does("queue", "pause", "--lane", `host:${held}`)
    await stage.queue([...Stage.filesOf([held], 3, "?held"), ...Stage.filesOf([free], 3, "?free")].map(again))
    await Stage.until("the other lane's jobs are done", () => requests(free) === 4)
    await Stage.sleep(A_WHILE)
    expect(requests(held)).toBe(1)
    expect((await stage.show("first.test-0-again")).waiting).toBe("paused")
    await stage.does("queue", "resume", "--lane", `host:${held}`)
    await Stage.until("the paused lane's jobs are done", () => requests(held) === 4)

    await stage.does("queue", "pause")
    await stage.queue(Stage.filesOf(HOSTS, 2, "?all").map(again).map(again))
    await Stage.sleep(A_WHILE)
    expect(stage.log()).toHaveLength(8)
    await stage.does("queue", "resume")
    await Stage.until("all is done", async () => (await stage.counts()).done === 12)
    expect(run.alive()).toBe(true)
    run.signal("SIGTERM")
    expect((await run.ended).code).toBe(143)
  })

  it("of the queue ends a draining run with code 4, and says why", async () => {
    const stage = await Stage.make({ hosts: { "first.test": small } })
    await stage.queue(Stage.filesOf(["first.test"], 1))
    await stage.does("queue", "pause")
    const ended = await stage.program("queue", "run", "--drain")
    expect(ended.code, ended.stderr).toBe(4)
    expect(ended.stdout).toMatch(/1 job left for later: paused\./)
    expect(stage.log()).toEqual([])
  })
})

const again = (wanted: Stage.Wanted): Stage.Wanted => ({ ...wanted, id: `${wanted.id}-again` })
