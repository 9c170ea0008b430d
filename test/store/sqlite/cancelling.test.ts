import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Handler from "../../../src/Handler.ts"
import { uniform } from "../../../src/Lane.ts"
import * as Scheduler from "../../../src/Scheduler.ts"
import * as Sqlite from "../../../src/store/sqlite/index.ts"
import * as Worker from "../../../src/Worker.ts"
import * as WorkerIdentity from "../../../src/WorkerIdentity.ts"
import { job } from "../../contract/Given.ts"
import { file, open } from "./Files.ts"

describe("a running job that is cancelled through another connection", () => {
  it.scopedLive("is interrupted within some two seconds, long before the next heartbeat", () =>
    Effect.gen(function* () {
      const at = yield* file
      const started = yield* Deferred.make<void>()
      const interrupted = yield* Deferred.make<void>()
      const handle = () =>
        Effect.zipRight(Deferred.succeed(started, undefined), Effect.never).pipe(
          Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
        )
      const layer = Scheduler.layer({ heartbeat: "1 hour", leaseTtl: "5 hours" }).pipe(
        Layer.provide([Worker.layer(), WorkerIdentity.layer]),
        Layer.provide(Layer.succeed(Handler.Handler, { handle })),
        Layer.provide(Layer.fresh(Sqlite.layer({ path: at, policy: uniform() })))
      )
      const there = yield* open(at)
      yield* there.enqueue(job("a"))
      const run = yield* Effect.fork(
        Effect.provide(
          Effect.flatMap(Scheduler.Scheduler, (scheduler) => scheduler.run({ drain: true })),
          layer
        )
      )
      yield* Deferred.await(started)
      expect(yield* there.cancel("a")).toBe(true)
      const inTime = yield* Effect.timeoutOption(Deferred.await(interrupted), "3 seconds")
      expect(inTime._tag).toBe("Some")
      expect(yield* Fiber.await(run)).toMatchObject(
        Exit.succeed({ ended: "drained", ends: { lost: 1, done: 0 } })
      )
      expect(yield* there.stats).toMatchObject({ skipped: 1, total: 1 })
    })
  )
})
