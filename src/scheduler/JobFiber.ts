/** The fibers jobs run in. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import * as Runtime from "effect/Runtime"
import * as RuntimeFlags from "effect/RuntimeFlags"

/** Starts a job's fiber, and runs it as far as it goes at once. */
export type Fork = <A, E>(effect: Effect.Effect<A, E>) => Fiber.RuntimeFiber<A, E>

/**
 * A fork for the fiber this runs in. Jobs' fibers start uninterruptible, as the worker alone lets interruption in, and
 * aren't children of whoever forks them. What a handler needs, `added`, is in their context from the start.
 *
 * They all begin with the same fiber refs, which are made here once: to make them for each costs as much as the rest
 * of a fiber.
 */
export const forking = (added: Context.Context<never> | undefined): Effect.Effect<Fork> =>
  Effect.gen(function* () {
    const { context: own, fiberRefs, runtimeFlags } = yield* Effect.runtime()
    const fiberId = FiberId.unsafeMake()
    const context = added === undefined ? own : Context.merge(own, added)
    const refs = FiberRefs.updateAs(FiberRefs.forkAs(fiberRefs, fiberId), {
      fiberId,
      fiberRef: FiberRef.currentContext,
      value: context
    })
    const bare = Runtime.make({ context, fiberRefs: FiberRefs.empty(), runtimeFlags })
    const fork = Runtime.runFork(Runtime.disableRuntimeFlag(bare, RuntimeFlags.Interruption))
    const options = { immediate: true, updateRefs: () => refs }
    return (effect) => fork(effect, options)
  })
