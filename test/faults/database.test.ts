/**
 * A queue file that is damaged, cut off, somebody else's or from the future: each command says so in one line, or works;
 * none crashes, and what can't be read isn't passed over in silence.
 */
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises"
import { existsSync } from "node:fs"
import { join } from "node:path"
import Database from "better-sqlite3"
import * as FastCheck from "effect/FastCheck"
import { describe, expect, it } from "vitest"
import { files, status } from "../../src/demo/Behaviour.ts"
import * as Stage from "../run/Stage.ts"
import { checkCode, checkEnd, checkRefusal } from "./Plain.ts"

const PAGE_BYTES = 4096

/** Jobs in every state, with plans, results and attempts; the first file's bytes. */
const used = async () => {
  const stage = await Stage.make(
    { hosts: { "one.test": files({ size: 3_000 }), "down.test": status(500), "two.test": files() } },
    { orchestrator: { max_job_attempts: 2 }, queue: { timeout_sec: 0.3 }, http: { breaker_failures: 0 } }
  )
  const file = join(stage.folder, "state", "workqueue.sqlite")
  await stage.queue(Stage.filesOf(["one.test", "down.test"], 12))
  expect((await stage.here("queue", "run", "--drain")).code).toBe(3)
  await stage.queue(Stage.filesOf(["two.test"], 12))
  await stage.does("queue", "cancel", "two.test-3")
  const more = join(stage.folder, "more.jsonl")
  await writeFile(more, '{"id":"new","urls":["http://one.test/new.pdf"]}\n')
  const commands: ReadonlyArray<ReadonlyArray<string>> = [
    ["queue", "stats"],
    ["queue", "stats", "--by", "lane"],
    ["queue", "list"],
    ["queue", "show", "one.test-3"],
    ["queue", "export"],
    ["queue", "import", more],
    ["queue", "enqueue", "10.1000/x"],
    ["queue", "run", "--drain", "--max-wait", "0", "--quiet"],
    ["queue", "retry-failed"],
    ["queue", "refresh", "--dry-run"],
    ["queue", "pause"],
    ["queue", "resume"],
    ["queue", "cancel", "two.test-5"],
    ["queue", "prune", "--older-than", "0s"],
    ["queue", "lane", "set", "host:two.test", "--cap", "2"],
    ["queue", "backup", join(stage.folder, "copy.sqlite"), "--force"],
    ["queue", "watch", "--until-drained", "--every", "1s"],
    ["verify"],
    ["doctor"]
  ]
  return { stage, file, commands }
}

const ids = async (stage: Stage.Stage): Promise<ReadonlyArray<string> | undefined> => {
  const { code, stdout } = await stage.here("queue", "list", "--limit", "1000", "--format", "json")
  if (code !== 0) return undefined
  const listed: ReadonlyArray<{ readonly id: string }> = JSON.parse(stdout)
  return listed.map(({ id }) => id).toSorted()
}

/** Puts these bytes in the place of the queue, without a log. */
const put = async (file: string, bytes: Uint8Array) => {
  await rm(`${file}-wal`, { force: true })
  await rm(`${file}-shm`, { force: true })
  await writeFile(file, bytes)
}

