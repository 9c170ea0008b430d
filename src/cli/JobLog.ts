/**
 * The log's lines on jobs: one for each transition, with the job, its lane, the try it is on, and the reason.
 *
 * | event    | level   |                                                                  |
 * |----------|---------|------------------------------------------------------------------|
 * | leased   | debug   | a try begins                                                     |
 * | moved    | debug   | its file is at another host: it waits in that host's lane        |
 * | released | debug   | given back as it was, such as when the run is stopped            |
 * | done     | info    |                                                                  |
 * | skipped  | info    |                                                                  |
 * | retry    | info    | the try failed; another one follows                              |
 * | waiting  | info    | the host asked to wait: given back, no try is counted            |
 * | failed   | warning | ended in error: trying again is no use                           |
 * | dead     | warning | ended in error: every try failed                                 |
 * | lost     | warning | the lease was taken away; whoever has it now reports the job     |
 *
 * Two more come from those who alone know of them. `rerouted` (debug): the job goes on in another lane at once, under
 * the lease it has. `reclaimed` (info): the queue took a lease back from a worker that is gone; the job is queued
 * again, or ends in error at the last crash it is allowed.
 */
import * as Effect from "effect/Effect"
import type { Lease } from "../Job.ts"
import type { JobEnd } from "../Worker.ts"
import { cut } from "./Text.ts"

/** Messages come from servers, too: no more of one is logged than a person reads. */
const MESSAGE = 300

const LEVELS = {
  leased: "debug",
  moved: "debug",
  released: "debug",
  done: "info",
  skipped: "info",
  retry: "info",
  waiting: "info",
  failed: "warning",
  dead: "warning",
  lost: "warning"
} as const

type Event = keyof typeof LEVELS

const log = { debug: Effect.logDebug, info: Effect.logInfo, warning: Effect.logWarning }

const write = (event: Event, lease: Lease, more: Readonly<Record<string, unknown>>): Effect.Effect<void> =>
  log[LEVELS[event]](event).pipe(
    Effect.annotateLogs({ event, job: lease.id, lane: lease.lane, attempt: lease.attempts + 1, ...more })
  )

const eventOf = ({ end, exhausted }: JobEnd): Event =>
  end === "error" ? (exhausted === true ? "dead" : "failed") : end

/** A try begins. */
export const started = (lease: Lease): Effect.Effect<void> => write("leased", lease, {})

/** A lease came to its end. */
export const ended = (end: JobEnd): Effect.Effect<void> =>
  write(eventOf(end), end.lease, {
    ...(end.reason === null ? {} : { reason: cut(end.reason, 100) }),
    ms: end.durationMs,
    ...(end.message === null ? {} : { detail: cut(end.message, MESSAGE) })
  })
