import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { UNLIMITED, uniform } from "../../../src/Lane.ts"
import * as Database from "../../../src/store/sqlite/Database.ts"
import { BATCH_SIZE, enqueue } from "../../../src/store/sqlite/Enqueue.ts"
import { job, runs } from "../../contract/Given.ts"
import { driver, file, open } from "./Files.ts"

const put = (id: string) => (query: Database.Query) => enqueue(query, uniform(), 0, [job(id)])

/** What somebody else's connection sees: only what was committed. */
const seen = (at: string) =>
  Effect.scoped(
    Effect.map(driver(at), (db) => ({
      ids: db
        .prepare<[], { readonly artifact_id: string }>("SELECT artifact_id FROM jobs ORDER BY id")
        .all()
        .map((row) => row.artifact_id),
      ready: db.prepare("SELECT coalesce(sum(ready), 0) AS n FROM lanes").pluck().get(),
      synced: Number(db.prepare("SELECT synced FROM queue").pluck().get())
    }))
  )

/** How far a commit goes: 1 to the operating system, 2 to the disk. */
const level = (query: Database.Query) =>
  Effect.map(query<{ readonly synchronous: number }>("PRAGMA synchronous"), (rows) => rows[0]?.synchronous)

/** Jobs, as the transaction sees them. */
const count = (query: Database.Query) =>
  Effect.map(query<{ readonly n: number }>("SELECT count(*) AS n FROM jobs"), (rows) => rows[0]?.n)

const opened = Effect.gen(function* () {
  const at = yield* file
  return { at, database: yield* Database.open({ path: at }) }
})

describe("a transaction", () => {
  it.scopedLive("that fails half-way leaves nothing, and the next one works", () =>
    Effect.gen(function* () {
      const { at, database } = yield* opened
      for (const write of [database.write, database.writeDurably]) {
        const error = yield* Effect.flip(
          write((query) => Effect.zipRight(put("half")(query), query("INSERT INTO nowhere VALUES (1)")))
        )
        expect(error).toMatchObject({ reason: "corrupt" })
        expect(error.message).not.toContain("\n")
        expect(yield* seen(at)).toMatchObject({ ids: [], ready: 0 })
      }
      yield* database.write(put("whole"))
      expect(yield* seen(at)).toMatchObject({ ids: ["whole"], ready: 1 })
    })
  )

  it.scopedLive("that meets a bug half-way leaves nothing, and the next one works", () =>
    Effect.gen(function* () {
      const { at, database } = yield* opened
      const exit = yield* Effect.exit(
        database.write((query) => Effect.zipRight(put("half")(query), Effect.dieMessage("a bug")))
      )
      expect(Exit.isFailure(exit)).toBe(true)
      expect(yield* seen(at)).toMatchObject({ ids: [], ready: 0 })
      yield* database.write(put("whole"))
      expect(yield* seen(at)).toMatchObject({ ids: ["whole"] })
    })
  )

  it.scopedLive("whose commit fails leaves nothing, and the next one works", () =>
    Effect.gen(function* () {
      const { at, database } = yield* opened
      // A reference that is checked at the commit only, and leads nowhere.
      const broken = (query: Database.Query) =>
        put("half")(query).pipe(
          Effect.zipRight(query("PRAGMA defer_foreign_keys = ON")),
          Effect.zipRight(query("INSERT INTO bodies (job_id, payload) VALUES (999, '{}')"))
        )
      for (const write of [database.write, database.writeDurably]) {
        expect(yield* Effect.flip(write(broken))).toMatchObject({ reason: "corrupt" })
        expect(yield* seen(at)).toMatchObject({ ids: [], ready: 0 })
      }
      yield* database.write(put("whole"))
      expect(yield* seen(at)).toMatchObject({ ids: ["whole"] })
    })
  )

  it.scopedLive("can't bring a counter below nothing", () =>
    Effect.gen(function* () {
      const { at, database } = yield* opened
      yield* database.write(put("a"))
      for (const table of ["lanes", "pools"]) {
        for (const counter of ["ready", "delayed", "in_flight", "done", "skipped", "error"]) {
          const error = yield* Effect.flip(
            database.write((query) => query(`UPDATE ${table} SET ${counter} = ${counter} - 2`))
          )
          expect(error).toMatchObject({ reason: "corrupt" })
          expect(error.message).toContain("CHECK constraint failed")
        }
      }
      expect(yield* seen(at)).toMatchObject({ ready: 1 })
    })
  )

  it.scopedLive("syncs what has to survive a power cut, and only that", () =>
    Effect.gen(function* () {
      const { at, database } = yield* opened
      const NORMAL = 1
      const FULL = 2
      expect(yield* database.write(level)).toBe(NORMAL)
      expect(yield* database.writeDurably(level)).toBe(FULL)
      expect(yield* database.write(level)).toBe(NORMAL)
      // An empty commit writes no page, and would sync nothing.
      const before = (yield* seen(at)).synced
      yield* database.writeDurably(() => Effect.void)
      expect((yield* seen(at)).synced).toBe(before + 1)
      yield* Effect.flip(database.writeDurably((query) => query("INSERT INTO nowhere VALUES (1)")))
      expect(yield* database.read(level)).toBe(NORMAL)
    })
  )

  it.scopedLive("reads one state of things from beginning to end", () =>
    Effect.gen(function* () {
      const { at, database } = yield* opened
      const other = yield* Database.open({ path: at })
      const counts = yield* database.read((query) =>
        Effect.gen(function* () {
          const first = yield* count(query)
          yield* Effect.orDie(other.write(put("meanwhile")))
          return [first, yield* count(query)]
        })
      )
      expect(counts).toEqual([0, 0])
      expect(yield* database.read(count)).toBe(1)
    })
  )

  it.scopedLive("of another connection changes the number that is watched, one's own doesn't", () =>
    Effect.gen(function* () {
      const { at, database } = yield* opened
      const other = yield* Database.open({ path: at })
      const first = yield* database.dataVersion
      yield* database.write(put("own"))
      expect(yield* database.dataVersion).toBe(first)
      yield* other.write(put("other's"))
      expect(yield* database.dataVersion).not.toBe(first)
    })
  )
})

