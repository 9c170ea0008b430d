/**
 * Finding out whether a file is a queue of ours before anything is written to it, and opening it with its settings and
 * the newest tables.
 */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Folder from "../../Folder.ts"
import { WorkQueueError } from "../../WorkQueue.ts"
import type { DatabaseOptions } from "./Database.ts"
import { SCHEMA_VERSION, migrate } from "./Migrations.ts"

/** Marks a SQLite file as a queue of this program: "cdq1" in the file's header. */
export const APPLICATION_ID = 0x63647131

/** Waiting inside SQLite blocks the event loop, so it is kept short; the rest of the wait is ours. */
const BUSY_TIMEOUT_MS = 50

const immediate = (client: SqlClient.SqlClient) =>
  SqlClient.makeWithTransaction({
    transactionTag: SqlClient.TransactionConnection,
    spanAttributes: [],
    acquireConnection: Effect.flatMap(Scope.make(), (scope) =>
      Effect.map(Scope.extend(client.reserve, scope), (connection) => [scope, connection] as const)
    ),
    begin: (connection) => connection.executeUnprepared("BEGIN IMMEDIATE", [], undefined),
    savepoint: (connection, id) => connection.executeUnprepared(`SAVEPOINT s${id}`, [], undefined),
    commit: (connection) =>
      connection
        .executeUnprepared("COMMIT", [], undefined)
        .pipe(Effect.tapError(() => Effect.ignore(connection.executeUnprepared("ROLLBACK", [], undefined)))),
    rollback: (connection) => Effect.ignore(connection.executeUnprepared("ROLLBACK", [], undefined)),
    rollbackSavepoint: (connection, id) =>
      connection.executeUnprepared(`ROLLBACK TO SAVEPOINT s${id}`, [], undefined)
  })

/**
 * A client whose `withTransaction` begins immediately: the client's own begins deferred, which fails at once when
 * another process wrote between its read and its write, and a failed commit leaves it open.
 */
const connect = (options: { readonly filename: string; readonly readonly?: boolean }) =>
  // Without the client's own switch to a write-ahead log, which comes before the busy time-out can be set.
  SqliteClient.make({ ...options, disableWAL: true }).pipe(
    Effect.map((client) => Object.assign(client, { withTransaction: immediate(client) })),
    Effect.tap((client) => client.unsafe(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`)),
    Effect.provide(Reactivity.layer),
    failDefects
  )

/** The driver throws while it opens a file or prepares a statement; those are failures like any other. */
const failDefects = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError, R> =>
  Effect.catchAllDefect(effect, (defect) =>
    Effect.fail(
      defect instanceof SqlError ? defect : new SqlError({ cause: unwrap(defect), message: "Failed to open" })
    )
  )

const unwrap = (defect: unknown): unknown =>
  typeof defect === "object" && defect !== null && "cause" in defect && defect.cause instanceof SqlError
    ? defect.cause.cause
    : typeof defect === "object" && defect !== null && "cause" in defect && defect.cause instanceof Error
      ? defect.cause
      : defect

/** Makes the folder of the file. */
export const prepareFolder = (file: string) =>
  Effect.tryPromise({
    try: () => Folder.make(path.dirname(path.resolve(file))),
    catch: (cause) =>
      new WorkQueueError({
        reason: "unavailable",
        message: `the folder of the queue ${file} can't be made: ${cause instanceof Error ? cause.message : String(cause)}`,
        cause
      })
  })

const foreign = (file: string) =>
  new WorkQueueError({ reason: "foreign", message: `${file} is not a contentdownload queue` })

/** The first bytes of a file, up to the number of entries on its first page; none when it isn't there. */
const readHeader = (file: string) =>
  Effect.promise(async () => {
    const handle = await fs.open(file, "r").catch(() => undefined)
    if (handle === undefined) return Buffer.alloc(0)
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(105), 0, 105, 0)
      return buffer.subarray(0, bytesRead)
    } catch {
      // A folder, for one: opening it as a database says what is wrong.
      return Buffer.alloc(0)
    } finally {
      await handle.close()
    }
  })

