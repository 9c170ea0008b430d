import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { build } from "esbuild"
import { spawn } from "node:child_process"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { uniform } from "../../../src/Lane.ts"
import { SCHEMA_VERSION } from "../../../src/store/sqlite/Migrations.ts"
import type { WorkQueueService } from "../../../src/WorkQueue.ts"
import { done, job, lease, policy, runs, TTL } from "../../contract/Given.ts"
import { history, limits, MAX_CRASHES } from "../../contract/History.ts"
import { play } from "../../contract/Playing.ts"
import { driver, file, open } from "./Files.ts"

describe("two connections to one queue", () => {
  it.scoped.prop(
    "are one queue: whichever is asked, it answers like the model and keeps the invariants",
    { operations: history(60) },
    ({ operations }) =>
      Effect.gen(function* () {
        const at = yield* file
        const options = { policy: limits, maxCrashes: MAX_CRASHES }
        yield* play([yield* open(at, options), yield* open(at, options)], operations)
      }),
    runs(6)
  )

  it.scopedLive("take a stream of the same ids once", () =>
    Effect.gen(function* () {
      const at = yield* file
      const here = yield* open(at)
      const there = yield* open(at)
      const jobs = Stream.map(Stream.range(1, 3_000), (i) => job(`job-${i}`, `host:${i % 50}`))
      const [first, second] = yield* Effect.zip(here.enqueueAll(jobs), there.enqueueAll(jobs), {
        concurrent: true
      })
      expect(first.new + second.new).toBe(3_000)
      expect(first.duplicate + second.duplicate).toBe(3_000)
      expect(yield* here.stats).toMatchObject({ queued: 3_000, total: 3_000 })
      expect(yield* there.stats).toEqual(yield* here.stats)
    })
  )

  it.scopedLive("tell each other that there is something new", () =>
    Effect.gen(function* () {
      const at = yield* file
      const here = yield* open(at)
      const there = yield* open(at)
      const ticks = yield* Queue.unbounded<void>()
      yield* Effect.forkScoped(Stream.runForEach(here.changes, () => Queue.offer(ticks, undefined)))
      // The first look only learns where the other stands, and nothing says when it has happened; so jobs come
      // until one is noticed. If none ever is, the test's time runs out.
      yield* Effect.forkScoped(
        Effect.iterate(0, {
          while: () => true,
          body: (i) =>
            Effect.as(Effect.zipRight(there.enqueue(job(`job-${i}`)), Effect.sleep("10 millis")), i + 1)
        })
      )
      yield* Queue.take(ticks)
      expect((yield* lease(here, 1)).map((one) => one.worker)).toEqual(["w"])
    })
  )

  it.scopedLive("obey a cap that was set through either, whatever policy they apply", () =>
    Effect.gen(function* () {
      const at = yield* file
      const here = yield* open(at)
      const there = yield* open(at)
      yield* here.enqueueAll(Stream.map(Stream.range(1, 9), (i) => job(`job-${i}`)))
      yield* there.setLane("host:a", { cap: 2 })
      expect(yield* lease(here, 9)).toHaveLength(2)
      yield* here.applyPolicy(uniform({ cap: 9 }))
      expect(yield* lease(here, 9)).toHaveLength(0)
      yield* there.setLane("host:a", { cap: 5 })
      expect(yield* lease(here, 9)).toHaveLength(3)
      // Given back, it is the policy's that was applied last, by whichever process.
      yield* there.setLane("host:a", null)
      expect(yield* lease(there, 9)).toHaveLength(4)
    })
  )

  it.scopedLive("count a crash once, whoever notices it", () =>
    Effect.gen(function* () {
      const at = yield* file
      const here = yield* open(at)
      const there = yield* open(at)
      yield* here.enqueue(job("a"))
      const old = yield* here.lease({ worker: "dead", limit: 1, ttl: 0 })
      const taken = yield* Effect.forEach([here, there], (queue) => lease(queue, 1), { concurrency: 2 })
      expect(taken.flat()).toMatchObject([{ id: "a", crashes: 1 }])
      expect(yield* there.heartbeat(old, TTL)).toEqual(old)
    })
  )
})

// ---------------------------------------------------------------------------------------------------------------
// At the same time
// ---------------------------------------------------------------------------------------------------------------

const LANES = 6
const JOBS = 240

const limited = policy(
  Object.fromEntries(Array.from({ length: LANES }, (_, i) => [`host:${i}`, { cap: 2, pool: "hosts" }])),
  { hosts: 5 }
)

const fill = (queue: WorkQueueService) =>
  queue.enqueueAll(Stream.map(Stream.range(1, JOBS), (i) => job(`job-${i}`, `host:${i % LANES}`)))

