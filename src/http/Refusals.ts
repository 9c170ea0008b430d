/**
 * How long a server is left alone that refuses a request for the rate: longer each time it refuses again after a wait, up
 * to an hour, and never shorter than it asks for. Also where it asks: one that names the same second again and again would be
 * asked each second. Refusals that come while a wait is on, of requests that were under way, count as one.
 */

/** Refusals in a row, each after the wait of the one before. Times are milliseconds. */
export interface Row {
  readonly count: number
  /** The last wait. */
  readonly ms: number
  readonly until: number
}

/** The waits of a process, by a key: a lane, or one file of it. Times are milliseconds. */
export interface Refusals {
  /** `refusedAgain` of this key: answers how often it has refused, and until when it is left alone. */
  readonly refused: (key: string, now: number, firstMs: number, asked?: number) => Row
  /** It has answered. */
  readonly answered: (key: string) => void
}

/** What waits grow to. */
export const LONGEST_WAIT_MS = 3_600_000
/** Keys that are remembered; those that refused first go first. */
const MOST_KEYS = 10_000

/** One refusal more, at `now`. `firstMs`: the wait after the first one; `asked`: the time that was asked for, if one was. */
export const refusedAgain = (before: Row | undefined, now: number, firstMs: number, asked = 0): Row => {
  if (before !== undefined && now < before.until) {
    return asked > before.until ? { ...before, until: asked } : before
  }
  const ms = before === undefined ? firstMs : Math.max(firstMs, Math.min(LONGEST_WAIT_MS, before.ms * 2))
  return { count: (before?.count ?? 0) + 1, ms, until: Math.max(now + ms, asked) }
}

/** None has refused. */
export const make = (): Refusals => {
  const rows = new Map<string, Row>()
  return {
    refused: (key, now, firstMs, asked) => {
      const row = refusedAgain(rows.get(key), now, firstMs, asked)
      rows.delete(key)
      rows.set(key, row)
      const oldest = rows.size > MOST_KEYS ? rows.keys().next().value : undefined
      if (oldest !== undefined) rows.delete(oldest)
      return row
    },
    answered: (key) => void rows.delete(key)
  }
}
