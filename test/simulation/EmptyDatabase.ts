/**
 * The database of one schedule after the other: it is opened once in a thread, and emptied before each. To make its tables
 * and to prepare its statements anew takes longer than many a schedule.
 */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Database from "../../src/store/sqlite/Database.ts"

/** A database, and what its tables held when they were new. */
interface Kept {
  readonly database: Database.Database
  readonly tables: ReadonlyArray<{ readonly name: string; readonly rows: ReadonlyArray<Row> }>
}

type Row = Readonly<Record<string, Database.Value>>

const open = Effect.gen(function* () {
  // As long as the thread.
  const database = yield* Scope.extend(Database.open({ path: ":memory:" }), yield* Scope.make())
  const tables = yield* database.read((query) =>
    Effect.flatMap(
      query<{ readonly name: string }>(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name"
      ),
      Effect.forEach(({ name }) =>
        Effect.map(query<Row>(`SELECT * FROM ${name}`), (rows) => ({ name, rows }))
      )
    )
  )
  return { database, tables } satisfies Kept
})

/** Takes out what is in the tables, and puts in what was there when they were new. */
const fill = (query: Database.Query, tables: Kept["tables"]) =>
  Effect.forEach(tables, ({ name, rows }) =>
    Effect.zipRight(
      query(`DELETE FROM ${name}`),
      Effect.forEach(rows, (row) => {
        const columns = Object.keys(row)
        return query(
          `INSERT INTO ${name} (${columns.join()}) VALUES (${columns.map((column) => `:${column}`).join()})`,
          row
        )
      })
    )
  )

let kept: Promise<Kept> | undefined

/** The database of this thread, as it was when it was new. Nobody may use it for an earlier schedule any more. */
export const emptyDatabase = async (): Promise<Database.Database> => {
  kept ??= Effect.runPromise(open)
  const { database, tables } = await kept
  await Effect.runPromise(
    database.write((query) =>
      Effect.all([query("PRAGMA defer_foreign_keys = ON"), query("DELETE FROM sqlite_sequence")]).pipe(
        Effect.zipRight(fill(query, tables))
      )
    )
  )
  return database
}
