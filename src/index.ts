/**
 * The public modules. The queue's stores and the downloads have entries of their own: `contentdownload/sqlite`,
 * `contentdownload/memory`, `contentdownload/download`, `contentdownload/testing`.
 */
export * as Artifact from "./Artifact.ts"
export * as CacheStore from "./CacheStore.ts"
export * as Config from "./Config.ts"
export * as Failure from "./Failure.ts"
export * as Handler from "./Handler.ts"
export * as Job from "./Job.ts"
export * as JobType from "./JobType.ts"
export * as KeyedLimiter from "./KeyedLimiter.ts"
export * as Lane from "./Lane.ts"
export * as Limits from "./config/Limits.ts"
export * as Scheduler from "./Scheduler.ts"
export * as Telemetry from "./Telemetry.ts"
export * as TokenBucket from "./TokenBucket.ts"
export * as Worker from "./Worker.ts"
export * as WorkerIdentity from "./WorkerIdentity.ts"
export * as WorkQueue from "./WorkQueue.ts"
