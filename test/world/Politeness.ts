/** What the servers saw of a run, held against what they may be asked. */
import { expect } from "vitest"
import type { Seen } from "../../src/demo/Traffic.ts"

/** A pace: so many a second, and so many at once after a quiet time. */
export interface Pace {
  readonly rate_per_second: number
  readonly burst: number
}

/** Servers see requests later than they were let go, one more than the other: by so much, at most. */
const LAG_MS = 1000
const WINDOW_MS = 2000

const endOf = ({ endedAt }: Seen): number => endedAt ?? Number.POSITIVE_INFINITY

/** The most of these that were open at once. What ends in the millisecond in which another begins was over before. */
const mostAtOnce = (seen: ReadonlyArray<Seen>): number => {
  const changes = seen
    .flatMap((each) => [
      { at: each.startedAt, by: 1 },
      { at: endOf(each), by: -1 }
    ])
    .toSorted((a, b) => a.at - b.at || a.by - b.by)
  let open = 0
  let most = 0
  for (const { by } of changes) {
    open += by
    most = Math.max(most, open)
  }
  return most
}

/** No more at once than the cap. */
export const withinCap = (what: string, seen: ReadonlyArray<Seen>, cap: number): void =>
  expect(mostAtOnce(seen), `requests at once to ${what}`).toBeLessThanOrEqual(cap)

/** In no window more than the pace lets go. */
export const withinPace = (
  host: string,
  seen: ReadonlyArray<Seen>,
  { burst, rate_per_second }: Pace
): void => {
  const times = seen.map(({ startedAt }) => startedAt).toSorted((a, b) => a - b)
  const allowed = burst + (rate_per_second * (WINDOW_MS + LAG_MS)) / 1000
  let first = 0
  for (const [index, time] of times.entries()) {
    while ((times[first] ?? time) < time - WINDOW_MS) first += 1
    expect(index - first + 1, `requests to ${host} within ${WINDOW_MS} ms`).toBeLessThanOrEqual(allowed)
  }
}

interface Asked {
  readonly seconds: number
  readonly form: "seconds" | "date"
}

/** A date has no milliseconds. */
const secondsOf = ({ form, seconds }: Asked): number => (form === "date" ? seconds - 1 : seconds)

/**
 * After each refusal nothing comes before the time it named; of hosts that are asked one at a time. `asked`: what each
 * named, or the seconds that are kept after the first and each further one.
 */
export const heedsRetryAfter = (
  host: string,
  seen: ReadonlyArray<Seen>,
  asked: Asked | ReadonlyArray<number>
): void => {
  const refusals = seen.filter(({ status }) => status === 429)
  expect(refusals.length, `refusals of ${host}`).toBe(2)
  for (const [nth, { startedAt }] of refusals.entries()) {
    const seconds = "form" in asked ? secondsOf(asked) : (asked[nth] ?? 0)
    const until = startedAt + 1000 * seconds
    const early = seen.filter((later) => later.startedAt > startedAt && later.startedAt < until)
    expect(early, `requests to ${host} before it may be asked again`).toEqual([])
  }
}

/** What was sent in whole is not asked for again. `stored`: the URLs of what was stored, with its bytes. */
export const asksOnce = (
  seen: ReadonlyArray<Seen>,
  urlOf: (seen: Seen) => string,
  stored: ReadonlyMap<string, number>
): void => {
  const sent = new Set<string>()
  for (const each of seen) {
    const url = urlOf(each)
    const bytes = stored.get(url)
    if (bytes === undefined) continue
    expect(sent.has(url), `${url} is asked for after it was sent`).toBe(false)
    if (each.finished && (each.bytes === bytes || each.status === 206)) sent.add(url)
  }
  expect(sent.size, "files that were sent in whole").toBe(stored.size)
}
