/** Copies of a queue, taken while it is used. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { backup } from "../../../src/store/sqlite/Backup.ts"
import { inspect } from "../../../src/store/sqlite/Inspect.ts"
import { done, enqueue, job, lease, leaseOne } from "../../contract/Given.ts"
import { driver, file, folder, open } from "./Files.ts"

const facts = (at: string) =>
  Effect.flatMap(inspect(at, 0, false), (found) =>
    found.kind === "queue" ? Effect.succeed(found.facts) : Effect.dieMessage(`it is ${found.kind}`)
  )

/** Leases and ends jobs, and queues new ones, until it is told to end; answers how many it has ended. */
const busy = (at: string, ending: Ref.Ref<boolean>) =>
  Effect.gen(function* () {
    const queue = yield* open(at)
    let ended = 0
    for (let i = 0; !(yield* Ref.get(ending)); i++) {
      yield* queue.enqueueAll(Stream.map(Stream.range(1, 5), (n) => job(`new-${i}-${n}`, `host:${n}`)))
      for (const one of yield* lease(queue, 5)) {
        yield* queue.ack(one, done)
        ended += 1
      }
      // A fiber that only yields keeps timers and files waiting.
      yield* Effect.sleep("1 millis")
    }
    return ended
  })

const kind = (of: string) => Effect.map(inspect(of, 0, true), (found) => found.kind)

const reason = (options: Parameters<typeof backup>[0]) =>
  Effect.map(Effect.flip(backup(options)), (error) => error.reason)

describe("a backup", () => {
  it.scopedLive("is one state of the queue, in order, whatever happens meanwhile", () =>
    Effect.gen(function* () {
      const at = yield* file
      const queue = yield* open(at)
      yield* queue.enqueueAll(Stream.map(Stream.range(1, 500), (i) => job(`job-${i}`, `host:${i % 7}`)))
      const ending = yield* Ref.make(false)
      const worker = yield* Effect.fork(busy(at, ending))
      const before = yield* queue.stats
      const copies = yield* Effect.forEach([1, 2, 3], (n) =>
        Effect.zipRight(Effect.sleep("20 millis"), backup({ from: at, to: `${at}.${n}` }))
      )
      yield* Ref.set(ending, true)
      expect(yield* Fiber.join(worker)).toBeGreaterThan(0)
      for (const { bytes, jobs, path: copy } of copies) {
        const found = yield* facts(copy)
        expect(found).toMatchObject({ integrity: [], miscounts: [], bodiless: 0 })
        expect(jobs).toBeGreaterThanOrEqual(before.total)
        expect(bytes).toBe((yield* Effect.promise(() => fs.stat(copy))).size)
      }
      // Nothing is left beside them.
      const names = yield* Effect.promise(() => fs.readdir(path.dirname(at)))
      expect(names.filter((name) => name.includes("partial"))).toEqual([])
    })
  )

  it.scopedLive("goes on where it was taken, in the queue's place", () =>
    Effect.gen(function* () {
      const at = yield* file
      const token = yield* Effect.scoped(
        Effect.gen(function* () {
          const queue = yield* open(at)
          yield* enqueue(queue, job("a"), job("b"))
          yield* queue.ack(yield* leaseOne(queue), done)
          yield* backup({ from: at, to: `${at}.bak` })
          return (yield* leaseOne(queue)).token
        })
      )
      yield* Effect.promise(async () => {
        for (const end of ["-wal", "-shm"]) await fs.rm(at + end, { force: true })
        await fs.rename(`${at}.bak`, at)
      })
      const queue = yield* open(at)
      expect(yield* queue.stats).toMatchObject({ done: 1, queued: 1, total: 2 })
      expect(yield* queue.enqueue(job("a"))).toBe("duplicate")
      const again = yield* leaseOne(queue)
      expect(again).toMatchObject({ id: "b", token })
    })
  )

  it.scopedLive("replaces nothing unless it is told to, and never the queue", () =>
    Effect.gen(function* () {
      const at = yield* file
      yield* enqueue(yield* open(at), job("a"))
      const to = `${at}.bak`
      yield* Effect.promise(() => fs.writeFile(to, "mine"))
      expect(yield* reason({ from: at, to })).toBe("exists")
      expect(yield* Effect.promise(() => fs.readFile(to, "utf8"))).toBe("mine")
      yield* Effect.promise(() => fs.symlink(at, `${at}.link`))
      for (const same of [at, `${at}.link`]) {
        expect(yield* reason({ from: at, to: same, force: true })).toBe("same")
      }
      expect((yield* backup({ from: at, to, force: true })).jobs).toBe(1)
      yield* Effect.promise(() => fs.writeFile(`${at}.txt`, "no database"))
      expect(yield* reason({ from: `${at}.txt`, to: `${at}.copy` })).toBe("foreign")
      expect(yield* reason({ from: at, to: `${at}.txt/x` })).toBe("unwritable")
    })
  )

  it.scopedLive("that isn't in order doesn't take the place of one that is", () =>
    Effect.gen(function* () {
      const at = yield* file
      yield* enqueue(yield* open(at), job("a"))
      const to = `${at}.bak`
      yield* backup({ from: at, to })
      const before = yield* Effect.promise(() => fs.readFile(to))
      const db = yield* driver(at)
      db.pragma("foreign_keys = OFF")
      db.exec("DELETE FROM jobs")
      const failed = yield* Effect.flip(backup({ from: at, to, force: true }))
      expect(failed).toMatchObject({ _tag: "BackupError", reason: "damaged" })
      expect(yield* Effect.promise(() => fs.readFile(to))).toEqual(before)
      const names = yield* Effect.promise(() => fs.readdir(path.dirname(at)))
      expect(names.filter((name) => name.includes("partial"))).toEqual([])
    })
  )
})

