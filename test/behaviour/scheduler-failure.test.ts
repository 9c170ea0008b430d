/** What ends a run before its time: then it fails with the cause, and what it held is free again. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as TestClock from "effect/TestClock"
import { Fatal } from "../../src/Failure.ts"
import { Done, type HandlerService } from "../../src/Handler.ts"
import { uniform } from "../../src/Lane.ts"
import * as Scheduler from "../../src/Scheduler.ts"
import * as Worker from "../../src/Worker.ts"
import type { WorkQueueService } from "../../src/WorkQueue.ts"
import * as Crew from "./Crew.ts"

const fatal = new Fatal({ reason: "disk-full", message: "no space is left" })

/** Job `bad` ends as told after five seconds, the others never. */
const bad =
  (end: ReturnType<HandlerService["handle"]>): HandlerService["handle"] =>
  ({ lease }) =>
    lease.id === "bad" ? Effect.zipRight(Effect.sleep("5 seconds"), end) : Effect.never

const done = Effect.succeed(Done({ result: null }))

/** Three run, two wait for their lane; answers how the run ended, and which of the three were interrupted. */
const runs = (
  handle: HandlerService["handle"],
  between: (queue: WorkQueueService) => WorkQueueService = (queue) => queue
) => {
  const watch = Crew.watched(handle)
  return Effect.gen(function* () {
    yield* Crew.enqueue(...["j1", "bad", "j2", "j3", "j4"].map((id) => Crew.newJob(id)))
    const exit = yield* Crew.elapse(yield* Crew.start())
    const leases = yield* Crew.leases
    const jobs = yield* Effect.forEach(["j1", "bad", "j2", "j3", "j4"], Crew.detail)
    const started = watch.started.length
    yield* TestClock.adjust("2 minutes")
    expect(watch.inside.size).toBe(0)
    expect(watch.started).toHaveLength(started)
    return { exit, leases, jobs, started: watch.started, interrupted: watch.interrupted }
  }).pipe(Effect.provide(Crew.layer({ handle: watch.handle, policy: uniform({ cap: 3 }), between })))
}

const untouched = { state: "queued", attempts: 0, crashes: 0 }

