/**
 * A pace that follows the host: it starts less often where the host's time to first byte grows, or where it answers
 * 429 or 503, and comes back by itself.
 *
 * What is controlled is the number of requests under way, as in TCP Vegas (Brakmo and Peterson, 1995) and Netflix's
 * concurrency limits: the time to first byte without load is known from the best times seen; when the median of the
 * last few is far above, the limit shrinks by a quarter, on a refusal by half, at most once for the requests that were
 * under way; else it grows by one for as many answers, until it is out of the way (AIMD). A limit of n is kept as a gap
 * between starts of the time to first byte divided by n (Little's law; Scrapy's AutoThrottle does the same), and the
 * gap as a wait of the host's lane: no worker waits for it.
 *
 * It only ever slows down. The configured cap and pace stand above it, in the queue. The limit is this process's own;
 * the waits hold for all.
 */
import { HostWaits } from "./FetchFailure.ts"

/** The paces of a process, by lane. Times are milliseconds. */
export interface HostPace {
  /** Asks for a start at `now`; the wait if there is one. A start that is granted counts. */
  readonly start: (lane: string, now: number) => HostWaits | undefined
  /** A request is sent, at `now`; answers what is to be called in the end. */
  readonly begin: (lane: string, now: number) => Under
}

/** A request under way. */
export interface Under {
  readonly firstByte: (now: number) => void
  /** The host asked for fewer requests. */
  readonly refused: (now: number) => void
  readonly end: () => void
}

/** Answers that are judged together: enough that a few outliers don't count. */
const ROUND = 5
/** How far above the best the median has to be, and by how much at least: the noise of networks and of this process. */
const FACTOR = 2
const MARGIN_MS = 300
const SLOWER = 0.75
const REFUSED = 0.5
/** How it comes back from less than one at a time, with each answer. */
const FASTER = 1.5
/** The best is forgotten by so much a round: a host that has become slower for good is not slowed for ever. */
const FORGET = 1.05
/** The longest gap, in milliseconds, and with it the smallest limit. */
const LONGEST_GAP_MS = 60_000
const SMALLEST = 1 / 16
/** Shorter waits aren't worth giving the job back for. */
const LEAST_WAIT_MS = 100
/** Hosts that are remembered; those first met go first. */
const MOST_HOSTS = 10_000

interface State {
  underWay: number
  /** Requests at once when it was last slowed: how far the limit has to grow to be out of the way. */
  before: number
  /** Requests at once; infinite while it isn't slowed. */
  limit: number
  times: Array<number>
  median: number
  best: number
  /** Whether the last round was. */
  slow: boolean
  /** Answers to requests that were sent before don't slow it again. */
  slowedAt: number
  startedAt: number
}

const median = (values: ReadonlyArray<number>): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

/** The gap between starts that keeps a limit: none while it isn't slowed. */
const gapOf = ({ limit, median: time }: State): number =>
  Number.isFinite(limit) ? Math.min(LONGEST_GAP_MS, Math.ceil(Math.max(time, 1) / limit)) : 0

/** Paces, none slowed. */
export const make = (): HostPace => {
  const states = new Map<string, State>()

  const stateOf = (lane: string): State => {
    const known = states.get(lane)
    if (known !== undefined) return known
    const fresh: State = {
      underWay: 0,
      before: 1,
      limit: Number.POSITIVE_INFINITY,
      times: [],
      median: 0,
      best: Number.POSITIVE_INFINITY,
      slow: false,
      slowedAt: Number.NEGATIVE_INFINITY,
      startedAt: Number.NEGATIVE_INFINITY
    }
    states.set(lane, fresh)
    if (states.size > MOST_HOSTS) {
      for (const [oldest, { underWay }] of states) {
        if (underWay > 0) continue
        states.delete(oldest)
        break
      }
    }
    return fresh
  }

  const slow = (state: State, factor: number, sentAt: number, now: number) => {
    if (sentAt < state.slowedAt) return
    if (!Number.isFinite(state.limit)) {
      state.before = Math.max(1, state.underWay)
      state.limit = state.before
    }
    state.limit = Math.max(SMALLEST, state.limit * factor)
    state.slowedAt = now
  }

  const answered = (state: State, ms: number, sentAt: number, now: number) => {
    state.times.push(ms)
    if (state.times.length >= ROUND) {
      state.median = median(state.times)
      state.times = []
      state.best = Math.min(state.best * FORGET, state.median)
      state.slow = state.median > state.best * FACTOR + MARGIN_MS
      if (state.slow) slow(state, SLOWER, sentAt, now)
    }
    if (state.slow || !Number.isFinite(state.limit)) return
    // One more for as many answers as may be under way; from below one, up to one first.
    state.limit = state.limit < 1 ? Math.min(1, state.limit * FASTER) : state.limit + 1 / state.limit
    if (state.limit > state.before) state.limit = Number.POSITIVE_INFINITY
  }

  return {
    start: (lane, now) => {
      const state = stateOf(lane)
      const opens = state.startedAt + gapOf(state)
      if (opens - now >= LEAST_WAIT_MS) {
        return new HostWaits({
          reason: "slowed-down",
          message: `the host is asked less often: one request every ${gapOf(state)} ms`,
          until: opens
        })
      }
      state.startedAt = now
      return undefined
    },
    begin: (lane, sentAt) => {
      const state = stateOf(lane)
      state.underWay += 1
      return {
        firstByte: (now) => answered(state, now - sentAt, sentAt, now),
        refused: (now) => {
          if (state.median === 0) state.median = now - sentAt
          slow(state, REFUSED, sentAt, now)
        },
        end: () => {
          state.underWay -= 1
        }
      }
    }
  }
}

/** For who doesn't want it. */
export const none: HostPace = {
  start: () => undefined,
  begin: () => ({ firstByte: () => undefined, refused: () => undefined, end: () => undefined })
}
