/** Our download runs in this process: from a queue in a folder to files in it. */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { layer } from "../src/cli/Run.ts"
import { COMMIT_GAP } from "../src/cli/Setup.ts"
import { lanePolicy } from "../src/config/Limits.ts"
import { Settings } from "../src/config/Settings.ts"
import * as Route from "../src/download/Route.ts"
import { Scheduler, WorkQueue } from "../src/index.ts"
import * as Sqlite from "../src/store/sqlite/index.ts"

/** Where the files of a run in a folder go. */
export const outOf = (folder: string): string => join(folder, "out")

/** Settings that ask nobody but the hosts of the list, which are on this machine and have no robots.txt. */
export const settingsFor = (folder: string, given: typeof Settings.Encoded): Settings =>
  Schema.decodeSync(Settings)({
    ...given,
    http: { allow_private_hosts: true, ...given.http },
    robots: { enabled: false },
    download: { out: outOf(folder), ...given.download },
    resolvers: { order: [] }
  })

/** Queues the URLs and drains the queue; answers the seconds of the draining, and how the leases ended. */
export const drainUrls = (
  urls: ReadonlyArray<string>,
  folder: string,
  settings: Settings
): Promise<{ readonly seconds: number; readonly ends: Scheduler.RunReport["ends"] }> => {
  const queue = Sqlite.layer({
    path: join(folder, "queue.sqlite"),
    policy: lanePolicy(settings),
    commitGap: COMMIT_GAP
  })
  return Effect.gen(function* () {
    const jobs = urls.map((url, n) =>
      Route.toNewJob({ id: `paper-${n}`, urls: [url] }, { resolverOrder: [] })
    )
    yield* (yield* WorkQueue.WorkQueue).enqueueAll(Stream.fromIterable(jobs))
    const scheduler = yield* Scheduler.Scheduler
    const from = performance.now()
    const { ends } = yield* scheduler.run({ drain: true })
    return { seconds: (performance.now() - from) / 1000, ends }
  }).pipe(
    Effect.provide(layer(settings).pipe(Layer.provideMerge(queue))),
    Effect.provide(Logger.remove(Logger.defaultLogger)),
    Effect.scoped,
    Effect.runPromise
  )
}