describe("A run", () => {
  it.scoped("fails with the Fatal of a handler; all jobs are released, no further one starts", () =>
    Effect.gen(function* () {
      const { exit, interrupted, jobs, leases, started } = yield* runs(bad(fatal))
      expect(exit).toEqual(Exit.fail(fatal))
      expect(leases).toEqual([])
      expect(started).toEqual(["j1", "bad", "j2"])
      expect(interrupted.toSorted()).toEqual(["j1", "j2"])
      for (const job of jobs) expect(job).toMatchObject(untouched)
    })
  )

  it.scoped("fails with the fault of whoever is told of starts; the job is released", () =>
    Effect.gen(function* () {
      const fault = new Error("not today")
      yield* Crew.enqueue(Crew.newJob("j1"))
      const exit = yield* Crew.elapse(
        yield* Crew.start({
          onStart: () => {
            throw fault
          }
        })
      )
      expect(exit).toEqual(Exit.die(fault))
      expect(yield* Crew.leases).toEqual([])
      expect(yield* Crew.detail("j1")).toMatchObject(untouched)
    }).pipe(Effect.provide(Crew.layer({ handle: () => done })))
  )

  it.scoped("fails with Fatal also when the job's own release fails", () =>
    Effect.gen(function* () {
      const { exit } = yield* runs(bad(fatal), (queue) => ({
        ...queue,
        release: (lease, ...rest) =>
          lease.id === "bad" ? Crew.broken("full") : queue.release(lease, ...rest)
      }))
      expect(exit).toEqual(Exit.fail(fatal))
    })
  )

  it.scoped("fails with Fatal also when the queue is locked just then", () =>
    Effect.gen(function* () {
      const handle: HandlerService["handle"] = (job) =>
        job.lease.id === "j1" ? Effect.zipRight(Effect.sleep("4 seconds"), done) : bad(fatal)(job)
      const { exit, leases } = yield* runs(handle, (queue) => ({
        ...queue,
        ack: (...ack) =>
          Effect.flatMap(Crew.now, (now) => (now < 8_000 ? Crew.broken("busy") : queue.ack(...ack)))
      }))
      expect(exit).toEqual(Exit.fail(fatal))
      expect(leases).toEqual([])
    })
  )

  it.scoped("fails when a transition can't be written; the other jobs are released", () =>
    Effect.gen(function* () {
      const error = Crew.broken("full")
      const { exit, jobs, leases } = yield* runs(bad(done), (queue) => ({
        ...queue,
        ack: () => error
      }))
      expect(exit).toEqual(Exit.fail(error))
      expect(leases.map(({ job }) => job)).toEqual([2])
      for (const job of jobs)
        expect(job).toMatchObject(job.id === "bad" ? { state: "in_progress" } : untouched)
    })
  )

  for (const what of ["lease", "heartbeat", "leases", "nextReadyAt"] as const) {
    it.scoped(`fails when the queue can't be asked any more (${what}); all jobs are released`, () =>
      Effect.gen(function* () {
        const error = Crew.broken()
        let told = false
        const once = <A>(effect: Effect.Effect<A, typeof error>) =>
          Effect.flatMap(Crew.now, (now) => {
            if (now < 5_000 || told) return effect
            told = true
            return error
          })
        const { exit, jobs, leases } = yield* runs(bad(Effect.die("so that its slot frees")), (queue) => {
          switch (what) {
            case "lease":
              return { ...queue, lease: (request) => once(queue.lease(request)) }
            case "heartbeat":
              return { ...queue, heartbeat: (refs, ttl) => once(queue.heartbeat(refs, ttl)) }
            case "leases":
              return { ...queue, leases: once(queue.leases) }
            case "nextReadyAt":
              return { ...queue, nextReadyAt: once(queue.nextReadyAt) }
          }
        })
        expect(exit).toEqual(Exit.fail(error))
        expect(leases).toEqual([])
        for (const job of jobs) if (job.id !== "bad") expect(job).toMatchObject(untouched)
      })
    )
  }

  for (const what of ["heartbeat", "leases", "settle"] as const) {
    it.scoped(`doesn't go on beside a fault of the queue (${what}); all other jobs are released`, () =>
      Effect.gen(function* () {
        const die = Effect.die("the queue has a fault")
        let died = false
        const { exit, leases } = yield* runs(bad(done), (queue) => {
          switch (what) {
            case "heartbeat":
              return { ...queue, heartbeat: () => die }
            case "leases":
              return {
                ...queue,
                leases: Effect.flatMap(Crew.now, (now) => {
                  if (now < 4_000 || died) return queue.leases
                  died = true
                  return die
                })
              }
            case "settle":
              return { ...queue, ack: () => die, failAndRetry: () => die }
          }
        })
        expect(exit).toEqual(Exit.die("the queue has a fault"))
        expect(leases.map(({ job }) => job)).toEqual(what === "settle" ? [2] : [])
      })
    )
  }

  it.scoped("fails with the fault of a worker, and lets no job of it hang", () =>
    Effect.gen(function* () {
      const fault = new Error("this worker is no good")
      yield* Crew.enqueue(Crew.newJob("j1"), Crew.newJob("j2"))
      const scheduler = yield* Scheduler.make({ maxWorkers: 2 }).pipe(
        Effect.provideServiceEffect(
          Worker.Worker,
          Effect.map(Worker.Worker, (worker) => ({ ...worker, handle: () => Effect.die(fault) }))
        )
      )
      const run = yield* Effect.fork(scheduler.run({ drain: true }))
      expect(yield* Crew.elapse(run)).toEqual(Exit.die(fault))
      expect(yield* Crew.leases).toEqual([])
      for (const id of ["j1", "j2"]) expect(yield* Crew.detail(id)).toMatchObject(untouched)
    }).pipe(Effect.provide(Crew.layer({ handle: () => done })))
  )
})
