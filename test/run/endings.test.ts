import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { files, rateLimited, status } from "../../src/demo/Behaviour.ts"
import * as Stage from "./Stage.ts"
import * as Told from "./Told.ts"

const small = files({ size: 4_000 })
const ONE = { hosts: { "one.test": small } }

const lines = (text: string) => text.split("\n").filter((line) => line !== "")

/** Refused with one line; nothing was asked for, and the queue is as it was. */
const refused = async (stage: Stage.Stage, code: number, text: RegExp, ...args: ReadonlyArray<string>) => {
  const ended = await stage.program("queue", "run", "--drain", ...args)
  expect(ended).toMatchObject({ code, stdout: "" })
  expect(lines(ended.stderr)).toEqual([expect.stringMatching(text)])
  expect(stage.log()).toEqual([])
  expect(await stage.counts()).toMatchObject({ queued: 2, in_progress: 0, total: 2 })
  expect(await stage.show("one.test-0")).toMatchObject({ attempts: 0, crashes: 0 })
}

describe("a run that can't", () => {
  it("says that the output folder can't be written, with code 6", async () => {
    const stage = await Stage.make(ONE)
    await stage.queue(Stage.filesOf(["one.test"], 2))
    await writeFile(join(stage.folder, "notes.txt"), "not a folder")
    await refused(stage, 6, /notes\.txt/, "--out", "notes.txt/files")
    await refused(stage, 6, /notes\.txt/, "--out", "notes.txt")
  })

  it("says that the disk has too little room, with code 6", async () => {
    const stage = await Stage.make(ONE, { storage: { min_free_bytes: 1e15 } })
    await stage.queue(Stage.filesOf(["one.test"], 2))
    await refused(stage, 6, /storage\.min_free_bytes/)
  })

  it("says what is wrong with the command line or the settings, with code 2", async () => {
    const stage = await Stage.make(ONE)
    await stage.queue(Stage.filesOf(["one.test"], 2))
    await refused(stage, 2, /--workers is '0'; allowed: a whole number/, "--workers", "0")
    await refused(stage, 2, /--max-wait is 'soon'; allowed: a time/, "--max-wait", "soon")
    await refused(stage, 2, /there is no queue at .*elsewhere\.sqlite/, "--queue", "elsewhere.sqlite")
    await writeFile(join(stage.folder, "wrong.yaml"), "orchestrator: { grace_seconds: -1 }\n")
    await refused(stage, 2, /orchestrator\.grace_seconds is -1; allowed: /, "--config", "wrong.yaml")
  })
})

describe("a run that comes to its end", () => {
  it("with all done has code 0, and says so in a line or two, or not at all", async () => {
    const stage = await Stage.make(ONE)
    const wanted = Stage.filesOf(["one.test"], 2)
    await stage.queue(wanted)
    const ended = await stage.program("queue", "run", "--drain")
    expect(ended).toMatchObject({ code: 0, stderr: "" })
    expect(lines(ended.stdout)).toEqual([
      expect.stringMatching(/^Drained after [\d.]+ s\.$/),
      expect.stringMatching(/^ {2}done +2 {2}8\.\d kB, /)
    ])
    await stage.checkAll(wanted)
    const nothing = await stage.program("queue", "run", "--drain", "--quiet")
    expect(nothing).toEqual({ code: 0, stdout: "", stderr: "" })
    expect(stage.log()).toHaveLength(2)
  })

  it("with work for later has code 4, and says when that is due", async () => {
    const stage = await Stage.make({
      hosts: {
        "one.test": small,
        "busy.test": rateLimited({ first: 9, retryAfter: 3600 }, small)
      }
    })
    await stage.queue(Stage.filesOf(["one.test", "busy.test"], 2))
    const startedAt = Date.now()
    const args = ["queue", "run", "--drain", "--max-wait", "0", "--max-per-host", "1"]
    const first = await stage.program(...args, "--format", "json")
    expect(first.code, first.stderr).toBe(4)
    const summary = Told.summary(first.stdout)
    expect(summary).toMatchObject({
      ended: "deferred",
      ends: { done: 2, waiting: 1, retry: 0, error: 0 },
      reasons: { waiting: { "http-429": 1 } },
      queue: { queued: 2, in_progress: 0, done: 2, error: 0 }
    })
    const due = summary.next_ready_at?.getTime() ?? 0
    expect(due).toBeGreaterThanOrEqual(startedAt + 3_600_000)
    const second = await stage.program(...args)
    expect(second.code, second.stderr).toBe(4)
    const time = new Date(due).toTimeString().slice(0, 8)
    expect(lines(second.stdout)[0]).toMatch(
      /^Drained as far as it goes .*; 2 jobs left for later, the next is due at /
    )
    expect(lines(second.stdout)[0]).toContain(time)
    expect(stage.stats()).toMatchObject({ "busy.test": { requests: 1 }, "one.test": { requests: 2 } })
  })

  it("with a retry that isn't due yet has code 4, too", async () => {
    const stage = await Stage.make(
      { hosts: { "down.test": status(500) } },
      { orchestrator: { retry_backoff_seconds: 3600 } }
    )
    await stage.queue(Stage.filesOf(["down.test"], 1))
    const ended = await stage.program("queue", "run", "--drain", "--max-wait", "0", "--format", "json")
    expect(ended.code, ended.stderr).toBe(4)
    expect(Told.summary(ended.stdout)).toMatchObject({ ended: "deferred", ends: { retry: 1, error: 0 } })
    expect(await stage.show("down.test-0")).toMatchObject({
      state: "queued",
      attempts: 1,
      reason: "http-500"
    })
    expect(stage.log()).toHaveLength(1)
  })
})
