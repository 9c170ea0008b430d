/** Whatever the jobs: no cap is exceeded, each job ends once, and every end is told. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import type { LanePolicy } from "../../src/Lane.ts"
import * as Scheduler from "../../src/Scheduler.ts"
import type { JobEnd } from "../../src/Worker.ts"
import * as Crew from "./Crew.ts"

const caps: Readonly<Record<string, number>> = { a: 2, b: 1 }
const capOf = (lane: string) => caps[lane] ?? 3
const POOL_CAP = 4
const policy: LanePolicy = {
  lane: (lane) => ({ pool: "all", cap: capOf(lane), gapMs: lane === "c" ? 500 : 0, burst: 1 }),
  pool: () => POOL_CAP
}

const MAX_ATTEMPTS = 2

const scripts: ReadonlyArray<Crew.Script["end"]> = [
  "done",
  "done",
  "skip",
  "permanent",
  "retry",
  "wait",
  "die"
]

const task = FastCheck.record({
  lane: FastCheck.constantFrom("a", "a", "a", "b", "c"),
  ms: FastCheck.oneof(FastCheck.constant(0), FastCheck.nat(5_000)),
  end: FastCheck.constantFrom(...scripts),
  priority: FastCheck.nat(2),
  availableAt: FastCheck.option(FastCheck.nat(10_000), { nil: undefined, freq: 3 })
})

const crowd = {
  tasks: FastCheck.array(task, { minLength: 1, maxLength: 25 }),
  maxWorkers: FastCheck.integer({ min: 1, max: 6 })
}
type Crowd = {
  readonly tasks: ReadonlyArray<typeof task extends FastCheck.Arbitrary<infer A> ? A : never>
  readonly maxWorkers: number
}

/** Drains these jobs, and answers what was seen. */
const drain = ({ maxWorkers, tasks }: Crowd) => {
  const watch = Crew.watched(Crew.scripted)
  return Effect.gen(function* () {
    yield* Crew.enqueue(
      ...tasks.map(({ availableAt, end, lane, ms, priority }, i) =>
        Crew.newJob(`j${i}`, { lane, priority, availableAt, payload: Crew.script(ms, end) })
      )
    )
    const ends = yield* Crew.collectEnds
    const { running } = yield* Scheduler.Scheduler
    const told: Array<JobEnd> = []
    const report = yield* Crew.runToEnd({
      drain: true,
      onEnd: (end) =>
        Effect.map(running, (leases) => {
          expect(leases).toContain(end.lease)
          told.push(end)
        })
    })
    const jobs = yield* Effect.forEach(tasks, (_, i) => Crew.detail(`j${i}`))
    return { watch, report, ends, told, jobs, stats: yield* Crew.stats, leases: yield* Crew.leases }
  }).pipe(
    Effect.provide(
      Crew.layer({
        handle: watch.handle,
        policy,
        worker: { maxAttempts: MAX_ATTEMPTS, backoff: "2 seconds" },
        scheduler: { maxWorkers }
      })
    )
  )
}

const runs = { fastCheck: { numRuns: 15 } }

/** How each script ends its job: state and tries. */
const expected = {
  done: { state: "done", attempts: 1 },
  wait: { state: "done", attempts: 1 },
  skip: { state: "skipped", attempts: 1 },
  permanent: { state: "error", attempts: 1 },
  retry: { state: "error", attempts: MAX_ATTEMPTS },
  die: { state: "error", attempts: MAX_ATTEMPTS }
} as const

describe("A drained scheduler, whatever the jobs", () => {
  it.scoped.prop(
    "never runs more at once than maxWorkers, nor than a lane's or a pool's cap",
    crowd,
    (given) =>
      Effect.gen(function* () {
        const { watch } = yield* drain(given)
        expect(watch.most).toBeLessThanOrEqual(Math.min(given.maxWorkers, POOL_CAP))
        for (const [lane, most] of watch.mostIn) expect(most).toBeLessThanOrEqual(capOf(lane))
      }),
    runs
  )

  it.scoped.prop(
    "has ended each job once, as it had to end, and holds nothing",
    crowd,
    (given) =>
      Effect.gen(function* () {
        const { ends, jobs, leases, report, stats, watch } = yield* drain(given)
        expect(report).toMatchObject({ ended: "drained", nextReadyAt: null })
        expect(stats).toMatchObject({ queued: 0, in_progress: 0 })
        expect(leases).toEqual([])
        expect(watch.inside.size).toBe(0)
        expect(watch.interrupted).toEqual([])
        given.tasks.forEach(({ end }, i) => {
          expect(jobs[i]).toMatchObject({ ...expected[end], crashes: 0 })
          const mine = ends.filter(({ lease }) => lease.id === `j${i}`).map((jobEnd) => jobEnd.end)
          const last = mine.at(-1)
          expect(last).toBe(expected[end].state)
          expect(mine.filter((jobEnd) => jobEnd === last)).toHaveLength(1)
          expect(mine.filter((jobEnd) => jobEnd === "retry")).toHaveLength(expected[end].attempts - 1)
        })
      }),
    runs
  )

  it.scoped.prop(
    "has told each end, and counts as many",
    crowd,
    (given) =>
      Effect.gen(function* () {
        const { ends, report, told, watch } = yield* drain(given)
        expect(told).toEqual(ends)
        expect(ends.map(({ lease }) => lease.id).toSorted()).toEqual(watch.started.toSorted())
        const counted = Object.entries(report.ends).filter(([, count]) => count > 0)
        expect(Object.fromEntries(counted)).toEqual(Crew.tally(ends.map(({ end }) => end)))
      }),
    runs
  )

  it.scoped("uses all of maxWorkers when there is enough to do", () => {
    const watch = Crew.watched(Crew.scripted)
    return Effect.gen(function* () {
      yield* Crew.enqueue(
        ...Array.from({ length: 20 }, (_, i) => Crew.newJob(`j${i}`, { payload: Crew.script(1_000) }))
      )
      yield* Crew.runToEnd()
      expect(watch.most).toBe(8)
      expect(yield* Crew.now).toBe(3_000)
    }).pipe(Effect.provide(Crew.layer({ handle: watch.handle })))
  })
})
