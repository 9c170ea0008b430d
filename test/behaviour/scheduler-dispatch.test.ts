/** Who starts when: a free slot isn't left empty, nobody waits for someone else's lane, and nothing spins. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { Done, type HandlerService } from "../../src/Handler.ts"
import { uniform } from "../../src/Lane.ts"
import * as Scheduler from "../../src/Scheduler.ts"
import { WorkQueue } from "../../src/WorkQueue.ts"
import * as Crew from "./Crew.ts"

/** Notes when each job starts. */
const logged =
  (log: Crew.Log): HandlerService["handle"] =>
  (job) =>
    Effect.zipRight(log.note(job.lease.id), Crew.scripted(job))

const leasesIn = (calls: ReadonlyArray<string>) => calls.filter((call) => call === "lease").length

describe("A run that isn't draining", () => {
  it.scoped("goes on, and starts what is queued later at once, without looking for it", () => {
    const log = new Crew.Log({ lines: [] })
    const calls: Array<string> = []
    return Effect.gen(function* () {
      const fiber = yield* Crew.start()
      yield* TestClock.adjust("1 minute")
      expect(leasesIn(calls)).toBe(1)
      for (const id of ["j1", "j2", "j3"]) {
        yield* Crew.enqueue(Crew.newJob(id))
        yield* Crew.settle
        expect(yield* Crew.detail(id)).toMatchObject({ state: "done" })
        yield* TestClock.adjust("1 minute")
      }
      // For each job: it was queued, and it ended.
      expect(leasesIn(calls)).toBeLessThanOrEqual(1 + 3 * 3)
      expect(log.lines).toEqual(["60000 j1", "120000 j2", "180000 j3"])
      expect(fiber.unsafePoll()).toBeNull()
    }).pipe(Effect.provide(Crew.layer({ handle: logged(log), between: Crew.countingAsked(calls) })))
  })

  it.scoped("starts delayed work when it is due, and sleeps until then", () => {
    const log = new Crew.Log({ lines: [] })
    const calls: Array<string> = []
    return Effect.gen(function* () {
      yield* Crew.enqueue(
        Crew.newJob("j1", { availableAt: 30_000 }),
        Crew.newJob("j2", { availableAt: 90_000 })
      )
      yield* Crew.start()
      yield* TestClock.adjust("3 minutes")
      expect(log.lines).toEqual(["30000 j1", "90000 j2"])
      expect(leasesIn(calls)).toBeLessThanOrEqual(1 + 2 * 3)
    }).pipe(Effect.provide(Crew.layer({ handle: logged(log), between: Crew.countingAsked(calls) })))
  })

  it.scoped("starts delayed work on time also when an earlier run slept until that very time", () => {
    const log = new Crew.Log({ lines: [] })
    return Effect.gen(function* () {
      yield* Crew.enqueue(Crew.newJob("j1", { availableAt: 30_000 }))
      yield* Fiber.interrupt(yield* Crew.start())
      yield* Crew.start()
      yield* TestClock.adjust("1 minute")
      expect(log.lines).toEqual(["30000 j1"])
    }).pipe(Effect.provide(Crew.layer({ handle: logged(log) })))
  })

  it.scoped("doesn't spin while all slots are taken, nor while a lane is full", () => {
    const calls: Array<string> = []
    return Effect.gen(function* () {
      yield* Crew.enqueue(...["j1", "j2", "j3", "j4"].map((id) => Crew.newJob(id)))
      yield* Crew.start()
      yield* TestClock.adjust("5 minutes")
      expect(leasesIn(calls)).toBeLessThanOrEqual(3)
      yield* Crew.enqueue(Crew.newJob("j5", { lane: "b" }))
      yield* Crew.settle
      expect(yield* Crew.detail("j5")).toMatchObject({ state: "in_progress" })
      yield* TestClock.adjust("5 minutes")
      expect(leasesIn(calls)).toBeLessThanOrEqual(5)
    }).pipe(
      Effect.provide(
        Crew.layer({
          handle: Crew.endless,
          policy: uniform({ cap: 2 }),
          scheduler: { maxWorkers: 3, leaseTtl: "20 minutes" },
          between: Crew.countingAsked(calls)
        })
      )
    )
  })

  it.scoped("gives a slot that frees to the next job at once", () => {
    const log = new Crew.Log({ lines: [] })
    return Effect.gen(function* () {
      yield* Crew.enqueue(
        ...["j1", "j2", "j3"].map((id) => Crew.newJob(id, { payload: Crew.script(1_000, "die") }))
      )
      yield* Crew.start()
      yield* TestClock.adjust("2 seconds")
      expect(log.lines).toEqual(["0 j1", "1000 j2", "2000 j3"])
    }).pipe(Effect.provide(Crew.layer({ handle: logged(log), scheduler: { maxWorkers: 1 } })))
  })

  it.scoped("keeps to the pace of a lane", () => {
    const log = new Crew.Log({ lines: [] })
    return Effect.gen(function* () {
      yield* Crew.enqueue(...["j1", "j2", "j3"].map((id) => Crew.newJob(id)))
      yield* Crew.start()
      yield* TestClock.adjust("1 minute")
      expect(log.lines).toEqual(["0 j1", "10000 j2", "20000 j3"])
    }).pipe(Effect.provide(Crew.layer({ handle: logged(log), policy: uniform({ cap: 5, gapMs: 10_000 }) })))
  })

  it.scoped("shows the leases of the jobs that run now", () =>
    Effect.gen(function* () {
      const { running } = yield* Scheduler.Scheduler
      yield* Crew.enqueue(
        Crew.newJob("j1", { payload: Crew.script(1_000) }),
        Crew.newJob("j2", { payload: Crew.script(2_000) })
      )
      const ids = Effect.map(running, (leases) => leases.map(({ id }) => id))
      expect(yield* ids).toEqual([])
      yield* Crew.start()
      expect(yield* ids).toEqual(["j1", "j2"])
      yield* TestClock.adjust("1 second")
      expect(yield* ids).toEqual(["j2"])
      yield* TestClock.adjust("1 second")
      expect(yield* ids).toEqual([])
    }).pipe(Effect.provide(Crew.layer({ handle: Crew.scripted })))
  )
})

