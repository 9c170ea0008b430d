/**
 * Leasing: search lanes that may start something, never jobs; then take the head of each.
 *
 * Runnable lanes stand in a line per pool, ordered by the time they were last served, so a served lane goes behind
 * every waiting one (the back-queue heap of Mercator, kept in an index). The cost depends on the jobs leased, not
 * on those that wait.
 */
import * as Effect from "effect/Effect"
import type { Lease } from "../../Job.ts"
import { applyTally, applyToPools, emptyTally, tally, tallyMove } from "./Counters.ts"
import type { Query } from "./Database.ts"
import { type Head, headsOf } from "./Heads.ts"
import { admit, awake, opensAt } from "./Pace.ts"
import * as Rows from "./Rows.ts"
import * as Sequence from "./Sequence.ts"
import { takeBack } from "./TakeBack.ts"

export interface LeaseRequest {
  readonly worker: string
  readonly limit: number
  readonly ttlMs: number
  readonly now: number
  readonly maxCrashes: number
}

/** Delayed jobs made ready by one lease; the rest follows with the next, so no transaction grows without bound. */
const PROMOTE_AT_ONCE = 1_000

const dueQuery = `SELECT paused,
  EXISTS (SELECT 1 FROM jobs WHERE state = 'queued' AND available_at > 0 AND available_at <= :now) AS delayed,
  EXISTS (SELECT 1 FROM jobs WHERE state = 'in_progress' AND lease_expires_at <= :now) AS expired,
  EXISTS (SELECT 1 FROM lanes WHERE next_at > 0 AND next_at <= :now) AS sleeping
  FROM queue`

/** Makes ready what has become due: delayed jobs, expired leases, lanes whose time has come. Answers "paused". */
const promote = Effect.fnUntraced(function* (query: Query, now: number, maxCrashes: number) {
  const [due] = yield* query<{
    readonly paused: number
    readonly delayed: number
    readonly expired: number
    readonly sleeping: number
  }>(dueQuery, { now })
  if (due === undefined) return true
  if (due.sleeping === 1) {
    yield* query(
      "UPDATE lanes SET next_at = 0, blocked_reason = NULL WHERE next_at > 0 AND next_at <= :now",
      { now }
    )
  }
  if (due.delayed === 1) {
    const rows = yield* query<{ readonly lane_id: number }>(
      `UPDATE jobs SET available_at = 0 WHERE id IN
           (SELECT id FROM jobs WHERE state = 'queued' AND available_at > 0 AND available_at <= :now
            ORDER BY available_at LIMIT ${PROMOTE_AT_ONCE})
         RETURNING lane_id`,
      { now }
    )
    const changes = emptyTally()
    for (const row of rows) tallyMove(changes, row.lane_id, "delayed", "ready")
    yield* applyTally(query, changes)
  }
  if (due.expired === 1) {
    yield* takeBack(query, {
      where: "lease_expires_at <= :match",
      match: now,
      reason: "lease-expired",
      now,
      maxCrashes
    })
  }
  return due.paused === 1
})

/** A lane that may start jobs: `room` of them at most, by its cap and by what is ready. */
interface Candidate {
  readonly id: number
  readonly key: string
  readonly pool: number
  readonly room: number
  readonly gapMs: number
  readonly burst: number
  readonly tat: number
  readonly turn: number
}

interface Pool {
  readonly id: number
  readonly room: number
}

const openPools = "SELECT id, cap - in_flight AS room FROM pools WHERE ready > 0 AND in_flight < cap"

const openLanes = `SELECT ${Rows.list("id, key, room, gap_ms, burst, tat, turn")} FROM (
  SELECT id, key, min(cap - in_flight, ready) AS room, gap_ms, burst, tat, turn
  FROM lanes WHERE pool_id = :pool AND runnable ORDER BY turn, id LIMIT :limit)`

/** The lanes at the front of each open pool's line, by their turns. */
const candidates = Effect.fnUntraced(function* (query: Query, pools: ReadonlyArray<Pool>, limit: number) {
  const lanes: Array<Candidate> = []
  for (const pool of pools) {
    const rows = yield* Rows.listed<
      readonly [id: number, key: string, room: number, gap: number, burst: number, tat: number, turn: number]
    >(query(openLanes, { pool: pool.id, limit: Math.min(limit, pool.room) }))
    for (const [id, key, room, gapMs, burst, tat, turn] of rows) {
      lanes.push({ id, key, pool: pool.id, room, gapMs, burst, tat, turn })
    }
  }
  if (pools.length > 1) lanes.sort((a, b) => a.turn - b.turn || a.id - b.id)
  return lanes
})

/** How many jobs each lane gives, and the pace it has afterwards. */
interface Share {
  readonly lane: Candidate
  count: number
  tat: number
}

