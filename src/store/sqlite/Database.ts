/**
 * The one connection a process has to its queue file, and the only place where its settings stand.
 *
 * Every write runs in a `BEGIN IMMEDIATE` transaction of its own on the reserved connection: it either happens
 * whole or not at all, it never waits for anything but the write lock, and nothing forked inside can write into it.
 * A lock held by another process is waited for in small steps that leave the event loop free.
 */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { WorkQueueError } from "../../WorkQueue.ts"
import { SCHEMA_VERSION, migrate } from "./Migrations.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** The file, and how it is used. */
export interface DatabaseOptions {
  /** The queue file; its folder is made when it isn't there. `:memory:` for tests. */
  readonly path: string
  /** Write-ahead log, default true. Off, readers and the writer wait for each other. */
  readonly walMode?: boolean | undefined
  /** How long another process's lock is waited for before `busy` is reported. Default 10 seconds. */
  readonly timeout?: Duration.DurationInput | undefined
}

/** What can be bound. */
export type Value = string | number | null

/** What a statement's `:name` stands for. */
export type Parameters = Readonly<Record<string, Value>>

/**
 * Runs one statement, with what its `:name`s and its `?`s stand for. The text is the key of the prepared-statement
 * cache, so it must not vary with the data.
 */
export type Query = <Row = never>(
  text: string,
  parameters?: Parameters,
  cells?: ReadonlyArray<Value>
) => Effect.Effect<ReadonlyArray<Row>, SqlError>

/** An open queue file. */
export interface Database {
  /** Runs `body` in one immediate transaction; a failure rolls all of it back. `body` must not wait. */
  readonly write: <A>(body: (query: Query) => Effect.Effect<A, SqlError>) => Effect.Effect<A, WorkQueueError>
  /** `write`, and the commit is on the disk, with everything committed before, when it answers. */
  readonly writeDurably: <A>(
    body: (query: Query) => Effect.Effect<A, SqlError>
  ) => Effect.Effect<A, WorkQueueError>
  /** Runs `body` on one consistent snapshot. */
  readonly read: <A>(body: (query: Query) => Effect.Effect<A, SqlError>) => Effect.Effect<A, WorkQueueError>
  /** A number that changes whenever another connection has committed. */
  readonly dataVersion: Effect.Effect<number, WorkQueueError>
}

// ---------------------------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------------------------

const sqliteCode = (error: SqlError): string => {
  const cause = error.cause
  return typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : ""
}

const isBusy = (error: SqlError): boolean => /^SQLITE_(BUSY|LOCKED)/.test(sqliteCode(error))

/** What a failed statement means for the person who runs the program. */
export const toWorkQueueError = (file: string, error: SqlError): WorkQueueError => {
  const code = sqliteCode(error)
  const detail = (error.cause instanceof Error ? error.cause.message : error.message).replace(/\s+/g, " ")
  const of = (reason: WorkQueueError["reason"], message: string) =>
    new WorkQueueError({ reason, message, cause: error })
  if (isBusy(error)) return of("busy", `the queue ${file} is locked by another process`)
  if (code === "SQLITE_FULL") return of("full", `no space is left on the disk of the queue ${file}`)
  if (code.startsWith("SQLITE_CORRUPT") || detail.startsWith("unsupported file format")) {
    return of("corrupt", `the queue ${file} is damaged (${detail}); restore it from a backup`)
  }
  if (code === "SQLITE_NOTADB") return of("foreign", `${file} is not a contentdownload queue`)
  if (/^SQLITE_(READONLY|CANTOPEN|IOERR|PERM|AUTH)/.test(code)) {
    return of("unavailable", `the queue ${file} can't be used: ${detail} (${code})`)
  }
  return of("internal", `a statement failed on the queue ${file}: ${detail}`)
}

// ---------------------------------------------------------------------------------------------------------------
// Opening
// ---------------------------------------------------------------------------------------------------------------

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