/**
 * What the header tells (https://www.sqlite.org/fileformat2.html): nothing at all yet, a database that may be ours,
 * or a file of something else. A database without our mark and with tables is another program's.
 */
const kindOf = (header: Buffer): "empty" | "foreign" | "candidate" => {
  if (header.length === 0) return "empty"
  if (header.length < 105 || header.toString("latin1", 0, 16) !== "SQLite format 3\0") return "foreign"
  const mark = header.readUInt32BE(68)
  const LEAF_OF_TABLE = 0x0d
  const hasTables = header[100] !== LEAF_OF_TABLE || header.readUInt16BE(103) > 0
  return mark === APPLICATION_ID || (mark === 0 && !hasTables) ? "candidate" : "foreign"
}

/**
 * Refuses what isn't ours or is newer than this program, before anything is written. Another program's database must
 * not even get a write-ahead log from us, so the header of the file is looked at first, without SQLite.
 */
export const refuseForeign = (file: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const kind = kindOf(yield* readHeader(file))
      if (kind === "empty") return
      if (kind === "foreign") return yield* foreign(file)
      const client = yield* connect({ filename: file, readonly: true })
      // After a crash the newest state is in the log, and only SQLite reads that.
      const [found] = yield* client.unsafe<{
        readonly ours: number
        readonly tables: number
        readonly migrated: number
      }>(
        `SELECT (SELECT application_id FROM pragma_application_id) = ${APPLICATION_ID} AS ours,
           (SELECT count(*) FROM sqlite_schema) AS tables,
           EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'effect_sql_migrations') AS migrated`
      )
      if (found === undefined || (found.tables > 0 && found.ours === 0)) return yield* foreign(file)
      if (found.migrated === 0) return
      const [applied] = yield* client.unsafe<{ readonly version: number }>(
        "SELECT max(migration_id) AS version FROM effect_sql_migrations"
      )
      if ((applied?.version ?? 0) > SCHEMA_VERSION) {
        return yield* new WorkQueueError({
          reason: "newer",
          message: `the queue ${file} was written by a newer version (schema ${applied?.version}, this program knows ${SCHEMA_VERSION}); upgrade contentdownload`
        })
      }
    })
  ).pipe(Effect.withTracerEnabled(false))

/** The mark has to come before the first table, so that tables without it are always somebody else's. */
const leaveMark = (client: SqlClient.SqlClient) =>
  Effect.flatMap(client.unsafe<{ readonly application_id: number }>("PRAGMA application_id"), ([row]) =>
    row?.application_id === APPLICATION_ID
      ? Effect.void
      : Effect.asVoid(client.unsafe(`PRAGMA application_id = ${APPLICATION_ID}`))
  )

/** A connection with its settings, to a file with our mark and the newest tables. */
export const makeReady = (options: DatabaseOptions) =>
  Effect.gen(function* () {
    const client = yield* connect({ filename: options.path })
    yield* Effect.forEach(
      [
        ...(options.walMode === false ? [] : ["PRAGMA journal_mode = WAL"]),
        // A transition lost to a power cut only repeats work; what must not be lost goes through `writeDurably`.
        "PRAGMA synchronous = NORMAL",
        "PRAGMA foreign_keys = ON",
        "PRAGMA temp_store = MEMORY",
        "PRAGMA cache_size = -16384",
        // Checkpoints sync, and whoever commits waits for them: four times less often than by default.
        "PRAGMA wal_autocheckpoint = 4000"
      ],
      (pragma) => client.unsafe(pragma),
      { discard: true }
    )
    yield* leaveMark(client)
    yield* failDefects(migrate(client))
    return client
    // Each statement would be a trace of its own in whatever the program exports to.
  }).pipe(Effect.withTracerEnabled(false))
