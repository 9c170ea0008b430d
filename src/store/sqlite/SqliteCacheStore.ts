/**
 * The CacheStore in the queue's file, over the one connection the process has to it; its processes share it.
 *
 * Bytes are counted in characters. Whoever has written a sixteenth of what may be kept drops what is too much, so the
 * bound is exceeded by no more than that for each process.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type CacheStoreOptions, type CacheStoreService, fits, MAX_BYTES, sizeOf } from "../../CacheStore.ts"
import type { WorkQueueError } from "../../WorkQueue.ts"
import type { Database, Query } from "./Database.ts"

/** Longer than this nobody waits for another process's lock. */
const PATIENCE = "500 millis"

const PRUNE_SHARE = 16

const prune = (query: Query, now: number, most: number) =>
  Effect.zipRight(
    query("DELETE FROM cache WHERE keep_until <= :now", { now }),
    query(
      `DELETE FROM cache WHERE id IN (
         SELECT id FROM (SELECT id, sum(bytes) OVER (ORDER BY id DESC) AS upto, bytes FROM cache) WHERE upto > :most AND bytes > 0)`,
      { most }
    )
  )

/** A cache that can't be used is an empty one. */
const lenient = <A>(effect: Effect.Effect<A, WorkQueueError>): Effect.Effect<Option.Option<A>> =>
  Effect.timeoutOption(effect, PATIENCE).pipe(
    Effect.catchAll((error) =>
      Effect.as(Effect.logDebug(`the cache isn't used: ${error.message}`), Option.none())
    )
  )

/** A store in this database. */
export const make = (
  database: Database,
  { maxBytes = MAX_BYTES }: CacheStoreOptions = {}
): CacheStoreService => {
  /** Written since the last pruning; the first to write prunes, for those before it. */
  let written = maxBytes

  return {
    get: (key) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        lenient(
          database.read((query) =>
            query<{ readonly value: string }>(
              "SELECT value FROM cache WHERE key = :key AND keep_until > :now",
              { key, now }
            )
          )
        )
      ).pipe(Effect.map(Option.flatMap(([row]) => Option.fromNullable(row?.value)))),
    put: (key, value, until) =>
      fits(value, maxBytes)
        ? Effect.gen(function* () {
            const now = yield* Clock.currentTimeMillis
            const prunes = written >= maxBytes / PRUNE_SHARE
            const done = yield* lenient(
              database.write((query) =>
                Effect.gen(function* () {
                  // A new row each time: the order of the rows is that of writing.
                  yield* query("DELETE FROM cache WHERE key = :key", { key })
                  yield* query(
                    "INSERT INTO cache (key, value, bytes, keep_until) VALUES (:key, :value, :bytes, :until)",
                    { key, value, bytes: sizeOf(value), until }
                  )
                  if (prunes) yield* prune(query, now, maxBytes)
                })
              )
            )
            if (Option.isSome(done)) written = (prunes ? 0 : written) + sizeOf(value)
          })
        : Effect.void,
    remove: (key) =>
      Effect.asVoid(lenient(database.write((query) => query("DELETE FROM cache WHERE key = :key", { key }))))
  }
}
