/**
 * From settings to the limits of lanes and pools. A pure function: every process with the same settings gives the
 * queue the same limits.
 */
import { type LanePolicy, UNLIMITED } from "../Lane.ts"
import type { BucketLimits } from "../TokenBucket.ts"
import type { HostLimits, Settings } from "./Settings.ts"

const HOST = "host:"
const RESOLVER = "resolver:"
const HOSTS_POOL = "hosts"

const own = <A>(entries: { readonly [name: string]: A }, name: string): A | undefined =>
  Object.hasOwn(entries, name) ? entries[name] : undefined

// A host is the same with and without the dot of the root.
const hostKey = (name: string): string => name.toLowerCase().replace(/\.$/, "")

/** The limits of a resolver; of a name that is none, the jobs end at once, one after the other. */
const resolverLimits = (
  settings: Settings,
  name: string
): { readonly cap: number; readonly rate: BucketLimits } => {
  const known = name === "arxiv" || name === "unpaywall" ? settings.resolvers[name] : undefined
  return {
    cap: own(settings.orchestrator.max_per_resolver, name) ?? known?.max ?? 1,
    rate: { capacity: known?.burst ?? 1, refillPerSecond: known?.rate_per_second ?? Number.POSITIVE_INFINITY }
  }
}

/** The rate of a key `resolver:<name>`, for a bucket in this process. */
export const resolverBucket =
  (settings: Settings) =>
  (key: string): BucketLimits =>
    resolverLimits(settings, key.slice(RESOLVER.length)).rate

/**
 * The policy of the settings: lanes `host:<name>` in the pool `hosts`, which has no cap of its own, and lanes
 * `resolver:<name>` each in a pool of that name. A resolver's rate is its lane's pace, so it holds over all processes
 * on the queue and across restarts.
 */
export const lanePolicy = (settings: Settings): LanePolicy => {
  const { hosts, max_per_host } = settings.orchestrator
  const byHost = new Map<string, HostLimits>(
    Object.entries(hosts).map(([name, limits]) => [hostKey(name), limits])
  )
  return {
    lane: (key) => {
      if (key.startsWith(RESOLVER)) {
        const { cap, rate } = resolverLimits(settings, key.slice(RESOLVER.length))
        return { pool: key, cap, gapMs: Math.ceil(1000 / rate.refillPerSecond), burst: rate.capacity }
      }
      const limits = byHost.get(key.startsWith(HOST) ? hostKey(key.slice(HOST.length)) : key)
      return {
        pool: HOSTS_POOL,
        cap: limits?.max ?? max_per_host,
        gapMs: limits?.gap_ms ?? 0,
        burst: limits?.burst ?? 1
      }
    },
    pool: (key) =>
      key.startsWith(RESOLVER) ? resolverLimits(settings, key.slice(RESOLVER.length)).cap : UNLIMITED
  }
}
