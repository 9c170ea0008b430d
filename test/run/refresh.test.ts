import { rm } from "node:fs/promises"
import { join } from "node:path"
import { expect, it } from "vitest"
import { files, tries } from "../../src/demo/Behaviour.ts"
import * as Stage from "./Stage.ts"
import * as Told from "./Told.ts"

it("what is done is asked for again, and taken only where it has changed or is gone", async () => {
  const stage = await Stage.make({
    hosts: {
      "same.test": files(),
      "gone.test": files(),
      "changed.test": tries(1, files(), files({ edition: 1 }))
    }
  })
  const hosts = ["same.test", "gone.test", "changed.test"]
  const wanted = Stage.filesOf(hosts, 1)
  await stage.queue(wanted)
  const run = async () => {
    const { code, stderr, stdout } = await stage.program("queue", "run", "--drain", "--format", "json")
    expect(code, stderr).toBe(0)
    return Told.summary(stdout)
  }
  await run()
  const before = await stage.manifest()
  await rm(join(stage.folder, Stage.OUT, before.get("gone.test-0")?.path ?? ""))

  expect((await stage.program("queue", "refresh", "--dry-run")).stdout).toBe(
    "3 files would be looked at again\n"
  )
  expect((await stage.program("queue", "refresh", "--lane", "host:nowhere")).stdout).toBe(
    "0 files queued again\n"
  )
  expect((await stage.program("queue", "refresh")).stdout).toBe("3 files queued again\n")
  expect((await run()).ends).toMatchObject({ done: 2, skipped: 1, error: 0 })
  const after = await stage.manifest()
  expect(after.get("same.test-0")).toMatchObject({
    ...before.get("same.test-0"),
    state: "skipped",
    reason: "not-modified",
    finished_at: expect.any(String)
  })
  expect(after.get("gone.test-0")).toMatchObject({ state: "done", sha256: before.get("gone.test-0")?.sha256 })
  expect(after.get("changed.test-0")?.sha256).not.toBe(before.get("changed.test-0")?.sha256)
  expect(
    stage
      .log()
      .slice(3)
      .map(
        ({ headers, host, status }) =>
          `${host} ${status} ${headers.ifNoneMatch === null ? "" : "conditional"}`
      )
      .toSorted((a, b) => a.localeCompare(b))
  ).toEqual(["changed.test 200 conditional", "gone.test 200 ", "same.test 304 conditional"])

  // A second time, also what was the same.
  expect((await stage.program("queue", "refresh", "--id", "same.test-0")).stdout).toBe(
    "1 file queued again\n"
  )
  expect((await run()).ends).toMatchObject({ skipped: 1 })
  expect((await stage.manifest()).get("same.test-0")).toMatchObject({
    reason: "not-modified",
    path: before.get("same.test-0")?.path
  })
})
