/** The spans of jobs, as the program sees them that embeds the queue. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Tracer from "effect/Tracer"
import { isKept, sampled } from "../../src/cli/otlp/Sampler.ts"
import { Permanent, Retry, WaitLane } from "../../src/Failure.ts"
import * as Handler from "../../src/Handler.ts"
import { attributesOf } from "../../src/http/Measured.ts"
import * as KeyedLimiter from "../../src/KeyedLimiter.ts"
import * as Scheduler from "../../src/Scheduler.ts"
import * as Telemetry from "../../src/Telemetry.ts"
import type { WorkerOptions } from "../../src/Worker.ts"
import * as Crew from "../behaviour/Crew.ts"
import * as Recorder from "./Recorder.ts"

const done = Effect.succeed(Handler.Done({ result: null }))

/** Drains one job in a span of the program's own, and answers what was recorded. */
const drained = (
  spans: WorkerOptions["spans"],
  handle: Handler.HandlerService["handle"],
  keeps?: (name: string) => boolean
) => {
  const recorder = Recorder.make(keeps)
  return Effect.gen(function* () {
    yield* Crew.enqueue(Crew.newJob("j"))
    yield* (yield* Scheduler.Scheduler).run({ drain: true, maxWait: 0 })
    return recorder
  }).pipe(
    Effect.withSpan("program"),
    Effect.withTracer(recorder.tracer),
    Effect.provide(Crew.layer({ handle, worker: { spans } }))
  )
}

const stepping = () => Telemetry.step("mine", () => ({ much: 1 }))(done)

const inOwnSpan = () => Effect.withSpan(stepping(), "own")

/** The names of what is kept of a job with a step, and of a span that is no job. */
const seenOf = (ratio: number) => {
  const recorder = Recorder.make()
  return Effect.gen(function* () {
    yield* Effect.void.pipe(Effect.withSpan("step"), Effect.withSpan("job"))
    yield* Effect.withSpan(Effect.void, "statement")
    return recorder.ended.map(({ name }) => name)
  }).pipe(Effect.withTracer(sampled(recorder.tracer, { ratio, parentBased: true })))
}

/** How many spans are kept of a job under a parent. */
const keptUnder = (parentSampled: boolean, parentBased: boolean) => {
  const recorder = Recorder.make()
  const parent = Tracer.externalSpan({ spanId: "1", traceId: "0".repeat(32), sampled: parentSampled })
  return Effect.withSpan(Effect.void, "job", { parent }).pipe(
    Effect.withTracer(sampled(recorder.tracer, { ratio: 1, parentBased })),
    Effect.map(() => recorder.ended.length)
  )
}

