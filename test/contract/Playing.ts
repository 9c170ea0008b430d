/**
 * Plays a history on a queue and on the queue in memory, the reference model, and compares them step by step.
 *
 * What may differ: fencing tokens and job numbers, which each queue takes from where it likes, and `nextReadyAt`,
 * which may name an earlier time than the model, since a lease that comes for nothing does no harm. Everything else
 * is the same: answers, verdicts, which jobs are leased in which order, and all that can be read of jobs and lanes.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type { Lease, LeaseRef, NewJob } from "../../src/Job.ts"
import * as Memory from "../../src/store/memory/index.ts"
import type { LeaseLost, Transition, WorkQueueError, WorkQueueService } from "../../src/WorkQueue.ts"
import { type GivenJob, MAX_CRASHES, type Operation, POLICIES, limits } from "./History.ts"
import { type Start, type Step, watch } from "./Invariants.ts"
import { must, note, same } from "./Given.ts"
import { listed, look, shared } from "./Look.ts"

/** One lease as each of the two queues names it. */
interface Handed {
  readonly tested: Lease
  readonly model: Lease
}

/** The same question to both queues. */
type Ask = <A>(
  question: (queue: WorkQueueService, side: keyof Handed) => Effect.Effect<A, WorkQueueError>
) => Effect.Effect<Readonly<Record<keyof Handed, A>>>

const LOST = "lost"

/** The answer of a transition, whose refusal is an answer too. */
const orLost = <A>(write: Effect.Effect<A, LeaseLost | WorkQueueError>) =>
  Effect.catchTag(write, "LeaseLost", () => Effect.succeed(LOST))

const toJob = ({ delay, id, lane, priority }: GivenJob, now: number): NewJob => ({
  id: `job-${id}`,
  lane,
  payload: { id, lane },
  priority,
  availableAt: now + delay
})

/** A lease without what each queue chooses for itself. */
const common = ({ attempts, crashes, expiresAt, id, lane, payload, plan, worker }: Lease) => ({
  id,
  lane,
  worker,
  expiresAt,
  attempts,
  crashes,
  payload,
  plan
})

/** How many steps pass from one look to the next where it isn't looked closely. */
const LOOK_EVERY = 12

/**
 * Plays the operations on `queues`, which are views of one queue and take turns with them. The clock is the test's
 * and starts at 0. `closely`: looks at all of the queue after each step, where else that is done now and then, which
 * leaves time for more histories; what the operations answer is compared in any case.
 */
export const play = (
  queues: readonly [WorkQueueService, ...ReadonlyArray<WorkQueueService>],
  operations: ReadonlyArray<Operation>,
  closely = true
) =>
  Effect.gen(function* () {
    const model = yield* Memory.make({ policy: limits, maxCrashes: MAX_CRASHES })
    const check = watch(limits)
    const handed: Array<Handed> = []
    for (const [i, operation] of operations.entries()) {
      const queue = queues[i % queues.length] ?? queues[0]
      const ask: Ask = (question) =>
        Effect.orDie(Effect.all({ tested: question(queue, "tested"), model: question(model, "model") }))
      const step = yield* carryOut(operation, ask, handed)
      if (step.policy !== undefined) {
        // The processes on one queue have one configuration.
        const { policy } = step
        yield* Effect.orDie(Effect.forEach(queues, (one) => one.applyPolicy(policy)))
      }
      const last = i === operations.length - 1
      if (!closely && !last && i % LOOK_EVERY > 0) continue
      // What one has done, the next one sees.
      const tested = yield* look(queues[(i + 1) % queues.length] ?? queues[0])
      const expected = yield* look(model)
      if (closely) check(step, tested)
      same(shared(tested), shared(expected))
      const [next, its] = [tested.nextReadyAt, expected.nextReadyAt].map(Option.getOrUndefined)
      same(next === undefined, its === undefined)
      if (next !== undefined && its !== undefined) {
        must(next <= its, "the time to come back isn't told too late", next, its)
      }
      if (last) yield* listed(queues[0], tested)
    }
  })

