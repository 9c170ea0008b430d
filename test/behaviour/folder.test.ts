import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it, onTestFinished } from "vitest"
import * as Folder from "../../src/Folder.ts"

const folder = async () => {
  const path = await mkdtemp(join(tmpdir(), "contentdownload-"))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

const code = (made: Promise<unknown>) =>
  made.then(
    () => "made",
    (cause: unknown) => (cause instanceof Error && "code" in cause ? cause.code : "")
  )

describe("a folder", () => {
  it("is made with those above it, and the first of them is told", async () => {
    const at = await folder()
    expect(await Folder.make(join(at, "a", "b", "c"))).toBe(join(at, "a"))
    expect(await Folder.make(join(at, "a", "b", "d", "..", "e"))).toBe(join(at, "a", "b", "e"))
    expect(await Folder.make(join(at, "a"))).toBeUndefined()
    expect(await Folder.make("/")).toBeUndefined()
  })

  it("is made once, however many make it", async () => {
    const at = await folder()
    const path = join(at, "a", "b", "c")
    await Promise.all(Array.from({ length: 20 }, () => Folder.make(path)))
    expect(await Folder.make(path)).toBeUndefined()
  })

  it("may be a link to one, and nothing else", async () => {
    const at = await folder()
    await mkdir(join(at, "real"))
    await symlink(join(at, "real"), join(at, "link"))
    expect(await Folder.make(join(at, "link", "a"))).toBe(join(at, "link", "a"))
    expect(await Folder.make(join(at, "link"))).toBeUndefined()
    await symlink(join(at, "nowhere"), join(at, "dangling"))
    await symlink(join(at, "circle"), join(at, "circle"))
    await writeFile(join(at, "file"), "")
    expect(await code(Folder.make(join(at, "dangling")))).toBe("ENOENT")
    expect(await code(Folder.make(join(at, "dangling", "a")))).toBe("ENOENT")
    expect(await code(Folder.make(join(at, "circle")))).toBe("ELOOP")
    expect(await code(Folder.make(join(at, "file")))).toBe("EEXIST")
    expect(await code(Folder.make(join(at, "file", "a")))).toBe("ENOTDIR")
  })

  // Node's own would go on for ever in a thread that holds up the end of the process: it isn't tried.
  it.runIf(process.platform === "linux")("that can't be made is given up at once", async () => {
    expect(await code(Folder.make("/proc/nothing"))).toBe("ENOENT")
    expect(await code(Folder.make("/proc/nothing/a/b"))).toBe("ENOENT")
  })
})
