/**
 * The turns of a run: what ended since the last one is settled, and the slots that came free are filled, in one
 * transaction of the queue.
 *
 * A job's fiber only runs its handler; when that is done, the job waits here to be written together with the others. No
 * job is forgotten: what a turn that fails was to write waits for the next.
 */
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { reach } from "../FailPoint.ts"
import type { Fatal } from "../Failure.ts"
import type { Lease } from "../Job.ts"
import type { RunOptions } from "../Scheduler.ts"
import * as Telemetry from "../Telemetry.ts"
import type { Handled, JobEnd, WorkerService } from "../Worker.ts"
import { interrupted } from "../worker/Decision.ts"
import type { LeaseRequest, Transition, Turn, WorkQueueError, WorkQueueService } from "../WorkQueue.ts"
import * as JobFiber from "./JobFiber.ts"
import type { Running, RunningJob } from "./Running.ts"

/** Jobs settled in one turn at most: its transaction blocks the event loop. */
const MAX_BATCH = 256

/**
 * The gap grows with what the last turn took, so that turns, in which nothing else gets on, stay a small part of the
 * time also where they are slow; up to so many times what it is asked to be at least.
 */
const GAP_PER_TURN = 8
const MAX_GAP = 4

/** A job whose handler is done, or that came to none. */
interface Ended {
  readonly job: RunningJob
  readonly handled: Handled
}

/** What a run's turns are made of. */
export interface TurnsOptions extends Pick<RunOptions, "onStart" | "onEnd"> {
  readonly queue: WorkQueueService
  readonly worker: WorkerService
  readonly running: Running
  readonly name: string
  readonly maxWorkers: number
  readonly leaseTtl: Duration.Duration
  /** See `SchedulerOptions.turnGap`. */
  readonly gapMs: number
  /** Told of each end of a lease, as soon as it is written. */
  readonly count: (end: JobEnd["end"]) => void
  /** Ends the run with what it can't go on after. */
  readonly fail: (cause: Cause.Cause<Fatal | WorkQueueError>) => Effect.Effect<unknown>
  /** Something has changed for whoever takes the turns. */
  readonly ring: () => void
}

/** How a turn went. `leased`: how many jobs it started. `exhausted`: there was less than there were free slots. */
export interface Taken {
  readonly leased: number
  readonly exhausted: boolean
}

/** The turns of one run. */
export interface Turns {
  /** Waits until the next turn may be taken, for the sake of the jobs that end meanwhile. */
  readonly gap: Effect.Effect<void>
  /** Settles what ended and, if it `mayLease`, fills the free slots. Not to be taken by two at once. */
  readonly take: (mayLease: boolean) => Effect.Effect<Taken, WorkQueueError>
  /** Settles what is left when a run ends: together, or where that fails each by itself. */
  readonly rest: Effect.Effect<void>
  /** Whether some job waits to be settled. */
  readonly pending: () => boolean
}

