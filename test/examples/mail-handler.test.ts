/** A handler of one's own, tested without files and without waiting. */
import { expect, it } from "@effect/vitest"
import { Lane, Scheduler, WorkQueue } from "contentdownload"
import { layerTest } from "contentdownload/testing"
import { Effect, Layer, Option, TestClock } from "effect"
import { handler, Mail, Mailer, sendAll } from "../../examples/mail.ts"

/** The handler over a server that gives these replies, one after the other. */
const crew = (...replies: ReadonlyArray<number>) => {
  const left = [...replies]
  const mailer = Layer.succeed(Mailer, { send: () => Effect.sync(() => left.shift() ?? 250) })
  return layerTest({ maxAttempts: 3, backoff: "30 seconds", policy: Lane.uniform({ cap: 2 }) }).pipe(
    Layer.provide(handler),
    Layer.provide(mailer)
  )
}

const drain = Effect.flatMap(Scheduler.Scheduler, ({ run }) => run({ drain: true, maxWait: 0 }))
const ada = { to: "ada@a.example", subject: "hello" }
const state = Effect.flatMap(WorkQueue.WorkQueue, (queue) =>
  Effect.map(queue.get("ada@a.example hello"), (job) => Option.getOrThrow(job).state)
)

it.effect("tries again after a while when the mailbox is full", () =>
  Effect.gen(function* () {
    expect((yield* sendAll([ada])).ends).toMatchObject({ done: 0, retry: 1 })
    yield* TestClock.adjust("30 seconds")
    expect((yield* drain).ends).toMatchObject({ done: 1 })
    expect(yield* state).toBe("done")
  }).pipe(Effect.provide(crew(452, 250)))
)

it.effect("gives up after the third try", () =>
  Effect.gen(function* () {
    yield* sendAll([ada])
    yield* TestClock.adjust("30 seconds")
    yield* drain
    yield* TestClock.adjust("60 seconds")
    expect((yield* drain).ends).toMatchObject({ error: 1 })
    expect(yield* state).toBe("error")
  }).pipe(Effect.provide(crew(452, 452, 452)))
)

it.effect("leaves a busy domain alone for ten minutes, and uses up no try", () =>
  Effect.gen(function* () {
    const first = yield* sendAll([ada])
    expect(first).toMatchObject({ ended: "deferred", nextReadyAt: 600_000, ends: { waiting: 1 } })
    yield* TestClock.setTime(599_999)
    expect((yield* drain).ends).toMatchObject({ done: 0, waiting: 0 })
    yield* TestClock.setTime(600_000)
    expect((yield* drain).ends).toMatchObject({ done: 1 })
  }).pipe(Effect.provide(crew(421)))
)

it.effect("ends in error when the server refuses, and is skipped when there is nobody there", () =>
  Effect.gen(function* () {
    const report = yield* sendAll([ada, { ...ada, subject: "again" }])
    expect(report).toMatchObject({ ended: "drained", ends: { error: 1, skipped: 1 } })
  }).pipe(Effect.provide(crew(550, 551)))
)

it.effect("queues a mail once", () =>
  Effect.gen(function* () {
    expect(yield* Mail.enqueue(ada)).toBe("new")
    expect(yield* Mail.enqueue(ada)).toBe("duplicate")
  }).pipe(Effect.provide(crew()))
)
