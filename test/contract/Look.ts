/** All that a queue tells of itself at one moment, through its contract alone. */
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { JobDetail } from "../../src/Job.ts"
import type { LaneStats } from "../../src/Lane.ts"
import type { HeldLease, Stats, Wait, WorkQueueService } from "../../src/WorkQueue.ts"
import { same } from "./Given.ts"

export interface Look {
  readonly stats: Stats
  readonly lanes: ReadonlyArray<LaneStats>
  readonly jobs: ReadonlyMap<number, JobDetail>
  readonly waits: ReadonlyArray<Wait>
  readonly leases: ReadonlyArray<HeldLease>
  readonly nextReadyAt: Option.Option<number>
  readonly paused: boolean
}

export const look = (queue: WorkQueueService): Effect.Effect<Look> =>
  Effect.orDie(
    Effect.all({
      stats: queue.stats,
      lanes: queue.laneStats({ limit: 1_000 }),
      jobs: Effect.map(
        Stream.runCollect(queue.details({})),
        (jobs) => new Map(Array.from(jobs, (one) => [one.job, one]))
      ),
      waits: queue.waits,
      leases: queue.leases,
      nextReadyAt: queue.nextReadyAt,
      paused: queue.paused
    })
  )

/** What queues that went through the same agree in: numbers and tokens are each one's own. */
export const shared = ({ jobs, lanes, leases, paused, stats, waits }: Look) => ({
  stats,
  lanes,
  waits,
  paused,
  jobs: Array.from(jobs.values(), (one) => ({ ...one, job: null })),
  leases: leases.map(({ expiresAt, job, worker }) => ({ id: jobs.get(job)?.id, worker, expiresAt }))
})

/** The list of the jobs tells the same as the jobs themselves, as far as it goes. */
export const listed = (queue: WorkQueueService, { jobs }: Look): Effect.Effect<void> =>
  Effect.map(Effect.orDie(Stream.runCollect(queue.list({}))), (summaries) => {
    const told = [...summaries]
    same(
      told.map((one) => one.job),
      [...jobs.keys()]
    )
    for (const one of told) same({ ...jobs.get(one.job), ...one }, jobs.get(one.job))
  })