/** Deals out `limit` starts in rounds: in each, every lane that still may gets one. */
const deal = (
  lanes: ReadonlyArray<Candidate>,
  pools: ReadonlyArray<Pool>,
  limit: number,
  now: number
): ReadonlyArray<Share> => {
  const poolRoom = new Map(pools.map((pool) => [pool.id, pool.room]))
  const shares = new Map<number, Share>()
  let left = limit
  let line = lanes
  while (left > 0 && line.length > 0) {
    const next: Array<Candidate> = []
    for (const lane of line) {
      if (left === 0) break
      const room = poolRoom.get(lane.pool) ?? 0
      const share = shares.get(lane.id) ?? {
        lane,
        count: 0,
        tat: awake(lane.tat, lane.gapMs, lane.burst, now)
      }
      if (room === 0 || share.count >= lane.room) continue
      const admitted = admit(share.tat, lane.gapMs, lane.burst, now)
      if (admitted === undefined) continue
      share.tat = admitted
      share.count += 1
      shares.set(lane.id, share)
      poolRoom.set(lane.pool, room - 1)
      left -= 1
      next.push(lane)
    }
    line = next
  }
  return [...shares.values()]
}

const takeJobs = Rows.among(
  (
    ids
  ) => `UPDATE jobs SET state = 'in_progress', fencing_token = :token, worker = :worker, lease_expires_at = :expiresAt
    WHERE id IN (${ids})`
)

/** Leases up to `limit` jobs; see `WorkQueue.lease`. */
export const lease = Effect.fnUntraced(function* (query: Query, request: LeaseRequest) {
  const { limit, now, ttlMs, worker } = request
  const paused = yield* promote(query, now, request.maxCrashes)
  if (paused || limit < 1) return []
  const pools = yield* query<Pool>(openPools)
  const shares = deal(yield* candidates(query, pools, limit), pools, limit, now)
  if (shares.length === 0) return []

  const token = yield* Sequence.take(query, 1 + shares.length)
  const expiresAt = now + ttlMs
  const taken = yield* headsOf(
    query,
    shares.map(({ count, lane }) => [lane.id, count])
  )
  yield* takeJobs(
    query,
    taken.map(({ id }) => id),
    { token, worker, expiresAt }
  )

  yield* take(query, shares, token + 1, now)
  return inTurns(shares, taken, (lane, head): Lease => ({
    job: head.id,
    token,
    id: head.artifact,
    lane: lane.key,
    worker,
    expiresAt,
    attempts: head.attempts,
    crashes: head.crashes,
    payload: head.payload,
    plan: head.plan
  }))
})

const takeFromLanes = Rows.joining(
  5,
  (values) => `WITH s (id, count, turn, tat, next_at) AS (${values})
  UPDATE lanes SET ready = ready - s.count, in_flight = in_flight + s.count, turn = s.turn, tat = s.tat,
    next_at = s.next_at
  FROM s WHERE lanes.id = s.id`
)

/** Moves what the lanes gave into flight, and the lanes to the end of the line. */
const take = Effect.fnUntraced(function* (
  query: Query,
  shares: ReadonlyArray<Share>,
  firstTurn: number,
  now: number
) {
  const changes = emptyTally()
  // The order of the last starts: a lane that gave in a later round stands behind those that didn't.
  const line = shares.toSorted((a, b) => a.count - b.count)
  const cells: Array<number> = []
  for (const [i, { count, lane, tat }] of line.entries()) {
    tally(changes, lane.id, "ready", -count)
    tally(changes, lane.id, "in_flight", count)
    const opens = opensAt(tat, lane.gapMs, lane.burst)
    cells.push(lane.id, count, firstTurn + i, tat, opens > now ? opens : 0)
  }
  yield* takeFromLanes(query, cells)
  yield* applyToPools(
    query,
    changes,
    shares.map(({ lane }) => [lane.id, lane.pool])
  )
})

/** The order the jobs were dealt out in: lane by lane in each round. */
const inTurns = <A>(
  shares: ReadonlyArray<Share>,
  taken: ReadonlyArray<Head>,
  make: (lane: Candidate, head: Head) => A
): ReadonlyArray<A> => {
  const byLane = new Map<number, Array<Head>>()
  for (const head of taken) {
    const jobs = byLane.get(head.lane)
    if (jobs === undefined) byLane.set(head.lane, [head])
    else jobs.push(head)
  }
  for (const jobs of byLane.values()) {
    if (jobs.length > 1) jobs.sort((a, b) => a.priority - b.priority || a.id - b.id)
  }
  const ordered: Array<A> = []
  for (let round = 0; ordered.length < taken.length; round++) {
    for (const { lane } of shares) {
      const head = byLane.get(lane.id)?.[round]
      if (head !== undefined) ordered.push(make(lane, head))
    }
  }
  return ordered
}

/** Extends the leases whose tokens still hold and answers the others. */
export const heartbeat = (
  query: Query,
  leases: ReadonlyArray<{ readonly job: number; readonly token: number }>,
  expiresAt: number
) =>
  Effect.map(
    query<{ readonly id: number; readonly fencing_token: number }>(
      `UPDATE jobs SET lease_expires_at = :expiresAt FROM json_each(:leases) l
       WHERE jobs.id = l.value ->> 0 AND jobs.fencing_token = l.value ->> 1 AND jobs.state = 'in_progress'
       RETURNING jobs.id, jobs.fencing_token`,
      { leases: JSON.stringify(leases.map(({ job, token }) => [job, token])), expiresAt }
    ),
    (rows) => {
      const held = new Set(rows.map((row) => `${row.id} ${row.fencing_token}`))
      return leases.filter(({ job, token }) => !held.has(`${job} ${token}`))
    }
  )
