/**
 * A queue and a scheduler for tests of handlers: in memory, under a fixed name, with no file and no process looked at.
 *
 * Every time is that of Effect's Clock, so with TestClock a test says what time it is: a lane's pace, a backoff or a
 * lease of hours passes in no time, and never by itself.
 */
import * as Layer from "effect/Layer"
import type { Handler } from "../Handler.ts"
import { type LanePolicy, uniform, UNLIMITED } from "../Lane.ts"
import * as Scheduler from "../Scheduler.ts"
import * as Memory from "../store/memory/index.ts"
import * as Worker from "../Worker.ts"
import * as WorkerIdentity from "../WorkerIdentity.ts"
import type { WorkQueue } from "../WorkQueue.ts"

/** The options of everything it is made of; what is left out is as it is there. */
export interface TestOptions extends Scheduler.SchedulerOptions, Worker.WorkerOptions {
  /** The limits of lanes and pools. Default: none. */
  readonly policy?: LanePolicy | undefined
  /** The name that leases are taken under. Default `test`. */
  readonly worker?: string | undefined
}

const scheduler = (options: TestOptions) =>
  Layer.provide(Scheduler.layer(options), [
    Worker.layer(options),
    WorkerIdentity.layerTest(options.worker ?? "test")
  ])

const queue = ({ policy = uniform({ cap: UNLIMITED }) }: TestOptions) => Memory.layer({ policy })

/**
 * An empty queue and a scheduler over it, for the handler under test. Each time the layer is built there is a new
 * queue.
 */
export const layerTest = (
  options: TestOptions = {}
): Layer.Layer<WorkQueue | Scheduler.Scheduler, never, Handler> =>
  Layer.provideMerge(scheduler(options), queue(options))

/** `layerTest` with its handler, which may use the queue itself: to queue further jobs, for one. */
export const layerTestWith = <E, R>(
  handler: Layer.Layer<Handler, E, R>,
  options: TestOptions = {}
): Layer.Layer<WorkQueue | Scheduler.Scheduler, E, Exclude<R, WorkQueue>> =>
  scheduler(options).pipe(Layer.provide(handler), Layer.provideMerge(queue(options)))
