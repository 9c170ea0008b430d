/**
 * A copy of a queue that others may be running: one consistent state, verified, in place whole or not at all.
 *
 * It is made by `VACUUM INTO`, from one snapshot: writers go on meanwhile, and don't make it start over as they would
 * with the page by page backup. The copy comes under another name first, is synced, opened and checked, and only then
 * renamed.
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Folder from "../../Folder.ts"
import type { WorkQueueError } from "../../WorkQueue.ts"
import { APPLICATION_ID } from "./Opening.ts"
import { attempt, integrity, open, pragma, rows, schemaOf } from "./ReadOnly.ts"

/**
 * The copy can't be made.
 * - `exists`: there is a file of that name, and it wasn't allowed to replace it.
 * - `same`: it would replace the queue itself.
 * - `foreign`: what is to be copied is no queue.
 * - `unwritable`: it can't be written where it should.
 * - `damaged`: the copy isn't in order; the queue isn't either, or the disk.
 */
export class BackupError extends Data.TaggedError("BackupError")<{
  readonly reason: "exists" | "same" | "foreign" | "unwritable" | "damaged"
  readonly message: string
}> {}

/** What was copied. */
export interface BackupReport {
  /** The copy, as an absolute path. */
  readonly path: string
  readonly bytes: number
  readonly jobs: number
  readonly schema: number
  readonly elapsedMs: number
}

export interface BackupOptions {
  /** The queue's file. */
  readonly from: string
  readonly to: string
  /** Whether a file that is there already is replaced. Default false. */
  readonly force?: boolean | undefined
}

const onDisk = <A>(to: string, run: () => Promise<A>): Effect.Effect<A, BackupError> =>
  Effect.tryPromise({
    try: run,
    catch: (cause) =>
      new BackupError({
        reason: "unwritable",
        message: `the backup ${to} can't be written: ${cause instanceof Error ? cause.message : String(cause)}`
      })
  })

const sync = async (file: string, flags: string): Promise<void> => {
  const handle = await fs.open(file, flags)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** The file itself, whatever leads to it; `undefined` when there is none. */
const identity = async (file: string): Promise<string | undefined> => {
  const found = await fs.stat(file).catch(() => undefined)
  return found === undefined ? undefined : `${found.dev} ${found.ino}`
}

const copy = (from: string, to: string) =>
  Effect.scoped(
    Effect.flatMap(open(from), (connection) =>
      Effect.gen(function* () {
        const mark = yield* attempt(from, () => pragma(connection, "application_id"))
        if (mark !== APPLICATION_ID) {
          return yield* new BackupError({
            reason: "foreign",
            message: `${from} is not a contentdownload queue`
          })
        }
        yield* attempt(from, () => connection.prepare("VACUUM INTO ?").run(to))
      })
    )
  )

/** Reads the copy as the next program will. */
const verify = (file: string) =>
  Effect.scoped(
    Effect.flatMap(open(file), (connection) =>
      attempt(file, () => ({
        damage: integrity(connection, false),
        marked: pragma(connection, "application_id") === APPLICATION_ID,
        schema: schemaOf(connection),
        jobs: rows<{ readonly jobs: number }>(connection, "SELECT count(*) AS jobs FROM jobs")[0]?.jobs ?? 0
      }))
    )
  ).pipe(
    Effect.filterOrFail(
      ({ damage, marked }) => marked && damage.length === 0,
      ({ damage }) =>
        new BackupError({
          reason: "damaged",
          message: `the copy isn't in order (${damage[0] ?? "its mark is missing"}); 'contentdownload doctor' looks at the queue`
        })
    )
  )

/** Makes the copy. It blocks this process while it is made. */
export const backup = ({
  force,
  from,
  to
}: BackupOptions): Effect.Effect<BackupReport, BackupError | WorkQueueError> =>
  Effect.gen(function* () {
    const startedAt = yield* Clock.currentTimeMillis
    const target = path.resolve(to)
    const [source, present] = yield* onDisk(to, () => Promise.all([identity(from), identity(target)]))
    if (present !== undefined && present === source) {
      return yield* new BackupError({ reason: "same", message: `${to} is the queue itself` })
    }
    if (present !== undefined && force !== true) {
      return yield* new BackupError({ reason: "exists", message: `${to} exists; --force replaces it` })
    }
    const partial = `${target}.${process.pid}.partial`
    yield* onDisk(to, async () => {
      await Folder.make(path.dirname(target))
      await fs.rm(partial, { force: true })
    })
    const { jobs, schema } = yield* Effect.gen(function* () {
      yield* copy(from, partial)
      // Nobody may read it who may not read the queue.
      yield* onDisk(to, async () => fs.chmod(partial, (await fs.stat(from)).mode))
      yield* onDisk(to, () => sync(partial, "r+"))
      const verified = yield* verify(partial)
      yield* onDisk(to, async () => {
        await fs.rename(partial, target)
        await sync(path.dirname(target), "r")
      })
      return verified
    }).pipe(Effect.onError(() => Effect.ignore(onDisk(to, () => fs.rm(partial, { force: true })))))
    const { size } = yield* onDisk(to, () => fs.stat(target))
    return {
      path: target,
      bytes: size,
      jobs,
      schema,
      elapsedMs: (yield* Clock.currentTimeMillis) - startedAt
    }
  })