describe("an inspection", () => {
  it.scopedLive("finds every counter that is off, and nothing else", () =>
    Effect.gen(function* () {
      const at = yield* file
      const queue = yield* open(at)
      yield* enqueue(queue, job("a"), job("b", "host:b"), job("c", "host:c", { availableAt: 2e15 }))
      yield* queue.ack(yield* leaseOne(queue), done)
      yield* leaseOne(queue)
      expect((yield* facts(at)).miscounts).toEqual([])
      const db = yield* driver(at)
      for (const counter of ["ready", "delayed", "in_flight", "done", "skipped", "error"]) {
        db.exec(`BEGIN; UPDATE lanes SET ${counter} = ${counter} + 2 WHERE key = 'host:b'`)
        db.exec("COMMIT")
        const found = (yield* facts(at)).miscounts
        expect(found.map((one) => [one.of, one.counter, Math.abs(one.kept - one.counted)])).toEqual([
          ["lane host:b", counter, 2],
          ["pool all", counter, 2]
        ])
        db.exec(`UPDATE lanes SET ${counter} = ${counter} - 2 WHERE key = 'host:b'`)
      }
      db.pragma("foreign_keys = OFF")
      db.exec("DELETE FROM bodies WHERE job_id = 1")
      expect(yield* facts(at)).toMatchObject({ bodiless: 1, miscounts: [] })
    })
  )

  it.scopedLive("tells what a file is, and changes nothing of it", () =>
    Effect.gen(function* () {
      const inside = yield* folder
      const at = path.join(inside, "q.sqlite")
      expect(yield* kind(at)).toBe("missing")
      expect(yield* Effect.promise(() => fs.readdir(inside))).toEqual([])
      yield* Effect.promise(() => fs.writeFile(at, ""))
      expect(yield* kind(at)).toBe("empty")
      yield* Effect.promise(() => fs.rm(at))
      yield* Effect.scoped(Effect.asVoid(open(at)))
      expect(yield* kind(at)).toBe("queue")
      for (const [version, expected] of [
        [99, "newer"],
        [1, "older"]
      ] as const) {
        const db = yield* driver(at)
        db.prepare("UPDATE OR IGNORE effect_sql_migrations SET migration_id = ? WHERE migration_id > 1").run(
          version
        )
        if (version === 1) db.exec("DELETE FROM effect_sql_migrations WHERE migration_id > 1")
        db.close()
        expect(yield* kind(at)).toBe(expected)
      }
      const other = path.join(inside, "other.sqlite")
      const db = yield* driver(other)
      db.exec("CREATE TABLE t (x)")
      expect(yield* kind(other)).toBe("foreign")
      yield* Effect.promise(() => fs.writeFile(`${at}.txt`, "no database, but long enough ".repeat(9)))
      expect((yield* Effect.flip(inspect(`${at}.txt`, 0, true))).reason).toBe("foreign")
    })
  )
})
