import { readFile, rm, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import Database from "better-sqlite3"
import { expect, it } from "vitest"
import { files, respond } from "../../src/demo/Behaviour.ts"
import * as Stage from "./Stage.ts"
import * as Told from "./Told.ts"

/** What `verify --format json` says. */
interface Said {
  readonly problems: ReadonlyArray<{ readonly id: string }>
}

const said = (stdout: string): Said => {
  const told: Said = JSON.parse(stdout)
  return { ...told, problems: told.problems.toSorted((a, b) => a.id.localeCompare(b.id)) }
}

const drain = async (stage: Stage.Stage) => {
  const { code, stderr, stdout } = await stage.program("queue", "run", "--drain", "--format", "json")
  expect(code, stderr).toBe(0)
  return Told.summary(stdout)
}

it("what is missing or damaged is found, queued again and fetched; the rest is left alone", async () => {
  const stage = await Stage.make({ hosts: { "papers.test": files() } })
  const wanted = Stage.filesOf(["papers.test"], 5)
  await stage.queue(wanted)
  await drain(stage)
  const before = await stage.manifest()
  const nameOf = (n: number) => before.get(`papers.test-${n}`)?.path ?? ""
  const pathOf = (n: number) => join(stage.folder, Stage.OUT, nameOf(n))

  expect(await stage.program("verify")).toMatchObject({
    code: 0,
    stdout: "5 files checked, all as they were\n"
  })
  expect(await stage.program("verify", "--quiet")).toEqual({ code: 0, stdout: "", stderr: "" })

  await rm(pathOf(0))
  const content = await readFile(pathOf(1))
  content[content.length >> 1] = (content[content.length >> 1] ?? 0) ^ 1
  await writeFile(pathOf(1), content)
  await writeFile(pathOf(2), content.subarray(0, 10))

  const looked = await stage.program("verify", "--dry-run", "--format", "json")
  expect(looked.code).toBe(3)
  const none = { message: null, action: "none", moved_to: null }
  const bytes = [...before.values()].reduce((sum, line) => sum + (line.bytes ?? 0), 0)
  expect(said(looked.stdout)).toEqual({
    problems: [
      { id: "papers.test-0", path: nameOf(0), problem: "missing", ...none },
      { id: "papers.test-1", path: nameOf(1), problem: "damaged", ...none },
      { id: "papers.test-2", path: nameOf(2), problem: "damaged", ...none }
    ],
    checked: 5,
    bytes,
    found: 3,
    queued: 0,
    restored: 0,
    lost: 0,
    moved: 0,
    doubted: 0,
    earlier: 0
  })

  const queued = await stage.program("verify")
  expect(queued.code).toBe(3)
  expect(queued.stdout).toMatch(/^missing {2}papers\.test-0 {2}\S+$/m)
  const moved = `.damaged/${nameOf(2).slice(3)}`
  expect(queued.stdout).toContain(`damaged  papers.test-2  ${nameOf(2)}  (moved to ${moved})\n`)
  expect(queued.stdout).toMatch(
    /5 files checked, 3 missing or damaged, 3 queued again, 2 moved to \.damaged\n$/
  )
  expect((await drain(stage)).ends).toMatchObject({ done: 3, error: 0 })
  // The successors have the names; what was damaged is kept, since somebody may have written into it on purpose.
  const after = await stage.manifest()
  for (const [id, line] of after) expect(line.path, id).toBe(before.get(id)?.path)
  for (const { host, id, path } of wanted) {
    const line = after.get(id)
    if (line !== undefined) await stage.checkFile(line, host, path)
  }
  expect(await readFile(join(stage.folder, Stage.OUT, moved))).toEqual(content.subarray(0, 10))
  expect(await stage.program("verify")).toMatchObject({ code: 0 })
  expect(stage.stats()["papers.test"]).toMatchObject({ requests: 8 })
})

it("with content stored once, what is missing is put back without a request", async () => {
  const stage = await Stage.make({ hosts: { "papers.test": files() } }, { storage: { layout: "content" } })
  // The same file for two works.
  await stage.queue([
    { id: "one", host: "papers.test", path: "/a.pdf" },
    { id: "two", host: "papers.test", path: "/a.pdf" }
  ])
  await drain(stage)
  const manifest = await stage.manifest()
  const pathOf = (id: string) => join(stage.folder, Stage.OUT, manifest.get(id)?.path ?? "")
  expect((await stat(pathOf("one"))).ino).toBe((await stat(pathOf("two"))).ino)
  await rm(pathOf("one"))
  const mended = await stage.program("verify", "--format", "json")
  expect(mended.code).toBe(3)
  expect(said(mended.stdout)).toMatchObject({
    problems: [{ id: "one", problem: "missing", action: "restored" }],
    found: 1,
    restored: 1,
    queued: 0
  })
  expect(await stage.program("verify")).toMatchObject({ code: 0 })
  // Whoever writes into one of them writes into all.
  await writeFile(pathOf("two"), "damaged")
  const damaged = await stage.program("verify", "--format", "json")
  expect(said(damaged.stdout)).toMatchObject({ found: 2, queued: 2, moved: 2, restored: 0 })
  await drain(stage)
  expect(await stage.program("verify")).toMatchObject({ code: 0 })
  expect(stage.stats()["papers.test"]).toMatchObject({ requests: 4 })
})

it("deeply, what is no document is found although it has its bytes", async () => {
  const broken = respond({
    headers: { "content-type": "application/pdf" },
    body: "%PDF-1.7\nnothing\n%%EOF\n"
  })
  const stage = await Stage.make(
    { hosts: { "good.test": files(), "bad.test": broken } },
    { download: { structure: false, identity: "off" } }
  )
  await stage.queue(Stage.filesOf(["good.test", "bad.test"], 1))
  await drain(stage)
  expect(await stage.program("verify")).toMatchObject({ code: 0 })
  const deep = await stage.program("verify", "--deep", "--format", "json")
  expect(deep.code).toBe(3)
  expect(said(deep.stdout)).toMatchObject({
    checked: 2,
    problems: [
      {
        id: "bad.test-0",
        problem: "damaged-pdf",
        action: "queued",
        moved_to: expect.stringContaining(".damaged/")
      }
    ]
  })
  expect(await stage.counts()).toMatchObject({ done: 1, queued: 1 })
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
  const fewer = await stage.program("queue", "run", "--dry-run", "--limit", "2")
  expect(fewer.stderr).toContain("2 of 3 queued jobs looked at, 0 without a source")
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
