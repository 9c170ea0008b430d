/** A backup that is made in the middle of a run, put in the place of a queue that is lost, and gone on from. */
import { copyFile, mkdir, rename } from "node:fs/promises"
import { join } from "node:path"
import * as Schema from "effect/Schema"
import { expect, it } from "vitest"
import { delayed, files } from "../../src/demo/Behaviour.ts"
import * as Stage from "./Stage.ts"

const HOSTS = Array.from({ length: 4 }, (_, index) => `host-${index}.test`)

const Report = Schema.parseJson(
  Schema.Struct({
    findings: Schema.Array(
      Schema.Struct({ check: Schema.String, level: Schema.String, message: Schema.String })
    )
  })
)

it("nothing is lost, and nothing that the backup knows is asked for again", async () => {
  const behaviour = delayed(150, files({ size: 3_000 }))
  const stage = await Stage.make({
    hosts: Object.fromEntries(HOSTS.map((host) => [host, behaviour]))
  })
  const wanted = Stage.filesOf(HOSTS, 15)
  await stage.queue(wanted)
  const run = stage.start("queue", "run", "--drain", "--max-per-host", "1")
  const done = async () => (await stage.counts()).done
  await Stage.until("some are done", async () => (await done()) >= 8)
  expect(await stage.program("queue", "backup", "backup.sqlite")).toMatchObject({ code: 0, stderr: "" })
  const afterBackup = await done()
  await Stage.until("the run has gone on", async () => (await done()) > afterBackup)
  expect(run.alive()).toBe(true)
  await run.kill()

  // All that was beside the files is lost.
  await rename(join(stage.folder, "state"), join(stage.folder, "lost"))
  await mkdir(join(stage.folder, "state"))
  await copyFile(join(stage.folder, "backup.sqlite"), join(stage.folder, "state", "workqueue.sqlite"))

  const known = [...(await stage.manifest()).values()].filter(({ state }) => state === "done")
  expect(known.length).toBeGreaterThanOrEqual(8)
  expect(known.length).toBeLessThan(wanted.length)
  const verified = await stage.program("verify")
  expect(verified).toMatchObject({ code: 0, stdout: `${known.length} files checked, all as they were\n` })
  const findings = async () =>
    Schema.decodeSync(Report)((await stage.program("doctor", "--format", "json")).stdout).findings
  // What was under way when it was made is known as such, and no more is wrong than that its process is gone.
  const wrong = (await findings()).filter(
    ({ check, level }) => check !== "settings" && !["ok", "note"].includes(level)
  )
  expect(wrong.filter(({ check, message }) => check !== "lease" || !/process is gone/.test(message))).toEqual(
    []
  )

  const asked = stage.log().length
  expect(await stage.program("queue", "run", "--drain")).toMatchObject({ code: 0 })
  await stage.checkAll(wanted)
  const ids = new Set(known.map(({ id }) => id))
  const again = stage.log().slice(asked)
  expect(again.length).toBe(wanted.length - known.length)
  const spared = wanted.filter(({ id }) => ids.has(id))
  expect(
    again.filter(({ host, path }) => spared.some((one) => one.host === host && one.path === path))
  ).toEqual([])
  const levels = (await findings()).filter(({ check }) => ["queue", "lease", "lane", "clock"].includes(check))
  expect(levels.filter(({ level }) => level !== "ok")).toEqual([])
})
