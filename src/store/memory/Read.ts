/** What stands in the queue, counted and listed. */
import type { Attempt, JobDetail, JobSummary } from "../../Job.ts"
import type { LaneStats } from "../../Lane.ts"
import type { HeldLease, JobFilter, LaneFilter, Stats, Wait } from "../../WorkQueue.ts"
import { fromJson, hasResult, type Job, type Lane, type State } from "./State.ts"

// ---------------------------------------------------------------------------------------------------------------
// Counting
// ---------------------------------------------------------------------------------------------------------------

export const stats = (state: State): Stats => {
  const counts = { queued: 0, in_progress: 0, done: 0, skipped: 0, error: 0, total: state.jobs.size }
  for (const job of state.jobs.values()) counts[job.state] += 1
  return counts
}

type Counts = {
  ready: number
  delayed: number
  inFlight: number
  done: number
  skipped: number
  error: number
}

const placeOf = (job: Job): keyof Counts => {
  if (job.state === "queued") return job.availableAt === null ? "ready" : "delayed"
  return job.state === "in_progress" ? "inFlight" : job.state
}

const unfinished = (lane: LaneStats) => lane.ready + lane.delayed + lane.inFlight

export const laneStats = (state: State, now: number, options: LaneFilter): ReadonlyArray<LaneStats> => {
  const wanted = options.lane === undefined ? undefined : new Set([options.lane].flat())
  const counts = new Map<Lane, Counts>()
  for (const lane of state.lanes.values()) {
    if (wanted !== undefined && !wanted.has(lane.key)) continue
    if (options.overridden === true && Object.keys(lane.overrides).length === 0) continue
    counts.set(lane, { ready: 0, delayed: 0, inFlight: 0, done: 0, skipped: 0, error: 0 })
  }
  for (const job of state.jobs.values()) {
    const of = counts.get(job.lane)
    if (of !== undefined) of[placeOf(job)] += 1
  }
  return [...counts]
    .map(([lane, of]) => {
      const sleeps = lane.nextAt > now
      return {
        lane: lane.key,
        pool: lane.pool.key,
        cap: lane.cap,
        gapMs: lane.gapMs,
        burst: lane.burst,
        overrides: lane.overrides,
        ...of,
        nextAt: sleeps ? lane.nextAt : null,
        paused: lane.paused,
        blockedReason: sleeps ? lane.blockedReason : null
      }
    })
    .toSorted((a, b) => unfinished(b) - unfinished(a) || (a.lane < b.lane ? -1 : 1))
    .slice(0, options.limit)
}

const causeOf = (lane: Lane, now: number): Wait["cause"] => {
  if (lane.paused) return "paused"
  if (lane.nextAt > now) return lane.blockedReason === null ? "pace" : "hold"
  return lane.leased.size >= lane.cap || lane.pool.leased.size >= lane.pool.cap ? "cap" : "worker"
}

/** What the ready jobs of a lane wait for. Of one that may start some now, the others wait on. */
const ofLane = (lane: Lane, now: number): ReadonlyArray<Wait> => {
  const ready = lane.ready.length
  const cause = causeOf(lane, now)
  const wait = { cause, reason: null, jobs: ready, lanes: 1, until: null }
  if (cause === "hold") return [{ ...wait, reason: lane.blockedReason, until: lane.nextAt }]
  if (cause === "pace") return [{ ...wait, until: lane.nextAt }]
  if (cause !== "worker") return [wait]
  const room = Math.min(lane.cap - lane.leased.size, lane.pool.cap - lane.pool.leased.size)
  const may = Math.min(ready, room, lane.gapMs > 0 ? lane.burst : ready)
  return [
    { ...wait, jobs: may },
    { ...wait, cause: lane.gapMs > 0 ? "pace" : "cap", jobs: ready - may }
  ]
}

const delayed = (state: State, now: number): ReadonlyArray<Wait> => {
  const jobs = [...state.jobs.values()].filter((job) => placeOf(job) === "delayed")
  const until = Math.max(now, Math.min(...jobs.map((job) => job.availableAt ?? now)))
  return [
    {
      cause: "later",
      reason: null,
      jobs: jobs.length,
      lanes: new Set(jobs.map((job) => job.lane)).size,
      until
    }
  ]
}

const sum = (a: Wait, b: Wait): Wait => ({
  ...a,
  jobs: a.jobs + b.jobs,
  lanes: a.lanes + b.lanes,
  until: a.until === null || b.until === null ? (a.until ?? b.until) : Math.min(a.until, b.until)
})

/** The queued jobs by what they wait for. */
export const waits = (state: State, now: number): ReadonlyArray<Wait> => {
  const found = new Map<string, Wait>()
  const lanes = [...state.lanes.values()].filter(({ ready }) => ready.length > 0)
  for (const wait of [...lanes.flatMap((lane) => ofLane(lane, now)), ...delayed(state, now)]) {
    if (wait.jobs === 0) continue
    const key = `${wait.cause} ${wait.reason ?? ""}`
    const before = found.get(key)
    found.set(key, before === undefined ? wait : sum(before, wait))
  }
  return [...found].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, wait]) => wait)
}

/** The leases held now, by job. */
export const leases = (state: State): ReadonlyArray<HeldLease> => {
  const held: Array<HeldLease> = []
  for (const { leaseExpiresAt, number, token, worker } of state.leased) {
    if (worker !== null && leaseExpiresAt !== null) {
      held.push({ job: number, token, worker, expiresAt: leaseExpiresAt })
    }
  }
  return held.toSorted((a, b) => a.job - b.job)
}

// ---------------------------------------------------------------------------------------------------------------
// Listing
// ---------------------------------------------------------------------------------------------------------------

/** The jobs the filter lets through, by number; read as it is consumed. */
export function* matching(state: State, filter: JobFilter): Generator<Job> {
  for (const job of state.jobs.values()) {
    if (filter.state !== undefined && job.state !== filter.state) continue
    if (filter.lane !== undefined && job.lane.key !== filter.lane) continue
    if (filter.reason !== undefined && job.reason !== filter.reason) continue
    if (filter.hasResult === true && !hasResult(job)) continue
    yield job
  }
}

export const summary = (job: Job): JobSummary => ({
  job: job.number,
  id: job.id,
  state: job.state,
  lane: job.lane.key,
  priority: job.priority,
  availableAt: job.availableAt,
  attempts: job.attempts,
  crashes: job.crashes,
  reason: job.reason,
  worker: job.worker,
  leaseExpiresAt: job.leaseExpiresAt,
  enqueuedAt: job.enqueuedAt,
  finishedAt: job.finishedAt
})

export const detail = (job: Job): JobDetail => ({
  ...summary(job),
  payload: fromJson(job.payload),
  plan: fromJson(job.plan),
  result: fromJson(job.result),
  message: job.message,
  history: job.history.map((attempt): Attempt => ({ ...attempt }))
})
