/** Links planted in the output folder: whatever they lead to, nothing outside the folder is made, changed or removed. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { lstat, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { describe, expect, it, onTestFinished } from "vitest"
import { files } from "../../src/demo/Behaviour.ts"
import { confined } from "../../src/download/Confined.ts"
import * as Disk from "../../src/download/Disk.ts"
import { codeOf, LEADS_OUTSIDE } from "../../src/download/StorageError.ts"
import { fileName, folderOf, objectName, partName } from "../../src/download/StoredName.ts"
import { checkRefusal } from "../faults/Plain.ts"
import * as Stage from "../run/Stage.ts"

const ID = "one.test-0"
const MINE = "not yours"

/** A stage with one job, and a folder of somebody's files beside the output folder. */
const stageOf = async (layout: "id" | "content") => {
  const stage = await Stage.make(
    { hosts: { "one.test": files({ size: 2_000_000 }) } },
    { storage: { layout } }
  )
  const [wanted] = Stage.filesOf(["one.test"], 1)
  if (wanted === undefined) throw new Error("one file is wanted")
  await stage.queue([wanted])
  const outside = join(stage.folder, "outside")
  await mkdir(outside)
  await writeFile(join(outside, "mine.txt"), MINE)
  const out = join(stage.folder, Stage.OUT)
  await mkdir(join(out, ".partial"), { recursive: true })
  const { sha256 } = stage.origin.expected(wanted.host, wanted.path)
  /** What was there is there, as it was, and nothing else. */
  const checkOutside = async () => {
    expect(await readdir(outside)).toEqual(["mine.txt"])
    expect(await readFile(join(outside, "mine.txt"), "utf8")).toBe(MINE)
  }
  return {
    stage,
    wanted,
    outside,
    out,
    sha256,
    checkOutside,
    run: () => stage.here("queue", "run", "--drain")
  }
}

/** A link at a path in the output folder. */
const plant = async (target: string, path: string) => {
  await mkdir(dirname(path), { recursive: true })
  await symlink(target, path)
}

describe.each(["id", "content"] as const)("in a folder of layout %s, a link", (layout) => {
  it("in the place of a folder ends the run with one line that names it", async () => {
    const { checkOutside, out, outside, run, sha256, stage } = await stageOf(layout)
    const folders = [".partial", folderOf(ID), ...(layout === "content" ? [dirname(objectName(sha256))] : [])]
    for (const name of folders) {
      await rm(join(out, name), { recursive: true, force: true })
      await plant(outside, join(out, name))
      checkRefusal(
        await run(),
        6,
        new RegExp(`can't write .*${name.replace(".", "\\.")} leads out of it`),
        name
      )
      await checkOutside()
      expect(await stage.counts()).toMatchObject({ queued: 1, in_progress: 0 })
      await rm(join(out, name))
    }
    expect((await run()).code).toBe(0)
  })

  it("in the place of a file loses its name to the file", async () => {
    const { checkOutside, out, outside, run, sha256, stage, wanted } = await stageOf(layout)
    const mine = join(outside, "mine.txt")
    const part = join(out, ".partial", partName(ID, { job: 1, token: 1 }))
    const names = [8, 64].map((digits) => join(out, folderOf(ID), fileName(ID, sha256, ".pdf", digits)))
    const objects = layout === "content" ? [join(out, objectName(sha256))] : []
    for (const path of [part, `${part}.log`, `${part}.link`, ...names, ...objects]) await plant(mine, path)
    const ended = await run()
    expect(ended.code, ended.stderr).toBe(0)
    await checkOutside()
    const line = (await stage.manifest()).get(ID)
    if (line === undefined) throw new Error("it is in the manifest")
    await stage.checkFile(line, wanted.host, wanted.path)
    expect((await stage.here("verify")).code).toBe(0)
    await checkOutside()
  })

  it("that leads nowhere, or in a circle, isn't gone after either", async () => {
    const { checkOutside, out, outside, run, sha256, stage } = await stageOf(layout)
    const name = join(out, folderOf(ID), fileName(ID, sha256, ".pdf"))
    await plant(join(outside, "made.txt"), name)
    const part = join(out, ".partial", partName(ID, { job: 1, token: 1 }))
    await plant(part, part)
    await plant(join(outside, "made.log"), `${part}.log`)
    const ended = await run()
    expect(ended.code, ended.stderr).toBe(0)
    await checkOutside()
    expect(await stage.counts()).toMatchObject({ done: 1 })
  })
})

it("the output folder itself may be a link, since it is the user who names it", async () => {
  const { checkOutside, out, run, stage } = await stageOf("id")
  const elsewhere = join(stage.folder, "elsewhere")
  await rename(out, elsewhere)
  await symlink(elsewhere, out)
  expect((await run()).code).toBe(0)
  expect(await readdir(elsewhere)).toContain(folderOf(ID))
  await checkOutside()
})

