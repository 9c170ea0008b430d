/**
 * A queue file opened for nothing but reading, by a connection of its own: nothing is made, upgraded or set.
 */
import Driver from "better-sqlite3"
import { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { WorkQueueError } from "../../WorkQueue.ts"
import { toWorkQueueError } from "./SqliteErrors.ts"

/** How long a lock is waited for. */
const BUSY_TIMEOUT_MS = 10_000

/** A read-only connection. What it throws is told by `attempt`. */
export type ReadOnly = Driver.Database

/** What the driver throws, as the failure it is. */
export const attempt = <A>(file: string, run: () => A): Effect.Effect<A, WorkQueueError> =>
  Effect.try({
    try: run,
    catch: (cause) => toWorkQueueError(file, new SqlError({ cause, message: "Failed to read" }))
  })

/** Opens the file; it is closed with the scope. Calls on it block the process. */
export const open = (file: string): Effect.Effect<ReadOnly, WorkQueueError, Scope.Scope> =>
  Effect.acquireRelease(
    attempt(file, () => new Driver(file, { readonly: true, fileMustExist: true, timeout: BUSY_TIMEOUT_MS })),
    (connection) => Effect.sync(() => connection.close())
  )

/** The rows of a statement. `Row` is what the statement selects. */
export const rows = <Row>(connection: ReadOnly, text: string, ...parameters: ReadonlyArray<unknown>) =>
  connection.prepare<Array<unknown>, Row>(text).all(...parameters)

/** The value of a pragma. */
export const pragma = (connection: ReadOnly, name: string): unknown =>
  connection.pragma(name, { simple: true })

/** The schema of a file with our mark; 0 when its tables aren't made yet. */
export const schemaOf = (connection: ReadOnly): number => {
  const [table] = rows(connection, "SELECT 1 FROM sqlite_schema WHERE name = 'effect_sql_migrations'")
  if (table === undefined) return 0
  const [row] = rows<{ readonly version: number | null }>(
    connection,
    "SELECT max(migration_id) AS version FROM effect_sql_migrations"
  )
  return row?.version ?? 0
}

/** What is wrong with the file itself, at most ten things. `quick` leaves out what compares indices with tables. */
export const integrity = (connection: ReadOnly, quick: boolean): ReadonlyArray<string> => [
  ...rows<Record<string, string>>(connection, `PRAGMA ${quick ? "quick_check" : "integrity_check"}(10)`)
    .flatMap((row) => Object.values(row))
    .filter((text) => text !== "ok"),
  ...rows<{ readonly table: string; readonly rowid: number }>(connection, "PRAGMA foreign_key_check")
    .slice(0, 10)
    .map(({ rowid, table }) => `row ${rowid} of ${table} belongs to nothing`)
]
