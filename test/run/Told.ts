/** What the program tells in JSON, as far as the tests from the outside look at it. */
import * as Schema from "effect/Schema"

const told = <A, I>(schema: Schema.Schema<A, I>) => Schema.decodeUnknownSync(Schema.parseJson(schema))

const Count = Schema.Int.pipe(Schema.nonNegative())
const Counts = Schema.Record({ key: Schema.String, value: Count })

const Stats = Schema.Struct({
  queued: Count,
  in_progress: Count,
  done: Count,
  skipped: Count,
  error: Count,
  total: Count
})
export type Stats = typeof Stats.Type

const Lane = Schema.Struct({
  lane: Schema.String,
  in_flight: Count,
  next_at: Schema.NullOr(Schema.DateFromString),
  blocked_reason: Schema.NullOr(Schema.String),
  waiting: Schema.NullOr(Schema.String)
})
export type Lane = typeof Lane.Type

const Job = Schema.Struct({
  id: Schema.String,
  state: Schema.String,
  lane: Schema.String,
  attempts: Count,
  crashes: Count,
  reason: Schema.NullOr(Schema.String),
  message: Schema.NullOr(Schema.String),
  worker: Schema.NullOr(Schema.String),
  waiting: Schema.NullOr(Schema.String),
  history: Schema.Array(
    Schema.Struct({
      step: Schema.String,
      target: Schema.NullOr(Schema.String),
      class: Schema.String,
      reason: Schema.NullOr(Schema.String)
    })
  )
})
export type Job = typeof Job.Type

/** Nothing may be in it that isn't known here: scripts read it. */
const Summary = Schema.Struct({
  ended: Schema.Literal("drained", "deferred", "stopped"),
  next_ready_at: Schema.NullOr(Schema.DateFromString),
  elapsed_ms: Count,
  bytes: Count,
  ends: Schema.Struct({
    done: Count,
    skipped: Count,
    error: Count,
    retry: Count,
    waiting: Count,
    moved: Count,
    released: Count,
    lost: Count
  }),
  reasons: Schema.Struct({ skipped: Counts, error: Counts, retry: Counts, waiting: Counts }),
  lanes: Schema.Record({
    key: Schema.String,
    value: Schema.Struct({ error: Count, retry: Count, waiting: Count })
  }),
  waited_ms: Counts,
  duplicates: Schema.NullOr(Count),
  retry_command: Schema.NullOr(Schema.String),
  queue: Stats
}).annotations({ parseOptions: { onExcessProperty: "error" } })
export type Summary = typeof Summary.Type

export const stats = told(Stats)
export const lanes = told(Schema.Array(Lane))
export const job = told(Job)
export const summary = told(Summary)