it("a receipt whose path leads out of the folder moves nothing", async () => {
  const { checkOutside, out, outside, stage } = await stageOf("id")
  const disk = confined(Disk.node, out)
  const mine = join(outside, "mine.txt")
  const tries: ReadonlyArray<() => Promise<unknown>> = [
    () => disk.rename(mine, join(out, "x")),
    () => disk.rename(join(out, ".partial"), join(outside, "x")),
    () => disk.unlink(join(out, "..", "outside", "mine.txt")),
    () => disk.rm(`${out}/../outside/mine.txt`, { force: true }),
    () => disk.open(mine, "w"),
    () => disk.writeFile(join(outside, "x"), "x"),
    () => disk.link(mine, join(out, "x")),
    () => disk.copyFile(join(out, "x"), mine, 0),
    () => disk.mkdir(join(outside, "x"), { recursive: true })
  ]
  for (const attempt of tries) {
    const failed: unknown = await attempt().then(
      () => undefined,
      (cause: unknown) => cause
    )
    expect(codeOf(failed)).toBe(LEADS_OUTSIDE)
  }
  await checkOutside()
  expect(await stage.counts()).toMatchObject({ queued: 1 })
})

/** Writes to a file that is opened, and closes it. */
const closed = async (opened: Promise<Disk.OpenFile>) => {
  const file = await opened
  await file.appendFile("theirs")
  await file.close()
}

it("a name that has become a link just now is taken from it by what is written there", async () => {
  const { checkOutside, out, outside } = await stageOf("id")
  const disk = confined(Disk.node, out)
  const mine = join(outside, "mine.txt")
  const path = join(out, ".partial", "x")
  const from = join(out, "from")
  await writeFile(from, "theirs")
  const tries: ReadonlyArray<() => Promise<void>> = [
    () => closed(disk.open(path, "w")),
    () => closed(disk.open(path, "w+")),
    () => disk.writeFile(path, "theirs"),
    () => disk.copyFile(from, path, 0),
    () => disk.rename(from, path)
  ]
  for (const attempt of tries) {
    await rm(path, { force: true })
    await symlink(mine, path)
    await attempt()
    expect((await lstat(path)).isFile()).toBe(true)
    expect(await readFile(path, "utf8")).toBe("theirs")
    await checkOutside()
  }
  await rm(path)
  await symlink(mine, path)
  await expect(disk.open(path, "r+")).rejects.toMatchObject({ code: "ENOENT" })
})

it("a folder that was moved while somebody has it open is nobody else's folder any more", async () => {
  const { checkOutside, out, outside, stage } = await stageOf("id")
  let [goOn, isHeld] = [() => {}, () => {}]
  const gate = new Promise<void>((resolve) => (goOn = resolve))
  const held = new Promise<void>((resolve) => (isHeld = resolve))
  const disk = confined(
    {
      ...Disk.node,
      rename: async (from, to) => {
        isHeld()
        await gate
        await Disk.node.rename(from, to)
      }
    },
    out
  )
  const folder = join(out, "ab")
  const moved = join(stage.folder, "moved")
  await mkdir(folder)
  await writeFile(join(out, "from"), MINE)
  const renaming = disk.rename(join(out, "from"), join(folder, "x"))
  await held
  await rename(folder, moved)

  await symlink(outside, folder)
  await expect(disk.writeFile(join(folder, "y"), MINE)).rejects.toMatchObject({ code: LEADS_OUTSIDE })
  await expect(disk.mkdir(folder, { recursive: true })).rejects.toMatchObject({ code: LEADS_OUTSIDE })
  await rm(folder)
  await symlink(moved, folder)
  await expect(disk.writeFile(join(folder, "y"), MINE)).rejects.toMatchObject({ code: LEADS_OUTSIDE })
  await rm(folder)
  await mkdir(folder)
  await disk.writeFile(join(folder, "y"), MINE)
  expect(await readdir(folder)).toEqual(["y"])

  goOn()
  await renaming
  expect(await readdir(moved)).toEqual(["x"])
  await checkOutside()
})

/** Puts a link to `outside` in the place of the folder, and back, as fast as it can. */
const SWAP = `const { renameSync, symlinkSync, unlinkSync } = require("node:fs")
const [folder, real, outside] = process.argv.slice(1)
for (;;) {
  renameSync(folder, real)
  symlinkSync(outside, folder)
  unlinkSync(folder)
  renameSync(real, folder)
}`

it("a folder that becomes a link between look and use, again and again, leads nothing out", async () => {
  const { checkOutside, out, outside } = await stageOf("id")
  const disk = confined(Disk.node, out)
  const folder = join(out, "ab")
  const real = join(out, "real")
  await mkdir(folder)
  const swapping = spawn(process.execPath, ["-e", SWAP, folder, real, outside], { stdio: "ignore" })
  onTestFinished(() => void swapping.kill("SIGKILL"))
  await Stage.until("it has begun", () => existsSync(real))
  let written = 0
  for (let n = 0; n < 500; n++) {
    await disk.writeFile(join(out, ".partial", `${n}`), MINE)
    written += await disk.rename(join(out, ".partial", `${n}`), join(folder, `${n}`)).then(
      () => 1,
      () => 0
    )
  }
  swapping.kill("SIGKILL")
  await once(swapping, "close")
  await checkOutside()
  const found = await readdir(real).catch(() => readdir(folder))
  expect(found).toHaveLength(written)
  expect(written).toBeGreaterThan(0)
})
