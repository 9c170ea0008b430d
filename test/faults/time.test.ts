/** Clocks that are wrong, leases that end while their jobs run, and queues that somebody else holds. */
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { createServer, type ServerResponse } from "node:http"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import Database from "better-sqlite3"
import { describe, expect, it, onTestFinished } from "vitest"
import { delayed, files, tries, status } from "../../src/demo/Behaviour.ts"
import * as OriginFile from "../../src/demo/OriginFile.ts"
import { BIN, type Ended, ended } from "../cli/Program.ts"
import { listen } from "../run/Ports.ts"
import * as Stage from "../run/Stage.ts"
import { checkCode, checkEnd, checkRefusal } from "./Plain.ts"

const HOUR = 3_600_000
const CLOCK = fileURLToPath(new URL("./clock.mjs", import.meta.url))

/** The program with a clock that is off: from so many milliseconds on, by so many. */
const startWrong = (
  stage: Stage.Stage,
  steps: ReadonlyArray<readonly [from: number, by: number]>,
  ...args: ReadonlyArray<string>
) => {
  const child = spawn(process.execPath, ["--import", CLOCK, BIN, ...args], {
    cwd: stage.folder,
    env: { ...process.env, NO_COLOR: "1", CLOCK_STEPS: JSON.stringify(steps) },
    stdio: ["ignore", "pipe", "pipe"]
  })
  onTestFinished(() => void child.kill("SIGKILL"))
  const over = ended(child).then((end): Ended => ({
    ...end,
    stderr: end.stderr.replace(/^robots\.txt is not asked for.*\n/m, "")
  }))
  return { child, over }
}

const answer = (n: number, response: ServerResponse) => () => {
  const bytes = OriginFile.fileBytes("changing", `/${n}.pdf`)
  response.writeHead(200, { "content-type": "application/pdf", "content-length": bytes.length })
  response.end(bytes)
}

/** A server that answers each request with other bytes, and holds back its first answer until it is told. */
const changing = async () => {
  const held: Array<() => void> = []
  let requests = 0
  const server = createServer((_, response) => {
    requests += 1
    const send = answer(requests, response)
    if (requests === 1) held.push(send)
    else send()
  })
  const port = await listen(server)
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return {
    url: `http://127.0.0.1:${port}/paper.pdf`,
    requests: () => requests,
    release: () => held.forEach((send) => send())
  }
}

describe("a lease that ended while its job was running", () => {
  it("is its successor's: the zombie neither reports nor replaces anything", async () => {
    const stage = await Stage.make({})
    const server = await changing()
    await stage.queue([{ id: "one", urls: [server.url] }])
    const zombie = startWrong(stage, [], "queue", "run", "--format", "json", "--log-level", "info")
    await Stage.until("the host is asked", () => server.requests() === 1)
    zombie.child.kill("SIGSTOP")
    // Its clock says that the lease ended long ago.
    const heir = await startWrong(stage, [[0, 2 * HOUR]], "queue", "run", "--drain").over
    checkCode(heir, 0, "the heir")
    const line = (await stage.manifest()).get("one")
    const path = join(stage.folder, Stage.OUT, line?.path ?? "")
    const bytes = await readFile(path)
    expect(line).toMatchObject({ state: "done", bytes: bytes.length })
    server.release()
    zombie.child.kill("SIGCONT")
    await Stage.sleep(400)
    await Stage.until("its job is over", async () => (await stage.counts()).in_progress === 0)
    zombie.child.kill("SIGTERM")
    const end = await zombie.over
    expect(end.code, end.stderr).toBe(143)
    expect(JSON.parse(end.stdout)).toMatchObject({ ends: { done: 0 }, queue: { done: 1, total: 1 } })
    expect((await stage.manifest()).get("one")).toEqual(line)
    expect(Buffer.compare(await readFile(path), bytes)).toBe(0)
    expect(await stage.parts()).toEqual([])
    expect((await stage.here("verify")).code).toBe(0)
  })
})

describe("a clock", () => {
  it("that jumps by hours, there and back, in the middle of a run changes nothing of what becomes of it", async () => {
    const stage = await Stage.make({
      hosts: {
        "one.test": delayed(30, files({ size: 3_000 })),
        "two.test": tries(2, status(503), files({ size: 3_000 }))
      }
    })
    const wanted = Stage.filesOf(["one.test", "two.test"], 12)
    await stage.queue(wanted)
    const steps = [
      [700, 5 * HOUR],
      [900, -5 * HOUR],
      [1100, 0]
    ] as const
    const end = await startWrong(stage, steps, "queue", "run", "--drain", "--max-wait", "0").over
    checkEnd(end, "a run under a jumping clock")
    expect([0, 4], end.stderr).toContain(end.code)
    // What waits for a time that is hours off is told of, and comes to its end under a clock of its own.
    const later = await startWrong(stage, [[0, 8 * HOUR]], "queue", "run", "--drain").over
    checkCode(later, 0, "a run under a later clock")
    await stage.checkAll(wanted)
    for (const { attempts, id } of (await stage.manifest()).values()) expect(attempts, id).toBeLessThan(4)
  })

  it("that was hours ahead, and is put right, holds up no lane that only keeps its pace", async () => {
    const stage = await Stage.make(
      { hosts: { "one.test": files({ size: 3_000 }) } },
      { orchestrator: { hosts: { "one.test": { max: 2, gap_ms: 20 } } } }
    )
    const wanted = Stage.filesOf(["one.test"], 10)
    await stage.queue(wanted)
    const ahead = startWrong(stage, [[0, 5 * HOUR]], "queue", "run", "--workers", "1")
    await Stage.until("some are done", async () => (await stage.counts()).done > 2)
    ahead.child.kill("SIGTERM")
    checkCode(await ahead.over, 143, "the run that is ahead")
    // A pace is waited for; hours are not.
    const end = await stage.program("queue", "run", "--drain", "--max-wait", "5")
    expect({ code: end.code, stderr: end.stderr }).toEqual({ code: 0, stderr: "" })
    await stage.checkAll(wanted)
    expect((await stage.here("doctor")).stdout).toMatch(/in the future/)
  })
})

