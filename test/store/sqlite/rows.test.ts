/** Batches as bound values: each row counts exactly once, whatever their number. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Database from "../../../src/store/sqlite/Database.ts"
import * as Rows from "../../../src/store/sqlite/Rows.ts"

const insert = Rows.inserting(2, (values) => `INSERT INTO things (id, n) ${values} RETURNING id`)
const add = Rows.joining(
  2,
  (values) => `WITH r (id, n) AS (${values})
    UPDATE things SET n = things.n + r.n FROM r WHERE things.id = r.id RETURNING things.id`
)

const numbers = Rows.among(
  (ids) => `SELECT ${Rows.list("id, n")} FROM things WHERE n >= :least AND id IN (${ids})`
)

describe("a batch of rows", () => {
  it.scopedLive.prop(
    "is inserted and joined row by row, also when it is many statements",
    { count: FastCheck.oneof(FastCheck.nat(20), FastCheck.nat(1500)) },
    ({ count }) =>
      Effect.gen(function* () {
        const database = yield* Database.open({ path: ":memory:" })
        const rows = Array.from({ length: count }, (_, i): readonly [number, number] => [i + 1, 10 * i])
        const ids = rows.map(([id]) => ({ id }))
        const [inserted, joined, after] = yield* database.write((query) =>
          Effect.gen(function* () {
            yield* query("CREATE TEMP TABLE things (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)")
            const made = yield* insert<{ readonly id: number }>(query, rows.flat())
            const changed = yield* add<{ readonly id: number }>(
              query,
              rows.flatMap(([id]) => [id, 1])
            )
            return [
              made,
              changed,
              yield* query<{ readonly id: number; readonly n: number }>(
                "SELECT id, n FROM things ORDER BY id"
              )
            ] as const
          })
        )
        expect(inserted).toEqual(ids)
        expect(joined.toSorted((a, b) => a.id - b.id)).toEqual(ids)
        expect(after).toEqual(ids.map(({ id }, i) => ({ id, n: 10 * i + 1 })))
      }),
    { fastCheck: { numRuns: 40 } }
  )

  it.scopedLive.prop(
    "is looked up by id and listed whole, also when it is many statements",
    { count: FastCheck.oneof(FastCheck.nat(20), FastCheck.integer({ min: 257, max: 1500 })) },
    ({ count }) =>
      Effect.gen(function* () {
        const database = yield* Database.open({ path: ":memory:" })
        const rows = Array.from({ length: count }, (_, i): readonly [number, number] => [i + 1, 10 * i])
        const listed = yield* database.write((query) =>
          Effect.gen(function* () {
            yield* query("CREATE TEMP TABLE things (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)")
            yield* insert(query, [...rows.flat(), count + 1, 5])
            return yield* Rows.listed<readonly [id: number, n: number]>(
              // Every part has to get the parameter, and an id that isn't there answers nothing.
              numbers(query, [...rows.map(([id]) => id), count + 99], { least: 10 })
            )
          })
        )
        expect(listed.toSorted((a, b) => a[0] - b[0])).toEqual(rows.slice(1))
      }),
    { fastCheck: { numRuns: 40 } }
  )
})
