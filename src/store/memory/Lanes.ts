/** Lanes and pools: how they come to be, when one may start a job, and what a start does to it. */
import { type LaneLimits, type LaneOverrides, type LanePolicy, repaced } from "../../Lane.ts"
import { type Lane, next, type Pool, type State } from "./State.ts"

const poolOf = (state: State, key: string): Pool => {
  const known = state.pools.get(key)
  if (known !== undefined) return known
  const pool: Pool = { key, cap: state.policy.pool(key), leased: new Set() }
  state.pools.set(key, pool)
  return pool
}

/** The limits of the policy, over them what the host asked for, and over that those set by hand. */
const limitsOf = (policy: LaneLimits, { burst, cap, gapMs }: LaneOverrides, askedGapMs: number) => ({
  cap: cap ?? policy.cap,
  gapMs: gapMs ?? Math.max(policy.gapMs, askedGapMs),
  burst: burst ?? policy.burst
})

/** The lane of this key; a new one stands behind all others. */
export const laneOf = (state: State, key: string): Lane => {
  const known = state.lanes.get(key)
  if (known !== undefined) return known
  const limits = state.policy.lane(key)
  const lane: Lane = {
    number: state.lanes.size + 1,
    key,
    pool: poolOf(state, limits.pool),
    cap: limits.cap,
    gapMs: limits.gapMs,
    burst: limits.burst,
    overrides: {},
    askedGapMs: 0,
    heldUntil: 0,
    turn: next(state),
    tat: 0,
    nextAt: 0,
    blockedReason: null,
    paused: false,
    ready: [],
    leased: new Set()
  }
  state.lanes.set(key, lane)
  return lane
}

/** The time from which the lane's pace allows a start: GCRA, see `TokenBucket.ts`, in milliseconds. */
const paceOf = (lane: Lane): number => (lane.gapMs > 0 ? lane.tat - (lane.burst - 1) * lane.gapMs : 0)

export const hasRoom = (pool: Pool): boolean => pool.leased.size < pool.cap

/** Whether a job more may be in flight in the lane, whatever the time and the pool say. */
export const isOpen = (lane: Lane): boolean => !lane.paused && lane.leased.size < lane.cap

/** Whether the lane may start a job now. The pace needs no look: a lane it holds back sleeps. */
export const mayStart = (lane: Lane, now: number): boolean =>
  isOpen(lane) && lane.nextAt <= now && hasRoom(lane.pool)

/**
 * Notes a start in the lane: it sleeps until its pace allows the next one. It was awake; if its pace says otherwise, the
 * clock was put back.
 */
export const start = (lane: Lane, now: number): void => {
  const tat = Math.min(lane.tat, now + (lane.burst - 1) * lane.gapMs)
  if (lane.gapMs > 0) lane.tat = Math.max(tat, now) + lane.gapMs
  const pace = paceOf(lane)
  lane.nextAt = pace > now ? pace : 0
  lane.blockedReason = null
}

/** Wakes the lane if its time has come. */
export const wake = (lane: Lane, now: number): void => {
  if (lane.nextAt > now) return
  lane.nextAt = 0
  lane.blockedReason = null
}

/** Nothing starts in the lane before `until`; never shortened. */
export const hold = (lane: Lane, now: number, until: number, reason: string): void => {
  if (until <= now) return
  lane.heldUntil = Math.max(lane.heldUntil, until)
  if (until <= lane.nextAt) return
  lane.nextAt = until
  lane.blockedReason = reason
}

/** Pauses or resumes a lane, or the queue; false if there is no such lane. */
export const setPaused = (state: State, paused: boolean, key?: string): boolean => {
  if (key === undefined) {
    state.paused = paused
    return true
  }
  const lane = state.lanes.get(key)
  if (lane === undefined) return false
  lane.paused = paused
  return true
}

/** Sets limits by hand, or with `null` gives the lane back to the policy; what it waits for is reckoned anew. */
export const setLane = (state: State, now: number, key: string, overrides: LaneOverrides | null): void => {
  const lane = laneOf(state, key)
  const { burst, cap, gapMs } = overrides ?? {}
  lane.overrides =
    overrides === null
      ? {}
      : {
          ...lane.overrides,
          ...(cap === undefined ? {} : { cap }),
          ...(gapMs === undefined ? {} : { gapMs }),
          ...(burst === undefined ? {} : { burst })
        }
  const limits = limitsOf(state.policy.lane(key), lane.overrides, lane.askedGapMs)
  lane.tat = repaced(lane.tat, lane.gapMs, limits.gapMs, now)
  Object.assign(lane, limits)
  const opens = Math.max(lane.heldUntil, paceOf(lane))
  lane.nextAt = opens > now ? opens : 0
  if (lane.heldUntil <= now) lane.blockedReason = null
}

/** Notes what the host asked for as the time between two starts; see `LaneHold`. */
export const setAskedGap = (state: State, now: number, lane: Lane, askedMs: number): void => {
  lane.askedGapMs = askedMs
  const { gapMs } = limitsOf(state.policy.lane(lane.key), lane.overrides, askedMs)
  lane.tat = repaced(lane.tat, lane.gapMs, gapMs, now)
  lane.gapMs = gapMs
}

/** Gives every lane and pool, and those to come, the limits of the policy. */
export const applyPolicy = (state: State, now: number, policy: LanePolicy): void => {
  state.policy = policy
  for (const pool of state.pools.values()) pool.cap = policy.pool(pool.key)
  for (const lane of state.lanes.values()) {
    const limits = policy.lane(lane.key)
    for (const job of lane.leased) lane.pool.leased.delete(job)
    lane.pool = poolOf(state, limits.pool)
    for (const job of lane.leased) lane.pool.leased.add(job)
    Object.assign(lane, limitsOf(limits, lane.overrides, lane.askedGapMs))
    // A stricter pace counts at once; a milder one from the lane's next start.
    const pace = paceOf(lane)
    if (pace > now) lane.nextAt = Math.max(lane.nextAt, pace)
  }
}