describe("a queue file", () => {
  it("with flipped bytes or cut off: every command works or says so, and no job is missing in silence", async () => {
    const { commands, file, stage } = await used()
    // Without what never ends while jobs are left.
    const looked = commands.filter(([, name]) => name !== "watch")
    const whole = await readFile(file)
    const before = await ids(stage)
    const pages = whole.length / PAGE_BYTES
    const bytes = FastCheck.uint8Array({ minLength: 1, maxLength: 60 })
    const offset = FastCheck.oneof(
      // Where the tables are described, where a page says what it is, where its cells are, and anywhere.
      FastCheck.integer({ min: 0, max: PAGE_BYTES }),
      FastCheck.tuple(
        FastCheck.nat(pages - 1),
        FastCheck.oneof(FastCheck.nat(40), FastCheck.integer({ min: 3_700, max: 4_095 }))
      ).map(([page, at]) => page * PAGE_BYTES + at),
      FastCheck.nat(whole.length - 1)
    )
    // What shows in a counterexample is how the bytes are made, not the bytes.
    const flip = FastCheck.record({ offset, bytes })
    const cut = FastCheck.record({
      length: FastCheck.oneof(
        FastCheck.nat(pages).map((page) => page * PAGE_BYTES),
        offset
      )
    })
    const made = (
      change: { readonly length: number } | { readonly offset: number; readonly bytes: Uint8Array }
    ) => {
      if ("length" in change) return whole.subarray(0, change.length)
      const damaged = Buffer.from(whole)
      damaged.set(change.bytes.subarray(0, whole.length - change.offset), change.offset)
      return damaged
    }
    const damage = FastCheck.oneof({ weight: 3, arbitrary: flip }, { weight: 1, arbitrary: cut })
    let noticed = 0
    await FastCheck.assert(
      FastCheck.asyncProperty(damage, FastCheck.constantFrom(...looked), async (change, command) => {
        const damaged = made(change)
        await put(file, damaged)
        const ended = await stage.here(...command)
        checkEnd(ended, command.join(" "))
        if (ended.code === 6) noticed += 1
        await put(file, damaged)
        const left = await ids(stage)
        if (left === undefined || damaged.length === 0 || left.join() === before?.join()) return
        const doctor = await stage.here("doctor")
        checkEnd(doctor, "doctor")
        expect({ code: doctor.code, left }, "doctor").toMatchObject({ code: 6 })
      }),
      { numRuns: 40 }
    )
    expect(noticed).toBeGreaterThan(0)
  })

  it("whose tables were changed by hand is told from one that is in order", async () => {
    const { commands, file, stage } = await used()
    const change = async (sql: string) => {
      const database = new Database(file)
      database.unsafeMode(true)
      database.exec(sql)
      database.close()
    }
    await change("UPDATE lanes SET ready = 0 WHERE key = 'host:two.test'")
    const contradiction = await stage.here("queue", "cancel", "two.test-5")
    checkRefusal(
      contradiction,
      6,
      /contradicts itself \(CHECK constraint failed: ready >= 0\).*doctor/,
      "cancel"
    )
    expect((await stage.here("doctor")).stdout).toMatch(/counts 0 as ready, but there are 11/)
    await change("ALTER TABLE lanes RENAME TO paths")
    for (const command of commands) {
      const ended = await stage.here(...command)
      checkEnd(ended, command.join(" "))
    }
    checkRefusal(
      await stage.here("queue", "stats", "--by", "lane"),
      6,
      /aren't ours \(no such table/,
      "stats"
    )
  })

  it("that is no queue of this version is left as it is by every command", async () => {
    const { commands, file, stage } = await used()
    const database = new Database(file)
    database.exec("INSERT INTO effect_sql_migrations (migration_id, name) VALUES (999, 'later')")
    database.close()
    const newer = await readFile(file)
    const other = join(stage.folder, "other.sqlite")
    const albums = new Database(other)
    albums.exec("CREATE TABLE albums (id INTEGER PRIMARY KEY, title TEXT)")
    albums.close()
    const cases: ReadonlyArray<readonly [what: string, bytes: Uint8Array, why: RegExp]> = [
      ["a newer schema", newer, /newer version/],
      ["a text", Buffer.from("hello, world\n".repeat(1000)), /is not a contentdownload queue/],
      ["one byte", Buffer.from("x"), /is not a contentdownload queue/],
      ["a database of another program", await readFile(other), /is not a contentdownload queue/]
    ]
    const logs: Array<boolean> = []
    for (const [what, bytes, why] of cases) {
      await put(file, bytes)
      for (const command of commands) {
        // A copy of what a newer program wrote is one, too.
        if (command[1] === "backup" && bytes === newer) continue
        const ended = await stage.here(...command)
        const tried = `${command.join(" ")} on ${what}`
        // Doctor's findings are data.
        if (command[0] === "doctor") checkCode(ended, 6, tried)
        else checkRefusal(ended, 6, why, tried)
        expect(Buffer.compare(await readFile(file), bytes), tried).toBe(0)
      }
      logs.push(existsSync(`${file}-wal`))
    }
    // Only of one of ours the log is looked at.
    expect(logs.slice(1)).toEqual([false, false, false])
  })

  it("that is a folder, or behind a file, is refused; an empty one is none, unless something is queued", async () => {
    const { commands, file, stage } = await used()
    await rm(file)
    await mkdir(file)
    for (const command of commands) checkCode(await stage.here(...command), 6, command.join(" "))
    await rm(file, { recursive: true })
    await writeFile(file, "")
    for (const command of commands) {
      const ended = await stage.here(...command)
      const makes = ["import", "enqueue", "lane"].includes(command[1] ?? "")
      if (makes) {
        checkCode(ended, 0, command.join(" "))
        await put(file, Buffer.alloc(0))
      } else if (command[0] !== "doctor" && command[1] !== "backup") {
        checkRefusal(ended, 2, /only an empty file/, command.join(" "))
      }
    }
    await rm(join(stage.folder, "state"), { recursive: true })
    await writeFile(join(stage.folder, "state"), "a file where the folder was")
    for (const command of commands) {
      const ended = await stage.here(...command)
      checkEnd(ended, command.join(" "))
      expect([2, 6], `${command.join(" ")}: ${ended.stderr}`).toContain(ended.code)
    }
  })

  it("whose log is gone, cut off or damaged is as it was at some moment before, or is refused", async () => {
    const { commands, file, stage } = await used()
    // What is open keeps the log from being written back.
    const holder = new Database(file)
    holder.exec("BEGIN")
    holder.prepare("SELECT count(*) FROM jobs").get()
    await stage.does("queue", "retry-failed")
    await stage.queue([{ id: "late", urls: ["http://one.test/late.pdf"] }])
    const saved = join(stage.folder, "saved")
    await mkdir(saved)
    for (const suffix of ["", "-wal"]) await copyFile(file + suffix, join(saved, `q${suffix}`))
    holder.close()
    const log = await readFile(join(saved, "q-wal"))
    const main = await readFile(join(saved, "q"))
    const offset = FastCheck.nat(log.length - 1)
    const changes = FastCheck.oneof(
      offset.map((length) => ({ kind: "cut", at: length, by: 0 })),
      FastCheck.record({
        kind: FastCheck.constant("flip"),
        at: offset,
        by: FastCheck.integer({ min: 1, max: 255 })
      })
    )
    const made = ({ at, by, kind }: { readonly kind: string; readonly at: number; readonly by: number }) => {
      if (kind === "cut") return log.subarray(0, at)
      const damaged = Buffer.from(log)
      damaged[at] = (damaged[at] ?? 0) ^ by
      return damaged
    }
    // What takes no job away.
    const kept = commands.filter(([, name]) => name !== "watch" && name !== "prune")
    const check = async (damaged: Uint8Array | undefined, command: ReadonlyArray<string>) => {
      await put(file, main)
      if (damaged !== undefined) await writeFile(`${file}-wal`, damaged)
      checkEnd(await stage.here(...command), command.join(" "))
      // Its own checksums end the log where it is damaged: the jobs from before it was begun are all there.
      expect((await ids(stage))?.filter((id) => /^(?:one|two|down)\./.test(id))).toHaveLength(36)
      expect((await stage.here("doctor")).code).not.toBe(6)
    }
    await check(undefined, ["queue", "run", "--drain", "--max-wait", "0"])
    await FastCheck.assert(
      FastCheck.asyncProperty(changes, FastCheck.constantFrom(...kept), (change, command) =>
        check(made(change), command)
      ),
      { numRuns: 25 }
    )
  })
})
