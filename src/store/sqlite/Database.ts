/**
 * The one connection a process has to its queue file, and the only place where its settings stand.
 *
 * Every write runs in a `BEGIN IMMEDIATE` transaction of its own on the reserved connection: it either happens
 * whole or not at all, it never waits for anything but the write lock, and nothing forked inside can write into it.
 * A lock held by another process is waited for in small steps that leave the event loop free.
 */
import type { Connection } from "@effect/sql/SqlConnection"
import { SqlError } from "@effect/sql/SqlError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as KeyedLimiter from "../../KeyedLimiter.ts"
import type { WorkQueueError } from "../../WorkQueue.ts"
import { makeReady, prepareFolder, refuseForeign } from "./Opening.ts"
import { isBusy, toWorkQueueError } from "./SqliteErrors.ts"

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
// Transactions
// ---------------------------------------------------------------------------------------------------------------

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

const isBusyError = (error: WorkQueueError | SqlError): boolean => error._tag === "SqlError" && isBusy(error)

/**
 * The statements of a connection, each prepared once. The client has a cache of its own, which looks at every letter of
 * a text each time and takes more steps than most statements do; here a statement's effect is kept, and what it binds is
 * put into its parameters just before it runs.
 */
const preparing = (connection: Connection): Query => {
  const prepared = new Map<
    string,
    { readonly bound: Array<unknown>; readonly run: ReturnType<Connection["executeUnprepared"]> }
  >()
  const prepare = (text: string) => {
    const bound: Array<unknown> = []
    const made = { bound, run: connection.executeUnprepared(text, bound, undefined) }
    prepared.set(text, made)
    return made
  }
  return <Row>(text: string, parameters?: Parameters, cells?: ReadonlyArray<Value>) =>
    Effect.suspend((): Effect.Effect<ReadonlyArray<Row>, SqlError> => {
      try {
        const { bound, run } = prepared.get(text) ?? prepare(text)
        bound.length = 0
        if (cells !== undefined) bound.push(cells)
        if (parameters !== undefined) bound.push(parameters)
        return run
      } catch (cause) {
        return Effect.fail(new SqlError({ cause, message: "Failed to prepare a statement" }))
      }
    })
}

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
      Effect.catchTag(effect, "SqlError", (first) =>
        // Most don't meet a lock, and the waiting has its price also where nobody waits.
        (isBusy(first)
          ? Effect.retry(effect, { schedule: waiting, while: isBusyError })
          : Effect.fail<WorkQueueError | SqlError>(first)
        ).pipe(Effect.catchTag("SqlError", (error) => Effect.fail(toWorkQueueError(file, error))))
      )

    if (file !== ":memory:") {
      yield* prepareFolder(file)
      yield* whileBusy(refuseForeign(file))
    }
    const client = yield* whileBusy(inOwnScope(makeReady(options)))

    // The client's one connection, for as long as the file is open. One at a time has it: what runs in a transaction
    // doesn't wait, but its fiber may let others run.
    const statements = preparing(yield* whileBusy(client.reserve))
    const alone = (yield* KeyedLimiter.make({ cap: 1, cause: null })).withPermit("connection")
    const withConnection = <A>(use: (query: Query) => Effect.Effect<A, SqlError>) =>
      whileBusy(alone(Effect.uninterruptible(use(statements))))

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
