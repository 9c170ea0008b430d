/** Readers that go away, disks that are full, terminals that are gone, and signals in every order. */
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, openSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it, onTestFinished } from "vitest"
import { files } from "../../src/demo/Behaviour.ts"
import { BIN, type Ended, ended, start } from "../cli/Program.ts"
import * as Gate from "../run/Gate.ts"
import * as Stage from "../run/Stage.ts"
import * as Told from "../run/Told.ts"
import { checkCode, checkEnd } from "./Plain.ts"

/** The commands that print something, with the code they have to end with once nobody reads it. */
const PRINTING: ReadonlyArray<readonly [args: ReadonlyArray<string>, code: number]> = [
  [["--help"], 0],
  [["queue", "stats", "--by", "lane"], 0],
  [["queue", "export"], 0],
  [["queue", "watch"], 0],
  [["config", "show", "--format", "json"], 0],
  [["doctor"], 0],
  // What it has to say of the jobs counts, whoever reads its summary.
  [["queue", "run", "--drain", "--max-wait", "0"], 4]
]

/** 3,000 jobs that wait for an hour. */
const waiting = async () => {
  const stage = await Stage.make({}, { queue: { timeout_sec: 30 } })
  await stage.queue(
    Array.from({ length: 3000 }, (_, n) => ({
      id: `job-${n}`,
      urls: [`http://one.test/${"x".repeat(100)}${n}.pdf`]
    }))
  )
  await stage.does("queue", "pause")
  return stage
}

/** A stage with a named pipe in its folder. */
const pipe = async () => {
  const stage = await Stage.make({})
  const path = join(stage.folder, "pipe")
  execFileSync("mkfifo", [path])
  return { stage, path }
}
const write = (path: string, text: string) =>
  spawn("sh", ["-c", `printf '${text}' > "$0"`, path], { stdio: "ignore" })

