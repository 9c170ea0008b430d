/** However a handler ends, its job gets exactly one transition, and the right one. */
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Fatal, Later, Permanent, Retry, Skip, WaitLane } from "../../src/Failure.ts"
import * as Handler from "../../src/Handler.ts"
import type { JobDetail } from "../../src/Job.ts"
import * as Worker from "../../src/Worker.ts"
import { LeaseLost, WorkQueue } from "../../src/WorkQueue.ts"
import * as Crew from "./Crew.ts"

const note = Crew.attempt("fetch")
const why = { reason: "some-reason", message: "for a person" }
const reroute = { lane: "b", plan: { url: "there" } }
const circular: Record<string, unknown> = {}
circular["itself"] = circular

/** Runs a job through the worker, its handler leaving a note first; lane `full` has no room. */
const ended = (handle: Handler.HandlerService["handle"]) => {
  const calls: Array<string> = []
  return Effect.gen(function* () {
    const queue = yield* WorkQueue
    yield* Crew.enqueue(Crew.newJob("j"), Crew.newJob("other", { lane: "full" }))
    yield* queue.pause("full")
    const exit = yield* Effect.exit((yield* Worker.Worker).run(yield* Crew.leaseOne()))
    const [lane] = yield* queue.laneStats({ limit: 1, lane: "a" })
    return { exit, calls, lane, job: yield* Crew.detail("j"), leases: yield* queue.leases }
  }).pipe(
    Effect.provide(
      Crew.layer({
        handle: (job) => Effect.zipRight(job.note(note), handle(job)),
        between: Crew.counting(calls)
      })
    )
  )
}

interface Case {
  readonly name: string
  readonly handle: Handler.HandlerService["handle"]
  readonly calls: ReadonlyArray<string>
  readonly end: Partial<Worker.JobEnd>
  readonly job: Partial<JobDetail>
}

const fault = { state: "queued", attempts: 1, reason: "internal-fault" } as const

const cases: ReadonlyArray<Case> = [
  {
    name: "Done: done, with its result",
    handle: () => Effect.succeed(Handler.Done({ result: { n: 1 } })),
    calls: ["ack"],
    end: { end: "done", reason: null, message: null },
    job: { state: "done", attempts: 1, reason: null, result: { n: 1 } }
  },
  {
    name: "Moved: it waits in the other lane, nothing more is written",
    handle: (job) => Effect.as(job.reroute({ ...reroute, lane: "full" }), Handler.Moved()),
    calls: ["reroute"],
    end: { end: "moved", reason: null, message: null },
    job: { state: "queued", lane: "full", attempts: 0, plan: reroute.plan }
  },
  {
    name: "Done in a lane that had room: the note is written with the move, not again",
    handle: (job) => Effect.map(job.reroute(reroute), (verdict) => Handler.Done({ result: verdict })),
    calls: ["reroute", "ack"],
    end: { end: "done" },
    job: { state: "done", lane: "b", attempts: 1, result: "granted" }
  },
  {
    name: "Retry: queued for later, the try counted, its plan kept",
    handle: () => new Retry({ ...why, plan: { next: 2 } }),
    calls: ["failAndRetry"],
    end: { end: "retry", ...why },
    job: { state: "queued", attempts: 1, ...why, plan: { next: 2 } }
  },
  {
    name: "WaitLane: released without a try",
    handle: () => new WaitLane({ ...why, until: 5_000, plan: { next: 2 } }),
    calls: ["release"],
    end: { end: "waiting", ...why },
    job: { state: "queued", attempts: 0, reason: null, plan: { next: 2 } }
  },
  {
    name: "Later: released until then without a try, with the reason",
    handle: () => new Later({ ...why, until: 5_000, plan: { next: 2 } }),
    calls: ["release"],
    end: { end: "waiting", ...why },
    job: { state: "queued", attempts: 0, ...why, plan: { next: 2 } }
  },
  {
    name: "Skip: skipped, with its result",
    handle: () => new Skip({ ...why, result: [1] }),
    calls: ["ack"],
    end: { end: "skipped", ...why },
    job: { state: "skipped", attempts: 1, ...why, result: [1] }
  },
  {
    name: "Permanent: error, with its result",
    handle: () => new Permanent({ ...why, result: [1] }),
    calls: ["failAndRetry"],
    end: { end: "error", ...why },
    job: { state: "error", attempts: 1, ...why, result: [1] }
  },
  {
    name: "a defect: a failed try, with its first line as message",
    handle: () => Effect.die(new TypeError("x is undefined\nsecond line")),
    calls: ["failAndRetry"],
    end: { end: "retry", reason: "internal-fault", message: "TypeError: x is undefined" },
    job: { ...fault, message: "TypeError: x is undefined" }
  },
  {
    name: "an interruption of its own making: a fault, or the job would be run again at once, for ever",
    handle: () => Effect.interrupt,
    calls: ["failAndRetry"],
    end: { end: "retry", reason: "internal-fault" },
    job: fault
  },
  {
    name: "Moved, without having moved: a fault, or the lease would be left to expire",
    handle: () => Effect.succeed(Handler.Moved()),
    calls: ["failAndRetry"],
    end: { end: "retry", reason: "internal-fault" },
    job: fault
  },
  {
    name: "Moved, into a lane that had room: a fault, too",
    handle: (job) => Effect.as(job.reroute(reroute), Handler.Moved()),
    calls: ["reroute", "failAndRetry"],
    end: { end: "retry", reason: "internal-fault" },
    job: { ...fault, lane: "b" }
  },
  {
    name: "a result that isn't JSON: a fault, after the write that could not be",
    handle: () => Effect.succeed(Handler.Done({ result: circular })),
    calls: ["ack", "failAndRetry"],
    end: { end: "retry", reason: "internal-fault" },
    job: fault
  },
  {
    name: "a plan that isn't JSON: a fault, too",
    handle: () => new Retry({ ...why, plan: circular }),
    calls: ["failAndRetry", "failAndRetry"],
    end: { end: "retry", reason: "internal-fault" },
    job: { ...fault, plan: null }
  }
]

