/** Disks that are full, broken or not ours to write, and processes with too few of everything. */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { files } from "../../src/demo/Behaviour.ts"
import * as Disk from "../../src/download/Disk.ts"
import { BIN, ended, run } from "../cli/Program.ts"
import * as Stage from "../run/Stage.ts"
import { checkEnd, checkRefusal } from "./Plain.ts"

const broken = (code: string) => Promise.reject(Object.assign(new Error(`${code}: as told`), { code }))

/** Node's file system, whose calls of one name fail with a code from the `from`th on, `times` often. */
const failing = (
  name: string,
  code: string,
  from = 1,
  times = Number.POSITIVE_INFINITY
): Disk.DiskService => {
  let calls = 0
  const fails = (called: string): boolean => {
    if (called !== name) return false
    calls += 1
    return calls >= from && calls < from + times
  }
  const handle = (file: Disk.OpenFile): Disk.OpenFile => ({
    read: (...args) => (fails("read") ? broken(code) : file.read(...args)),
    writev: (...args) => (fails("writev") ? broken(code) : file.writev(...args)),
    appendFile: (text) => (fails("appendFile") ? broken(code) : file.appendFile(text)),
    truncate: (bytes) => file.truncate(bytes),
    sync: () => (fails("sync") ? broken(code) : file.sync()),
    close: () => file.close()
  })
  return {
    ...Disk.node,
    // The real one is looked at in the tests of links.
    hasLinks: false,
    open: async (path, flags) => (fails("open") ? broken(code) : handle(await Disk.node.open(path, flags))),
    mkdir: (...args) => (fails("mkdir") ? broken(code) : Disk.node.mkdir(...args)),
    rename: (...args) => (fails("rename") ? broken(code) : Disk.node.rename(...args)),
    writeFile: (...args) => (fails("writeFile") ? broken(code) : Disk.node.writeFile(...args)),
    readdir: (path) => (fails("readdir") ? broken(code) : Disk.node.readdir(path)),
    statfs: (path) => (fails("statfs") ? broken(code) : Disk.node.statfs(path))
  }
}

const stageOf = async () => {
  const stage = await Stage.make({
    hosts: { "one.test": files({ size: 700_000 }), "two.test": files({ size: 9_000 }) }
  })
  const wanted = Stage.filesOf(["one.test", "two.test"], 4)
  await stage.queue(wanted)
  /** Whatever went wrong has cost no try, and once it is put right all comes to its end. */
  const checkRecovers = async () => {
    expect(await stage.counts()).toMatchObject({ error: 0, skipped: 0, total: 8 })
    for (const { attempts, id } of (await stage.manifest()).values()) expect(attempts, id).toBeLessThan(2)
    const again = await stage.here("queue", "run", "--drain")
    expect(again.code, again.stderr).toBe(0)
    await stage.checkAll(wanted)
  }
  return { stage, checkRecovers }
}

/** A run in this process whose files are on this disk. */
const runOn = ({ folder }: Stage.Stage, disk: Disk.DiskService) => {
  const places = [
    `--config=${join(folder, "contentdownload.yaml")}`,
    `--queue=${join(folder, "state", "workqueue.sqlite")}`,
    `--out=${join(folder, Stage.OUT)}`
  ]
  return Effect.runPromise(
    run(["queue", "run", "--drain", "--quiet", ...places]).pipe(Effect.provideService(Disk.Disk, disk))
  )
}

describe("an output folder whose disk", () => {
  it.each([
    [
      "is full in the middle of a file",
      failing("writev", "ENOSPC", 2),
      /no space is left on its disk \(ENOSPC\)/
    ],
    ["is full when a quota is used up", failing("writev", "EDQUOT"), /the disk quota is used up/],
    ["doesn't take so large a file", failing("writev", "EFBIG"), /a file would be larger than .*ulimit -f/],
    ["breaks while it is written", failing("writev", "EIO", 3), /input or output error \(EIO\)/],
    ["can't be synced", failing("sync", "EIO", 4), /input or output error \(EIO\)/],
    ["can't give a file its name", failing("rename", "EROFS", 2), /its file system is read-only/],
    ["makes no folders", failing("mkdir", "EACCES"), /this user may not write there/],
    ["makes no files", failing("writeFile", "EROFS"), /its file system is read-only/],
    ["can't be listed", failing("readdir", "EIO"), /input or output error/],
    ["doesn't say how much is free", failing("statfs", "EIO"), /input or output error/]
  ] as const)("%s ends the run with one line; nothing is lost by it", async (_, disk, why) => {
    const { checkRecovers, stage } = await stageOf()
    const end = await runOn(stage, disk)
    checkRefusal({ ...end, stderr: end.stderr.replace(/^robots.*\n/, "") }, 6, why, why.source)
    expect(await stage.counts()).toMatchObject({ in_progress: 0 })
    await checkRecovers()
  })

  it("has too few open files for a moment costs a try and not the run", async () => {
    const { stage } = await stageOf()
    const end = await runOn(stage, failing("open", "EMFILE", 4, 2))
    expect(end.code, end.stderr).toBe(0)
    expect(await stage.counts()).toMatchObject({ done: 8 })
  })
})

/** A run in a shell that has set a limit before. */
const limited = (stage: Stage.Stage, limit: string, node: ReadonlyArray<string> = []) =>
  ended(
    spawn(
      "sh",
      ["-c", `${limit}; exec "$@"`, "sh", process.execPath, ...node, BIN, "queue", "run", "--drain"],
      {
        cwd: stage.folder,
        stdio: ["ignore", "pipe", "pipe"]
      }
    )
  )

describe("a process", () => {
  it("that may write no large files ends with one line, and loses nothing", async () => {
    const { checkRecovers, stage } = await stageOf()
    const end = await limited(stage, "ulimit -f 400")
    checkEnd(end, "ulimit -f")
    expect(end.code, end.stderr).toBe(6)
    expect(end.stderr.replace(/^robots.*\n/, "")).toMatch(/^contentdownload: can't write to .*EFBIG.*\n$/)
    await checkRecovers()
  })

  it("with few open files gets on with what it has", async () => {
    const { stage } = await stageOf()
    const end = await limited(stage, "ulimit -n 40")
    checkEnd(end, "ulimit -n")
    const again = await stage.here("queue", "run", "--drain")
    expect([0, 3]).toContain(again.code)
    expect(await stage.counts()).toMatchObject({ in_progress: 0, total: 8 })
  })

  it("whose queue has no room to grow ends with one line, and loses nothing", async () => {
    const { checkRecovers, stage } = await stageOf()
    const full = fileURLToPath(new URL("./full-queue.mjs", import.meta.url))
    const end = await limited(stage, "true", ["--import", full])
    checkEnd(end, "a full queue")
    expect(end.code, end.stderr).toBe(6)
    expect(end.stderr.replace(/^robots.*\n/, "")).toMatch(
      /^contentdownload: no space is left on the disk of the queue .*\n$/
    )
    await checkRecovers()
  })
})
