/**
 * At most r tokens per second per key, with bursts of at most b.
 *
 * In any t milliseconds no more than `capacity + refillPerSecond * t / 1000` tokens are given out (plus those that
 * were refunded), and none before the time a key was told to wait for. Whoever asks is told how long to wait;
 * nobody is put to sleep who didn't ask for it. A key whose bucket is full again is forgotten.
 *
 * The arithmetic stands apart, as pure functions of a bucket's state, for stores that keep buckets elsewhere.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** The limits of a key's bucket. Anything else is a defect when the key is used. */
export interface BucketLimits {
  /** Tokens that may be taken at once after a quiet time, at least 1. */
  readonly capacity: number
  /** Tokens per second, above 0; fractions are meant for slow rates, such as 0.33. */
  readonly refillPerSecond: number
}

/** A bucket, in two integers. */
export interface BucketState {
  /**
   * The theoretical arrival time, in microseconds since the epoch: when the bucket will be full again. In
   * microseconds because a millisecond is too coarse for some hundred tokens a second.
   */
  readonly tat: number
  /** Nothing is given out before this time, in milliseconds since the epoch. No refund shortens it. */
  readonly notBefore: number
}

/** What `reserved` answers: the bucket afterwards, and the wait in whole milliseconds, 0 for none. */
export interface Reserved {
  readonly state: BucketState
  readonly wait: number
}

/** A bucket nobody has taken from. */
export const FULL: BucketState = { tat: 0, notBefore: 0 }

// ---------------------------------------------------------------------------------------------------------------
// Arithmetic
//
// GCRA, the generic cell rate algorithm in its virtual scheduling form (ITU-T Recommendation I.371, annex A): with
// one token each `interval`, a bucket is described by the time it will be full again. Taking c tokens moves that
// time by c intervals; they may go once it is no further away than the whole capacity.
// ---------------------------------------------------------------------------------------------------------------

/**
 * Microseconds per token, rounded up so that rounding never exceeds the rate. A thousandth is forgiven, else the
 * floating point error of, say, 1/3 per second would add a microsecond, and by that a millisecond to a wait.
 */
const interval = ({ capacity, refillPerSecond }: BucketLimits): number => {
  if (!(capacity >= 1 && refillPerSecond > 0)) {
    throw new RangeError(
      `a bucket needs capacity >= 1 and refillPerSecond > 0, not ${capacity} and ${refillPerSecond}`
    )
  }
  return Math.max(1, Math.ceil(1_000_000 / refillPerSecond - 0.001))
}

/**
 * Takes `cost` tokens at `now` (milliseconds), if need be in advance: they may be used `wait` milliseconds later.
 * A cost above the capacity waits until the excess was refilled too.
 */
export const reserved = (state: BucketState, limits: BucketLimits, now: number, cost: number): Reserved => {
  const perToken = interval(limits)
  const from = Math.max(now, state.notBefore) * 1000
  const tat = Math.max(state.tat, from) + Math.ceil(cost * perToken)
  const start = Math.max(from, tat - Math.floor(limits.capacity * perToken))
  return { state: { tat, notBefore: state.notBefore }, wait: Math.max(0, Math.ceil(start / 1000) - now) }
}

/** Puts `cost` tokens back, up to a full bucket. */
export const refunded = (state: BucketState, limits: BucketLimits, cost: number): BucketState => ({
  ...state,
  tat: Math.max(0, state.tat - Math.ceil(cost * interval(limits)))
})

/**
 * Lets nothing go before `until` (milliseconds), then one token, and the rest at the pace of the refill: what a
 * server that complained should see. A time that has passed, or is earlier than the one that holds, changes nothing.
 */
export const penalised = (
  state: BucketState,
  limits: BucketLimits,
  now: number,
  until: number
): BucketState =>
  until <= now
    ? state
    : {
        tat: Math.max(
          state.tat,
          Math.ceil(until) * 1000 + Math.floor((limits.capacity - 1) * interval(limits))
        ),
        notBefore: Math.max(state.notBefore, Math.ceil(until))
      }

/** Whether the bucket is as good as new, so that it needn't be kept. */
export const isFull = (state: BucketState, now: number): boolean =>
  state.tat <= now * 1000 && state.notBefore <= now

// ---------------------------------------------------------------------------------------------------------------
// Service
// ---------------------------------------------------------------------------------------------------------------

