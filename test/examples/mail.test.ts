/** The mails, over the queue in a file. */
import { expect, it } from "@effect/vitest"
import { Lane, Scheduler, WorkQueue } from "contentdownload"
import * as Sqlite from "contentdownload/sqlite"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schedule from "effect/Schedule"
import { serve } from "../../examples/mail-service.ts"
import { layer, Mail, Mailer, sendAll } from "../../examples/mail.ts"
import { inFolder } from "./Folder.ts"

const quiet = Logger.remove(Logger.defaultLogger)

/** Counts the mails in flight by domain; each takes a moment. */
const mailer = (moment = 5) => {
  const sent: Array<string> = []
  const inFlight = new Map<string, number>()
  let most = 0
  const change = (domain: string, by: number) =>
    Effect.sync(() => {
      const now = (inFlight.get(domain) ?? 0) + by
      inFlight.set(domain, now)
      most = Math.max(most, now)
    })
  const send = ({ to }: { readonly to: string }) => {
    const domain = to.slice(to.indexOf("@"))
    const sending = Effect.map(Effect.sleep(moment), () => {
      sent.push(to)
      return to.startsWith("full@") ? 452 : 250
    })
    return Effect.acquireUseRelease(
      change(domain, 1),
      () => sending,
      () => change(domain, -1)
    )
  }
  return { sent, most: () => most, layer: Layer.merge(Layer.succeed(Mailer, { send }), quiet) }
}

const mails = [
  "full@b.example",
  ...["a", "b"].flatMap((domain) => Array.from({ length: 6 }, (_, index) => `${index}@${domain}.example`))
].map((to) => ({ to, subject: "hello" }))

it.scopedLive("are sent once, two at once to a domain, and a full mailbox waits", () =>
  Effect.gen(function* () {
    yield* inFolder
    const { layer: sender, most, sent } = mailer()
    const run = () => sendAll(mails).pipe(Effect.provide(Layer.provide(layer, sender)))
    const first = yield* run()
    expect(first).toMatchObject({ ended: "deferred", ends: { done: 12, error: 0 } })
    // Once, unless the jitter put the second try into the same moment.
    expect(first.ends.retry).toBeGreaterThanOrEqual(1)
    const second = yield* run()
    expect(second.ends).toMatchObject({ done: 0, error: 0 })
    expect(sent.filter((to) => !to.startsWith("full@")).toSorted()).toEqual(
      mails
        .slice(1)
        .map(({ to }) => to)
        .toSorted()
    )
    expect(most()).toBe(2)
  })
)

it.scopedLive("are sent once, and two at once to a domain, by two services on one queue", () =>
  Effect.gen(function* () {
    yield* inFolder
    const { layer: sender, most, sent } = mailer()
    const stop = yield* Deferred.make<void>()
    const service = () =>
      Effect.forkScoped(
        serve(Deferred.await(stop)).pipe(Effect.provide(Layer.fresh(Layer.provide(layer, sender))))
      )
    yield* Effect.gen(function* () {
      const queue = yield* WorkQueue.WorkQueue
      const services = [yield* service(), yield* service()]
      expect(yield* Mail.enqueueAll(mails.slice(1))).toEqual({ new: 12, duplicate: 0 })
      yield* queue.stats.pipe(
        Effect.repeat({ until: ({ done }) => done === 12, schedule: Schedule.spaced("10 millis") }),
        Effect.timeout("20 seconds")
      )
      yield* Deferred.succeed(stop, undefined)
      for (const report of yield* Effect.forEach(services, Fiber.join)) expect(report.ended).toBe("stopped")
    }).pipe(Effect.provide(Layer.provide(layer, sender)))
    expect(sent).toHaveLength(12)
    expect(new Set(sent).size).toBe(12)
    expect(most()).toBe(2)
  })
)

it.scopedLive("that run when the service is told to stop are sent to the end, and no other is begun", () =>
  Effect.gen(function* () {
    yield* inFolder
    const { layer: sender, sent } = mailer(200)
    yield* Effect.gen(function* () {
      const queue = yield* WorkQueue.WorkQueue
      const scheduler = yield* Scheduler.Scheduler
      yield* Mail.enqueueAll(mails.slice(1))
      const stop = scheduler.running.pipe(
        Effect.repeat({ until: (running) => running.length === 4, schedule: Schedule.spaced("5 millis") }),
        Effect.asVoid
      )
      const report = yield* serve(stop)
      expect(report).toMatchObject({ ended: "stopped", ends: { done: 4, released: 0 } })
      expect(yield* queue.stats).toMatchObject({ queued: 8, in_progress: 0, done: 4 })
    }).pipe(Effect.provide(Layer.provide(layer, sender)))
    expect(sent).toHaveLength(4)
  })
)

it.scopedLive("keep to the service's limits, also in a lane that another process made", () =>
  Effect.gen(function* () {
    yield* inFolder
    const other = Sqlite.layer({ path: "state/mail.sqlite", policy: Lane.uniform({ cap: 1 }) })
    yield* Effect.provide(Mail.enqueueAll(mails.slice(1)), other)
    const { layer: sender, most } = mailer()
    yield* Effect.gen(function* () {
      const queue = yield* WorkQueue.WorkQueue
      const done = queue.stats.pipe(
        Effect.repeat({ until: (stats) => stats.done === 12, schedule: Schedule.spaced("5 millis") }),
        Effect.asVoid,
        Effect.orDie
      )
      expect(yield* serve(done)).toMatchObject({ ends: { done: 12 } })
    }).pipe(Effect.provide(Layer.provide(layer, sender)))
    expect(most()).toBe(2)
  })
)
