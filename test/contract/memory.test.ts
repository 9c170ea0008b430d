import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { uniform } from "../../src/Lane.ts"
import * as Memory from "../../src/store/memory/index.ts"
import { job, leaseOne } from "./Given.ts"
import { workQueueContract } from "./WorkQueueContract.ts"

workQueueContract("the queue in memory", Memory.layer)

describe("the queue in memory, beyond the contract", () => {
  it.scoped("ticks only for what makes something new to lease", () =>
    Effect.gen(function* () {
      const queue = yield* Memory.make({ policy: uniform() })
      let ticks = 0
      yield* Effect.forkScoped(Stream.runForEach(queue.changes, () => Effect.sync(() => (ticks += 1))))
      const seen = Effect.zipRight(
        Effect.repeatN(Effect.yieldNow(), 20),
        Effect.sync(() => ticks)
      )
      yield* seen
      yield* queue.enqueue(job("a"))
      expect(yield* seen).toBe(1)
      yield* queue.enqueue(job("a"))
      expect(yield* seen).toBe(1)
      const one = yield* leaseOne(queue)
      expect(yield* seen).toBe(1)
      yield* queue.release(one)
      expect(yield* seen).toBe(2)
      yield* queue.pause()
      yield* queue.resume()
      expect(yield* seen).toBe(3)
    })
  )
})
