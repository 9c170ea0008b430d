/** How jobs come in: each id once, as it was brought, in bulk as one by one. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { MAX_ID_LENGTH, type NewJob } from "../../src/Job.ts"
import { uniform } from "../../src/Lane.ts"
import { get, ids, job, lease, leaseOne, type MakeLayer, onQueue, runs, TTL } from "./Given.ts"

/** Any text a line of input can hold: whole code points, but no half of a surrogate pair, which UTF-8 has no form for. */
const text = FastCheck.string({ unit: "binary", minLength: 1, maxLength: 12 })

export const enqueueContract = (makeLayer: MakeLayer) =>
  describe("enqueue", () => {
    it.scoped("takes an id once", () =>
      onQueue(makeLayer({ policy: uniform() }), (queue) =>
        Effect.gen(function* () {
          expect(yield* queue.enqueue(job("a"))).toBe("new")
          expect(yield* queue.enqueue(job("a", "host:other"))).toBe("duplicate")
          const many = Stream.fromIterable(["a", "b", "c", "b"]).pipe(Stream.map((id) => job(id)))
          expect(yield* queue.enqueueAll(many)).toEqual({ new: 2, duplicate: 2 })
          expect((yield* queue.stats).total).toBe(3)
          // What isn't new makes no lane either.
          expect((yield* queue.laneStats({ limit: 10 })).map((one) => one.lane)).toEqual(["host:a"])
        })
      )
    )

    it.scoped("keeps the first of two jobs with one id, also within one stream", () =>
      onQueue(makeLayer({ policy: uniform() }), (queue) =>
        Effect.gen(function* () {
          const first = job("a", "host:a", { priority: 1, payload: "first" })
          const second = job("a", "host:b", { priority: 2, payload: "second" })
          yield* queue.enqueueAll(Stream.make(first, second))
          yield* queue.enqueue(second)
          expect(yield* get(queue, "a")).toMatchObject({ lane: "host:a", priority: 1, payload: "first" })
        })
      )
    )

    it.scoped("shares nothing with what was brought or handed out", () =>
      onQueue(makeLayer({ policy: uniform() }), (queue) =>
        Effect.gen(function* () {
          const payload = { urls: ["one"], gone: undefined }
          yield* queue.enqueue(job("a", "host:a", { payload }))
          payload.urls.push("two")
          const first = yield* leaseOne(queue)
          expect(first.payload).toStrictEqual({ urls: ["one"] })
          Object.assign(Object(first.payload), { urls: [] })
          expect((yield* get(queue, "a")).payload).toStrictEqual({ urls: ["one"] })
        })
      )
    )

    it.scoped.prop(
      "gives ids, lanes and payloads back as they came",
      {
        jobs: FastCheck.uniqueArray(
          FastCheck.record({ id: text, lane: text, payload: FastCheck.jsonValue() }),
          { selector: (one) => one.id, minLength: 1, maxLength: 5 }
        )
      },
      ({ jobs }) =>
        onQueue(makeLayer({ policy: uniform({ cap: 9 }) }), (queue) =>
          Effect.gen(function* () {
            // JSON knows no -0, so what is expected went through it once.
            const expected = jobs.map((one) => ({ ...one, payload: JSON.parse(JSON.stringify(one.payload)) }))
            expect(yield* queue.enqueueAll(Stream.fromIterable(jobs))).toEqual({
              new: jobs.length,
              duplicate: 0
            })
            for (const one of expected) expect(yield* get(queue, one.id)).toMatchObject(one)
            const leased = yield* lease(queue, 9)
            expect(leased).toHaveLength(jobs.length)
            for (const { id, lane, payload } of leased) expect(expected).toContainEqual({ id, lane, payload })
          })
        ),
      runs(20)
    )

    it.scoped("takes ids and payloads of any size that is allowed", () =>
      onQueue(makeLayer({ policy: uniform() }), (queue) =>
        Effect.gen(function* () {
          const id = "é".repeat(MAX_ID_LENGTH)
          const payload = { text: "x".repeat(1_000_000) }
          yield* queue.enqueue(job(id, "host:a", { payload }))
          expect(yield* get(queue, id)).toMatchObject({ id, payload })
        })
      )
    )

    it.scoped("answers for many what it answers one by one", () =>
      onQueue(makeLayer({ policy: uniform() }), (queue) =>
        Effect.gen(function* () {
          const jobs = Array.from({ length: 1_200 }, (_, i) => job(`job-${i % 800}`, `host:${i % 7}`))
          expect(yield* queue.enqueueAll(Stream.fromIterable(jobs))).toEqual({ new: 800, duplicate: 400 })
          expect(yield* queue.enqueueAll(Stream.fromIterable(jobs))).toEqual({ new: 0, duplicate: 1_200 })
          expect(yield* queue.enqueueAll(Stream.empty)).toEqual({ new: 0, duplicate: 0 })
          expect(yield* queue.stats).toMatchObject({ queued: 800, total: 800 })
          const listed = yield* Stream.runCollect(queue.list({}))
          expect(ids([...listed])).toEqual(ids(jobs.slice(0, 800)))
        })
      )
    )

    it.scoped("passes the stream's own failure on, and keeps whole what came before", () =>
      onQueue(makeLayer({ policy: uniform() }), (queue) =>
        Effect.gen(function* () {
          const jobs = Array.from({ length: 2_000 }, (_, i) => job(`job-${i}`))
          const broken: Stream.Stream<NewJob, "broken"> = Stream.concat(
            Stream.fromIterable(jobs),
            Stream.fail("broken" as const)
          )
          expect(yield* Effect.either(queue.enqueueAll(broken))).toEqual(Either.left("broken"))
          const { queued, total } = yield* queue.stats
          expect(queued).toBe(total)
          const listed = yield* Stream.runCollect(queue.list({}))
          // A prefix of the stream: nothing is missing in the middle.
          expect(ids([...listed])).toEqual(ids(jobs.slice(0, total)))
          expect(yield* queue.enqueueAll(Stream.fromIterable(jobs))).toEqual({
            new: 2_000 - total,
            duplicate: total
          })
        })
      )
    )

    it.scoped("has what it answered for, whoever asks next", () =>
      onQueue(makeLayer({ policy: uniform() }), (queue) =>
        Effect.gen(function* () {
          const answers = yield* Effect.forEach(
            Array.from({ length: 40 }, (_, i) => job(`job-${i % 10}`)),
            queue.enqueue,
            { concurrency: "unbounded" }
          )
          expect(answers.filter((answer) => answer === "new")).toHaveLength(10)
          expect((yield* queue.stats).queued).toBe(10)
        })
      )
    )

    it.scoped("puts a job aside until its time", () =>
      onQueue(makeLayer({ policy: uniform() }), (queue) =>
        Effect.gen(function* () {
          yield* queue.enqueue(job("later", "host:a", { availableAt: TTL }))
          yield* queue.enqueue(job("past", "host:b", { availableAt: -1 }))
          expect(yield* get(queue, "later")).toMatchObject({ state: "queued", availableAt: TTL })
          expect(yield* get(queue, "past")).toMatchObject({ state: "queued", availableAt: null })
          expect(ids(yield* lease(queue, 9))).toEqual(["past"])
          expect(yield* queue.nextReadyAt).toEqual(Option.some(TTL))
        })
      )
    )
  })
