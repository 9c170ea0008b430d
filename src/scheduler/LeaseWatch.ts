/**
 * Keeps a process's leases alive, and looks after those that are gone: of its own jobs it interrupts the ones whose
 * leases are lost, and it takes back those of this machine's dead processes.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import type { LeaseRef } from "../Job.ts"
import * as Telemetry from "../Telemetry.ts"
import type { WorkerIdentityService } from "../WorkerIdentity.ts"
import type { HeldLease, WorkQueueError, WorkQueueService } from "../WorkQueue.ts"
import type { Running } from "./Running.ts"

/** How often the leases of the queue are looked at. */
const LOOK_EVERY = Duration.seconds(2)

/** How long a job whose lease is gone may still be about to end by itself: its last write may just be done. */
const SETTLING = Duration.millis(250)

/** A locked queue is met again at the next round, long before the leases expire. */
const unlessBusy = (effect: Effect.Effect<void, WorkQueueError>) =>
  Effect.catchIf(
    effect,
    (error) => error.reason === "busy",
    (error) => Effect.logWarning(error.message)
  )

const forEver = (effect: Effect.Effect<void, WorkQueueError>, every: Duration.Duration) =>
  Effect.asVoid(Effect.schedule(unlessBusy(effect), Schedule.spaced(every)))

/** What a scheduler does about leases, besides taking them. */
export interface LeaseWatch {
  /** Looks at all leases once. */
  readonly look: Effect.Effect<void, WorkQueueError>
  /** Looks again and again; fails when the queue can't be used. */
  readonly looks: Effect.Effect<void, WorkQueueError>
  /** Extends the leases of all running jobs again and again; fails when the queue can't be used. */
  readonly heartbeats: Effect.Effect<void, WorkQueueError>
}

/** The watch over the jobs in `running`. */
export const make = (options: {
  readonly queue: WorkQueueService
  readonly identity: WorkerIdentityService
  readonly running: Running
  readonly leaseTtl: Duration.Duration
  readonly heartbeatEvery: Duration.Duration
}): LeaseWatch => {
  const { heartbeatEvery, identity, leaseTtl, queue, running } = options

  /** Leases of this machine's dead processes are free at once; those of others when they expire. */
  const reclaimDead = Effect.fnUntraced(function* (held: ReadonlyArray<HeldLease>) {
    const workers = new Set(held.map((lease) => lease.worker))
    const dead = [...workers].filter((name) => identity.isDead(name))
    if (dead.length === 0) return
    Telemetry.leasesReclaimed.note(yield* queue.reclaim(dead))
  })

  const interruptLost = Effect.fnUntraced(function* (lost: ReadonlyArray<LeaseRef>) {
    // One that ended by itself meanwhile runs no more.
    for (const job of lost.length === 0 ? [] : running.of(lost)) {
      // It was told already and is slow to give way.
      if (job.fiber === undefined || job.interrupted) continue
      job.interrupted = true
      yield* Effect.logWarning(`the lease on ${job.lease.id} is lost; its job is interrupted`)
      // Not waited for: a job that is slow to give way must not cost the others their heartbeat.
      yield* Fiber.interruptFork(job.fiber)
    }
  })

  const look = Effect.gen(function* () {
    // Before the queue is asked: what is leased meanwhile can't be in its answer.
    const ours = running.leases()
    const held = yield* queue.leases
    yield* reclaimDead(held)
    const gone = running.missing(ours, held)
    if (gone.length === 0) return
    yield* Effect.sleep(SETTLING)
    yield* interruptLost(gone)
  })

  const heartbeat = Effect.flatMap(
    Effect.suspend(() => queue.heartbeat(running.leases(), leaseTtl)),
    (lost) => {
      Telemetry.heartbeats.note(1, "ok")
      return interruptLost(lost)
    }
  ).pipe(Effect.tapError(() => Effect.sync(() => Telemetry.heartbeats.note(1, "failed"))))

  return { look, looks: forEver(look, LOOK_EVERY), heartbeats: forEver(heartbeat, heartbeatEvery) }
}
