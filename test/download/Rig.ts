/** What the download tests stand on: settings with short times, a folder of their own, a job that records. */
import { mkdtemp, readdir, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { Artifact } from "../../src/Artifact.ts"
import { Settings } from "../../src/config/Settings.ts"
import type { DownloadSettings } from "../../src/download/index.ts"
import * as Download from "../../src/download/index.ts"
import type { Job } from "../../src/Handler.ts"
import type { Attempt } from "../../src/Job.ts"
import * as KeyedLimiter from "../../src/KeyedLimiter.ts"
import type { Name } from "../../src/resolver/Registry.ts"
import * as TokenBucket from "../../src/TokenBucket.ts"
import type { Rerouted, RerouteVerdict } from "../../src/WorkQueue.ts"

export const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "contentdownload-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

interface Changes {
  readonly http?: Partial<DownloadSettings["http"]>
  readonly maxBytes?: number
  readonly kinds?: DownloadSettings["download"]["kinds"]
  readonly structure?: boolean
  readonly robots?: boolean
  readonly identity?: "off" | "warn" | "require"
  readonly order?: ReadonlyArray<Name>
  readonly unpaywall?: Partial<DownloadSettings["resolvers"]["unpaywall"]>
  readonly arxiv?: Partial<DownloadSettings["resolvers"]["arxiv"]>
}

const defaults = Schema.decodeSync(Settings)({})

export const settings = (out: string, changes: Changes = {}): DownloadSettings => ({
  http: {
    contact: null,
    user_agent: null,
    connect_timeout_seconds: 2,
    first_byte_timeout_seconds: 0.3,
    idle_timeout_seconds: 0.3,
    min_bytes_per_second: 0,
    min_rate_window_seconds: 60,
    max_redirects: 5,
    max_retry_after_seconds: 7 * 86_400,
    refusal_wait_seconds: 60,
    max_bytes_per_second: 0,
    adaptive_pace: true,
    breaker_failures: 5,
    breaker_pause_seconds: 15,
    cache: { enabled: true, default_seconds: 86_400, max_age_seconds: 86_400 },
    resolve: {},
    allow_private_hosts: true,
    ...changes.http
  },
  download: {
    out,
    max_bytes: changes.maxBytes ?? 10_000_000,
    kinds: changes.kinds ?? ["pdf"],
    structure: changes.structure ?? false,
    identity: changes.identity ?? "off"
  },
  robots: { enabled: changes.robots ?? false, max_crawl_delay_seconds: 60 },
  storage: { min_free_bytes: 0 },
  orchestrator: { jitter_seconds: 15 },
  resolvers: {
    ...defaults.resolvers,
    order: changes.order ?? ["arxiv", "unpaywall"],
    arxiv: { ...defaults.resolvers.arxiv, ...changes.arxiv },
    unpaywall: {
      ...defaults.resolvers.unpaywall,
      base_url: "http://127.0.0.1:9",
      timeout_seconds: 5,
      email: "someone@example.org",
      ...changes.unpaywall
    }
  }
})

/** The handler and all under it, with one connection per host and ten questions a second. */
export const layer = (all: DownloadSettings) =>
  Download.layer(all).pipe(
    Layer.provideMerge(KeyedLimiter.layer({ cap: 1 })),
    Layer.provideMerge(TokenBucket.layerMemory({ limits: () => ({ capacity: 10, refillPerSecond: 10 }) }))
  )

export interface Recorded {
  readonly job: Job<unknown>
  readonly notes: Array<Attempt>
  readonly reroutes: Array<Rerouted>
}

/** A leased job that records. `verdict`: what a reroute answers; default `granted`. */
export const job = (
  artifact: Artifact,
  options: {
    readonly lane: string
    readonly plan?: unknown
    readonly verdict?: (lane: string) => RerouteVerdict
  }
): Recorded => {
  const notes: Array<Attempt> = []
  const reroutes: Array<Rerouted> = []
  return {
    notes,
    reroutes,
    job: {
      payload: artifact,
      lease: {
        job: 7,
        token: 3,
        id: artifact.id,
        lane: options.lane,
        worker: "test",
        expiresAt: Number.MAX_SAFE_INTEGER,
        attempts: 0,
        crashes: 0,
        payload: artifact,
        plan: options.plan ?? null
      },
      note: (attempt) => Effect.sync(() => void notes.push(attempt)),
      reroute: (rerouted) =>
        Effect.sync(() => {
          reroutes.push(rerouted)
          return options.verdict?.(rerouted.lane) ?? "granted"
        })
    }
  }
}

/** Every file in a folder, with its path inside the folder. */
export const filesIn = (path: string): Effect.Effect<ReadonlyArray<string>> =>
  Effect.promise(async () => {
    const entries = await readdir(path, { recursive: true, withFileTypes: true })
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1))
      .toSorted()
  })
