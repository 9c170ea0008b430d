/**
 * At most n effects at once per key.
 *
 * Who waits is served in the order of arrival: a permit that comes free is handed to the first waiter and is never
 * up for grabs in between, so nobody can be overtaken or starve. Interruption at any point, waiting, at the
 * hand-over or running, neither loses a permit nor makes one. A key is forgotten with its last permit, so memory
 * depends on the keys in use only.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import * as Telemetry from "./Telemetry.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** How many at once. */
export interface KeyedLimiterOptions {
  /** Effects at once per key, a whole number. Anything below 1 counts as 1. */
  readonly cap: number
  /**
   * Caps of single keys; `undefined` means `cap`. Asked whenever a permit is asked for or given back, and by
   * `recheck`: a changed answer counts from then on.
   */
  readonly caps?: ((key: string) => number | undefined) | undefined
  /** What its waits are called in metrics and traces; `null`: they are in neither. Default `permit`. */
  readonly cause?: "permit" | "parser" | null | undefined
}

/** What the limiter holds now, over all keys. */
export interface KeyedLimiterStats {
  /** Keys in use. */
  readonly keys: number
  /** Permits in use. */
  readonly inUse: number
  /** Effects that wait for a permit. */
  readonly waiting: number
}

/** A key in use. It is in the map as long as `inUse > 0`; nobody is served before those who wait. */
interface Slot {
  readonly key: string
  inUse: number
  /** In the order of arrival. A waiter that is no longer in here owns a permit. */
  readonly waiters: Set<Deferred.Deferred<void>>
}

// ---------------------------------------------------------------------------------------------------------------
// Service
// ---------------------------------------------------------------------------------------------------------------

/** One limiter: all who ask it share its keys. Keys are any strings. */
export interface KeyedLimiterService {
  /**
   * Runs the effect with one of the key's permits, and waits for it first come, first served. Not re-entrant: an
   * effect that asks for its own key again may wait for itself.
   */
  readonly withPermit: (key: string) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

  /** Runs the effect if the key has a permit free now, else answers `None` at once. */
  readonly tryWithPermit: (
    key: string
  ) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<Option.Option<A>, E, R>

  /** Asks for the caps anew, and lets in who waits where one was raised. */
  readonly recheck: Effect.Effect<void>

  /** What it holds now; costs as much as there are keys in use. */
  readonly stats: Effect.Effect<KeyedLimiterStats>
}

/** The limiter of a program. */
export class KeyedLimiter extends Context.Tag("contentdownload/KeyedLimiter")<
  KeyedLimiter,
  KeyedLimiterService
>() {}

// ---------------------------------------------------------------------------------------------------------------
// Constructors and layers
// ---------------------------------------------------------------------------------------------------------------

const capOf = (options: KeyedLimiterOptions, key: string): number => {
  const cap = Math.floor(options.caps?.(key) ?? options.cap)
  return cap >= 1 ? cap : 1
}

/** A limiter with no key in use. */
export const make = (options: KeyedLimiterOptions): Effect.Effect<KeyedLimiterService> =>
  Effect.sync(() => {
    const slots = new Map<string, Slot>()
    const { cause: named = "permit" } = options

    /** The time between asking for a permit and getting it; nothing for who was interrupted before. */
    const waited = (ms: number): void => {
      if (named !== null) Telemetry.waits.note(ms / 1000, named)
    }

    /** Hands free permits straight to those who wait, first come, first served. */
    const admit = (slot: Slot) => {
      if (slot.waiters.size === 0) return
      const cap = capOf(options, slot.key)
      for (const head of slot.waiters) {
        if (slot.inUse >= cap) return
        slot.waiters.delete(head)
        slot.inUse += 1
        Deferred.unsafeDone(head, Effect.void)
      }
    }

    /** The key's slot with one permit more in use; `claimed` is false when all are taken. */
    const claim = (key: string): { readonly slot: Slot; readonly claimed: boolean } => {
      const slot = slots.get(key)
      if (slot === undefined) {
        const fresh: Slot = { key, inUse: 1, waiters: new Set() }
        slots.set(key, fresh)
        return { slot: fresh, claimed: true }
      }
      // The cap may have been raised since the last permit came back.
      admit(slot)
      if (slot.inUse >= capOf(options, key)) return { slot, claimed: false }
      slot.inUse += 1
      return { slot, claimed: true }
    }

    /** Gives the permit back; only without anyone waiting does it come free. */
    const giveBack = (slot: Slot) => {
      slot.inUse -= 1
      admit(slot)
      if (slot.inUse === 0) slots.delete(slot.key)
    }

    /** Waits in line. Whoever leaves it early returns the permit if it had been handed over in the meantime. */
    const wait = (
      slot: Slot,
      restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
    ) => {
      const turn = Deferred.unsafeMake<void>(FiberId.none)
      slot.waiters.add(turn)
      return Effect.onError(restore(Deferred.await(turn)), () =>
        Effect.sync(() => {
          if (!slot.waiters.delete(turn)) giveBack(slot)
        })
      )
    }

    /** Owns a permit of the slot, in a region without interruption; what can be interrupted stands inside. */
    const use = <A, E, R>(slot: Slot, effect: Effect.Effect<A, E, R>) =>
      Effect.matchCauseEffect(effect, {
        onFailure: (cause) => {
          giveBack(slot)
          return Effect.failCause(cause)
        },
        onSuccess: (value) => {
          giveBack(slot)
          return Effect.succeed(value)
        }
      })

    const withPermit: KeyedLimiterService["withPermit"] = (key) => (effect) =>
      Effect.uninterruptibleMask((restore) => {
        const { claimed, slot } = claim(key)
        if (claimed) {
          waited(0)
          return use(slot, restore(effect))
        }
        return Effect.flatMap(Clock.currentTimeMillis, (asked) => {
          const measured = Effect.map(Clock.currentTimeMillis, (now) => waited(now - asked))
          const turn = wait(slot, restore)
          const waiting =
            named === null
              ? turn
              : Telemetry.step("wait", () => ({
                  "contentdownload.wait.cause": named,
                  "contentdownload.wait.for": key
                }))(turn)
          return Effect.zipRight(waiting, use(slot, restore(Effect.zipRight(measured, effect))))
        })
      })

    const tryWithPermit: KeyedLimiterService["tryWithPermit"] = (key) => (effect) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.suspend(() => {
          const { claimed, slot } = claim(key)
          if (!claimed) return Effect.succeedNone
          waited(0)
          return use(slot, restore(Effect.asSome(effect)))
        })
      )

    const recheck = Effect.sync(() => {
      for (const slot of slots.values()) admit(slot)
    })

    const stats = Effect.sync(() => {
      let inUse = 0
      let waiting = 0
      for (const slot of slots.values()) {
        inUse += slot.inUse
        waiting += slot.waiters.size
      }
      return { keys: slots.size, inUse, waiting }
    })

    return { withPermit, tryWithPermit, recheck, stats }
  })

/** `make` as a layer. */
export const layer = (options: KeyedLimiterOptions): Layer.Layer<KeyedLimiter> =>
  Layer.effect(KeyedLimiter, make(options))
