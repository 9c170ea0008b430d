/**
 * The queue in this process's memory: the reference model of the contract, and the queue for tests of programs that
 * embed the orchestrator.
 *
 * Each operation is one synchronous step on one state, so it is atomic, and never fails with a `WorkQueueError`. It
 * says what the other stores must do; nothing survives the process.
 */
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Attempt, Lease } from "../../Job.ts"
import type { LanePolicy } from "../../Lane.ts"
import { LeaseLost, turnOf, WorkQueue, type WorkQueueService } from "../../WorkQueue.ts"
import * as Enqueue from "./Enqueue.ts"
import * as Lanes from "./Lanes.ts"
import * as Leases from "./Lease.ts"
import * as Settle from "./Settle.ts"
import * as State from "./State.ts"
import * as Read from "./Read.ts"
import * as Operate from "./Operate.ts"

/** A queue's limits. */
export interface MemoryOptions {
  /** A job that lost its worker so many times ends in `error (crashed)`. Default 20. */
  readonly maxCrashes?: number | undefined
  /** The limits of lanes and pools, until `applyPolicy`. */
  readonly policy: LanePolicy
}

/** Jobs that `enqueueAll` takes in one step. */
const BATCH = 256

/** One step on the state, at the time it happens. */
const step = <A>(change: (now: number) => A) => Effect.map(Clock.currentTimeMillis, change)

/** An empty queue; `changes` ends with the scope. */
export const make = (options: MemoryOptions): Effect.Effect<WorkQueueService, never, Scope.Scope> =>
  Effect.gen(function* () {
    const state = State.empty(options.policy, options.maxCrashes ?? 20)
    // One tick waiting is as good as many.
    const ticks = yield* Effect.acquireRelease(PubSub.sliding<void>(1), PubSub.shutdown)

    /** A step after which something new may be leased; it can't be interrupted before its tick is sent. */
    const tick = <A, E>(change: Effect.Effect<A, E>, when: (a: A) => boolean = () => true) =>
      Effect.uninterruptible(
        Effect.tap(change, (a) => (when(a) ? PubSub.publish(ticks, undefined) : Effect.void))
      )

    /** A transition of a leased job, with its history; changes nothing when the token is stale. */
    const settle = <A>(
      lease: Lease,
      history: ReadonlyArray<Attempt> | undefined,
      transition: (job: State.Job, now: number) => A
    ) =>
      tick(
        Effect.flatMap(Clock.currentTimeMillis, (now): Effect.Effect<A, LeaseLost> => {
          const job = Leases.held(state, lease)
          if (job === undefined) return new LeaseLost({ id: lease.id, token: lease.token })
          const answer = transition(job, now)
          for (const attempt of history ?? []) job.history.push({ ...attempt })
          return Effect.succeed(answer)
        })
      )

    const enqueueAll: WorkQueueService["enqueueAll"] = (jobs) =>
      jobs.pipe(
        Stream.grouped(BATCH),
        Stream.mapEffect((batch) =>
          tick(
            step((now) =>
              Chunk.reduce(batch, 0, (added, job) =>
                Enqueue.enqueue(state, now, job) === "new" ? added + 1 : added
              )
            ),
            (added) => added > 0
          ).pipe(Effect.map((added) => ({ new: added, duplicate: batch.length - added })))
        ),
        Stream.runFold({ new: 0, duplicate: 0 }, (sum, batch) => ({
          new: sum.new + batch.new,
          duplicate: sum.duplicate + batch.duplicate
        }))
      )

    /** Reads on as it is consumed, so a long list costs no memory. */
    const listing =
      <A>(show: (job: State.Job) => A) =>
      (filter: Parameters<WorkQueueService["list"]>[0]): Stream.Stream<A> => {
        const all = Stream.suspend(() =>
          Stream.map(Stream.fromIteratorSucceed(Read.matching(state, filter), BATCH), show)
        )
        return filter.limit === undefined ? all : Stream.take(all, filter.limit)
      }

    const steps: Pick<WorkQueueService, "lease" | "ack" | "failAndRetry" | "release"> = {
      lease: ({ limit, ttl, worker }) =>
        step((now) => Leases.lease(state, now, { worker, limit, ttl: Duration.toMillis(ttl) })),
      ack: (lease, settled, history) =>
        settle(lease, history, (job, now) => Settle.ack(state, now, job, settled)),
      failAndRetry: (lease, failed, history) =>
        settle(lease, history, (job, now) => Settle.failAndRetry(state, now, job, failed)),
      release: (lease, released = {}, history) =>
        settle(lease, history, (job, now) => Settle.release(state, now, job, released))
    }

    return {
      ...steps,
      turn: turnOf(steps),
      enqueue: (job) =>
        tick(
          step((now) => Enqueue.enqueue(state, now, job)),
          (answer) => answer === "new"
        ),
      enqueueAll,
      heartbeat: (leases, ttl) => step((now) => Leases.heartbeat(state, now, leases, Duration.toMillis(ttl))),
      reroute: (lease, rerouted, history) =>
        settle(lease, history, (job, now) => Settle.reroute(state, now, job, rerouted)),
      cancel: (id) =>
        tick(
          step((now) => Operate.cancel(state, now, id)),
          (cancelled) => cancelled
        ),
      stats: Effect.sync(() => Read.stats(state)),
      laneStats: (filter) => step((now) => Read.laneStats(state, now, filter)),
      waits: step((now) => Read.waits(state, now)),
      list: listing(Read.summary),
      details: listing(Read.detail),
      get: (id) => Effect.sync(() => Option.map(Option.fromNullable(state.byId.get(id)), Read.detail)),
      retryFailed: (filter) =>
        tick(
          step((now) => Operate.retryFailed(state, now, filter)),
          (count) => count > 0 && filter.dryRun !== true
        ),
      refresh: (filter) =>
        tick(
          step((now) => Operate.refresh(state, now, filter)),
          (count) => count > 0 && filter.dryRun !== true
        ),
      pause: (lane) => Effect.sync(() => Lanes.setPaused(state, true, lane)),
      resume: (lane) =>
        tick(
          Effect.sync(() => Lanes.setPaused(state, false, lane)),
          (found) => found
        ),
      setLane: (lane, overrides) => tick(step((now) => Lanes.setLane(state, now, lane, overrides))),
      paused: Effect.sync(() => state.paused),
      prune: (filter) => Effect.sync(() => Operate.prune(state, filter)),
      nextReadyAt: step((now) => Option.fromNullable(Leases.nextReadyAt(state, now))),
      leases: Effect.sync(() => Read.leases(state)),
      reclaim: (workers) =>
        tick(
          step((now) => Leases.reclaim(state, now, workers)),
          (count) => count > 0
        ),
      applyPolicy: (policy) => tick(step((now) => Lanes.applyPolicy(state, now, policy))),
      changes: Stream.fromPubSub(ticks)
    }
  })

/** `make` as a layer. */
export const layer = (options: MemoryOptions): Layer.Layer<WorkQueue> =>
  Layer.scoped(WorkQueue, make(options))
