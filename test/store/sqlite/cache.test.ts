/** The cache in the queue's file: bounded, shared, and never in anyone's way. */
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { CacheStore } from "../../../src/CacheStore.ts"
import { uniform } from "../../../src/Lane.ts"
import * as Sqlite from "../../../src/store/sqlite/index.ts"
import { driver, file } from "./Files.ts"

/** The cache of a process that opens the file. */
const open = (at: string, maxBytes?: number) =>
  Effect.map(
    Layer.build(Sqlite.layer({ path: at, policy: uniform(), cache: { maxBytes } })),
    Context.get(CacheStore)
  )

const FOREVER = 9e15
const some = Option.some

describe("the cache in a file", () => {
  it.scopedLive("is there for the next process, and for others", () =>
    Effect.gen(function* () {
      const at = yield* file
      const one = yield* open(at)
      yield* one.put("a", "first", FOREVER)
      yield* one.put("a", "second", FOREVER)
      yield* one.put("b", "over", 1)
      const other = yield* open(at)
      expect(yield* other.get("a")).toEqual(some("second"))
      expect(yield* other.get("b")).toEqual(Option.none())
      yield* other.remove("a")
      expect(yield* one.get("a")).toEqual(Option.none())
    })
  )

  it.scopedLive("never holds much more than it may, and drops what came first and what is over", () =>
    Effect.gen(function* () {
      const at = yield* file
      const cache = yield* open(at, 10_000)
      yield* cache.put("over", "x".repeat(100), 1)
      yield* cache.put("note", "1234567890123", FOREVER)
      for (let i = 0; i < 300; i++) {
        yield* cache.put(`k${i}`, "x".repeat(100), FOREVER)
        if (i % 50 > 0) continue
        const held = yield* Effect.scoped(
          Effect.map(driver(at), (db) => db.prepare("SELECT sum(bytes) AS bytes FROM cache").get())
        )
        expect(held).toMatchObject({ bytes: expect.any(Number) })
        expect(Object(held).bytes).toBeLessThanOrEqual(10_000 + 10_000 / 16 + 100)
      }
      yield* cache.put("large", "x".repeat(1251), FOREVER)
      expect(yield* cache.get("large")).toEqual(Option.none())
      expect(yield* cache.get("k299")).toEqual(some("x".repeat(100)))
      expect(yield* cache.get("k0")).toEqual(Option.none())
      // Notes are few, and not to be lost for the sake of answers.
      expect(yield* cache.get("note")).toEqual(some("1234567890123"))
      const over = yield* Effect.scoped(
        Effect.map(driver(at), (db) => db.prepare("SELECT count(*) AS n FROM cache WHERE key = 'over'").get())
      )
      expect(over).toEqual({ n: 0 })
    })
  )

  it.scopedLive("is as good as empty while another process holds the file, and nobody waits for long", () =>
    Effect.gen(function* () {
      const at = yield* file
      const cache = yield* open(at)
      yield* cache.put("a", "kept", FOREVER)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const db = yield* driver(at)
          db.exec("BEGIN IMMEDIATE")
          yield* cache.put("a", "lost", FOREVER)
          yield* cache.remove("a")
          expect(yield* cache.get("a")).toEqual(some("kept"))
          db.exec("ROLLBACK")
        })
      )
      yield* cache.put("a", "new", FOREVER)
      expect(yield* cache.get("a")).toEqual(some("new"))
    })
  )

  it.scopedLive("that is damaged or gone is empty", () =>
    Effect.gen(function* () {
      const at = yield* file
      const cache = yield* open(at)
      yield* cache.put("a", "kept", FOREVER)
      yield* Effect.scoped(Effect.map(driver(at), (db) => db.exec("DROP TABLE cache")))
      expect(yield* cache.get("a")).toEqual(Option.none())
      yield* cache.put("a", "lost", FOREVER)
      yield* cache.remove("a")
    })
  )
})