/** The turns of a run that hasn't leased anything yet. */
export const make = (options: TurnsOptions): Effect.Effect<Turns> =>
  Effect.gen(function* () {
    const { fail, leaseTtl, maxWorkers, name, onEnd, onStart, queue, ring, running, worker } = options
    const clock = yield* Effect.clock
    let ended: Array<Ended> = []
    /** Handlers that run now. A job whose handler is done has given its slot free, though it is still to be written. */
    let handling = 0
    /** The run is about to end, so its slots aren't filled again. */
    let ending = false

    const fork = yield* JobFiber.forking(worker.context)

    /** Uninterruptible, as all of a job's fiber but its handler. */
    const handle = (lease: Lease): Effect.Effect<Handled> =>
      onStart === undefined
        ? worker.handle(lease)
        : Effect.zipRight(
            Effect.suspend(() => onStart(lease)),
            worker.handle(lease)
          )

    /** The run can't go on, and the worker, who would release the job, hasn't got it or came to no end with it. */
    const giveBack = (lease: Lease, cause: Cause.Cause<never>): Handled => {
      const now = clock.unsafeCurrentTimeMillis()
      ending = true
      fork(fail(cause))
      return { ...interrupted(lease, []), lease, startedAt: now, handledAt: now }
    }

    const begin = (lease: Lease): void => {
      const job = running.add(lease)
      handling += 1
      const fiber = fork(handle(lease))
      job.fiber = fiber
      // Told of at the fiber's very end, when what the handler left running in it is gone, too.
      fiber.addObserver((exit) => {
        const handled = Exit.isSuccess(exit) ? exit.value : giveBack(lease, exit.cause)
        ended.push({ job, handled })
        if (handled.failure === undefined) handling -= 1
        else ending = true
        ring()
      })
    }

    /** What was written is told; the job is running until then. */
    const tell = (job: RunningJob, end: JobEnd): void => {
      options.count(end.end)
      if (onEnd === undefined) return running.delete(job)
      let atOnce = true
      const leave = () => {
        running.delete(job)
        if (!atOnce) ring()
      }
      job.fiber = fork(
        Effect.matchCauseEffect(
          Effect.suspend(() => onEnd(end)),
          {
            onSuccess: () => Effect.sync(leave),
            onFailure: (cause) => Effect.map(fail(cause), leave)
          }
        )
      )
      atOnce = false
    }

    /** By itself: only the one whose transition can't be written is at fault. */
    const settleAlone = ({ handled, job }: Ended) =>
      Effect.flatMap(Effect.exit(worker.settle(handled)), (exit) => {
        if (Exit.isSuccess(exit)) return Effect.sync(() => tell(job, exit.value))
        running.delete(job)
        return fail(exit.cause)
      })

    const turn = (
      batch: ReadonlyArray<Ended>,
      request: LeaseRequest | undefined
    ): Effect.Effect<ReadonlyArray<Lease>, WorkQueueError> => {
      const writing: Array<Ended> = []
      const transitions: Array<Transition> = []
      const alone: Array<Ended> = []
      for (const one of batch) {
        if (one.handled.failure !== undefined) alone.push(one)
        else if (one.handled.transition === null) tell(one.job, worker.end(one.handled, "ok"))
        else {
          writing.push(one)
          transitions.push(one.handled.transition)
        }
      }
      const done = ({ leases, verdicts }: Turn) => {
        for (const [i, { handled, job }] of writing.entries()) {
          tell(job, worker.end(handled, verdicts[i] ?? "lost"))
        }
        return leases
      }
      const together = Effect.catchAllCause(
        Effect.map(queue.turn(transitions, request), done),
        (cause): Effect.Effect<ReadonlyArray<Lease>, WorkQueueError> => {
          if (Cause.isDie(cause)) return Effect.as(Effect.forEach(writing, settleAlone), [])
          ended = [...alone, ...writing, ...ended]
          return Effect.failCause(cause)
        }
      )
      return alone.length === 0 ? together : Effect.zipLeft(together, Effect.forEach(alone, settleAlone))
    }

    let writtenAt = Number.NEGATIVE_INFINITY
    let gapMs = options.gapMs

    const gap: Turns["gap"] =
      gapMs <= 0
        ? Effect.void
        : Effect.suspend(() => {
            const left = writtenAt + gapMs - clock.unsafeCurrentTimeMillis()
            // A clock that was put back says nothing of the gap.
            return left > 0 && left <= gapMs && ended.length > 0 && ended.length < running.size
              ? Effect.sleep(left)
              : Effect.void
          })

    const take: Turns["take"] = (mayLease) =>
      Effect.suspend(() => {
        const batch = ended.length <= MAX_BATCH ? ended : ended.slice(0, MAX_BATCH)
        ended = ended.slice(batch.length)
        const limit = mayLease && !ending ? maxWorkers - handling : 0
        if (batch.length === 0 && limit === 0) return Effect.succeed({ leased: 0, exhausted: false })
        const request = limit === 0 ? undefined : { worker: name, limit, ttl: leaseTtl }
        const askedAt = clock.unsafeCurrentTimeNanos()
        return Effect.map(turn(batch, request), (leases): Taken => {
          const tookMs = Number(clock.unsafeCurrentTimeNanos() - askedAt) / 1e6
          if (batch.length > 0) {
            writtenAt = clock.unsafeCurrentTimeMillis()
            gapMs = Math.min(MAX_GAP * options.gapMs, Math.max(options.gapMs, GAP_PER_TURN * tookMs))
          }
          if (limit > 0) Telemetry.leaseDuration.note(tookMs / 1000)
          if (leases.length > 0) reach("leased")
          for (const lease of leases) begin(lease)
          return { leased: leases.length, exhausted: limit > 0 && leases.length < limit }
        })
      }).pipe(
        // From the lease to the job's fiber nothing may come between, or the lease would be nobody's.
        Effect.uninterruptible
      )

    const rest: Turns["rest"] = Effect.suspend(() =>
      Effect.catchAll(take(false), (error) => {
        const left = ended
        ended = []
        return Effect.zipRight(
          Effect.logDebug(error.message),
          Effect.forEach(left, settleAlone, { discard: true })
        )
      })
    ).pipe(Effect.repeat({ while: () => ended.length > 0 }), Effect.asVoid, Effect.uninterruptible)

    return { gap, take, rest, pending: () => ended.length > 0 }
  })