/** A lease that was acknowledged. */
interface Ran {
  readonly id: string
  readonly token: number
}

const expectEachOnce = (ran: ReadonlyArray<Ran>) => {
  expect(ran.map((one) => one.id).toSorted()).toEqual(
    Array.from({ length: JOBS }, (_, i) => `job-${i + 1}`).toSorted()
  )
}

describe("workers at the same time", () => {
  it.scopedLive("run each job once and keep the caps, with fibers on two connections", () =>
    Effect.gen(function* () {
      const at = yield* file
      const here = yield* open(at, { policy: limited })
      const there = yield* open(at, { policy: limited })
      yield* Effect.zip(fill(here), fill(there), { concurrent: true })
      const ran: Array<Ran> = []
      const work = (queue: WorkQueueService, worker: string): Effect.Effect<void> =>
        Effect.gen(function* () {
          while ((yield* queue.stats).queued > 0) {
            const leases = yield* lease(queue, 2, worker)
            for (const one of yield* queue.laneStats({ limit: 100 }))
              expect(one.inFlight).toBeLessThanOrEqual(2)
            expect((yield* queue.stats).in_progress).toBeLessThanOrEqual(5)
            yield* Effect.yieldNow()
            yield* Effect.forEach(leases, (one) => queue.ack(one, done), { concurrency: "unbounded" })
            ran.push(...leases)
          }
        }).pipe(Effect.orDie)
      yield* Effect.forEach(
        Array.from({ length: 6 }, (_, i) => i),
        (i) => work(i % 2 === 0 ? here : there, `w${i}`),
        { concurrency: "unbounded", discard: true }
      )
      expectEachOnce(ran)
    })
  )

  it.scopedLive("run each job once and keep the caps, in three processes", () =>
    Effect.gen(function* () {
      const at = yield* file
      const queue = yield* open(at, { policy: limited })
      yield* fill(queue)
      const program = yield* bundled
      const ran = yield* Effect.forEach(["w1", "w2", "w3"], (worker) => run(program, [at, worker]), {
        concurrency: "unbounded"
      })
      for (const one of ran) {
        expect(one.mostInLane).toBeLessThanOrEqual(2)
        expect(one.mostInAll).toBeLessThanOrEqual(5)
      }
      expectEachOnce(ran.flatMap((one) => one.ran))
      expect(yield* queue.stats).toMatchObject({ done: JOBS, total: JOBS })
    })
  )

  it.scopedLive("open one new file together, and agree on its tables", () =>
    Effect.gen(function* () {
      const at = yield* file
      const program = yield* bundled
      const openers = Effect.forEach(["w1", "w2", "w3"], (worker) => run(program, [at, worker]), {
        concurrency: "unbounded"
      })
      const [, queue] = yield* Effect.zip(openers, open(at), { concurrent: true })
      const db = yield* driver(at)
      expect(db.prepare("SELECT count(*) AS count FROM effect_sql_migrations").get()).toEqual({
        count: SCHEMA_VERSION
      })
      expect(db.pragma("integrity_check")).toEqual([{ integrity_check: "ok" }])
      expect(yield* queue.enqueue(job("a"))).toBe("new")
    })
  )
})

interface Report {
  readonly ran: ReadonlyArray<Ran>
  readonly mostInLane: number
  readonly mostInAll: number
}

const thisFolder = path.dirname(fileURLToPath(import.meta.url))

/** The program of the processes, in one piece: Node runs no TypeScript. */
const bundled = Effect.promise(async () => {
  const { outputFiles } = await build({
    entryPoints: [path.join(thisFolder, "Contender.ts")],
    bundle: true,
    write: false,
    platform: "node",
    format: "esm",
    external: ["better-sqlite3"],
    logLevel: "error"
  })
  return outputFiles[0]?.text ?? ""
})

/** Runs the program in a process of its own, fed by stdin so that its imports are found from this folder. */
const run = (program: string, args: ReadonlyArray<string>) =>
  Effect.async<Report>((resume) => {
    const child = spawn(process.execPath, ["--input-type=module", "-", ...args], {
      cwd: thisFolder,
      stdio: ["pipe", "pipe", "pipe"]
    })
    const out: Array<Buffer> = []
    const err: Array<Buffer> = []
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk))
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk))
    child.on("close", (code) =>
      resume(
        code === 0
          ? Effect.sync((): Report => JSON.parse(Buffer.concat(out).toString("utf8")))
          : Effect.dieMessage(`a process ended with ${code}: ${Buffer.concat(err).toString("utf8")}`)
      )
    )
    child.stdin.end(program)
    return Effect.sync(() => child.kill("SIGKILL"))
  })
