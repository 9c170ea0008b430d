/**
 * Downloading artifacts: the handler that is ours, with what it stands on. Each part is a layer of its own.
 */
import * as Layer from "effect/Layer"
import type { Handler } from "../Handler.ts"
import type { KeyedLimiter } from "../KeyedLimiter.ts"
import * as Resolvers from "../resolver/Resolvers.ts"
import type { TokenBucket } from "../TokenBucket.ts"
import type { FetchSettings } from "./Fetch.ts"
import * as Http from "../http/Http.ts"
import * as PdfReader from "../pdf/PdfReader.ts"
import * as Pipeline from "./Pipeline.ts"
import * as Storage from "./Storage.ts"

export * as Fetch from "./Fetch.ts"
export * as Http from "../http/Http.ts"
export { HttpError } from "../http/HttpError.ts"
export * as Manifest from "./Manifest.ts"
export * as PdfReader from "../pdf/PdfReader.ts"
export * as Pipeline from "./Pipeline.ts"
export * as Plan from "./Plan.ts"
export * as RetryAfter from "../http/RetryAfter.ts"
export * as Route from "./Route.ts"
export * as Storage from "./Storage.ts"
export * as StoredName from "./StoredName.ts"
export * as Candidate from "../resolver/Candidate.ts"
export * as Resolver from "../resolver/Resolver.ts"
export * as Resolvers from "../resolver/Resolvers.ts"

/** Every section of the configuration that downloading reads. */
export interface DownloadSettings extends FetchSettings, Resolvers.ResolversSettings {
  readonly http: FetchSettings["http"] & Resolvers.ResolversSettings["http"]
  readonly download: FetchSettings["download"] & Pick<Storage.StorageSettings, "out">
  readonly resolvers: Resolvers.ResolversSettings["resolvers"]
  readonly storage: Pick<Storage.StorageSettings, "min_free_bytes" | "layout">
  /** The file of the queue; needed where several of them share an output folder. */
  readonly queue?: { readonly path: string } | undefined
}

const layerStorage = ({ download, queue, storage }: DownloadSettings): Layer.Layer<Storage.Storage> =>
  Storage.layer({ ...storage, out: download.out, queue: queue?.path })

/**
 * `layer` with resolvers that the caller brings, in place of the configured ones: `Resolvers.makeWith` makes them.
 */
export const layerWith = (
  settings: DownloadSettings,
  options?: Http.HttpOptions
): Layer.Layer<Handler | Storage.Storage | Http.Http, never, Resolvers.Resolvers | KeyedLimiter> =>
  Pipeline.layer(settings).pipe(
    Layer.provide(PdfReader.layer),
    Layer.provideMerge(layerStorage(settings)),
    Layer.provideMerge(Http.layer(settings.http, options))
  )

/**
 * The handler and everything under it, but the limiter and the buckets, whose caps and rates are the caller's. Their
 * keys are those of the lanes: `host:<name>` and `resolver:<name>`. Run `Storage.check` before the first job.
 */
export const layer = (
  settings: DownloadSettings,
  options?: Http.HttpOptions
): Layer.Layer<
  Handler | Storage.Storage | Resolvers.Resolvers | Http.Http,
  never,
  KeyedLimiter | TokenBucket
> =>
  Pipeline.layer(settings).pipe(
    Layer.provide(PdfReader.layer),
    Layer.provideMerge(Resolvers.layer(settings)),
    Layer.provideMerge(layerStorage(settings)),
    Layer.provideMerge(Http.layer(settings.http, options))
  )