describe("a queue that another program holds", () => {
  it("is waited for, and refused in one line after queue.timeout_sec; reading goes on meanwhile", async () => {
    const stage = await Stage.make(
      { hosts: { "one.test": files({ size: 3_000 }) } },
      { queue: { timeout_sec: 0.4 } }
    )
    const wanted = Stage.filesOf(["one.test"], 4)
    await stage.queue(wanted)
    const holder = new Database(join(stage.folder, "state", "workqueue.sqlite"))
    onTestFinished(() => void holder.close())
    holder.exec("BEGIN IMMEDIATE")
    for (const command of [
      ["queue", "enqueue", "10.1000/x"],
      ["queue", "pause"],
      ["queue", "retry-failed"],
      ["queue", "run", "--drain", "--quiet"]
    ]) {
      checkRefusal(await stage.here(...command), 6, /is locked by another process/, command.join(" "))
    }
    for (const command of [
      ["queue", "stats"],
      ["queue", "export"]
    ]) {
      const end = await stage.here(...command)
      checkCode(end, 0, command.join(" "))
      expect(end.stderr, command.join(" ")).toBe("")
    }
    const seen = await stage.here("doctor")
    checkEnd(seen, "doctor")
    const named = seen.stdout.includes(`process ${process.pid} keeps it locked`)
    expect(named, seen.stdout).toBe(existsSync("/proc/locks"))
    // Let go in time, it is as if nothing had been.
    setTimeout(() => holder.exec("ROLLBACK"), 150)
    checkCode(await stage.here("queue", "enqueue", "10.1000/x"), 0, "enqueue")
    expect(await stage.counts()).toMatchObject({ total: 5, queued: 5 })
  })

  it("in the middle of a run is waited for, however long it takes", async () => {
    const stage = await Stage.make(
      { hosts: { "one.test": delayed(50, files({ size: 3_000 })) } },
      { queue: { timeout_sec: 0.3 } }
    )
    const wanted = Stage.filesOf(["one.test"], 30)
    await stage.queue(wanted)
    const run = stage.start("queue", "run", "--drain", "--quiet")
    await Stage.until("some are done", async () => (await stage.counts()).done > 3)
    const holder = new Database(join(stage.folder, "state", "workqueue.sqlite"))
    holder.exec("BEGIN IMMEDIATE")
    await Promise.race([run.ended, Stage.sleep(2000)])
    holder.close()
    checkCode(await run.ended, 0, "the run")
    await stage.checkAll(wanted)
  })

  it("is no reason not to stop: what was running comes to its end later", async () => {
    const stage = await Stage.make(
      { hosts: { "one.test": delayed(50, files({ size: 3_000 })) } },
      { queue: { timeout_sec: 0.3 }, orchestrator: { grace_seconds: 0.5 } }
    )
    const wanted = Stage.filesOf(["one.test"], 30)
    await stage.queue(wanted)
    const run = stage.start("queue", "run", "--drain", "--quiet")
    await Stage.until("some are done", async () => (await stage.counts()).done > 3)
    const holder = new Database(join(stage.folder, "state", "workqueue.sqlite"))
    holder.exec("BEGIN IMMEDIATE")
    run.signal("SIGTERM")
    const end = await run.ended
    holder.close()
    checkEnd(end, "the run")
    expect([6, 143], end.stderr).toContain(end.code)
    checkCode(await stage.here("queue", "run", "--drain"), 0, "the next run")
    await stage.checkAll(wanted)
  })

  it("is shared by two runs and an import at once, which all come to their ends", async () => {
    const stage = await Stage.make({
      hosts: { "one.test": files({ size: 3_000 }), "two.test": files({ size: 3_000 }) }
    })
    const wanted = Stage.filesOf(["one.test", "two.test"], 60)
    await stage.queue(wanted.slice(0, 20))
    const runs = [1, 2].map(() => stage.start("queue", "run", "--workers", "4"))
    await stage.queue(wanted.slice(20))
    await Stage.until("all is done", async () => (await stage.counts()).done === wanted.length)
    for (const run of runs) run.signal("SIGTERM")
    for (const run of runs) expect((await run.ended).code).toBe(143)
    await stage.checkAll(wanted)
    expect(stage.log().filter(({ finished }) => finished)).toHaveLength(wanted.length)
  })
})
