/**
 * A program that brings its own work: mails, at most two at once to a domain, each sent once however often it is
 * queued and whatever crashes in between.
 */
import { Failure, JobType, Lane, Scheduler } from "contentdownload"
import * as Sqlite from "contentdownload/sqlite"
import { Clock, Context, Effect, Layer, Schema } from "effect"

/** What is queued. Its id keeps it from being queued twice; its lane is where it waits. */
export const Mail = JobType.make({
  payload: Schema.Struct({ to: Schema.String, subject: Schema.String }),
  id: ({ subject, to }) => `${to} ${subject}`,
  lane: ({ to }) => `domain:${to.slice(to.lastIndexOf("@") + 1)}`
})
type Mail = typeof Mail.payload.Type

/** What sends a mail, and answers with the server's reply code. */
export class Mailer extends Context.Tag("Mailer")<
  Mailer,
  { readonly send: (mail: Mail) => Effect.Effect<number> }
>() {}

/** Sends one mail; how it fails decides what becomes of the job. */
export const handler = Mail.handler(({ payload }) =>
  Effect.gen(function* () {
    const { send } = yield* Mailer
    const code = yield* send(payload)
    const message = `${payload.to}: the server said ${code}`
    const now = yield* Clock.currentTimeMillis
    if (code === 421) return yield* new Failure.WaitLane({ reason: "busy", message, until: now + 600_000 })
    if (code === 551) return yield* new Failure.Skip({ reason: "moved-away", message })
    if (code >= 500) return yield* new Failure.Permanent({ reason: "refused", message })
    if (code >= 400) return yield* new Failure.Retry({ reason: "not-now", message })
  })
)

/** At most two mails at once to a domain. */
export const policy = Lane.uniform({ cap: 2 })

/** The queue in a file, and what runs it. */
export const layer = Scheduler.layerWith({ maxWorkers: 16, maxAttempts: 5, backoff: "30 seconds" }).pipe(
  Layer.provide(handler),
  Layer.provideMerge(Sqlite.layer({ path: "state/mail.sqlite", policy }))
)

/** Queues mails, and sends whatever may be sent now. */
export const sendAll = (mails: Iterable<Mail>) =>
  Effect.gen(function* () {
    yield* Mail.enqueueAll(mails)
    const scheduler = yield* Scheduler.Scheduler
    return yield* scheduler.run({ drain: true, maxWait: 0 })
  })