/** Asks both and expects the same answer. */
const agree = <A>(
  ask: Ask,
  question: (queue: WorkQueueService, side: keyof Handed) => Effect.Effect<A, WorkQueueError>
) =>
  Effect.map(ask(question), ({ model, tested }) => {
    same(tested, model)
    return tested
  })

/** A lease that was handed out, counted from the latest. */
const latest = (handed: ReadonlyArray<Handed>, pick: number) =>
  handed[handed.length - 1 - (pick % Math.max(1, handed.length))]

/** Writes under a lease to both, and expects the write to count while the queue holds this very lease, only then. */
const settle = <A>(
  ask: Ask,
  handed: ReadonlyArray<Handed>,
  pick: number,
  write: (queue: WorkQueueService, lease: Lease) => Effect.Effect<A, LeaseLost | WorkQueueError>
) =>
  Effect.gen(function* () {
    const one = latest(handed, pick)
    if (one === undefined) return undefined
    const { tested: live } = yield* ask((queue, side) =>
      Effect.map(queue.leases, (leases) =>
        leases.some((held) => held.job === one[side].job && held.token === one[side].token)
      )
    )
    const answer = yield* agree(ask, (queue, side) => orLost(write(queue, one[side])))
    must((answer !== LOST) === live, "a write counts while its lease is held, and only then", answer, live)
    return answer === LOST ? undefined : { answer, job: one.tested.job }
  })

const keyOf = ({ job, token }: LeaseRef) => `${job} ${token}`

/** What both have leased, which is the same; it is remembered for later writes. */
const leased = (handed: Array<Handed>, tested: ReadonlyArray<Lease>, model: ReadonlyArray<Lease>) => {
  same(tested.map(common), model.map(common))
  tested.forEach((one, i) => {
    const other = model[i]
    if (other !== undefined) handed.push({ tested: one, model: other })
  })
  return tested
}

const transitionOf = (
  kind: Transition["kind"],
  lease: Lease,
  delay: number | null,
  now: number
): Transition => {
  switch (kind) {
    case "ack":
      return { kind, lease, settled: { state: "done", result: { by: lease.worker } }, history: [] }
    case "failAndRetry": {
      const retryAt = delay === null ? null : now + delay
      return { kind, lease, failed: { reason: "http-500", message: "no", retryAt }, history: [note("fail")] }
    }
    case "release":
      return { kind, lease, released: {}, history: [] }
  }
}