const prepareFolder = (file: string) =>
  Effect.tryPromise({
    try: () => fs.mkdir(path.dirname(path.resolve(file)), { recursive: true }),
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
const refuseForeign = (file: string) =>
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
  )

/** The mark has to come before the first table, so that tables without it are always somebody else's. */
const leaveMark = (client: SqlClient.SqlClient) =>
  Effect.flatMap(client.unsafe<{ readonly application_id: number }>("PRAGMA application_id"), ([row]) =>
    row?.application_id === APPLICATION_ID
      ? Effect.void
      : Effect.asVoid(client.unsafe(`PRAGMA application_id = ${APPLICATION_ID}`))
  )

/** The queue wrote every JSON text it reads, so one that can't be parsed was damaged in the file. */
const failUnreadable = <A>(body: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> =>
  Effect.catchSomeDefect(body, (defect) =>
    defect instanceof SyntaxError
      ? Option.some(
          Effect.fail(
            new SqlError({
              cause: Object.assign(new Error(defect.message), { code: "SQLITE_CORRUPT" }),
              message: "Failed to read JSON"
            })
          )
        )
      : Option.none()
  )

/** Runs `body` between `begin` and a commit; whatever fails, the commit too, is rolled back. */
const transaction = <A>(query: Query, begin: string, body: (query: Query) => Effect.Effect<A, SqlError>) =>
  Effect.flatMap(query(begin), () =>
    Effect.flatMap(Effect.exit(failUnreadable(body(query))), (exit) =>
      Exit.isSuccess(exit)
        ? query("COMMIT").pipe(
            Effect.as(exit.value),
            Effect.tapError(() => Effect.ignore(query("ROLLBACK")))
          )
        : Effect.zipRight(Effect.ignore(query("ROLLBACK")), Effect.failCause(exit.cause))
    )
  )

/** Marks a SQLite file as a queue of this program: "cdq1" in the file's header. */
export const APPLICATION_ID = 0x63647131

/** A connection with its settings, to a file with our mark and the newest tables. */
const makeReady = (options: DatabaseOptions) =>
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
  })

/**
 * Closes at once what a failed attempt has opened. Each attempt needs a connection of its own: the client remembers
 * a statement that a lock kept from being prepared as one that fails.
 */
const inOwnScope = <A, E>(attempt: Effect.Effect<A, E, Scope.Scope>): Effect.Effect<A, E, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) =>
    Effect.flatMap(Scope.fork(scope, ExecutionStrategy.sequential), (own) =>
      Effect.onError(Scope.extend(attempt, own), (cause) => Scope.close(own, Exit.failCause(cause)))
    )
  )

/**
 * Opens the queue file, makes or upgrades its tables, and closes it with the scope.
 * Fails with a `WorkQueueError` that says what is wrong with the file.
 */
export const open = (options: DatabaseOptions): Effect.Effect<Database, WorkQueueError, Scope.Scope> =>
  Effect.gen(function* () {
    const file = options.path
    const timeout = Duration.decode(options.timeout ?? "10 seconds")
    const waiting = Schedule.exponential("2 millis", 1.5).pipe(
      Schedule.union(Schedule.spaced("50 millis")),
      Schedule.jittered,
      Schedule.upTo(timeout)
    )
    const whileBusy = <A, R>(
      effect: Effect.Effect<A, WorkQueueError | SqlError, R>
    ): Effect.Effect<A, WorkQueueError, R> =>
      effect.pipe(
        Effect.retry({ schedule: waiting, while: (error) => error._tag === "SqlError" && isBusy(error) }),
        Effect.catchTag("SqlError", (error) => Effect.fail(toWorkQueueError(file, error)))
      )

    if (file !== ":memory:") {
      yield* prepareFolder(file)
      yield* whileBusy(refuseForeign(file))
    }
    const client = yield* whileBusy(inOwnScope(makeReady(options)))

    const withConnection = <A>(use: (query: Query) => Effect.Effect<A, SqlError>) =>
      whileBusy(
        Effect.scoped(
          Effect.flatMap(client.reserve, (connection) =>
            Effect.uninterruptible(
              use(
                <Row>(
                  text: string,
                  parameters?: Parameters,
                  cells?: ReadonlyArray<Value>
                ): Effect.Effect<ReadonlyArray<Row>, SqlError> =>
                  connection.execute(
                    text,
                    [
                      ...(cells === undefined ? [] : [cells]),
                      ...(parameters === undefined ? [] : [parameters])
                    ],
                    undefined
                  )
              )
            )
          )
        )
      )

    const write: Database["write"] = (body) =>
      withConnection((query) => transaction(query, "BEGIN IMMEDIATE", body))

    const writeDurably: Database["writeDurably"] = (body) =>
      withConnection((query) =>
        Effect.acquireUseRelease(
          query("PRAGMA synchronous = FULL"),
          () =>
            // The counter makes sure that there is a page to write, so that the commit syncs.
            transaction(query, "BEGIN IMMEDIATE", (inner) =>
              Effect.tap(body(inner), () => inner("UPDATE queue SET synced = synced + 1"))
            ),
          () => Effect.ignore(query("PRAGMA synchronous = NORMAL"))
        )
      )

    const read: Database["read"] = (body) => withConnection((query) => transaction(query, "BEGIN", body))

    const dataVersion = withConnection((query) =>
      Effect.map(
        query<{ readonly data_version: number }>("PRAGMA data_version"),
        (rows) => rows[0]?.data_version ?? 0
      )
    )

    return { write, writeDurably, read, dataVersion }
  })
