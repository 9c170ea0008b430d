/** The newsletter: letters come from an issue, at their domain's pace, each once. */
import { expect, it } from "@effect/vitest"
import { Scheduler, WorkQueue } from "contentdownload"
import { layerTestWith } from "contentdownload/testing"
import { Clock, Effect, Fiber, Layer, Option, TestClock } from "effect"
import { handler, policy, Post, Work } from "../../examples/newsletter.ts"

const issue = { _tag: "Issue", title: "May", readers: ["a@x.org", "b@x.org", "c@x.org", "d@y.org"] } as const

/** A post that notes when a letter to whom went. */
const crew = (sent: Array<readonly [to: string, at: number]>) =>
  layerTestWith(handler, { policy }).pipe(
    Layer.provide(
      Layer.succeed(Post, {
        send: ({ to }) => Effect.map(Clock.currentTimeMillis, (now) => void sent.push([to, now]))
      })
    )
  )

it.effect("an issue queues its letters, which go out at the pace of their domains", () => {
  const sent: Array<readonly [to: string, at: number]> = []
  return Effect.gen(function* () {
    const queue = yield* WorkQueue.WorkQueue
    const { run } = yield* Scheduler.Scheduler
    yield* Work.enqueue(issue)
    const running = yield* Effect.fork(run({ drain: true }))
    yield* TestClock.adjust("10 seconds")
    expect(yield* Fiber.join(running)).toMatchObject({ ended: "drained", ends: { done: 5 } })
    expect(sent.toSorted(([a], [b]) => a.localeCompare(b))).toEqual([
      ["a@x.org", 0],
      ["b@x.org", 500],
      ["c@x.org", 1_000],
      ["d@y.org", 0]
    ])
    const done = Option.getOrThrow(yield* queue.get(Work.id(issue)))
    expect(done.result).toEqual({ new: 4, duplicate: 0 })
  }).pipe(Effect.provide(crew(sent)))
})

it.effect("an issue that is begun again queues nobody twice", () => {
  const sent: Array<readonly [to: string, at: number]> = []
  return Effect.gen(function* () {
    const queue = yield* WorkQueue.WorkQueue
    yield* Work.enqueueAll(
      issue.readers.slice(0, 2).map((to) => ({ _tag: "Letter", title: "May", to }) as const)
    )
    yield* Work.enqueue(issue)
    const { run } = yield* Scheduler.Scheduler
    const running = yield* Effect.fork(run({ drain: true }))
    yield* TestClock.adjust("10 seconds")
    yield* Fiber.join(running)
    expect(sent.map(([to]) => to).toSorted()).toEqual([...issue.readers])
    expect(Option.getOrThrow(yield* queue.get("May")).result).toEqual({ new: 2, duplicate: 2 })
  }).pipe(Effect.provide(crew(sent)))
})
