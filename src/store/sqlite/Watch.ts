/**
 * Noticing what other processes commit: at once where the file system tells of changes, else at the next poll.
 *
 * SQLite counts the commits of other connections for each connection, and a look at that number touches no table. The
 * file system's hints only say when a look is worth it, so none of them has to be right: our own writes bring hints
 * too, and one may come before its commit can be seen, while that is still being synced.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type FSWatcher, realpathSync, watch } from "node:fs"
import * as path from "node:path"
import type { Database } from "./Database.ts"

/**
 * The least time between two looks. It is the longer one while we write ourselves, when most hints are our own, and
 * while others write all the time, when one tick for many commits is as good as many.
 */
const GAP_MS = 3
const BUSY_GAP_MS = 25

/** After a hint, each look comes so many times later than the one before, until polling goes on. */
const SLOWER = 3

export interface WatchOptions {
  /** The queue file. */
  readonly path: string
  /** The longest time between two looks. */
  readonly interval: Duration.DurationInput
  /** When this process wrote to the file the last time, by its clock. */
  readonly lastWrite: () => number
}

/** Calls `hint` for each change of the queue's files that the file system tells of, until the scope closes. */
const hints = (file: string, hint: () => void) =>
  Effect.acquireRelease(
    // Without notification, because the file system has none or the system's limit is reached, polling is left.
    Effect.try((): FSWatcher => {
      const real = realpathSync(file)
      const names = new Set(["", "-wal", "-journal"].map((suffix) => path.basename(real) + suffix))
      // The folder, not a file: the log goes and comes again. Not persistent: it keeps no process alive.
      const watcher = watch(path.dirname(real), { persistent: false }, (_, name) => {
        if (name === null || names.has(name)) hint()
      })
      return watcher.on("error", () => watcher.close())
    }).pipe(
      Effect.catchAll((error) =>
        Effect.as(Effect.logDebug(`no notification of changes: ${error.message}`), null)
      )
    ),
    (watcher) => Effect.sync(() => watcher?.close())
  )

/** A tick whenever another connection has committed. Every subscriber watches for itself. */
export const changesByOthers = (database: Database, options: WatchOptions): Stream.Stream<void> => {
  const intervalMs = Duration.toMillis(options.interval)
  return Stream.unwrapScoped(
    Effect.gen(function* () {
      // A look that fails is no news: whoever leases next meets the same failure and reports it.
      const version = Effect.catchAll(database.dataVersion, (error) =>
        Effect.as(Effect.logDebug(error.message), undefined)
      )
      const hinted = Effect.unsafeMakeLatch(false)
      yield* hints(options.path, () => hinted.unsafeOpen())
      let seen = yield* version
      let lookedAt = 0
      let changedAt = 0
      let delayMs = intervalMs

      /** Waits for a hint, at most for the delay, and then until a look may come. */
      const wait = Effect.gen(function* () {
        const hint = yield* Effect.timeoutOption(hinted.await, Duration.millis(delayMs))
        if (hint._tag === "None") {
          delayMs = Math.min(intervalMs, delayMs * SLOWER)
          return
        }
        const now = yield* Clock.currentTimeMillis
        const busy = now - Math.max(options.lastWrite(), changedAt) < BUSY_GAP_MS
        const gapMs = busy ? BUSY_GAP_MS : GAP_MS
        delayMs = Math.min(intervalMs, gapMs)
        if (now - lookedAt < gapMs) yield* Effect.sleep(Duration.millis(gapMs - (now - lookedAt)))
        // Whatever comes from here on is a reason for another look.
        hinted.unsafeClose()
      })

      const next = Effect.gen(function* () {
        for (;;) {
          yield* wait
          lookedAt = yield* Clock.currentTimeMillis
          const found = yield* version
          const isNew = found !== undefined && seen !== undefined && found !== seen
          seen = found ?? seen
          if (!isNew) continue
          changedAt = lookedAt
          return
        }
      })
      return Stream.repeatEffect(next)
    })
  )
}
