/**
 * The words the contract is written in: jobs and policies to start from, and the moves that take more than one call.
 */
import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Layer from "effect/Layer"
import type { Attempt, Lease, NewJob } from "../../src/Job.ts"
import { type LaneLimits, type LanePolicy, UNLIMITED } from "../../src/Lane.ts"
import { LeaseLost, WorkQueue, type WorkQueueError, type WorkQueueService } from "../../src/WorkQueue.ts"
import { isDeepStrictEqual } from "node:util"

// ---------------------------------------------------------------------------------------------------------------
// The queue
// ---------------------------------------------------------------------------------------------------------------

export interface QueueOptions {
  readonly policy: LanePolicy
  readonly maxCrashes?: number
}

/** An empty queue of the implementation that is tested. */
export type MakeLayer = (options: QueueOptions) => Layer.Layer<WorkQueue, WorkQueueError>

/** Runs `body` on an empty queue of its own. */
export const onQueue = <A, E, R>(
  layer: Layer.Layer<WorkQueue, WorkQueueError>,
  body: (queue: WorkQueueService) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | WorkQueueError, Exclude<R, WorkQueue>> =>
  Effect.provide(Effect.flatMap(WorkQueue, body), layer)

// ---------------------------------------------------------------------------------------------------------------
// How much is tried
// ---------------------------------------------------------------------------------------------------------------

const whole = (name: string): number | undefined => {
  const text = process.env[name]
  if (text === undefined || text === "") return undefined
  const value = Number(text)
  if (!Number.isInteger(value)) throw new Error(`${name} must be a whole number, not "${text}"`)
  return value
}

const RUNS = whole("CONTRACT_RUNS")
const SEED = whole("CONTRACT_SEED")

/**
 * The runs of a property: `modest` ones, or as many as `CONTRACT_RUNS` says; from the seed `CONTRACT_SEED`, or
 * another one each time, which is printed with a failure.
 */
export const runs = (modest: number) => ({
  fastCheck: {
    numRuns: RUNS ?? modest,
    // Shrinking ends in time to tell what it has come to.
    interruptAfterTimeLimit: 40_000 + 1_000 * (RUNS ?? 0),
    ...(SEED === undefined ? {} : { seed: SEED })
  },
  timeout: 60_000 + 1_000 * (RUNS ?? 0)
})

// ---------------------------------------------------------------------------------------------------------------
// Jobs and policies
// ---------------------------------------------------------------------------------------------------------------

export const TTL = 60_000

export const job = (id: string, lane = "host:a", more: Partial<NewJob> = {}): NewJob => ({
  id,
  lane,
  payload: { id },
  ...more
})

/** Lanes with limits of their own, in pools with caps; what isn't named has cap 1, no pace and no pool's cap. */
export const policy = (
  lanes: Readonly<Record<string, Partial<LaneLimits>>>,
  pools: Readonly<Record<string, number>> = {}
): LanePolicy => ({
  lane: (key) => ({ pool: "all", cap: 1, gapMs: 0, burst: 1, ...lanes[key] }),
  pool: (key) => pools[key] ?? UNLIMITED
})

/** An attempt to remember. */
export const note = (reason: string): Attempt => ({
  startedAt: 0,
  durationMs: 1,
  step: "fetch",
  target: null,
  class: "retry",
  reason,
  message: null
})

// ---------------------------------------------------------------------------------------------------------------
// Moves
// ---------------------------------------------------------------------------------------------------------------

export const enqueue = (queue: WorkQueueService, ...jobs: ReadonlyArray<NewJob>) =>
  Effect.forEach(jobs, queue.enqueue, { discard: true })

export const lease = (queue: WorkQueueService, limit: number, worker = "w") =>
  queue.lease({ worker, limit, ttl: TTL })

/** The one job that is leased. */
export const leaseOne = (queue: WorkQueueService, worker = "w"): Effect.Effect<Lease> =>
  Effect.flatMap(Effect.orDie(lease(queue, 1, worker)), ([first]) =>
    first === undefined ? Effect.dieMessage("nothing to lease") : Effect.succeed(first)
  )

/** Leases two jobs at once. */
export const leaseTwo = (queue: WorkQueueService): Effect.Effect<readonly [Lease, Lease]> =>
  Effect.flatMap(Effect.orDie(lease(queue, 2)), ([first, second]) =>
    first === undefined || second === undefined
      ? Effect.dieMessage("not two jobs to lease")
      : Effect.succeed([first, second] as const)
  )

export const done = { state: "done", result: null } as const

/** Whether the write is refused because the lease is lost. */
export const isLost = (write: Effect.Effect<unknown, unknown>) =>
  Effect.map(Effect.either(write), (answer) => Either.isLeft(answer) && answer.left instanceof LeaseLost)

// ---------------------------------------------------------------------------------------------------------------
// Looks
// ---------------------------------------------------------------------------------------------------------------

export const ids = (jobs: ReadonlyArray<{ readonly id: string }>) => jobs.map((one) => one.id)

export const get = (queue: WorkQueueService, id: string) => Effect.flatten(queue.get(id))

export const laneOf = (queue: WorkQueueService, lane: string) =>
  Effect.map(queue.laneStats({ lane, limit: 1 }), ([stats]) => stats)

// ---------------------------------------------------------------------------------------------------------------
// Expectations, for what is looked at after every step: cheap as long as they are met
// ---------------------------------------------------------------------------------------------------------------

export const same = (actual: unknown, expected: unknown): void => {
  if (!isDeepStrictEqual(actual, expected)) expect(actual).toEqual(expected)
}

/** What doesn't hold is told with the values it was said of. */
export const must = (holds: boolean, what: string, ...values: ReadonlyArray<unknown>): void => {
  if (!holds) expect.fail(`${what}: ${JSON.stringify(values)}`)
}