describe("A slow lane with nine tenths of the jobs", () => {
  const slow = Array.from({ length: 90 }, (_, i) =>
    Crew.newJob(`slow${i}`, { lane: "slow", payload: Crew.script(60_000) })
  )
  const quick = Array.from({ length: 10 }, (_, i) =>
    Crew.newJob(`quick${i}`, { lane: `quick${i % 3}`, payload: Crew.script(1_000) })
  )

  it.scoped("holds up nobody else: they have all ended before its first job has", () => {
    const watch = Crew.watched(Crew.scripted)
    return Effect.gen(function* () {
      yield* Crew.enqueue(...slow, ...quick)
      yield* Crew.start()
      yield* TestClock.adjust("5 seconds")
      expect(watch.ended.toSorted()).toEqual(quick.map(({ id }) => id).toSorted())
      // And its own two slots were never left empty for them.
      expect(watch.started.filter((id) => id.startsWith("slow"))).toEqual(["slow0", "slow1"])
    }).pipe(
      Effect.provide(
        Crew.layer({ handle: watch.handle, policy: uniform({ cap: 2 }), scheduler: { maxWorkers: 4 } })
      )
    )
  })

  it.scoped("whose turn comes again and again takes no more than its turn", () => {
    const watch = Crew.watched(Crew.scripted)
    return Effect.gen(function* () {
      yield* Crew.enqueue(...slow, ...quick)
      yield* Crew.start()
      yield* TestClock.adjust("15 minutes")
      // Four lanes take turns at the one slot.
      const lastQuick = watch.started.findLastIndex((id) => id.startsWith("quick"))
      expect(lastQuick).toBeLessThan(4 * 4)
    }).pipe(Effect.provide(Crew.layer({ handle: watch.handle, scheduler: { maxWorkers: 1 } })))
  })
})

describe("Pausing while running", () => {
  for (const lane of [undefined, "a"]) {
    it.scoped(`lets running jobs go on and starts nothing until resumed (${lane ?? "all"})`, () => {
      const watch = Crew.watched(Crew.scripted)
      return Effect.gen(function* () {
        const queue = yield* WorkQueue
        yield* Crew.enqueue(
          Crew.newJob("j1", { payload: Crew.script(5_000) }),
          Crew.newJob("j2"),
          Crew.newJob("other", { lane: "b", availableAt: 10_000 })
        )
        const fiber = yield* Crew.start()
        yield* queue.pause(lane)
        yield* TestClock.adjust("20 seconds")
        const others = lane === undefined ? [] : ["other"]
        expect(watch.ended).toEqual(["j1", ...others])
        expect(watch.started).toEqual(["j1", ...others])
        yield* queue.resume(lane)
        yield* Crew.settle
        expect(watch.ended.toSorted()).toEqual(["j1", "j2", "other"])
        expect(fiber.unsafePoll()).toBeNull()
      }).pipe(Effect.provide(Crew.layer({ handle: watch.handle, policy: uniform({ cap: 1 }) })))
    })
  }
})

describe("What a handler leaves running in its fiber", () => {
  it.scoped("is gone before the end of its job is told", () => {
    const log = new Crew.Log({ lines: [] })
    const leaving: HandlerService["handle"] = () =>
      Effect.yieldNow().pipe(
        Effect.zipRight(Effect.never),
        Effect.onInterrupt(() => Effect.zipRight(Effect.sleep("3 seconds"), log.note("left"))),
        Effect.fork,
        Effect.zipRight(Effect.yieldNow()),
        Effect.as(Done({ result: null }))
      )
    return Effect.gen(function* () {
      yield* Crew.enqueue(Crew.newJob("j1"))
      yield* Crew.elapse(yield* Crew.start({ drain: true, onEnd: ({ end }) => log.note(end) }))
      expect(log.lines.map((line) => line.split(" ")[1])).toEqual(["left", "done"])
    }).pipe(Effect.provide(Crew.layer({ handle: leaving })))
  })
})
