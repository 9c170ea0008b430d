/**
 * Looks at a queue again and again, rarely enough that the work doesn't notice, and remembers enough to say how fast it
 * drains and what the workers of this process waited for.
 */
import { performance } from "node:perf_hooks"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { downloadedBytes, openingDocuments } from "../../Telemetry.ts"
import { type Wait, WorkQueue, type WorkQueueError } from "../../WorkQueue.ts"
import { type Eta, eta, fullLine, type Load, type Rates, rates, type Sight } from "./Estimate.ts"
import { makeWaited, type Waited } from "./Waited.ts"

/** How often the queue is looked at. */
const LOOK_EVERY = "500 millis"
/** What a rate is measured over. */
const RATE_MS = 15_000
/** What the time left is reckoned from: longer, so that it doesn't jump. */
const ETA_MS = 180_000
/** Sights older than those for the rate are kept this far apart. */
const APART_MS = 5_000
/** Lanes that are looked at. */
const LANES = 50
/** Looking at lanes costs with their number: no more than one part in so many of the time goes to it. */
const LANE_SHARE = 50

/** How a process's bytes are counted. */
export const receivedBytes: Effect.Effect<number> = Effect.sync(() => downloadedBytes.value())

/** The latest sight, and what it comes to beside earlier ones. */
export type Now = readonly [sight: Sight, speed: Rates, end: Eta | null]

export interface Observer {
  readonly now: Effect.Effect<Now>
  readonly waited: Effect.Effect<Waited>
  /** Never ends, but with what keeps the queue from being looked at. A lock is no such thing. */
  readonly failed: Effect.Effect<never, WorkQueueError>
}

export interface ObserverOptions {
  /** The workers of this process; left out where others do the work. */
  readonly workers?: { readonly all: number; readonly busy: Effect.Effect<number> } | undefined
  /** The reason that most of its jobs ended in error for, so far. */
  readonly failing?: Effect.Effect<string | null>
  /** What this process may receive together, in bytes a second. Default: as much as comes. */
  readonly maxBytesPerSecond?: number | undefined
}

/**
 * The causes with as many jobs together as there are queued: those were counted more rarely, or a moment before. The
 * cause with the most jobs takes the difference, as far as it goes.
 */
export const balanced = (waits: ReadonlyArray<Wait>, queued: number): ReadonlyArray<Wait> => {
  const missing = queued - waits.reduce((jobs, wait) => jobs + wait.jobs, 0)
  const [most, ...others] = waits.toSorted((a, b) => b.jobs - a.jobs)
  if (missing === 0 || most === undefined) return waits
  const rest = most.jobs + missing
  return rest > 0 ? [{ ...most, jobs: rest }, ...others] : balanced(others, queued)
}

/** The oldest that is younger than `ms`, else the latest there is. */
const since = (seen: ReadonlyArray<Sight>, now: Sight, ms: number): Sight =>
  seen.find(({ at }) => at >= now.at - ms) ?? now

/** What is kept of earlier sights. */
const keep = (seen: ReadonlyArray<Sight>, now: Sight): ReadonlyArray<Sight> => {
  const kept: Array<Sight> = []
  for (const sight of seen) {
    const before = kept.at(-1)
    const young = sight.at >= now.at - RATE_MS
    const apart = before === undefined || sight.at - before.at >= APART_MS
    if (sight.at >= now.at - ETA_MS && (young || apart)) kept.push(sight)
  }
  return [...kept, now]
}

/** How much of the main thread's load is what it was since the last look: the rest is what it was before. */
const LATEST = 0.2

/** Looks at what this process is at, from now on. */
const loadSince = (): (() => Load) => {
  let before = performance.eventLoopUtilization()
  let thread = 0
  return () => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, before)
    before = now
    // Two looks at the same moment have nothing between them.
    if (Number.isFinite(utilization)) thread += LATEST * (utilization - thread)
    return { opening: openingDocuments.value(), thread }
  }
}

/** Starts looking; ends with the scope. Fails when the first look does. */
export const make = (
  options: ObserverOptions = {}
): Effect.Effect<Observer, WorkQueueError, WorkQueue | Scope.Scope> =>
  Effect.gen(function* () {
    const queue = yield* WorkQueue
    const bytesBefore = yield* receivedBytes
    const waited = makeWaited()
    const load = loadSince()
    let lanes: Pick<Sight, "lanes" | "waits"> = { lanes: [], waits: [] }
    let lanesGoodUntil = 0

    const see = Effect.gen(function* () {
      const at = yield* Clock.currentTimeMillis
      if (at >= lanesGoodUntil) {
        lanes = { lanes: yield* queue.laneStats({ limit: LANES }), waits: yield* queue.waits }
        lanesGoodUntil = at + ((yield* Clock.currentTimeMillis) - at) * LANE_SHARE
      }
      const { failing, workers } = options
      const stats = yield* queue.stats
      return {
        at,
        stats,
        lanes: lanes.lanes,
        waits: balanced(lanes.waits, stats.queued),
        paused: yield* queue.paused,
        bytes: workers === undefined ? null : (yield* receivedBytes) - bytesBefore,
        workers: workers === undefined ? null : { all: workers.all, busy: yield* workers.busy },
        load: workers === undefined ? null : load(),
        failing: failing === undefined ? null : yield* failing,
        fullLine: null
      } satisfies Sight
    })

    const first = yield* see
    let seen: ReadonlyArray<Sight> = [first]
    let latest: Now = [first, rates(first, first), null]

    const look = Effect.map(see, (sight) => {
      seen = keep(seen, sight)
      waited.note(sight)
      const speed = rates(since(seen, sight, RATE_MS), sight)
      const full = fullLine(speed, options.maxBytesPerSecond)
      latest = [{ ...sight, fullLine: full }, speed, eta(since(seen, sight, ETA_MS), sight)]
    })

    const trouble = yield* Deferred.make<never, WorkQueueError>()
    yield* look.pipe(
      Effect.catchAll((error) =>
        Effect.zipRight(
          // Whoever works on the queue meets the same trouble and says so.
          Effect.logDebug(`the progress can't be seen: ${error.message}`),
          error.reason === "busy" ? Effect.void : Deferred.fail(trouble, error)
        )
      ),
      Effect.schedule(Schedule.spaced(LOOK_EVERY)),
      Effect.forkScoped
    )
    return {
      now: Effect.sync(() => latest),
      waited: Effect.sync(waited.result),
      failed: Deferred.await(trouble)
    }
  })