/** Carries one operation out on both queues, compares the answers and tells what happened. */
const carryOut = (operation: Operation, ask: Ask, handed: Array<Handed>): Effect.Effect<Step> =>
  Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const nothing: Step = { now, starts: [] }

    switch (operation.kind) {
      case "enqueue": {
        const one = toJob(operation.job, now)
        yield* agree(ask, (queue) => queue.enqueue(one))
        return { ...nothing, queued: [one.id] }
      }
      case "enqueueAll": {
        const jobs = operation.jobs.map((one) => toJob(one, now))
        const answer = yield* agree(ask, (queue) => queue.enqueueAll(Stream.fromIterable(jobs)))
        same(answer.new + answer.duplicate, jobs.length)
        return { ...nothing, queued: jobs.map((one) => one.id) }
      }
      case "lease": {
        const { limit, ttl, worker } = operation
        const { model, tested } = yield* ask((queue) => queue.lease({ worker, limit, ttl }))
        return { now, starts: leased(handed, tested, model), limit }
      }
      case "turn": {
        const { ends, request } = operation
        const held = yield* ask((queue) => queue.leases)
        const live = new Set(held.tested.map(keyOf))
        const settled = ends.flatMap((end) => {
          const lease = latest(handed, end.pick)
          return lease === undefined ? [] : { ...end, lease }
        })
        const { model, tested } = yield* ask((queue, side) =>
          queue.turn(
            settled.map(({ delay, end, lease }) => transitionOf(end, lease[side], delay, now)),
            request
          )
        )
        same(tested.verdicts, model.verdicts)
        // Also where a lease is settled twice in one turn, or with a successor's.
        same(
          tested.verdicts,
          settled.map(({ lease }) => (live.delete(keyOf(lease.tested)) ? "ok" : "lost"))
        )
        const starts = leased(handed, tested.leases, model.leases)
        const ended = new Set(
          settled.flatMap(({ lease }, n) => (tested.verdicts[n] === "ok" ? [lease.tested.job] : []))
        )
        return { now, starts, ended, ...(request === undefined ? {} : { limit: request.limit }) }
      }
      case "heartbeat": {
        const leases = operation.picks.flatMap((pick) => latest(handed, pick) ?? [])
        const { model, tested } = yield* ask((queue, side) =>
          queue.heartbeat(
            leases.map((one) => one[side]),
            operation.ttl
          )
        )
        const places = (lost: ReadonlyArray<LeaseRef>, side: keyof Handed) =>
          leases.map((one) => lost.some((ref) => ref.job === one[side].job && ref.token === one[side].token))
        same(places(tested, "tested"), places(model, "model"))
        return nothing
      }
      case "ack":
        yield* settle(ask, handed, operation.pick, (queue, lease) =>
          operation.state === "done"
            ? queue.ack(lease, { state: "done", result: { by: lease.worker } }, [note("ack")])
            : queue.ack(lease, {
                state: "skipped",
                reason: "robots",
                message: "not allowed",
                result: operation.result
              })
        )
        return nothing
      case "failAndRetry": {
        const { delay, pick, plan, result } = operation
        const failed = { reason: "http-500", message: "no", plan, result }
        yield* settle(ask, handed, pick, (queue, lease) =>
          queue.failAndRetry(lease, { ...failed, retryAt: delay === null ? null : now + delay }, [
            note("fail")
          ])
        )
        return nothing
      }
      case "release": {
        const { pick, plan } = operation
        const later =
          operation.later === null
            ? undefined
            : { until: now + operation.later, reason: "not-yet", message: "come back later" }
        yield* settle(ask, handed, pick, (queue, lease) => queue.release(lease, { plan, later }))
        return nothing
      }
      case "hold": {
        const hold = { until: now + operation.ms, reason: `http-429 ${operation.ms}` }
        const held = yield* settle(ask, handed, operation.pick, (queue, lease) =>
          queue.release(lease, { hold })
        )
        return held === undefined ? nothing : { ...nothing, held: { job: held.job, until: hold.until } }
      }
      case "reroute": {
        const { lane, pick, plan } = operation
        const at = latest(handed, pick)
        const from = at === undefined ? undefined : yield* ask((queue, side) => queue.get(at[side].id))
        const moved = yield* settle(ask, handed, pick, (queue, lease) =>
          queue.reroute(lease, { lane, plan }, [note("reroute")])
        )
        const starts: ReadonlyArray<Start> =
          moved?.answer === "granted" && from !== undefined && Option.getOrThrow(from.tested).lane !== lane
            ? [{ job: moved.job, lane }]
            : []
        return { now, starts }
      }
      case "cancel":
        yield* agree(ask, (queue) => queue.cancel(`job-${operation.id}`))
        return nothing
      case "pause":
      case "resume":
        yield* agree(ask, (queue) => queue[operation.kind](operation.lane))
        return nothing
      case "retryFailed":
        yield* agree(ask, (queue) => queue.retryFailed(operation))
        return nothing
      case "refresh":
        yield* agree(ask, (queue) => queue.refresh(operation))
        return nothing
      case "prune": {
        const { age, state } = operation
        const finishedBefore = now - age
        yield* agree(ask, (queue) => queue.prune({ finishedBefore, state }))
        return {
          ...nothing,
          pruned: (job) =>
            job.finishedAt !== null &&
            job.finishedAt < finishedBefore &&
            (state === undefined || job.state === state)
        }
      }
      case "reclaim":
        yield* agree(ask, (queue) => queue.reclaim(operation.workers))
        return nothing
      case "applyPolicy": {
        const policy = POLICIES[operation.to] ?? limits
        yield* agree(ask, (queue) => queue.applyPolicy(policy))
        return { ...nothing, policy }
      }
      case "setLane": {
        const { lane, overrides } = operation
        yield* agree(ask, (queue) => queue.setLane(lane, overrides))
        return { ...nothing, set: { lane, overrides } }
      }
      case "pass":
        yield* TestClock.adjust(operation.ms)
        return { ...nothing, now: now + operation.ms }
    }
  })
