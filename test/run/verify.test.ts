import { readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import Database from "better-sqlite3"
import { expect, it } from "vitest"
import { files } from "../../src/demo/Behaviour.ts"
import * as Stage from "./Stage.ts"
import * as Told from "./Told.ts"

it("what is missing or damaged is found, queued again and fetched; the rest is left alone", async () => {
  const stage = await Stage.make({ hosts: { "papers.test": files() } })
  const wanted = Stage.filesOf(["papers.test"], 5)
  await stage.queue(wanted)
  const run = async () => {
    const { code, stderr, stdout } = await stage.program("queue", "run", "--drain", "--format", "json")
    expect(code, stderr).toBe(0)
    return Told.summary(stdout)
  }
  await run()
  const before = await stage.manifest()
  const pathOf = (n: number) => join(stage.folder, Stage.OUT, before.get(`papers.test-${n}`)?.path ?? "")

  expect(await stage.program("verify")).toMatchObject({
    code: 0,
    stdout: "5 files checked, all as they were\n"
  })

  await rm(pathOf(0))
  const content = await readFile(pathOf(1))
  content[content.length >> 1] = (content[content.length >> 1] ?? 0) ^ 1
  await writeFile(pathOf(1), content)
  await writeFile(pathOf(2), content.subarray(0, 10))

  const looked = await stage.program("verify", "--dry-run", "--format", "json")
  expect(looked.code).toBe(3)
  const told: { readonly problems: ReadonlyArray<{ readonly id: string }> } = JSON.parse(looked.stdout)
  expect({ ...told, problems: told.problems.toSorted((a, b) => a.id.localeCompare(b.id)) }).toEqual({
    checked: 5,
    problems: [
      { id: "papers.test-0", path: before.get("papers.test-0")?.path, problem: "missing" },
      { id: "papers.test-1", path: before.get("papers.test-1")?.path, problem: "damaged" },
      { id: "papers.test-2", path: before.get("papers.test-2")?.path, problem: "damaged" }
    ],
    queued: 0
  })

  const queued = await stage.program("verify")
  expect(queued.code).toBe(3)
  expect(queued.stdout).toMatch(/missing {2}papers\.test-0 /)
  expect(queued.stdout).toMatch(/5 files checked, 3 missing or damaged, 3 queued again\n$/)
  expect((await run()).ends).toMatchObject({ done: 3, error: 0 })
  const after = await stage.manifest()
  for (const [id, line] of after) expect(line.sha256, id).toBe(before.get(id)?.sha256)
  for (const { host, id, path } of wanted) {
    const line = after.get(id)
    // What was damaged stays where it is: somebody may have written into it on purpose.
    if (line !== undefined) await stage.checkFile(line, host, path)
  }
  expect(await stage.program("verify")).toMatchObject({ code: 0 })
  expect(stage.stats()["papers.test"]).toMatchObject({ requests: 8 })
})

it("a dry run shows what would be tried, and leaves the queue and the host alone", async () => {
  const stage = await Stage.make({ hosts: { "papers.test": files() } })
  await stage.queue(Stage.filesOf(["papers.test"], 3))
  const counts = await stage.counts()
  const shown = await stage.program("queue", "run", "--dry-run")
  expect(shown).toMatchObject({ code: 0, stderr: expect.stringContaining("3 looked at, 0 without a source") })
  expect(shown.stdout.split("\n").slice(0, 2).join("\n")).toMatch(
    /^id +# +kind .*url\npapers\.test-0 +1 .*http:\/\/papers\.test/
  )
  const { stdout } = await stage.program("queue", "run", "--dry-run", "--limit", "2", "--format", "json")
  expect(JSON.parse(stdout)).toMatchObject([
    { id: "papers.test-0", lane: "host:papers.test", candidates: [{ resolver: "direct" }] },
    { id: "papers.test-1" }
  ])
  expect(await stage.counts()).toEqual(counts)
  expect(stage.stats()["papers.test"]?.requests ?? 0).toBe(0)
})

it("a dry run shows jobs whose payload can't be read, and counts them", async () => {
  const stage = await Stage.make({ hosts: { "papers.test": files() } })
  await stage.queue(Stage.filesOf(["papers.test"], 2))
  const database = new Database(join(stage.folder, "state", "workqueue.sqlite"))
  const damaged = database.prepare(
    `UPDATE bodies SET payload = '{"odd":1}' WHERE job_id = (SELECT id FROM jobs WHERE artifact_id = 'papers.test-1')`
  )
  expect(damaged.run().changes).toBe(1)
  database.close()
  const shown = await stage.program("queue", "run", "--dry-run")
  expect(shown.stdout).toMatch(/^papers\.test-1 .*its payload can't be read/m)
  expect(shown.stderr).toContain("2 looked at, 0 without a source, 1 with a payload that can't be read")
  const { stdout } = await stage.program("queue", "run", "--dry-run", "--format", "json")
  expect(JSON.parse(stdout)).toMatchObject([
    { id: "papers.test-0", candidates: [{}] },
    { id: "papers.test-1", artifact: null, problem: expect.stringContaining("can't be read"), candidates: [] }
  ])
})
