/** What a dispatcher sleeps on: being woken, or its time. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"

/** The least time to sleep: between looking at the queue and leasing, others may have taken what was ready. */
const MIN_SLEEP_MS = 5

/** A bell and an alarm clock. What rang while nobody slept is heard by the next to sleep. */
export interface Wake {
  readonly ring: () => void
  /** Sleeps until it rings, or until a time. */
  readonly sleep: (until: Option.Option<number>) => Effect.Effect<void, never, Scope.Scope>
  /** Sleeps until it rings. */
  readonly next: Effect.Effect<void>
  /** Forgets that it rang: whoever looks now sees what it rang for. */
  readonly hush: Effect.Effect<unknown>
}

/** A time that is slept until, and by whom; `undefined` only while that is started. */
interface Alarm {
  readonly at: number
  fiber: Fiber.RuntimeFiber<void> | undefined
}

/**
 * A bell nobody has rung. The alarm is a fiber of its own, so that who is woken by the bell goes on at once; racing the
 * two costs several turns of the fibers, time enough to miss a transaction.
 */
export const make: Effect.Effect<Wake> = Effect.gen(function* () {
  const bell = yield* Queue.sliding<void>(1)
  const next = Queue.take(bell)
  let alarm: Alarm | undefined

  const set = Effect.fnUntraced(function* (until: Option.Option<number>) {
    const at = Option.getOrUndefined(until)
    if (alarm?.at === at) return
    if (alarm?.fiber !== undefined) yield* Fiber.interruptFork(alarm.fiber)
    alarm = undefined
    if (at === undefined) return
    const now = yield* Clock.currentTimeMillis
    const own: Alarm = { at, fiber: undefined }
    alarm = own
    own.fiber = yield* Effect.sleep(Duration.millis(Math.max(MIN_SLEEP_MS, at - now))).pipe(
      // Also when the run ends that set it: the next one has to set its own.
      Effect.ensuring(
        Effect.sync(() => {
          if (alarm === own) alarm = undefined
        })
      ),
      Effect.andThen(() => void bell.unsafeOffer(undefined)),
      Effect.forkScoped
    )
  })

  return {
    ring: () => void bell.unsafeOffer(undefined),
    sleep: (until) => Effect.zipRight(set(until), next),
    next,
    hush: Queue.poll(bell)
  }
})
