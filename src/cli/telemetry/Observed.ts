/**
 * What isn't counted but looked at when somebody asks: the queue as all its processes see it, this process, its disks.
 */
import { readdir, statfs } from "node:fs/promises"
import { monitorEventLoopDelay } from "node:perf_hooks"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Definition, Label } from "../../Telemetry.ts"
import { type Wait, WorkQueue } from "../../WorkQueue.ts"
import type { Point, Reading } from "./Reading.ts"

// ---------------------------------------------------------------------------------------------------------------
// Definitions
// ---------------------------------------------------------------------------------------------------------------

const STATES = ["queued", "in_progress", "done", "skipped", "error"] as const
const CAUSES = ["worker", "cap", "pace", "hold", "later", "paused"] as const

const WAITING: ReadonlyArray<Label> = [
  { name: "cause", meaning: "what for, as `queue stats` says it", values: CAUSES },
  { name: "reason", meaning: "of `hold`: why, such as `http-429` or `breaker-open`" }
]

const gauge = (
  name: string,
  unit: string,
  description: string,
  rest: Partial<Pick<Definition, "labels" | "prometheus">> = {}
): Definition => ({ name, unit, description, type: "gauge", labels: [], ...rest })

const jobs = gauge("contentdownload.jobs", "{job}", "Jobs in the queue by state", {
  labels: [{ name: "state", meaning: "of the job", values: STATES }]
})
const waitingJobs = gauge("contentdownload.waiting.jobs", "{job}", "Queued jobs by what they wait for", {
  labels: WAITING
})
const waitingLanes = gauge(
  "contentdownload.waiting.lanes",
  "{lane}",
  "Lanes whose jobs wait, by what for; `hold` are the blocked ones",
  { labels: WAITING }
)
const workers = gauge("contentdownload.workers", "{worker}", "Workers of this process", {
  labels: [{ name: "state", meaning: "whether a job is in flight", values: ["busy", "idle"] }]
})
const diskFree = gauge("contentdownload.disk.free", "By", "Room on the disks that a run writes to", {
  labels: [{ name: "folder", meaning: "what is on that disk", values: ["output", "queue"] }]
})
const DELAYS = ["mean", "p99", "max"] as const
const delays = DELAYS.map((name) =>
  gauge(`nodejs.eventloop.delay.${name}`, "s", `Delay of the event loop over ten seconds: ${name}`)
)
const cpu: Definition = {
  name: "process.cpu.time",
  type: "counter",
  unit: "s",
  description: "Processor time of this process",
  labels: [],
  prometheus: "process_cpu_seconds_total"
}
const memory = gauge("process.memory.usage", "By", "Memory of this process", {
  prometheus: "process_resident_memory_bytes"
})
const files = gauge("process.unix.file_descriptor.count", "{file_descriptor}", "Open files of this process", {
  prometheus: "process_open_fds"
})
const started = gauge("process.start_time", "s", "When this process started, since the epoch", {
  prometheus: "process_start_time_seconds"
})
const build = gauge("contentdownload.build.info", "1", "Always 1; the version is in a label", {
  labels: [{ name: "version", meaning: "of the program" }]
})

/** What is known of every metric that is looked at. */
export const definitions: ReadonlyArray<Definition> = [
  jobs,
  waitingJobs,
  waitingLanes,
  workers,
  diskFree,
  ...delays,
  cpu,
  memory,
  files,
  started,
  build
]

// ---------------------------------------------------------------------------------------------------------------
// Looking
// ---------------------------------------------------------------------------------------------------------------

const one = (definition: Definition, value: number, labels: Point["labels"] = {}): Reading => ({
  definition,
  points: [{ labels, value }]
})

/** Reasons that are told apart. */
const MOST_REASONS = 50

const point = (labels: Point["labels"], value: number): Point => ({ labels, value })

/** A series for each cause, also for those nobody waits for, and for each reason of a hold. */
const waiting = (definition: Definition, waits: ReadonlyArray<Wait>, of: (wait: Wait) => number): Reading => {
  const held = waits.filter(({ cause }) => cause === "hold").toSorted((a, b) => of(b) - of(a))
  const sum = (some: ReadonlyArray<Wait>) => some.reduce((total, wait) => total + of(wait), 0)
  return {
    definition,
    points: [
      ...CAUSES.filter((cause) => cause !== "hold" || held.length === 0).map((cause) =>
        point({ cause }, sum(waits.filter((wait) => wait.cause === cause)))
      ),
      ...held
        .slice(0, MOST_REASONS)
        .map((wait) => point({ cause: "hold", reason: wait.reason ?? "hold" }, of(wait))),
      ...(held.length > MOST_REASONS
        ? [point({ cause: "hold", reason: "other" }, sum(held.slice(MOST_REASONS)))]
        : [])
    ]
  }
}

