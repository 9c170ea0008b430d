/**
 * A program that brings its own work: mails, at most two at once to a domain, each sent once however often it is
 * queued and whatever crashes in between.
 */
import { Failure, Handler, Lane, Scheduler, Worker, WorkerIdentity, WorkQueue } from "contentdownload"
import * as Sqlite from "contentdownload/sqlite"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

const Mail = Schema.Struct({ to: Schema.String, subject: Schema.String })

/** What sends them, in place of a mail server; a full mailbox is tried again later. */
const send = ({ subject, to }: typeof Mail.Type) =>
  to.startsWith("full@")
    ? new Failure.Retry({ reason: "mailbox-full", message: `${to} takes no mail now` })
    : Effect.as(Effect.logInfo(`sent '${subject}' to ${to}`), Handler.Done({ result: { to } }))

const layer = Scheduler.layer({ maxWorkers: 16 }).pipe(
  Layer.provide([Worker.layer({ maxAttempts: 5, backoff: "30 seconds" }), WorkerIdentity.layer]),
  Layer.provide(Handler.layer(Mail, ({ payload }) => send(payload))),
  Layer.provideMerge(Sqlite.layer({ path: "state/mail.sqlite", policy: Lane.uniform({ cap: 2 }) }))
)

/** Queues mails, and sends whatever is queued. */
export const sendAll = (mails: ReadonlyArray<typeof Mail.Type>) =>
  Effect.gen(function* () {
    const queue = yield* WorkQueue.WorkQueue
    const scheduler = yield* Scheduler.Scheduler
    yield* Effect.forEach(mails, (mail) =>
      queue.enqueue({
        id: `${mail.to} ${mail.subject}`,
        lane: `domain:${mail.to.slice(mail.to.indexOf("@") + 1)}`,
        payload: mail
      })
    )
    return yield* scheduler.run({ drain: true, maxWait: 0 })
  }).pipe(Effect.provide(layer))
