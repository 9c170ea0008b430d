/**
 * From settings to the limits of lanes and pools. A pure function: every process with the same settings gives the
 * queue the same limits.
 */
import { hostName, hostOf, type LanePolicy, resolverOf, UNLIMITED } from "../Lane.ts"
import { find, isName } from "../resolver/Registry.ts"
import type { BucketLimits } from "../TokenBucket.ts"
import type { HostLimits, Settings } from "./Settings.ts"

const HOSTS_POOL = "hosts"

const own = <A>(entries: { readonly [name: string]: A }, name: string): A | undefined =>
  Object.hasOwn(entries, name) ? entries[name] : undefined

/** The limits of a resolver; of a name that is none, the jobs end at once, one after the other. */
const resolverLimits = (
  settings: Settings,
  name: string
): { readonly cap: number; readonly requests: number; readonly rate: BucketLimits } => {
  const known = isName(name) ? settings.resolvers[name] : undefined
  return {
    cap: own(settings.orchestrator.max_per_resolver, name) ?? known?.max ?? 1,
    requests: find(name)?.requests ?? 1,
    rate: { capacity: known?.burst ?? 1, refillPerSecond: known?.rate_per_second ?? Number.POSITIVE_INFINITY }
  }
}

/** The rate of a key `resolver:<name>`, for a bucket in this process. */
export const resolverBucket =
  (settings: Settings) =>
  (key: string): BucketLimits =>
    resolverLimits(settings, resolverOf(key) ?? key).rate

/**
 * The policy of the settings: lanes `host:<name>` in the pool `hosts`, and lanes `resolver:<name>` each in a pool of
 * that name. The caps are the lanes', so that they can be changed there; no pool has one of its own. A resolver's rate is its lane's pace, so it holds over all processes
 * on the queue and across restarts.
 */
export const lanePolicy = (settings: Settings): LanePolicy => {
  const { hosts, max_per_host } = settings.orchestrator
  const byHost = new Map<string, HostLimits>()
  for (const [host, limits] of Object.entries(hosts)) {
    const name = hostName(host)
    byHost.set(name, { ...byHost.get(name), ...limits })
  }
  return {
    lane: (key) => {
      const resolver = resolverOf(key)
      if (resolver !== undefined) {
        const { cap, rate, requests } = resolverLimits(settings, resolver)
        // A start stands for one question, which may take several requests: they all have to fit into the rate.
        const gapMs = Math.ceil((1000 * requests) / rate.refillPerSecond)
        return { pool: key, cap, gapMs, burst: Math.max(1, Math.floor(rate.capacity / requests)) }
      }
      const limits = byHost.get(hostName(hostOf(key) ?? key))
      return {
        pool: HOSTS_POOL,
        cap: limits?.max ?? max_per_host,
        gapMs: limits?.gap_ms ?? 0,
        burst: limits?.burst ?? 1
      }
    },
    pool: () => UNLIMITED
  }
}