describe("a stream of jobs", () => {
  it.scopedLive("of 20,000 goes in whole, and again changes nothing", () =>
    Effect.gen(function* () {
      const at = yield* file
      const queue = yield* open(at)
      const jobs = Stream.map(Stream.range(1, 20_000), (i) =>
        job(`job-${(i * 7_919) % 20_000}`, `host:${i % 300}`)
      )
      expect(yield* queue.enqueueAll(jobs)).toEqual({ new: 20_000, duplicate: 0 })
      expect(yield* queue.stats).toMatchObject({ queued: 20_000, total: 20_000 })
      expect(yield* queue.laneStats({ limit: UNLIMITED })).toHaveLength(300)
      expect(yield* queue.enqueueAll(jobs)).toEqual({ new: 0, duplicate: 20_000 })
      expect(yield* seen(at)).toMatchObject({ ready: 20_000 })
      expect(yield* Stream.runCount(queue.list({}))).toBe(20_000)
    })
  )

  it.scopedLive.prop(
    "that is interrupted leaves whole batches",
    { turns: FastCheck.nat(400) },
    ({ turns }) =>
      Effect.gen(function* () {
        const at = yield* file
        const queue = yield* open(at)
        const jobs = Stream.map(Stream.range(1, 10 * BATCH_SIZE), (i) => job(`job-${i}`, `host:${i % 3}`))
        const running = yield* Effect.fork(queue.enqueueAll(jobs))
        yield* Effect.repeatN(Effect.yieldNow(), turns)
        yield* Fiber.interrupt(running)
        const { ids, ready } = yield* seen(at)
        expect(ids.length % BATCH_SIZE).toBe(0)
        expect(ids).toEqual(Array.from(ids, (_, i) => `job-${i + 1}`))
        expect(ready).toBe(ids.length)
        expect(yield* queue.stats).toMatchObject({ queued: ids.length, total: ids.length })
      }),
    runs(8)
  )
})