/** A run whose only job's host doesn't answer. */
const held = async () => {
  const stage = await Stage.make({}, { orchestrator: { grace_seconds: 3600 } })
  const gate = await Gate.make()
  await stage.queue([{ id: "held", urls: [gate.url("/held.pdf")] }])
  const run = stage.start("queue", "run", "--drain", "--format", "json")
  await Stage.until("the host is asked", () => gate.waiting() === 1)
  return { stage, gate, run }
}
describe("a command", () => {
  it("whose reader has gone ends quietly", async () => {
    const stage = await waiting()
    const over = PRINTING.map(async ([args, code]) => {
      const child = start(args, stage.folder)
      child.stdin?.end()
      child.stdout?.destroy()
      const end = await ended(child)
      const stderr = end.stderr.replace(/^robots\.txt is not asked for.*\n/, "")
      expect({ code: end.code, stderr }, args.join(" ")).toEqual({ code, stderr: "" })
    })
    await Promise.all(over)
  })

  it.skipIf(!existsSync("/dev/full"))("whose output is a full disk says so, with code 6", async () => {
    const stage = await waiting()
    for (const args of [["queue", "export"]]) {
      const child = spawn(process.execPath, [BIN, ...args], {
        cwd: stage.folder,
        stdio: ["ignore", openSync("/dev/full", "w"), "pipe"]
      })
      const end = await ended(child)
      checkCode(end, 6, args.join(" "))
      expect(end.stderr).toMatch(/^contentdownload: standard output can't be written: .*ENOSPC.*\n$/)
    }
  })

  it("that can tell nobody of a bad line goes on with the good ones", async () => {
    const stage = await Stage.make({})
    const list = join(stage.folder, "list.txt")
    writeFileSync(list, `${"nonsense\n".repeat(5000)}10.1000/x\n`)
    const child = start(["queue", "import", list], stage.folder)
    child.stdin?.end()
    child.stderr?.destroy()
    expect(await ended(child)).toMatchObject({ code: 0, stdout: "1 new, 0 duplicates, 5,000 rejected\n" })
    expect(await stage.counts()).toMatchObject({ queued: 1 })
  })
})

describe("a list from a named pipe", () => {
  it("is read once, from its first line on, also to be looked at first", async () => {
    const { path, stage } = await pipe()
    for (const strict of [[], ["--strict"]]) {
      const imported = stage.here("queue", "import", path, ...strict)
      write(path, `10.1000/a${strict.length}\\n10.1000/b${strict.length}\\n`)
      expect(await imported).toEqual({ code: 0, stdout: "2 new, 0 duplicates, 0 rejected\n", stderr: "" })
    }
  })

  it("that nobody writes to is waited for until a signal", async () => {
    const { path, stage } = await pipe()
    const run = stage.start("queue", "import", path)
    // It holds the pipe open and says nothing more.
    const writer = spawn("sh", ["-c", 'exec 3> "$0"; printf "nope\\n" >&3; exec sleep 60', path], {
      stdio: "ignore"
    })
    onTestFinished(() => void writer.kill("SIGKILL"))
    await Stage.until("the first line is read", () => run.stderr().includes("nope"))
    run.signal("SIGINT")
    expect((await run.ended).code).toBe(130)
  })
})

describe("settings from a named pipe", () => {
  it("are read from whoever writes them", async () => {
    const { path, stage } = await pipe()
    const shown = stage.program("config", "show", "--config", path, "--format", "json")
    write(path, "orchestrator: { max_workers: 3 }\\n")
    const { code, stdout } = await shown
    expect({ code, workers: JSON.parse(stdout).settings.orchestrator.max_workers }).toEqual({
      code: 0,
      workers: 3
    })
  })

  it.each([
    [["queue", "run"], "SIGINT", 130],
    [["queue", "stats"], "SIGTERM", 143],
    [["config", "show"], "SIGINT", 130]
  ] as const)("that nobody writes to are waited for until a signal: %s", async (args, signal, code) => {
    const { path, stage } = await pipe()
    const run = stage.start(...args, "--config", path)
    // Whoever opens it to write gets it only when somebody has it open to read.
    const opened = spawn("sh", ["-c", 'exec 3> "$0"; echo open; exec sleep 60', path], {
      stdio: ["ignore", "pipe", "ignore"]
    })
    onTestFinished(() => void opened.kill("SIGKILL"))
    await once(opened.stdout, "data")
    run.signal(signal)
    expect(await run.ended).toMatchObject({ code, stdout: "", stderr: "" })
  })
})

describe("a run", () => {
  it("whose terminal is gone lets its jobs end, and has code 129", async () => {
    const { gate, run, stage } = await held()
    run.signal("SIGHUP")
    await Stage.until("it is noticed", () => run.stderr().includes("Finishing 1 running job"))
    gate.open()
    const end = await run.ended
    checkCode({ ...end, stderr: "" }, 129, end.stderr)
    expect(Told.summary(end.stdout)).toMatchObject({ ended: "stopped", ends: { done: 1 } })
    expect(await stage.counts()).toMatchObject({ done: 1, in_progress: 0 })
  })

  it("gives its job back at the second signal, whatever signals follow", async () => {
    const { run, stage } = await held()
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGINT"] as const) {
      run.signal(signal)
      await Stage.sleep(20)
    }
    expect((await run.ended).code).toBe(130)
    expect(await stage.show("held")).toMatchObject({ state: "queued", attempts: 0, crashes: 0, worker: null })
  })

  it("that can't write to its terminal any more still does its work, and tells by its code how it went", async () => {
    const stage = await Stage.make({ hosts: { "one.test": files({ size: 2_000 }) } })
    const wanted = Stage.filesOf(["one.test"], 20)
    await stage.queue(wanted)
    const child = start(["queue", "run", "--drain", "--log-level", "trace"], stage.folder)
    child.stdin?.end()
    child.stderr?.destroy()
    child.stdout?.destroy()
    const end: Ended = await ended(child)
    expect(end.code).toBe(0)
    await stage.checkAll(wanted)
  })

  it("that is told to stop at any moment stops cleanly, and loses nothing", async () => {
    const stage = await Stage.make({ hosts: { "one.test": files({ size: 400_000 }), "two.test": files() } })
    const wanted = Stage.filesOf(["one.test", "two.test"], 30)
    await stage.queue(wanted)
    // From before it has opened the queue to the middle of its work.
    for (const [after, signal, code] of [
      [0, "SIGTERM", 143],
      [250, "SIGINT", 130],
      [500, "SIGHUP", 129],
      [750, "SIGTERM", 143]
    ] as const) {
      const run = stage.start("queue", "run", "--workers", "3")
      await Stage.sleep(after)
      run.signal(signal)
      const end = await run.ended
      expect([code, 0], `${signal} after ${after} ms: ${end.stderr}`).toContain(end.code)
      checkEnd(end, signal)
      expect(await stage.counts()).toMatchObject({ in_progress: 0, error: 0, total: 60 })
    }
    expect((await stage.program("queue", "run", "--drain")).code).toBe(0)
    await stage.checkAll(wanted)
  })
})