describe("a job's span", () => {
  it.effect("stands under what is open around the run, its steps under it", () =>
    Effect.gen(function* () {
      const { ended } = yield* drained(true, stepping)
      expect(ended.map(({ name, parent }) => [name, parent])).toEqual([
        ["mine", "job"],
        ["ack", "job"],
        ["job", "program"],
        ["program", undefined]
      ])
      expect(ended[0]?.attributes).toEqual({ much: 1 })
      expect(ended[2]?.attributes).toEqual({
        "contentdownload.job.id": "j",
        "contentdownload.job.lane": "a",
        "contentdownload.job.attempt": 1,
        "contentdownload.job.end": "done"
      })
    })
  )

  it.effect("linked: stands in a trace of its own that names it", () =>
    Effect.gen(function* () {
      const { ended } = yield* drained("linked", stepping)
      expect(ended.find(({ name }) => name === "job")).toMatchObject({
        parent: undefined,
        linksTo: ["program"]
      })
    })
  )

  it.effect("not asked for: there is none, of its steps neither", () =>
    Effect.gen(function* () {
      const { ended, opened } = yield* drained(undefined, stepping)
      expect(ended.map(({ name }) => name)).toEqual(["program"])
      expect(opened()).toBe(1)
    })
  )

  it.effect("not sampled: no step is made, and what the handler opens itself knows of it", () =>
    Effect.gen(function* () {
      const { ended, opened } = yield* drained(true, inOwnSpan, (name) => name !== "job")
      expect(ended.map(({ name, parent }) => [name, parent])).toEqual([
        ["own", "job"],
        ["job", "program"],
        ["program", undefined]
      ])
      expect(opened()).toBe(3)
    })
  )

  it.effect.each<[string, Handler.HandlerService["handle"], string, boolean]>([
    ["error", () => new Permanent({ reason: "broken", message: "m" }), "broken", true],
    ["retry", () => new Retry({ reason: "shaky", message: "m" }), "shaky", true],
    ["retry", () => Effect.dieMessage("a fault"), "internal-fault", true],
    ["waiting", () => new WaitLane({ reason: "busy", message: "m", until: 9e12 }), "busy", false]
  ])("says how it ended and why: %s", ([end, handle, reason, failed]) =>
    Effect.gen(function* () {
      const { ended } = yield* drained(true, handle)
      const job = ended.find(({ name }) => name === "job")
      expect(job?.attributes).toMatchObject({
        "contentdownload.job.end": end,
        "contentdownload.job.reason": reason,
        ...(failed ? { "error.type": reason } : {})
      })
      expect(job?.failed).toBe(failed)
    })
  )

  it.effect("has a step for a wait only when there is one", () =>
    Effect.gen(function* () {
      const limiter = yield* KeyedLimiter.make({ cap: 1 })
      const alone = yield* drained(true, () => limiter.withPermit("k")(done))
      expect(alone.ended.map(({ name }) => name)).not.toContain("wait")
      const holder = yield* Effect.fork(limiter.withPermit("k")(Effect.never))
      yield* Effect.yieldNow()
      const behind = yield* drained(true, () =>
        Effect.zipRight(Fiber.interruptFork(holder), limiter.withPermit("k")(done))
      )
      expect(behind.ended.find(({ name }) => name === "wait")).toMatchObject({
        parent: "job",
        attributes: { "contentdownload.wait.cause": "permit" }
      })
    })
  )
})

describe("a request's span", () => {
  it("says where it goes, and no key", () => {
    expect(attributesOf("https://user:pass@files.example.org:8443/a/b?key=secret&q=a%20b#part")).toEqual({
      "http.request.method": "GET",
      "server.address": "files.example.org",
      "server.port": 8443,
      "url.full": "https://files.example.org:8443/a/b?key=REDACTED&q=REDACTED"
    })
    expect(attributesOf("http://a.example/")).toMatchObject({
      "server.port": 80,
      "url.full": "http://a.example/"
    })
    expect(attributesOf("nonsense")).toEqual({ "http.request.method": "GET" })
  })
})

describe("the sampler", () => {
  const random = Array.from({ length: 4000 }, (_, n) =>
    (BigInt(n + 1) * 0x9e3779b97f4a7c15f39cc0605cedc835n).toString(16).slice(-32).padStart(32, "0")
  )

  it.each([0, 0.25, 0.5, 1])("keeps %d of the traces", (ratio) => {
    const kept = random.filter((id) => isKept(id, ratio)).length / random.length
    expect(Math.abs(kept - ratio)).toBeLessThan(0.03)
  })

  it("keeps more of them with a larger share, and those it kept", () => {
    const few = random.filter((id) => isKept(id, 0.2))
    expect(few.every((id) => isKept(id, 0.4))).toBe(true)
  })

  it.effect("decides for jobs, and their steps go with them; nothing else begins a trace", () =>
    Effect.gen(function* () {
      expect(yield* seenOf(1)).toEqual(["step", "job"])
      expect(yield* seenOf(0)).toEqual([])
    })
  )

  it.effect("follows a parent's decision where it is to", () =>
    Effect.gen(function* () {
      expect(yield* keptUnder(false, true)).toBe(0)
      expect(yield* keptUnder(true, true)).toBe(1)
      expect(yield* keptUnder(false, false)).toBe(1)
    })
  )
})
