/**
 * Jobs that queue further jobs: an issue of a newsletter becomes a letter to each reader, and no domain gets more than
 * two letters a second. What crashes in between is begun again, and queues nobody twice.
 */
import { Handler, JobType, Lane, Scheduler } from "contentdownload"
import * as Sqlite from "contentdownload/sqlite"
import { Context, Effect, Layer, Schema } from "effect"

const Issue = Schema.TaggedStruct("Issue", { title: Schema.String, readers: Schema.Array(Schema.String) })
const Letter = Schema.TaggedStruct("Letter", { title: Schema.String, to: Schema.String })

/** Both kinds of work. Issues go through one lane, letters through that of their domain. */
export const Work = JobType.make({
  payload: Schema.Union(Issue, Letter),
  id: (work) => (work._tag === "Issue" ? work.title : `${work.title} to ${work.to}`),
  lane: (work) => (work._tag === "Issue" ? "issues" : `domain:${work.to.slice(work.to.lastIndexOf("@") + 1)}`)
})

/** What sends a letter. */
export class Post extends Context.Tag("Post")<
  Post,
  { readonly send: (letter: typeof Letter.Type) => Effect.Effect<void> }
>() {}

/** An issue is done when its letters are queued; a letter, when it is sent. */
export const handler = Work.handler(({ payload }) =>
  Effect.gen(function* () {
    if (payload._tag === "Letter") return yield* (yield* Post).send(payload)
    const { readers, title } = payload
    const letters = readers.map((to) => Letter.make({ title, to }))
    // Letters that their own Schema refuses would be a bug.
    const result = yield* Work.enqueueAll(letters).pipe(Effect.catchTag("ParseError", Effect.die))
    return Handler.Done({ result })
  })
)

/** One issue at a time; of letters, two a second to each domain, and fifty at once to all of them. */
export const policy: Lane.LanePolicy = {
  lane: (key) =>
    key === "issues"
      ? { pool: "issues", cap: 1, gapMs: 0, burst: 1 }
      : { pool: "letters", cap: 2, gapMs: 500, burst: 1 },
  pool: (key) => (key === "letters" ? 50 : Lane.UNLIMITED)
}

/** The queue in a file, and what runs it. */
export const layer = Scheduler.layerWith({ maxWorkers: 50 }).pipe(
  Layer.provide(handler),
  Layer.provideMerge(Sqlite.layer({ path: "state/newsletter.sqlite", policy }))
)
