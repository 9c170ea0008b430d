import { access, rm } from "node:fs/promises"
import { join } from "node:path"
import { expect, it } from "vitest"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import { files, htmlForPdf, tries } from "../../src/demo/Behaviour.ts"
import * as Stage from "./Stage.ts"
import * as Told from "./Told.ts"

it("what is done is asked for again, and taken only where it has changed or is gone", async () => {
  const stage = await Stage.make({
    hosts: {
      "same.test": files(),
      "gone.test": files(),
      "changed.test": tries(
        1,
        files(),
        tries(1, files({ edition: 1 }), tries(1, files({ edition: 2 }), files()))
      )
    }
  })
  const hosts = ["same.test", "gone.test", "changed.test"]
  const wanted = Stage.filesOf(hosts, 1)
  await stage.queue(wanted)
  const run = async () => {
    const { code, stderr, stdout } = await stage.here("queue", "run", "--drain", "--format", "json")
    expect(code, stderr).toBe(0)
    return Told.summary(stdout)
  }
  await run()
  const before = await stage.manifest()
  await rm(join(stage.folder, Stage.OUT, before.get("gone.test-0")?.path ?? ""))

  expect((await stage.here("queue", "refresh", "--dry-run")).stdout).toBe(
    "3 files would be looked at again\n"
  )
  expect((await stage.here("queue", "refresh", "--lane", "host:nowhere")).stdout).toBe(
    "0 files queued again\n"
  )
  expect((await stage.here("queue", "refresh")).stdout).toBe("3 files queued again\n")
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
  // The old edition isn't removed, and isn't forgotten. What was missing, or is the same, has none.
  const old = before.get("changed.test-0")?.path ?? ""
  expect(Array.from(after.values(), ({ earlier, id }) => [id, earlier])).toEqual([
    ["same.test-0", null],
    ["gone.test-0", null],
    ["changed.test-0", [old]]
  ])
  await access(join(stage.folder, Stage.OUT, old))
  const verified = async () => (await stage.here("verify")).stdout
  expect(await verified()).toBe("3 files checked, all as they were, 1 earlier file kept beside them\n")
  expect((await stage.here("queue", "show", "changed.test-0")).stdout).toMatch(
    new RegExp(`^earlier +${old}$`, "m")
  )
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
  expect((await stage.here("queue", "refresh", "--id", "same.test-0")).stdout).toBe("1 file queued again\n")
  expect((await run()).ends).toMatchObject({ skipped: 1 })
  expect((await stage.manifest()).get("same.test-0")).toMatchObject({
    reason: "not-modified",
    path: before.get("same.test-0")?.path
  })

  // The third edition remembers both, as long as they are there; the first again is no earlier one than itself.
  const refreshed = async () => {
    await stage.does("queue", "refresh", "--id", "changed.test-0", "--format", "json")
    await run()
    return (await stage.manifest()).get("changed.test-0")
  }
  const second = after.get("changed.test-0")?.path ?? ""
  expect((await refreshed())?.earlier).toEqual([second, old])
  expect(await refreshed()).toMatchObject({ path: old, earlier: [expect.any(String), second] })
  await rm(join(stage.folder, Stage.OUT, second))
  expect(await verified()).toBe("3 files checked, all as they were, 1 earlier file kept beside them\n")
})

const once = (then: Behaviour.Behaviour) => tries(1, files(), then)

it("a file that can't be looked at again stays the job's, whatever becomes of the try", async () => {
  const stage = await Stage.make({
    hosts: {
      "gone.test": once(Behaviour.status(404)),
      "login.test": once(htmlForPdf()),
      "broken.test": once(Behaviour.status(500)),
      "cancelled.test": files(),
      "back.test": tries(1, files(), tries(1, Behaviour.status(404), files()))
    }
  })
  const hosts = ["gone.test", "login.test", "broken.test", "cancelled.test", "back.test"]
  await stage.queue(Stage.filesOf(hosts, 1))
  const run = async () => {
    const { stdout } = await stage.here("queue", "run", "--drain", "--format", "json")
    return Told.summary(stdout).ends
  }
  const receipts = async () =>
    new Map(Array.from(await stage.manifest(), ([id, { path, sha256 }]) => [id, { path, sha256 }]))
  const listed = async () => {
    const { stdout } = await stage.here("queue", "export", "--as", "bibtex")
    return stdout.match(/^@misc/gm)?.length
  }
  expect(await run()).toMatchObject({ done: 5 })
  const before = await receipts()
  const stays = async () => {
    expect(await receipts()).toEqual(before)
    expect(await listed()).toBe(5)
    expect(await stage.here("verify")).toMatchObject({
      code: 0,
      stdout: "5 files checked, all as they were\n"
    })
  }

  await stage.does("queue", "refresh", "--format", "json")
  await stays()
  await stage.does("queue", "cancel", "cancelled.test-0")
  await stays()
  expect(await run()).toMatchObject({ error: 4 })
  await stays()
  expect(await stage.show("cancelled.test-0")).toMatchObject({
    state: "skipped",
    reason: "cancelled",
    message: "cancelled by hand; its earlier result is kept"
  })
  for (const [host, reason] of [
    ["gone.test", "http-404"],
    ["login.test", "login-page"],
    ["broken.test", "http-500"]
  ]) {
    const { message, ...told } = await stage.show(`${host}-0`)
    expect(told).toMatchObject({ state: "error", reason })
    expect(message).toMatch(/.; the file it had before stays in the manifest$/)
  }

  // Who failed is asked again about the same file, and so is who was cancelled.
  await stage.does("queue", "retry-failed", "--reason", "http-404", "--format", "json")
  await stays()
  expect(await run()).toMatchObject({ skipped: 1, error: 1 })
  await stays()
  expect(await stage.show("back.test-0")).toMatchObject({ reason: "not-modified" })
  expect((await stage.here("queue", "refresh", "--id", "cancelled.test-0")).stdout).toBe(
    "1 file queued again\n"
  )
  expect((await stage.here("queue", "refresh", "--dry-run")).stdout).toBe(
    "4 files would be looked at again\n"
  )
  expect(await stage.here("queue", "refresh", "--id", "nobody")).toEqual({
    code: 2,
    stdout: "",
    stderr: "contentdownload: there is no job nobody in the queue\n"
  })

  // What is missing is queued again, but for what was asked for in vain already: that is lost until it is asked for.
  for (const { path } of before.values()) await rm(join(stage.folder, Stage.OUT, path ?? ""))
  const lost = async () => {
    const { code, stdout } = await stage.here("verify")
    expect(code).toBe(3)
    expect(stdout).toMatch(/^missing {2}gone\.test-0 .*\(lost: its latest try ended in error, http-404\)$/m)
    return stdout.split("\n").at(-2)
  }
  const again = "('contentdownload queue refresh --id ID' tries again)"
  expect(await lost()).toBe(`5 files checked, 5 missing or damaged, 2 queued again, 3 lost ${again}`)
  expect(await run()).toMatchObject({ done: 2, error: 0 })
  expect(await lost()).toBe(`5 files checked, 3 missing or damaged, 0 queued again, 3 lost ${again}`)
  expect(await stage.counts()).toMatchObject({ queued: 0, error: 3 })
  await stage.does("queue", "retry-failed", "--format", "json")
  expect(await run()).toMatchObject({ error: 3 })
  expect(await receipts()).toEqual(before)
  expect(await lost()).toBe(`5 files checked, 3 missing or damaged, 0 queued again, 3 lost ${again}`)
})
