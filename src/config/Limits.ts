/**
 * From settings to the limits of lanes and pools. A pure function: every process with the same settings gives the
 * queue the same limits.
 */
import { hostName, hostOf, type LanePolicy, resolverOf, UNLIMITED } from "../Lane.ts"
import { find, isName, REGISTRY } from "../resolver/Registry.ts"
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

/** The limits of a resolver's lane. A start stands for one question, which may take several requests: they all fit into the rate. */
const resolverLane = (settings: Settings, name: string) => {
  const { cap, rate, requests } = resolverLimits(settings, name)
  return {
    cap,
    gapMs: Math.ceil((1000 * requests) / rate.refillPerSecond),
    burst: Math.max(1, Math.floor(rate.capacity / requests))
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
 * on the queue and across restarts. Where a host counts a resolver's questions together with its files, the stricter
 * limits hold for both.
 */
export const lanePolicy = (settings: Settings): LanePolicy => {
  const { hosts, max_per_host } = settings.orchestrator
  const byHost = new Map<string, HostLimits>()
  for (const [host, limits] of Object.entries(hosts)) {
    const name = hostName(host)
    byHost.set(name, { ...byHost.get(name), ...limits })
  }
  const asked = new Map(
    REGISTRY.flatMap(({ lane, name }) => {
      const key = settings.resolvers[name].enabled ? lane(settings.resolvers) : undefined
      return key === undefined ? [] : [[key, resolverLane(settings, name)] as const]
    })
  )
  return {
    lane: (key) => {
      const resolver = resolverOf(key)
      if (resolver !== undefined) return { pool: key, ...resolverLane(settings, resolver) }
      const limits = byHost.get(hostName(hostOf(key) ?? key))
      const cap = limits?.max ?? max_per_host
      const gapMs = limits?.gap_ms ?? 0
      const burst = limits?.burst ?? 1
      const questions = asked.get(key)
      return questions === undefined
        ? { pool: HOSTS_POOL, cap, gapMs, burst }
        : {
            pool: HOSTS_POOL,
            cap: Math.min(cap, questions.cap),
            gapMs: Math.max(gapMs, questions.gapMs),
            burst: Math.min(burst, questions.burst)
          }
    },
    pool: () => UNLIMITED
  }
}
