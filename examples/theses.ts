/**
 * The downloads, with a source of candidates that is the program's own: a university's theses, found by their number.
 */
import {
  Artifact,
  Config,
  JobType,
  KeyedLimiter,
  Lane,
  Limits,
  Scheduler,
  TokenBucket
} from "contentdownload"
import * as Download from "contentdownload/download"
import * as Sqlite from "contentdownload/sqlite"
import { Effect, Layer, Schema } from "effect"

/** An artifact that is known by its number only: where it is, the resolver says when its turn comes. */
export const Thesis = JobType.make({
  payload: Artifact.Artifact,
  id: ({ id }) => id,
  lane: () => Lane.resolverLane("theses")
})

/** From a thesis to the URL of its file. One that asks a service would be `remote`, and so keep its cap and rate. */
const theses = (base: string): Download.Resolver.Resolver => ({
  name: "theses",
  remote: false,
  accepts: ({ metadata }) => metadata?.["number"] !== undefined,
  resolve: ({ artifact: { metadata } }) =>
    Effect.succeed([
      { url: `${base}/files/${String(metadata?.["number"])}.pdf`, resolver: "theses", kind: "pdf" }
    ])
})

/** It alone, in place of the configured resolvers. */
const resolvers = (base: string) =>
  Layer.effect(
    Download.Resolvers.Resolvers,
    Download.Resolvers.makeWith([Download.Resolvers.plain(theses(base), 10_000)])
  )

/** Everything that downloads theses, by the same settings as the command's. */
export const layer = (base: string, given: typeof Config.Settings.Encoded) => {
  const settings = Schema.decodeSync(Config.Settings)(given)
  const policy = Limits.lanePolicy(settings)
  const limits = Layer.merge(
    KeyedLimiter.layer({ cap: 1, caps: (key) => policy.lane(key).cap }),
    TokenBucket.layerMemory({ limits: Limits.resolverBucket(settings) })
  )
  return Scheduler.layerWith({ maxWorkers: 8 }).pipe(
    Layer.provideMerge(Download.layerWith(settings)),
    Layer.provide(resolvers(base)),
    Layer.provide(limits),
    Layer.provideMerge(Sqlite.layer({ path: "state/theses.sqlite", policy }))
  )
}

/** Downloads theses by their numbers. */
export const download = (numbers: Iterable<number>) =>
  Effect.gen(function* () {
    const storage = yield* Download.Storage.Storage
    yield* storage.check
    yield* Thesis.enqueueAll(
      Array.from(numbers, (number) => ({ id: `thesis-${number}`, urls: [], metadata: { number } }))
    )
    const scheduler = yield* Scheduler.Scheduler
    return yield* scheduler.run({ drain: true })
  })
