/**
 * What the local origin saw: every request, in the order of arrival, and for each host how many were open at once.
 *
 * A request is open from its arrival until its answer is handed to the system, or until the client leaves, whichever
 * is first. A client that starts a request only after the end of another is never counted with two.
 */

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** One request. Times are milliseconds since the epoch. */
export interface Seen {
  readonly host: string
  /** As sent, with its query. */
  readonly path: string
  readonly method: string
  readonly startedAt: number
  /** `null` while it is open. */
  readonly endedAt: number | null
  /** `null` while, or if, no head was sent. */
  readonly status: number | null
  /** Bytes of the body that were handed to the system. */
  readonly bytes: number
  /** Whether the whole answer was handed over, as the origin meant it: a body cut on purpose isn't finished. */
  readonly finished: boolean
  readonly headers: {
    readonly range: string | null
    readonly ifRange: string | null
    readonly ifNoneMatch: string | null
    readonly ifModifiedSince: string | null
    readonly userAgent: string | null
    readonly acceptEncoding: string | null
  }
}

export interface HostStats {
  readonly requests: number
  readonly finished: number
  /** Requests open now. */
  readonly open: number
  /**
   * The most requests that were open at once. Small answers without a delay are over as soon as they arrive: a host
   * that is to show how many come at once needs one.
   */
  readonly maxConcurrent: number
}

/** A request in the making. */
export type Entry = { -readonly [K in keyof Seen]: Seen[K] }

export interface Traffic {
  readonly arrive: (request: Pick<Seen, "host" | "path" | "method" | "startedAt" | "headers">) => Entry
  /** Ends an entry; later calls for the same entry change nothing. */
  readonly leave: (entry: Entry, at: number) => void
  readonly finish: (entry: Entry) => void
  readonly log: () => ReadonlyArray<Seen>
  readonly stats: () => Readonly<Record<string, HostStats>>
}

// ---------------------------------------------------------------------------------------------------------------
// Constructors
// ---------------------------------------------------------------------------------------------------------------

export const make = (): Traffic => {
  const entries: Array<Entry> = []
  const hosts = new Map<string, { -readonly [K in keyof HostStats]: HostStats[K] }>()

  const hostOf = (entry: Pick<Seen, "host">) => {
    let host = hosts.get(entry.host)
    if (host === undefined) {
      host = { requests: 0, finished: 0, open: 0, maxConcurrent: 0 }
      hosts.set(entry.host, host)
    }
    return host
  }

  return {
    arrive: (request) => {
      const entry: Entry = { ...request, endedAt: null, status: null, bytes: 0, finished: false }
      entries.push(entry)
      const host = hostOf(entry)
      host.requests += 1
      host.open += 1
      host.maxConcurrent = Math.max(host.maxConcurrent, host.open)
      return entry
    },
    leave: (entry, at) => {
      if (entry.endedAt !== null) return
      entry.endedAt = at
      hostOf(entry).open -= 1
    },
    finish: (entry) => {
      entry.finished = true
      hostOf(entry).finished += 1
    },
    log: () => entries.map((entry) => ({ ...entry })),
    stats: () => Object.fromEntries([...hosts].map(([name, host]) => [name, { ...host }]))
  }
}
