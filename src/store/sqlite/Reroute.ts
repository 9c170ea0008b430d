/** Moves a leased job to another lane, in which its lease goes on if there is room; see `WorkQueue.reroute`. */
import * as Effect from "effect/Effect"
import type { Lease } from "../../Job.ts"
import type { LanePolicy } from "../../Lane.ts"
import type { Rerouted } from "../../WorkQueue.ts"
import { applyTally, emptyTally, type Tally, tally } from "./Counters.ts"
import type { Query } from "./Database.ts"
import * as Lanes from "./Lanes.ts"
import { admit, awake, opensAt } from "./Pace.ts"
import * as Rows from "./Rows.ts"

interface TargetLane {
  readonly open: number
  readonly awake: number
  readonly gap_ms: number
  readonly burst: number
  readonly tat: number
}

const targetLane = `SELECT
    (SELECT paused FROM queue) = 0 AND l.paused = 0 AND l.in_flight < l.cap AND p.in_flight < p.cap AS open,
    l.next_at <= :now AS awake, l.gap_ms, l.burst, l.tat
  FROM lanes l JOIN pools p ON p.id = l.pool_id WHERE l.id = :lane`

/**
 * Moves one job. The counters are written at once, not with the batch's tally: the next reroute of the batch has to
 * see the slot this one took.
 */
export const reroute = Effect.fnUntraced(function* (
  query: Query,
  policy: LanePolicy,
  now: number,
  lease: Lease,
  rerouted: Rerouted,
  pending: Tally
) {
  const [job] = yield* query<{ readonly lane_id: number }>(
    "SELECT lane_id FROM jobs WHERE id = :job AND fencing_token = :token AND state = 'in_progress'",
    { job: lease.job, token: lease.token }
  )
  if (job === undefined) return "lost"
  yield* query("UPDATE bodies SET plan = :plan WHERE job_id = :job", {
    job: lease.job,
    plan: Rows.json(rerouted.plan)
  })
  const lanes = yield* Lanes.ensure(query, policy, [rerouted.lane])
  const lane = lanes.get(rerouted.lane) ?? job.lane_id
  yield* applyTally(query, pending)
  pending.clear()
  const counts = emptyTally()
  tally(counts, job.lane_id, "in_flight", -1)
  yield* applyTally(query, counts)
  const [target] = yield* query<TargetLane>(targetLane, { lane, now })
  const tat =
    target !== undefined && target.open === 1 && target.awake === 1
      ? admit(awake(target.tat, target.gap_ms, target.burst, now), target.gap_ms, target.burst, now)
      : undefined
  const granted = target !== undefined && tat !== undefined
  if (granted) {
    const opens = opensAt(tat, target.gap_ms, target.burst)
    yield* query("UPDATE lanes SET tat = :tat, next_at = :nextAt, blocked_reason = NULL WHERE id = :lane", {
      lane,
      tat,
      nextAt: opens > now ? opens : 0
    })
    yield* query("UPDATE jobs SET lane_id = :lane WHERE id = :job", { lane, job: lease.job })
  } else {
    yield* query(
      `UPDATE jobs SET lane_id = :lane, state = 'queued', available_at = 0, worker = NULL, lease_expires_at = NULL
         WHERE id = :job`,
      { lane, job: lease.job }
    )
  }
  const arrived = emptyTally()
  tally(arrived, lane, granted ? "in_flight" : "ready", 1)
  yield* applyTally(query, arrived)
  return granted ? "granted" : "queued"
})
