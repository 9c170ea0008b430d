/**
 * Lanes and pools: what a job waits for before it may start.
 *
 * A lane is the unit of fairness and politeness: a content host, or a resolver while the URL is not known yet.
 * It holds a cap on the jobs in flight, a pace, a time before which nothing may start, and whether it is paused.
 * Lanes stand in pools, which have a cap too. All of it lives in the queue, so it holds over every process that
 * shares the queue, and across restarts.
 */
import { isIPv6 } from "node:net"

/** What a lane allows. */
export interface LaneLimits {
  /** The pool the lane stands in. */
  readonly pool: string
  /** Jobs in flight at once, at least 1. */
  readonly cap: number
  /** Milliseconds between two starts, 0 for no pace. */
  readonly gapMs: number
  /** Starts that may follow each other at once after a quiet time, at least 1. */
  readonly burst: number
}

/** Limits set by hand in place of the policy's; what is left out is the policy's. */
export type LaneOverrides = { readonly [K in "cap" | "gapMs" | "burst"]?: number | undefined }

/** The limits of every lane and pool, by key. A pure function of the configuration. */
export interface LanePolicy {
  readonly lane: (key: string) => LaneLimits
  /** Jobs in flight at once in all lanes of the pool. */
  readonly pool: (key: string) => number
}

/** The cap of a pool that has none of its own. */
export const UNLIMITED = 1_000_000_000

/**
 * One cap and pace for every lane, in one pool without a cap of its own.
 * Defaults: cap 1, no gap, burst 1.
 */
export const uniform = (limits: Partial<Omit<LaneLimits, "pool">> = {}): LanePolicy => ({
  lane: () => ({ pool: "all", cap: limits.cap ?? 1, gapMs: limits.gapMs ?? 0, burst: limits.burst ?? 1 }),
  pool: () => UNLIMITED
})

/**
 * A lane's theoretical arrival time (see `TokenBucket.ts`) when its gap changes while it is in use. A longer gap counts
 * from the latest start; of a shorter one, at most one more is waited for. A lane that had no pace, or gives it up,
 * keeps the time it has.
 */
export const repaced = (tat: number, fromGapMs: number, toGapMs: number, now: number): number => {
  if (fromGapMs === 0 || toGapMs === 0) return tat
  return toGapMs >= fromGapMs ? tat - fromGapMs + toGapMs : Math.min(tat, now + toGapMs)
}

// ---------------------------------------------------------------------------------------------------------------
// Names
//
// A queue takes any name. These are the names of the lanes of downloads.
// ---------------------------------------------------------------------------------------------------------------

const HOST = "host:"
const RESOLVER = "resolver:"

/** Hosts whose operators count what they are asked together: the first names the lane of all. */
const FAMILIES: ReadonlyArray<readonly [name: string, ...others: ReadonlyArray<string>]> = [
  // "one request every three seconds", whichever machine answers (info.arxiv.org/help/api/tou.html)
  ["arxiv.org", "export.arxiv.org", "www.arxiv.org"]
]

const familyOf: ReadonlyMap<string, string> = new Map(
  FAMILIES.flatMap(([name, ...others]) => others.map((other) => [other, name]))
)

const BRACKETED = /^\[[\dA-Fa-f:.]+\]$/

/**
 * A host, however it is written by hand, as URLs have it: in lower case, letters of other scripts in ASCII, an IPv6
 * address in brackets, without the root's dot. `undefined`: it is none.
 */
export const asciiHost = (host: string): string | undefined => {
  const written = isIPv6(host) ? `[${host}]` : host
  // What would be another part of a URL.
  if (!BRACKETED.test(written) && /[\s\p{Cc}/\\?#@:[\]]/u.test(written)) return undefined
  const url = `http://${written}/`
  const name = URL.canParse(url) ? new URL(url).hostname.replace(/\.$/, "") : ""
  return name === "" ? undefined : name
}

const laneName = (hostname: string): string => {
  const name = hostname.endsWith(".") ? hostname.slice(0, -1) : hostname
  return familyOf.get(name) ?? name
}

/** A host's name as its lane has it, however it is written: `asciiHost`; of a family, the family's. */
export const hostName = (host: string): string => laneName(asciiHost(host) ?? host.toLowerCase())

/**
 * The lane of a URL's host, whatever the port and the scheme, so that no spelling of a URL escapes the host's cap.
 * Takes a valid URL.
 */
export const hostLane = (url: string): string => HOST + laneName(new URL(url).hostname)

/** The lane of a resolver. */
export const resolverLane = (name: string): string => RESOLVER + name

/** The host whose lane this is. */
export const hostOf = (lane: string): string | undefined =>
  lane.startsWith(HOST) ? lane.slice(HOST.length) : undefined

/** The resolver whose lane this is. */
export const resolverOf = (lane: string): string | undefined =>
  lane.startsWith(RESOLVER) ? lane.slice(RESOLVER.length) : undefined

// ---------------------------------------------------------------------------------------------------------------
// Sight
// ---------------------------------------------------------------------------------------------------------------

/** A lane as the queue sees it now. `ready` and `delayed` are the queued jobs, those not due yet counted apart. */
export interface LaneStats {
  readonly lane: string
  readonly pool: string
  readonly cap: number
  readonly gapMs: number
  readonly burst: number
  /** Which of them were set by hand. */
  readonly overrides: LaneOverrides
  readonly ready: number
  readonly delayed: number
  readonly inFlight: number
  readonly done: number
  readonly skipped: number
  readonly error: number
  /** The time before which nothing starts here; `null` when something may start now. */
  readonly nextAt: number | null
  readonly paused: boolean
  /** Why nothing starts before `nextAt`, such as `http-429`; `null` when it is only the lane's pace. */
  readonly blockedReason: string | null
}