/** Costs are in tokens, above 0; the default is 1. Waits are in whole milliseconds. */
export interface TokenBucketService {
  /** Takes the tokens, in advance if there are none, and answers the time to wait before using them; 0: go now. */
  readonly reserve: (key: string, cost?: number) => Effect.Effect<number>

  /** Takes the tokens only if they may be used now: 0. Otherwise takes nothing and answers the time to wait. */
  readonly tryTake: (key: string, cost?: number) => Effect.Effect<number>

  /**
   * `reserve`, and sleeps that long; if the key was penalised meanwhile, lines up anew behind the penalty. Tokens
   * are not given back when the sleep is interrupted: others may have lined up behind them.
   */
  readonly take: (key: string, cost?: number) => Effect.Effect<void>

  /** Puts tokens back that were taken and not used, up to a full bucket. */
  readonly refund: (key: string, cost?: number) => Effect.Effect<void>

  /** Lets nothing go before `until`, in milliseconds since the epoch; never shortens an earlier penalty. */
  readonly penalise: (key: string, until: number) => Effect.Effect<void>

  /** Keys kept in memory now: at most twice as many as have a bucket that isn't full, or a small constant. */
  readonly keys: Effect.Effect<number>
}

/** The buckets of a program. */
export class TokenBucket extends Context.Tag("contentdownload/TokenBucket")<
  TokenBucket,
  TokenBucketService
>() {}

// ---------------------------------------------------------------------------------------------------------------
// Constructors and layers
// ---------------------------------------------------------------------------------------------------------------

/** How many tokens. */
export interface TokenBucketOptions {
  /** The limits of each key; a pure function, asked with every use. */
  readonly limits: (key: string) => BucketLimits
}

/** Below this many keys, looking for full buckets isn't worth it. */
const SWEEP_FROM = 64

/** Buckets in this process's memory. */
export const makeMemory = ({ limits }: TokenBucketOptions): Effect.Effect<TokenBucketService> =>
  Effect.sync(() => {
    const buckets = new Map<string, BucketState>()
    let sweepAt = SWEEP_FROM

    /** Full buckets go when the map has doubled since the last time: constant work per key, no fibre of its own. */
    const keep = (key: string, state: BucketState, now: number) => {
      if (isFull(state, now)) {
        buckets.delete(key)
        return
      }
      buckets.set(key, state)
      if (buckets.size <= sweepAt) return
      for (const [other, kept] of buckets) if (isFull(kept, now)) buckets.delete(other)
      sweepAt = Math.max(SWEEP_FROM, 2 * buckets.size)
    }

    /** One step on one bucket; nothing runs in between. */
    const step = <A>(key: string, change: (state: BucketState, now: number) => A) =>
      Effect.map(Clock.currentTimeMillis, (now) => change(buckets.get(key) ?? FULL, now))

    const reserve = (key: string, cost = 1) =>
      step(key, (state, now) => {
        const taken = reserved(state, limits(key), now, cost)
        keep(key, taken.state, now)
        return taken.wait
      })

    const tryTake = (key: string, cost = 1) =>
      step(key, (state, now) => {
        const taken = reserved(state, limits(key), now, cost)
        if (taken.wait === 0) keep(key, taken.state, now)
        return taken.wait
      })

    const take = (key: string, cost = 1): Effect.Effect<void> =>
      Effect.flatMap(reserve(key, cost), (wait) =>
        wait === 0
          ? Effect.void
          : Effect.sleep(wait).pipe(
              Effect.zipRight(step(key, (state, now) => state.notBefore > now)),
              Effect.flatMap((penalty) => (penalty ? take(key, cost) : Effect.void))
            )
      )

    const refund = (key: string, cost = 1) =>
      step(key, (state, now) => keep(key, refunded(state, limits(key), cost), now))

    const penalise = (key: string, until: number) =>
      step(key, (state, now) => keep(key, penalised(state, limits(key), now, until), now))

    return { reserve, tryTake, take, refund, penalise, keys: Effect.sync(() => buckets.size) }
  })

/** Buckets in this process's memory, all full at the start. */
export const layerMemory = (options: TokenBucketOptions): Layer.Layer<TokenBucket> =>
  Layer.effect(TokenBucket, makeMemory(options))
