/** The hint that there may be something new: it comes for whatever can make a lease find more. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { uniform } from "../../src/Lane.ts"
import type { WorkQueueService } from "../../src/WorkQueue.ts"
import { done, job, leaseOne, type MakeLayer, onQueue } from "./Given.ts"

/** Other fibers get to run until they wait for something else than their turn. */
const settled = Effect.repeatN(Effect.yieldNow(), 200)

/**
 * Runs the effect and waits for a tick that came after it. How many come is left open: they are hints. A tick that
 * never comes leaves the test waiting until its time is up.
 */
const watcher = (queue: WorkQueueService) =>
  Effect.gen(function* () {
    const ticks = yield* Queue.unbounded<void>()
    yield* Effect.forkScoped(Stream.runForEach(queue.changes, () => Queue.offer(ticks, undefined)))
    yield* settled
    return <A, E>(effect: Effect.Effect<A, E>) =>
      Effect.gen(function* () {
        yield* settled
        yield* Queue.takeAll(ticks)
        const answer = yield* effect
        yield* Queue.take(ticks)
        return answer
      })
  })

export const changesContract = (makeLayer: MakeLayer) =>
  describe("changes", () => {
    it.scoped("ticks when something new may be leased", () =>
      onQueue(makeLayer({ policy: uniform({ cap: 2 }) }), (queue) =>
        Effect.gen(function* () {
          const ticking = yield* watcher(queue)
          yield* ticking(queue.enqueue(job("a")))
          yield* ticking(queue.enqueueAll(Stream.make(job("b"), job("c"), job("d"))))
          yield* ticking(queue.release(yield* leaseOne(queue)))
          yield* ticking(
            queue.failAndRetry(yield* leaseOne(queue), { reason: "r", message: "m", retryAt: 0 })
          )
          yield* ticking(queue.ack(yield* leaseOne(queue), done))
          yield* ticking(queue.reroute(yield* leaseOne(queue), { lane: "host:b", plan: null }))
          yield* leaseOne(queue, "dead")
          yield* ticking(queue.reclaim(["dead"]))
          const one = yield* leaseOne(queue)
          yield* ticking(queue.cancel(one.id))
          yield* queue.pause("host:a")
          yield* ticking(queue.resume("host:a"))
          yield* queue.pause()
          yield* ticking(queue.resume())
          yield* ticking(queue.applyPolicy(uniform({ cap: 3 })))
          yield* ticking(queue.setLane("host:a", { cap: 4 }))
          yield* queue.failAndRetry(yield* leaseOne(queue), { reason: "r", message: "m", retryAt: null })
          expect(yield* ticking(queue.retryFailed({}))).toBe(1)
        })
      )
    )

    it.scoped("ticks for each of those who listen", () =>
      onQueue(makeLayer({ policy: uniform() }), (queue) =>
        Effect.gen(function* () {
          const first = yield* watcher(queue)
          const second = yield* watcher(queue)
          yield* first(second(queue.enqueue(job("a"))))
        })
      )
    )

    it.scoped("falls silent when nothing happens", () =>
      onQueue(makeLayer({ policy: uniform() }), (queue) =>
        Effect.gen(function* () {
          const ticks = yield* Queue.unbounded<void>()
          yield* Effect.forkScoped(Stream.runForEach(queue.changes, () => Queue.offer(ticks, undefined)))
          yield* settled
          yield* queue.enqueue(job("a"))
          yield* TestClock.adjust("1 second")
          yield* settled
          yield* Queue.takeAll(ticks)
          yield* TestClock.adjust("1 second")
          yield* settled
          expect(yield* Queue.size(ticks)).toBe(0)
        })
      )
    )
  })
