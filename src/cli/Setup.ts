/**
 * What a command stands on, set up from its options: settings, the log, the queue.
 */
import { resolve } from "node:path"
import * as FileSystem from "@effect/platform/FileSystem"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Config, type ConfigError, type Flag, layer as layerConfig, type Settings } from "../Config.ts"
import { lanePolicy } from "../config/Limits.ts"
import * as Storage from "../download/Storage.ts"
import type { WorkQueue, WorkQueueError } from "../WorkQueue.ts"
import { type Common, flag } from "./CommandOptions.ts"
import { Environment } from "./Environment.ts"
import { type Exited, usage } from "./Exit.ts"
import { defectsLogged } from "./Failures.ts"
import * as KeyFiles from "./KeyFiles.ts"
import * as Logging from "./Logging.ts"
import type { Output } from "./Output.ts"
import { type Signals, untilSignal } from "./Signals.ts"

/** The settings: file, environment, the common options, and `flags` for a command's own options. */
export const layerSettings = (
  common: Common,
  flags: ReadonlyArray<Flag> = []
): Layer.Layer<Config, ConfigError, FileSystem.FileSystem> =>
  Layer.unwrapEffect(
    Effect.map(Environment, (env) =>
      layerConfig({
        file: Option.getOrUndefined(common.config),
        env,
        flags: [
          ...flag("--queue", ["queue", "path"], common.queue),
          ...flag("--log-level", ["log", "level"], common.logLevel),
          ...flag("--log-format", ["log", "format"], common.logFormat),
          ...flags
        ]
      })
    )
  )

/** The environment with what its key files hold, also for whoever reads it as a configuration. */
const withKeyFiles = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | ConfigError, R> =>
  Effect.gen(function* () {
    const env = yield* KeyFiles.read(yield* Environment)
    const given = Object.entries(env).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value] as const]
    )
    return yield* effect.pipe(
      Effect.provideService(Environment, env),
      Effect.withConfigProvider(ConfigProvider.fromMap(new Map(given)))
    )
  })

/**
 * Settings and the log. For commands that listen to signals themselves; that begins when the settings are read, and a file
 * of settings may be a pipe that nobody writes to.
 */
export const withSettings =
  (common: Common, flags: ReadonlyArray<Flag> = []) =>
  <A, E, R>(
    effect: Effect.Effect<A, E, R>
  ): Effect.Effect<
    A,
    E | ConfigError | Exited,
    Exclude<R, Config> | FileSystem.FileSystem | Output | Signals
  > =>
    untilSignal(Effect.provide(Config, layerSettings(common, flags))).pipe(
      Effect.flatMap((config) =>
        Effect.provide(
          defectsLogged(effect),
          Logging.layer.pipe(Layer.provideMerge(Layer.succeed(Config, config)))
        )
      ),
      withKeyFiles
    )

/** Settings and the log; the first signal interrupts the command. */
export const run =
  (common: Common, flags: ReadonlyArray<Flag> = []) =>
  <A, E, R>(
    effect: Effect.Effect<A, E, R>
  ): Effect.Effect<
    A,
    E | ConfigError | Exited,
    Exclude<R, Config> | FileSystem.FileSystem | Output | Signals
  > =>
    untilSignal(withSettings(common, flags)(effect))

/** Refuses a queue that isn't there, or an empty file in its place: what was queued in it would be lost unseen. */
export const refuseMissing = (path: string): Effect.Effect<void, Exited, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const found = yield* fs.stat(path).pipe(
      Effect.map(({ size, type }) => (type === "File" && size === 0n ? "an empty file" : "something")),
      // Anything but a clear no is left to the store, which says what is wrong.
      Effect.catchAll((error) =>
        Effect.succeed(error._tag === "SystemError" && error.reason === "NotFound" ? "nothing" : "something")
      )
    )
    if (found === "something") return
    const what = found === "nothing" ? "" : ", only an empty file"
    return yield* usage(
      `there is no queue at ${resolve(path)}${what}; 'contentdownload queue import FILE' makes one, --queue PATH names another`
    )
  })

/** Far shorter than any download, and long enough that many small ones at once share a transaction. */
export const COMMIT_GAP = Duration.millis(5)

/**
 * The queue of the settings.
 * - `existing`: a queue that isn't there is refused; nothing is created.
 * - `create`: it is made if it isn't there.
 */
export const layerQueue = (
  access: "existing" | "create"
): Layer.Layer<WorkQueue, WorkQueueError | Exited, Config | FileSystem.FileSystem> =>
  Layer.unwrapEffect(
    Effect.gen(function* () {
      const { settings } = yield* Config
      const { path, timeout_sec, wal_mode } = settings.queue
      if (access === "existing") yield* refuseMissing(path)
      const sqlite = yield* Effect.promise(() => import("../store/sqlite/index.ts"))
      return sqlite.layer({
        path,
        walMode: wal_mode,
        timeout: Duration.seconds(timeout_sec),
        maxCrashes: settings.orchestrator.max_job_crashes,
        commitGap: COMMIT_GAP,
        policy: lanePolicy(settings),
        cache: { maxBytes: settings.http.cache.max_bytes }
      })
    })
  )

/** The output folder of the settings. */
export const layerStorage: Layer.Layer<Storage.Storage, never, Config> = Layer.unwrapEffect(
  Effect.map(Config, ({ settings }) =>
    Storage.layer({ ...settings.storage, out: settings.download.out, queue: settings.queue.path })
  )
)

/** The resolvers that may be asked, first to last. */
export const resolverOrder = ({ resolvers }: Settings): ReadonlyArray<string> =>
  resolvers.order.filter((name) => resolvers[name].enabled)
