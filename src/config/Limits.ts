/**
 * From settings to the limits of lanes and pools. A pure function: every process with the same settings gives the
 * queue the same limits.
 */
import { type LanePolicy, UNLIMITED } from "../Lane.ts"
import type { HostLimits, Settings } from "./Settings.ts"

const HOST = "host:"
const RESOLVER = "resolver:"
const HOSTS_POOL = "hosts"

const own = <A>(entries: { readonly [name: string]: A }, name: string): A | undefined =>
  Object.hasOwn(entries, name) ? entries[name] : undefined

// A host is the same with and without the dot of the root.
const hostKey = (name: string): string => name.toLowerCase().replace(/\.$/, "")

/** The cap of a resolver: what `max_per_resolver` says, else its own `max`, else 1. */
const resolverCap = (settings: Settings, name: string): number => {
  const configured = name === "arxiv" || name === "unpaywall" ? settings.resolvers[name].max : 1
  return own(settings.orchestrator.max_per_resolver, name) ?? configured
}

/**
 * The policy of the settings: lanes `host:<name>` in the pool `hosts`, which has no cap of its own, and lanes
 * `resolver:<name>` each in a pool of that name. A resolver's rate is held by its token bucket, not by its lane.
 */
export const lanePolicy = (settings: Settings): LanePolicy => {
  const { hosts, max_per_host } = settings.orchestrator
  const byHost = new Map<string, HostLimits>(
    Object.entries(hosts).map(([name, limits]) => [hostKey(name), limits])
  )
  return {
    lane: (key) => {
      if (key.startsWith(RESOLVER)) {
        return { pool: key, cap: resolverCap(settings, key.slice(RESOLVER.length)), gapMs: 0, burst: 1 }
      }
      const limits = byHost.get(key.startsWith(HOST) ? hostKey(key.slice(HOST.length)) : key)
      return {
        pool: HOSTS_POOL,
        cap: limits?.max ?? max_per_host,
        gapMs: limits?.gap_ms ?? 0,
        burst: limits?.burst ?? 1
      }
    },
    pool: (key) => (key.startsWith(RESOLVER) ? resolverCap(settings, key.slice(RESOLVER.length)) : UNLIMITED)
  }
}