describe("A handler that ends with", () => {
  for (const { calls, end, handle, job, name } of cases) {
    it.scoped(name, () =>
      Effect.gen(function* () {
        const seen = yield* ended(handle)
        expect(seen.calls).toEqual(calls)
        expect(seen.exit).toMatchObject(Exit.succeed(end))
        expect(seen.job).toMatchObject(job)
        expect(seen.job.history).toEqual([note])
        expect(seen.leases).toEqual([])
      })
    )
  }

  it.scoped("WaitLane holds its lane until then, and says why", () =>
    Effect.gen(function* () {
      const seen = yield* ended(() => new WaitLane({ ...why, until: 5_000 }))
      expect(seen.lane).toMatchObject({ nextAt: 5_000, blockedReason: why.reason, ready: 1 })
    })
  )

  it.scoped("Fatal: the job is released without a try, and the failure goes on", () =>
    Effect.gen(function* () {
      const fatal = new Fatal(why)
      const seen = yield* ended(() => fatal)
      expect(seen.calls).toEqual(["release"])
      expect(seen.exit).toEqual(Exit.fail(fatal))
      expect(seen.job).toMatchObject({ state: "queued", attempts: 0, reason: null })
      expect(seen.job.history).toEqual([note])
      expect(seen.leases).toEqual([])
    })
  )

  it.scoped("LeaseLost: nothing is written", () =>
    Effect.gen(function* () {
      const seen = yield* ended(({ lease }) => new LeaseLost({ id: lease.id, token: lease.token }))
      expect(seen.calls).toEqual([])
      expect(seen.exit).toMatchObject(Exit.succeed({ end: "lost", reason: "lease-lost" }))
      expect(seen.job).toMatchObject({ state: "in_progress", attempts: 0 })
      expect(seen.job.history).toEqual([])
    })
  )

  it.scoped("WorkQueueError: nothing is written, and the failure goes on", () =>
    Effect.gen(function* () {
      const error = Crew.broken()
      const seen = yield* ended(() => error)
      expect(seen.calls).toEqual([])
      expect(seen.exit).toEqual(Exit.fail(error))
      expect(seen.job).toMatchObject({ state: "in_progress", attempts: 0 })
    })
  )
})

describe("A payload that doesn't decode", () => {
  const Payload = Schema.Struct({ url: Schema.String, size: Schema.NumberFromString })
  let handled: unknown
  const handle = (job: Handler.Job<typeof Payload.Type>) =>
    Effect.sync(() => {
      handled = job.payload
      return Handler.Done({ result: null })
    })

  const run = (payload: unknown) =>
    Effect.gen(function* () {
      handled = undefined
      const { handle: generic } = yield* Handler.Handler
      return yield* Effect.gen(function* () {
        yield* Crew.enqueue(Crew.newJob("j", { payload }))
        yield* (yield* Worker.Worker).run(yield* Crew.leaseOne())
        return yield* Crew.detail("j")
      }).pipe(Effect.provide(Crew.layer({ handle: generic })))
    })

  for (const [name, layer] of [
    ["layer", Handler.layer(Payload, handle)],
    ["make", Layer.effect(Handler.Handler, Handler.make(Payload, handle))]
  ] as const) {
    it.scoped(`ends its job in error, and says where (Handler.${name})`, () =>
      Effect.gen(function* () {
        const job = yield* run({ url: "there", size: "big" })
        expect(job).toMatchObject({ state: "error", reason: "bad-payload", attempts: 1 })
        expect(job.message).toContain("size: ")
        expect(handled).toBeUndefined()
        expect((yield* run(null)).message).toContain("payload: ")
      }).pipe(Effect.provide(layer))
    )

    it.scoped(`and one that does comes to the handler decoded (Handler.${name})`, () =>
      Effect.gen(function* () {
        expect(yield* run({ url: "there", size: "7" })).toMatchObject({ state: "done" })
        expect(handled).toEqual({ url: "there", size: 7 })
      }).pipe(Effect.provide(layer))
    )
  }
})

class Extra extends Context.Tag("test/Extra")<Extra, string>() {}

describe("What a handler needs", () => {
  it.effect("is there while it runs, and not in the caller's fiber afterwards", () => {
    let seen: string | undefined
    return Effect.gen(function* () {
      const { handle } = yield* Handler.make(Schema.Unknown, () =>
        Effect.map(Extra, (extra) => {
          seen = extra
        })
      ).pipe(Effect.provideService(Extra, "here"))
      yield* Effect.gen(function* () {
        yield* Crew.enqueue(Crew.newJob("j"))
        const { end } = yield* (yield* Worker.Worker).run(yield* Crew.leaseOne())
        expect(end).toBe("done")
        expect(yield* Effect.serviceOption(Extra)).toEqual(Option.none())
      }).pipe(Effect.provide(Crew.layer({ handle })))
      expect(seen).toBe("here")
    })
  })
})
