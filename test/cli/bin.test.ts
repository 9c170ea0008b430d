import { once } from "node:events"
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import Database from "better-sqlite3"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { ended, spawned, start } from "./Program.ts"

let folder = ""
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "contentdownload-"))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const lines = (text: string): ReadonlyArray<string> => text.trimEnd().split("\n")

const artifact = (id: string) => `{"id": "${id}", "urls": ["https://a.example/${id}.pdf"]}`

describe("the built program", () => {
  it("answers with its version and its help", async () => {
    expect((await spawned(["--version"], folder)).stdout).toMatch(/^\d+\.\d+\.\d+\S*\n$/)
    const help = await spawned([], folder)
    expect(help).toMatchObject({ code: 0, stderr: "" })
    expect(help.stdout).toContain("queue import")
    expect(await readdir(folder)).toEqual([])
  })

  it("prints completions for a shell", async () => {
    const { code, stderr, stdout } = await spawned(["--completions", "bash"], folder)
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
    expect(stdout).toContain("complete -F")
  })

  it("imports stdin, also in strict mode, and exports what it has", async () => {
    const input = [artifact("a"), "nope", artifact("b")].join("\n")
    const strict = await spawned(["queue", "import", "-", "--strict"], folder, { input })
    expect(strict.code).toBe(2)
    expect(lines(strict.stderr)[0]).toMatch(/^stdin:2: /)
    expect(await readdir(folder)).toEqual([])
    const lax = await spawned(["queue", "import", "--format=json", "-"], folder, { input })
    expect(JSON.parse(lax.stdout)).toEqual({ new: 2, duplicate: 0, rejected: 1, total: 3 })
    expect(lax).toMatchObject({ code: 0, stderr: expect.stringMatching(/^stdin:2: .*\n$/) })
    const exported = await spawned(["queue", "export"], folder)
    expect(lines(exported.stdout).map((line): unknown => JSON.parse(line))).toMatchObject([
      { id: "a" },
      { id: "b" }
    ])
    expect(await readdir(folder)).toEqual(["state"])
  })

  it("ends quietly when its reader goes away", async () => {
    const input = Array.from({ length: 3000 }, (_, index) => artifact(`job-${index}`)).join("\n")
    expect((await spawned(["queue", "import", "-"], folder, { input })).code).toBe(0)
    const child = start(["queue", "export"], folder)
    const end = ended(child)
    if (child.stdout === null) throw new Error("stdout is piped")
    await once(child.stdout, "data")
    child.stdout.destroy()
    expect(await end).toMatchObject({ code: 0, stderr: "" })
  })

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143]
  ] as const)("ends with its code on %s", async (signal, code) => {
    const child = start(["queue", "import", "-"], folder)
    const end = ended(child)
    // It tells of the bad line when it is waiting for more.
    child.stdin?.write("nope\n".repeat(20_000))
    if (child.stderr === null) throw new Error("stderr is piped")
    await once(child.stderr, "data")
    child.kill(signal)
    expect(await end).toMatchObject({ code, stdout: "" })
  })

  it("colours only when it is asked to", async () => {
    expect((await spawned(["--help"], folder)).stdout).not.toContain("\u001b")
    const forced = await spawned(["--help"], folder, { env: { NO_COLOR: "", FORCE_COLOR: "1" } })
    expect(forced.stdout).toContain("\u001b[1m")
  })
})

/** One clear line on stderr, nothing on stdout, this exit code. */
const refused = async (code: number, text: string, args: ReadonlyArray<string>, input = "") => {
  const result = await spawned(args, folder, { input })
  expect(result.code, result.stderr).toBe(code)
  expect(result.stdout).toBe("")
  expect(lines(result.stderr)).toHaveLength(1)
  expect(result.stderr).toContain(text)
  expect(result.stderr).not.toContain("    at ")
}

const oneBadLine = async (line: string, reason: string) => {
  const { code, stderr, stdout } = await spawned(
    ["queue", "import", "-", "--input-format", "jsonl"],
    folder,
    {
      input: `${line}\n`
    }
  )
  expect(code).toBe(2)
  expect(stdout).toBe("0 new, 0 duplicates, 1 rejected\n")
  expect(lines(stderr)).toEqual([
    expect.stringMatching(new RegExp(`^stdin:1: .*${reason}`)),
    "contentdownload: no line was good"
  ])
  expect(stderr.length).toBeLessThan(500)
}

describe("bad input to the built program", () => {
  it("a file that isn't there", () => refused(2, "missing.jsonl", ["queue", "import", "missing.jsonl"]))
  it("a line that isn't JSON", () => oneBadLine("nope", "not JSON"))
  it("a line that is no object", () => oneBadLine("[1]", "array"))
  it("an id of 10 MB", () => oneBadLine(artifact("x".repeat(10_000_000)), "longer than 1 MiB"))
  it("a URL with another scheme", () => oneBadLine('{"urls": ["ftp://a.example/1"]}', "only http and https"))

  it("a key that doesn't exist", async () => {
    await writeFile(join(folder, "contentdownload.yaml"), "orchestrator:\n  max_wokers: 3\n")
    await refused(2, "did you mean orchestrator.max_workers? (contentdownload.yaml:2:3)", ["queue", "stats"])
  })

  it("a configuration file that isn't there", () =>
    refused(2, "no.yaml", ["config", "show", "--config", "no.yaml"]))
  it("an option that doesn't exist", () => refused(2, "--limit", ["queue", "list", "--limt", "3"]))
  it("a command that doesn't exist", () => refused(2, "queue stats", ["queue", "stast"]))
  it("no queue to read", () => refused(2, "there is no queue", ["queue", "stats"]))

  it("a file that is no database", async () => {
    await writeFile(join(folder, "notes.txt"), "hello, world ".repeat(1000))
    await refused(6, "notes.txt", ["queue", "stats", "--queue", "notes.txt"])
  })

  it("a database of another program", async () => {
    const other = new Database(join(folder, "other.sqlite"))
    other.exec("CREATE TABLE albums (id INTEGER PRIMARY KEY, title TEXT)")
    other.close()
    await refused(6, "other.sqlite", ["queue", "enqueue", "10.1000/x", "--queue", "other.sqlite"])
  })

  it("a queue that another process holds", async () => {
    expect((await spawned(["queue", "enqueue", "10.1000/x"], folder)).code).toBe(0)
    await writeFile(join(folder, "contentdownload.yaml"), "queue: { timeout_sec: 0.2 }\n")
    const holder = new Database(join(folder, "state", "workqueue.sqlite"))
    holder.exec("BEGIN EXCLUSIVE")
    try {
      await refused(6, "locked", ["queue", "enqueue", "10.1000/y"])
    } finally {
      holder.close()
    }
  })

  it("a folder for the queue that can't be made", async () => {
    await writeFile(join(folder, "file"), "")
    await refused(6, "file", ["queue", "enqueue", "10.1000/x", "--queue", "file/q.sqlite"])
  })
})
