/** Our queue and scheduler as the bench's suites use them. */
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Handler, type Job, Lane, Scheduler, Worker, WorkerIdentity, WorkQueue } from "../src/index.ts"
import * as Sqlite from "../src/store/sqlite/index.ts"
import type { BareJob } from "./bound/BareQueue.ts"

export const queueLayer = (path: string, cap: number) =>
  Layer.merge(
    Sqlite.layer({ path, policy: Lane.uniform({ cap }) }),
    // What is logged is no part of what is measured.
    Logger.remove(Logger.defaultLogger)
  )

/** `handle` does something else than nothing; `watched` stands around the whole run. */
export interface NoopOptions extends Pick<Worker.WorkerOptions, "spans"> {
  readonly cap: number
  readonly workers: number
  readonly handle?: Effect.Effect<Handler.Outcome>
  readonly watched?: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

const NOTHING = Effect.succeed(Handler.Done({ result: { ok: true } }))

/** A scheduler whose handler does nothing. */
export const noopLayer = (path: string, options: NoopOptions) =>
  Scheduler.layer({ maxWorkers: options.workers }).pipe(
    Layer.provide([Worker.layer({ spans: options.spans }), WorkerIdentity.layer]),
    Layer.provide(Handler.layer(Schema.Unknown, () => options.handle ?? NOTHING)),
    Layer.provideMerge(queueLayer(path, options.cap))
  )

/** The same job for the queue as for the bound. */
export const toNewJob = ({ id, lane, payload }: BareJob): Job.NewJob => ({
  id,
  lane,
  payload: JSON.parse(payload)
})

/** Queues jobs in the queue's own batches. */
export const fill = (jobs: Iterable<BareJob>) =>
  Effect.flatMap(WorkQueue.WorkQueue, (queue) =>
    queue.enqueueAll(Stream.map(Stream.fromIterable(jobs), toNewJob))
  )

/** Runs a program over a queue in a file of its own, and closes it. */
export const run = <A, E, R>(program: Effect.Effect<A, E, R>, layer: Layer.Layer<R, E>): Promise<A> =>
  Effect.runPromise(Effect.provide(program, layer))

/** Seconds a scheduler takes for these jobs, queued before, with a handler that does nothing. */
export const drained = (path: string, jobs: Iterable<BareJob>, options: NoopOptions): Promise<number> =>
  run(
    Effect.gen(function* () {
      yield* fill(jobs)
      const watched = options.watched ?? identity
      const scheduler = yield* Scheduler.Scheduler
      const from = performance.now()
      yield* watched(scheduler.run({ drain: true }))
      const seconds = (performance.now() - from) / 1000
      const left = (yield* (yield* WorkQueue.WorkQueue).stats).queued
      if (left > 0) return yield* Effect.dieMessage(`${left} jobs were left`)
      return seconds
    }),
    noopLayer(path, options)
  )
