/**
 * What is measured, all of it in one place: the metrics, and the spans of jobs.
 *
 * Every metric stands in Effect's registry under its name by OpenTelemetry's conventions, so that any exporter of an
 * embedding program has it. No label has more values than there are words for outcomes in the code: no host and no URL
 * is among them. Series whose labels are known are there, at 0, from the start of a run.
 */
import * as Effect from "effect/Effect"
import * as Instrument from "./telemetry/Instrument.ts"

export type { Definition, Instrument, Label, Values } from "./telemetry/Instrument.ts"
export { type Attributes, job, type JobTrace, step, type Tracing } from "./telemetry/Span.ts"

// ---------------------------------------------------------------------------------------------------------------
// Jobs
// ---------------------------------------------------------------------------------------------------------------

/** Bounds in seconds for what takes as long as a request or a download. */
const LONG = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800]
/** Bounds in seconds for what takes as long as a transaction. */
const SHORT = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
/** Bounds in seconds for what waits. */
const WAITS = [0.001, 0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 21_600, 86_400]

const END: Instrument.Label & { readonly name: "end" } = {
  name: "end",
  meaning: "how: the job's state, or what became of its lease",
  values: ["done", "skipped", "error", "retry", "waiting", "moved", "released", "lost"]
}

const REASON = { name: "reason", meaning: "why: the word an outcome carries, such as `http-404`" }

/** Seconds from the start of a job's handler to the end of its lease. Its count is the number of leases that ended. */
export const jobDuration = Instrument.histogram(LONG, {
  name: "contentdownload.job.duration",
  unit: "s",
  description: "From the start of a job to the end of its lease",
  labels: [END]
})

/** Leases that ended, by how and why. `end="retry"` are the retries, `end="lost"` the leases that were lost. */
export const jobEnds = Instrument.counter({
  name: "contentdownload.job.ends",
  unit: "{lease}",
  description: "Leases that ended, by how and why",
  labels: [END, REASON],
  initial: [
    ["done", ""],
    ["moved", ""],
    ["released", "interrupted"],
    ["lost", "lease-lost"]
  ]
})

/** Seconds the queue takes to answer a lease. */
export const leaseDuration = Instrument.histogram(SHORT, {
  name: "contentdownload.queue.lease.duration",
  unit: "s",
  description: "What the queue takes to lease jobs to the free workers"
})

/** Seconds the queue takes to write how a lease ended. */
export const ackDuration = Instrument.histogram(SHORT, {
  name: "contentdownload.queue.ack.duration",
  unit: "s",
  description: "What the queue takes to write how a lease ended"
})

/** Heartbeats of this process, for all its leases together. */
export const heartbeats = Instrument.counter({
  name: "contentdownload.heartbeats",
  unit: "{heartbeat}",
  description: "Heartbeats for the leases of this process, by whether the queue took them",
  labels: [{ name: "result", meaning: "`failed`: the queue was locked", values: ["ok", "failed"] }]
})

/** Leases taken back from processes that are gone. */
export const leasesReclaimed = Instrument.counter({
  name: "contentdownload.leases.reclaimed",
  unit: "{lease}",
  description: "Leases taken back from processes of this machine that are gone"
})

/** PDFs that are being opened, or wait for a thread that does. */
export const openingDocuments = Instrument.gauge({
  name: "contentdownload.document.inspections",
  unit: "{document}",
  description: "PDFs that are being opened, or wait for a thread that opens them"
})

/** Seconds waited for something, or to be waited, by cause. */
export const waits = Instrument.histogram(WAITS, {
  name: "contentdownload.wait.duration",
  unit: "s",
  description: "Waits by their cause, when they are over or, for `hold` and `backoff`, when they are imposed",
  labels: [
    {
      name: "cause",
      meaning:
        "`permit`: for a place under a cap of connections; `parser`: for a thread that opens PDFs; `rate`: for a " +
        "resolver's rate; `hold`: a lane was asked to wait; `backoff`: before a retry",
      values: ["permit", "parser", "rate", "hold", "backoff"]
    }
  ]
})

/**
 * Notes the end of a lease.
 * @internal
 */
export const jobEnded = (end: string, reason: string | null, durationMs: number, ackMs: number): void => {
  jobDuration.note(durationMs / 1000, end)
  jobEnds.note(1, end, reason ?? "")
  // A job that moved had nothing to be written in the end.
  if (end !== "moved") ackDuration.note(ackMs / 1000)
}

// ---------------------------------------------------------------------------------------------------------------
// Requests
// ---------------------------------------------------------------------------------------------------------------

const RESOLVER = {
  name: "resolver",
  meaning:
    "who named the URL or is asked: a resolver's name, `direct` for the list's own URLs, `robots` for robots.txt"
}

/** Seconds from sending a request to the end of its body. */
export const requestDuration = Instrument.histogram(LONG, {
  name: "http.client.request.duration",
  unit: "s",
  description: "Duration of HTTP requests, to the end of the body",
  labels: [
    { name: "http.request.method", meaning: "always `GET`", values: ["GET"] },
    {
      name: "http.response.status_code",
      meaning: "such as `200`; unknown codes as the first of their class"
    },
    { name: "error.type", meaning: "the status from 400 on, or the reason why there is no whole answer" },
    RESOLVER
  ],
  initial: []
})

/** Seconds from sending a request to the head of its answer. */
export const firstByteDuration = Instrument.histogram(LONG, {
  name: "contentdownload.http.first_byte.duration",
  unit: "s",
  description: "From sending a request to the head of its answer",
  labels: [RESOLVER],
  initial: []
})

/** Bytes of bodies that came in, of kept and of refused files alike. */
export const downloadedBytes = Instrument.counter({
  name: "contentdownload.downloaded",
  unit: "By",
  description: "Bytes of files received, kept or not"
})

/** Questions to a cache of answers, by what it said. */
export const cacheAnswers = Instrument.counter({
  name: "contentdownload.cache.answers",
  unit: "{question}",
  description: "Questions to the cache of services' answers, by what it had",
  labels: [
    {
      name: "result",
      meaning: "`hit`: a fresh answer; `revalidated`: an old one that the service confirmed; `miss`: none",
      values: ["hit", "revalidated", "miss"]
    }
  ]
})

/** Hosts whose breaker is open now, in this process. */
export const openBreakers = Instrument.gauge({
  name: "contentdownload.breakers.open",
  unit: "{host}",
  description: "Hosts that this process leaves alone after failures in a row"
})

/** Times a breaker opened, also anew after a request that was to find out whether the host is back. */
export const breakerOpenings = Instrument.counter({
  name: "contentdownload.breaker.openings",
  unit: "{opening}",
  description: "Times a host's breaker opened, or stayed open after another try"
})

// ---------------------------------------------------------------------------------------------------------------
// All
// ---------------------------------------------------------------------------------------------------------------

/** What is known of every metric. */
export const definitions: ReadonlyArray<Instrument.Definition> = Instrument.instruments.map(
  ({ definition }) => definition
)

/**
 * Makes the series whose labels are known beforehand, at 0: an increase from nothing is no increase to whoever looks
 * for one. A scheduler does this when it is made.
 */
export const start: Effect.Effect<void> = Effect.sync(() => {
  for (const instrument of Instrument.instruments) instrument.start()
})
