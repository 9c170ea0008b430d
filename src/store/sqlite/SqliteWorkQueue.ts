/**
 * The WorkQueue on one SQLite file: several processes of one machine share it and hold the caps together.
 *
 * Every operation is one transaction. Transitions of a process that arrive together share theirs. The statements
 * stand in the files beside this one, a group to a file.
 */
import type { SqlError } from "@effect/sql/SqlError"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { CacheStore, type CacheStoreOptions } from "../../CacheStore.ts"
import { reach } from "../../FailPoint.ts"
import type { LanePolicy } from "../../Lane.ts"
import {
  type EnqueueSummary,
  LeaseLost,
  type LeaseRequest,
  type Turn,
  WorkQueue,
  type WorkQueueError,
  type WorkQueueService
} from "../../WorkQueue.ts"
import { type Database, type DatabaseOptions, open, type Query } from "./Database.ts"
import * as Enqueue from "./Enqueue.ts"
import * as GroupCommit from "./GroupCommit.ts"
import * as Lanes from "./Lanes.ts"
import * as Lease from "./Lease.ts"
import * as Operate from "./Operate.ts"
import { prune } from "./Prune.ts"
import * as Read from "./Read.ts"
import { settle, type Step, type Verdict } from "./Settle.ts"
import * as SqliteCacheStore from "./SqliteCacheStore.ts"
import { takeBack } from "./TakeBack.ts"
import { changesByOthers } from "./Watch.ts"

/** The file, and the queue's limits. */
export interface SqliteWorkQueueOptions extends DatabaseOptions {
  /** The limits of lanes and pools that are made from now on, until `applyPolicy`. */
  readonly policy: LanePolicy
  /** Lost leases after which a job ends in `error (crashed)`. Default 20. */
  readonly maxCrashes?: number | undefined
  /**
   * The longest time after which changes by other processes are looked for. Default 250 ms: it counts only where the
   * file system doesn't tell of changes.
   */
  readonly pollInterval?: Duration.DurationInput | undefined
  /**
   * The least time from one transaction of transitions to the next, as long as some of the leases given out are still
   * to be settled: fewer transactions hold up the event loop less. It is slept by the Clock. Default: none. A turn is
   * what it is, and comes when it is taken.
   */
  readonly commitGap?: Duration.DurationInput | undefined
  /** How much is kept of what may be lost, such as answers of services. */
  readonly cache?: CacheStoreOptions | undefined
}

const lost = ({ lease }: Step) => Effect.fail(new LeaseLost({ id: lease.id, token: lease.token }))

const told = <A>(result: A, newest: number | undefined) => ({ result, newest })