const queueReadings = Effect.gen(function* () {
  const queue = yield* WorkQueue
  const stats = yield* queue.stats
  const waits = yield* queue.waits
  return [
    { definition: jobs, points: STATES.map((state) => ({ labels: { state }, value: stats[state] })) },
    waiting(waitingJobs, waits, (wait) => wait.jobs),
    waiting(waitingLanes, waits, (wait) => wait.lanes)
  ] satisfies ReadonlyArray<Reading>
}).pipe(
  Effect.catchAll(({ message }) =>
    Effect.as(Effect.logWarning(`the queue's metrics can't be had: ${message}`), [])
  )
)

/** What may not be there, such as a folder that the run is still to make, or `/proc`. */
const ifThere = <A>(look: () => Promise<A>): Effect.Effect<ReadonlyArray<A>> =>
  Effect.orElseSucceed(
    Effect.tryPromise(async () => [await look()]),
    () => []
  )

const diskReadings = (folders: Readonly<Record<string, string>>) =>
  Effect.map(
    Effect.forEach(Object.entries(folders), ([folder, path]) =>
      ifThere(async (): Promise<Point> => {
        const { bavail, bsize } = await statfs(path)
        return { labels: { folder }, value: bavail * bsize }
      })
    ),
    (points): ReadonlyArray<Reading> => [{ definition: diskFree, points: points.flat() }]
  )

const processReadings = Effect.map(
  ifThere(() => readdir("/proc/self/fd")),
  (descriptors): ReadonlyArray<Reading> => {
    const { system, user } = process.cpuUsage()
    return [
      one(cpu, (system + user) / 1e6),
      one(memory, process.memoryUsage.rss()),
      ...descriptors.map(({ length }) => one(files, length)),
      one(started, Math.round(performance.timeOrigin / 1000)),
      one(build, 1, { version: process.env.CONTENTDOWNLOAD_VERSION ?? "0" })
    ]
  }
)

/** What the event loop's delay is measured over. */
const WINDOW = "10 seconds"

/** The delay of the event loop over the last whole window, or since the start. */
const loopDelay: Effect.Effect<Effect.Effect<ReadonlyArray<Reading>>, never, Scope.Scope> = Effect.gen(
  function* () {
    const monitor = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const enabled = monitorEventLoopDelay({ resolution: 20 })
        enabled.enable()
        return enabled
      }),
      (enabled) => Effect.sync(() => void enabled.disable())
    )
    const read = () => [monitor.mean, monitor.percentile(99), monitor.max]
    let last: ReadonlyArray<number> | undefined
    const turn = Effect.sync(() => {
      last = read()
      monitor.reset()
    })
    yield* Effect.forkScoped(Effect.schedule(turn, Schedule.spaced(WINDOW)))
    return Effect.sync(() => {
      const nanos = last ?? read()
      return delays.map((definition, n) => {
        const delay = nanos[n] ?? 0
        // Nothing was measured yet.
        return one(definition, Number.isFinite(delay) ? delay / 1e9 : 0)
      })
    })
  }
)

// ---------------------------------------------------------------------------------------------------------------
// Constructor
// ---------------------------------------------------------------------------------------------------------------

export interface ObservedOptions {
  readonly workers: { readonly all: number; readonly busy: Effect.Effect<number> }
  /** The folders whose disks are looked at, by what they are. */
  readonly folders: { readonly output: string; readonly queue: string }
}

/** What is to be seen, at each look. */
export const make = (
  options: ObservedOptions
): Effect.Effect<Effect.Effect<ReadonlyArray<Reading>>, never, WorkQueue | Scope.Scope> =>
  Effect.gen(function* () {
    const queue = Effect.provideService(queueReadings, WorkQueue, yield* WorkQueue)
    const loop = yield* loopDelay
    const working = Effect.map(options.workers.busy, (busy): ReadonlyArray<Reading> => [
      {
        definition: workers,
        points: [
          { labels: { state: "busy" }, value: busy },
          { labels: { state: "idle" }, value: Math.max(0, options.workers.all - busy) }
        ]
      }
    ])
    const parts = [queue, working, diskReadings(options.folders), loop, processReadings]
    return Effect.map(Effect.all(parts), (readings) => readings.flat())
  })

/** Looks are at least this far apart, and take no more than one part in so many of the time. */
const APART_MS = 1000
const SHARE = 20

/** The same for whoever may ask at any time: what is to be seen now, or was a moment ago. */
export const sparing = (
  look: Effect.Effect<ReadonlyArray<Reading>>
): Effect.Effect<ReadonlyArray<Reading>> => {
  let seen: ReadonlyArray<Reading> = []
  let goodUntil = Number.NEGATIVE_INFINITY
  return Effect.gen(function* () {
    const from = yield* Clock.currentTimeMillis
    if (from < goodUntil) return seen
    seen = yield* look
    const to = yield* Clock.currentTimeMillis
    goodUntil = to + Math.max(APART_MS, (to - from) * SHARE)
    return seen
  })
}