/** The queue over a file that is open, as one process uses it. Whoever opened it closes it. */
export const over = (opened: Database, options: SqliteWorkQueueOptions): Effect.Effect<WorkQueueService> =>
  Effect.gen(function* () {
    const now = Clock.currentTimeMillis
    let lastWrite = 0
    const noting = <A, E>(write: Effect.Effect<A, E>) =>
      Effect.ensuring(
        write,
        Effect.map(now, (time) => {
          lastWrite = time
        })
      )
    const database: Database = {
      ...opened,
      write: (body) => noting(opened.write(body)),
      writeDurably: (body) => noting(opened.writeDurably(body))
    }
    let { policy } = options
    const maxCrashes = options.maxCrashes ?? 20
    const ticks = yield* PubSub.sliding<void>(1)
    const tick = PubSub.publish(ticks, undefined)

    /** The time a transaction goes by is that of its lock: before, it may have waited, and others had their turn. */
    const atItsTime =
      <A>(body: (query: Query, now: number) => Effect.Effect<A, SqlError>) =>
      (query: Query) =>
        Effect.flatMap(now, (time) => body(query, time))

    /** A transaction of its own. */
    const write = <A>(body: (query: Query, now: number) => Effect.Effect<A, SqlError>) =>
      database.write(atItsTime(body))

    /**
     * The newest lane that has the limits this process was told to apply; `undefined` as long as it was told none.
     * Others, such as an import with other settings, may make lanes after that.
     */
    let limited: number | undefined

    /** A transaction that may start jobs: whatever lanes have been made since get the limits first. */
    const starting = <A>(body: (query: Query, now: number) => Effect.Effect<A, SqlError>) =>
      write((query, time) => {
        const known = limited
        const run = body(query, time)
        if (known === undefined) return Effect.map(run, (result) => told(result, known))
        return Effect.flatMap(Lanes.newest(query), (newest) => {
          const first = newest > known ? Lanes.applyPolicy(query, policy, time, known) : Effect.void
          return Effect.map(Effect.zipRight(first, run), (result) => told(result, newest))
        })
      }).pipe(
        Effect.map(({ newest, result }) => {
          if (newest !== undefined) limited = Math.max(limited ?? 0, newest)
          return result
        })
      )

    const carryOut = (query: Query, time: number, batch: ReadonlyArray<Step>) =>
      Effect.tap(settle(query, policy, time, batch), () => reach("before-commit"))

    const leaseAt = (query: Query, time: number, { limit, ttl, worker }: LeaseRequest) =>
      Lease.lease(query, { worker, limit, ttlMs: Duration.toMillis(ttl), now: time, maxCrashes })

    /** Leases given out and not settled yet; those that were lost are settled, too, or at least tried to. */
    let held = 0

    const step = GroupCommit.make<Step, Verdict, WorkQueueError>({
      key: ({ lease }) => lease.job,
      gapMs: Duration.toMillis(options.commitGap ?? 0),
      expectsMore: (waiting) => waiting < held,
      write: (batch) =>
        Effect.tap(
          starting((query, time) => carryOut(query, time, batch)),
          (verdicts) => {
            held = Math.max(0, held - verdicts.filter((verdict) => verdict !== "granted").length)
            reach("after-commit")
            return tick
          }
        )
    })
    const fenced = (item: Step) =>
      Effect.flatMap(step(item), (verdict) => (verdict === "lost" ? lost(item) : Effect.void))

    /** The lease comes last: it gets what the transitions freed. */
    const turn: WorkQueueService["turn"] = (transitions, request) =>
      Effect.uninterruptible(
        Effect.tap(
          starting((query, time) =>
            Effect.flatMap(
              transitions.length === 0 ? Effect.succeed([]) : carryOut(query, time, transitions),
              (verdicts) =>
                Effect.map(
                  request === undefined ? Effect.succeed([]) : leaseAt(query, time, request),
                  (leases): Turn => ({
                    verdicts: verdicts.map((verdict) => (verdict === "lost" ? "lost" : "ok")),
                    leases
                  })
                )
            )
          ),
          ({ leases }) => {
            held = Math.max(0, held - transitions.length) + leases.length
            if (transitions.length > 0) reach("after-commit")
            // Less than it asked for: it would have found whatever is left.
            return request === undefined || leases.length >= request.limit ? tick : Effect.void
          }
        )
      )
    const ticking = <A, E>(effect: Effect.Effect<A, E>) => Effect.tap(effect, () => tick)

    const service: WorkQueueService = {
      enqueue: (job) =>
        ticking(
          Effect.map(
            database.writeDurably(atItsTime((query, time) => Enqueue.enqueue(query, policy, time, [job]))),
            (summary) => (summary.new === 1 ? "new" : "duplicate")
          )
        ),
      enqueueAll: (jobs) =>
        Effect.gen(function* () {
          const total = yield* Ref.make<EnqueueSummary>({ new: 0, duplicate: 0 })
          yield* Stream.runForEachChunk(Stream.rechunk(jobs, Enqueue.BATCH_SIZE), (chunk) =>
            Effect.flatMap(
              ticking(
                write((query, time) => Enqueue.enqueue(query, policy, time, Chunk.toReadonlyArray(chunk)))
              ),
              (batch) =>
                Ref.update(total, (sum) => ({
                  new: sum.new + batch.new,
                  duplicate: sum.duplicate + batch.duplicate
                }))
            )
          )
          // The log is synced up to here by this commit, and with it every batch before.
          yield* database.writeDurably(() => Effect.void)
          return yield* Ref.get(total)
        }),
      turn,
      lease: (request) => Effect.map(turn([], request), ({ leases }) => leases),
      heartbeat: (leases, ttl) =>
        leases.length === 0
          ? Effect.succeed([])
          : write((query, time) => Lease.heartbeat(query, leases, time + Duration.toMillis(ttl))),
      ack: (lease, settled, history = []) => fenced({ kind: "ack", lease, settled, history }),
      failAndRetry: (lease, failed, history = []) => fenced({ kind: "failAndRetry", lease, failed, history }),
      release: (lease, released = {}, history = []) => fenced({ kind: "release", lease, released, history }),
      reroute: (lease, rerouted, history = []) => {
        const item: Step = { kind: "reroute", lease, rerouted, history }
        return Effect.flatMap(step(item), (verdict) =>
          verdict === "lost" ? lost(item) : Effect.succeed(verdict === "queued" ? "queued" : "granted")
        )
      },
      cancel: (id) => ticking(write((query, time) => Operate.cancel(query, id, time))),
      stats: database.read(Read.stats),
      laneStats: (filter) =>
        Effect.flatMap(now, (time) => database.read((query) => Lanes.stats(query, time, filter))),
      waits: Effect.flatMap(now, (time) => database.read((query) => Read.waits(query, time))),
      list: (filter) => Read.list(database, filter),
      details: (filter) => Read.details(database, filter),
      get: (id) => database.read((query) => Read.get(query, id)),
      retryFailed: (filter) => ticking(database.write((query) => Operate.retryFailed(query, filter))),
      refresh: (filter) =>
        filter.dryRun === true
          ? database.read((query) => Operate.countRefreshable(query, filter))
          : ticking(
              Effect.iterate(
                { total: 0, queued: Operate.REFRESH_BATCH, last: 0 },
                {
                  while: ({ queued }) => queued === Operate.REFRESH_BATCH,
                  body: ({ last, total }) =>
                    Effect.map(
                      database.write((query) => Operate.refresh(query, filter, last)),
                      (batch) => ({ ...batch, total: total + batch.queued })
                    )
                }
              )
            ).pipe(Effect.map(({ total }) => total)),
      pause: (lane) => database.write((query) => Lanes.setPaused(query, lane, true)),
      resume: (lane) => ticking(database.write((query) => Lanes.setPaused(query, lane, false))),
      setLane: (lane, overrides) =>
        ticking(write((query, time) => Lanes.setLane(query, policy, time, lane, overrides))),
      paused: database.read(Lanes.isPaused),
      prune: (filter) => prune(database, filter),
      nextReadyAt: Effect.flatMap(now, (time) => database.read((query) => Read.nextReadyAt(query, time))),
      leases: database.read(Read.leases),
      reclaim: (workers) =>
        ticking(
          write((query, time) =>
            takeBack(query, {
              where: "worker IN (SELECT value FROM json_each(:match))",
              match: JSON.stringify(workers),
              reason: "worker-died",
              now: time,
              maxCrashes
            })
          )
        ),
      applyPolicy: (next) =>
        ticking(
          Effect.map(
            write((query, time) =>
              Effect.zipRight(Lanes.applyPolicy(query, next, time, 0), Lanes.newest(query))
            ),
            (newest) => {
              policy = next
              limited = newest
            }
          )
        ),
      changes: Stream.merge(
        Stream.fromPubSub(ticks),
        // Nobody else has a database in memory.
        options.path === ":memory:"
          ? Stream.empty
          : changesByOthers(database, {
              path: options.path,
              interval: options.pollInterval ?? "250 millis",
              lastWrite: () => lastWrite
            })
      )
    }
    return service
  })

/** Opens the queue; it is closed with the scope. */
export const make = (
  options: SqliteWorkQueueOptions
): Effect.Effect<WorkQueueService, WorkQueueError, Scope.Scope> =>
  Effect.flatMap(open(options), (opened) => over(opened, options))

/** The queue in a file, and the cache beside it; it is opened with the layer. */
export const layer = (options: SqliteWorkQueueOptions): Layer.Layer<WorkQueue | CacheStore, WorkQueueError> =>
  Layer.scopedContext(
    Effect.gen(function* () {
      const opened = yield* open(options)
      return Context.make(WorkQueue, yield* over(opened, options)).pipe(
        Context.add(CacheStore, SqliteCacheStore.make(opened, options.cache))
      )
    })
  )
