/**
 * Lanes and pools: made when the first job names them, limited by the policy, paused and resumed by hand.
 */
import * as Effect from "effect/Effect"
import { type LaneOverrides, type LanePolicy, type LaneStats, repaced } from "../../Lane.ts"
import type { LaneFilter } from "../../WorkQueue.ts"
import type { Query } from "./Database.ts"
import { opensAt } from "./Pace.ts"
import * as Rows from "./Rows.ts"
import * as Sequence from "./Sequence.ts"

/** The numbers of those of these lanes that are there. */
export const find = (query: Query, keys: ReadonlyArray<string>) =>
  Effect.map(
    Rows.listed<readonly [key: string, id: number]>(
      query(`SELECT ${Rows.list("key, id")} FROM lanes WHERE key IN (SELECT value FROM json_each(:keys))`, {
        keys: JSON.stringify(keys)
      })
    ),
    (found) => new Map(found)
  )

/** The numbers of these lanes, made by the policy where they are missing. A new lane goes to the end of the line. */
export const ensure = Effect.fnUntraced(function* (
  query: Query,
  policy: LanePolicy,
  keys: ReadonlyArray<string>
) {
  const ids = yield* find(query, keys)
  const missing = keys.filter((key) => !ids.has(key))
  if (missing.length === 0) return ids
  const limits = missing.map((key) => ({ key, ...policy.lane(key) }))
  yield* ensurePools(query, policy, [...new Set(limits.map((lane) => lane.pool))])
  const firstTurn = yield* Sequence.take(query, missing.length)
  const made = yield* query<{ readonly id: number; readonly key: string }>(
    `INSERT INTO lanes (key, pool_id, cap, gap_ms, burst, turn, policy_cap, policy_gap_ms, policy_burst)
       SELECT n.value ->> 0, p.id, n.value ->> 2, n.value ->> 3, n.value ->> 4, n.value ->> 5,
         n.value ->> 2, n.value ->> 3, n.value ->> 4
       FROM json_each(:lanes) n JOIN pools p ON p.key = n.value ->> 1 ORDER BY n.key
       RETURNING id, key`,
    {
      lanes: JSON.stringify(
        limits.map((lane, i) => [lane.key, lane.pool, lane.cap, lane.gapMs, lane.burst, firstTurn + i])
      )
    }
  )
  for (const lane of made) ids.set(lane.key, lane.id)
  return ids
})

const ensurePools = (query: Query, policy: LanePolicy, keys: ReadonlyArray<string>) =>
  query(
    `INSERT INTO pools (key, cap) SELECT value ->> 0, value ->> 1 FROM json_each(:pools) WHERE true
     ON CONFLICT (key) DO NOTHING`,
    { pools: JSON.stringify(keys.map((key) => [key, policy.pool(key)])) }
  )

/** The number of the lane made last; lanes are never removed. */
export const newest = (query: Query) =>
  Effect.map(
    query<{ readonly id: number }>("SELECT coalesce(max(id), 0) AS id FROM lanes"),
    (rows) => rows[0]?.id ?? 0
  )

/** By how much a clock may have been wrong without a lane's pace being doubted. */
const CLOCK_MS = 60 * 60 * 1000

/**
 * A pace can't reach further into the future than its burst allows. One that does was kept under a clock that was hours
 * ahead, and would hold the lane up for as long; what a host has asked for stays.
 */
const doubtPaces = `UPDATE lanes SET tat = :now + burst * gap_ms, next_at = max(held_until, :now + gap_ms)
  WHERE gap_ms > 0 AND tat > :now + burst * gap_ms + ${CLOCK_MS}`

/**
 * Gives all pools, and the lanes made after that number, the limits of the policy, under those set by hand; a lane that changes its pool takes
 * its counts along. A stricter pace counts at once: the lane must sleep until then, or it would stand runnable in front
 * of others and give nothing.
 */
export const applyPolicy = Effect.fnUntraced(function* (
  query: Query,
  policy: LanePolicy,
  now: number,
  after: number
) {
  if (after === 0) yield* query(doubtPaces, { now })
  const lanes = yield* query<Pick<LaneRow, "id" | "key" | "pool" | "cap" | "gap_ms" | "burst">>(
    `SELECT l.id, l.key, p.key AS pool, l.policy_cap AS cap, l.policy_gap_ms AS gap_ms, l.policy_burst AS burst
       FROM lanes l JOIN pools p ON p.id = l.pool_id WHERE l.id > :after`,
    { after }
  )
  const changed: Array<ReadonlyArray<unknown>> = []
  const pools = new Set<string>()
  for (const lane of lanes) {
    const limits = policy.lane(lane.key)
    pools.add(limits.pool)
    if (
      limits.pool !== lane.pool ||
      limits.cap !== lane.cap ||
      limits.gapMs !== lane.gap_ms ||
      limits.burst !== lane.burst
    ) {
      changed.push([lane.id, limits.pool, limits.cap, limits.gapMs, limits.burst])
    }
  }
  yield* ensurePools(query, policy, [...pools])
  const known = yield* query<{ readonly key: string; readonly cap: number }>("SELECT key, cap FROM pools")
  const recapped = known.filter((pool) => policy.pool(pool.key) !== pool.cap)
  yield* query(
    "UPDATE pools SET cap = n.value ->> 1 FROM json_each(:pools) n WHERE pools.key = n.value ->> 0",
    { pools: JSON.stringify(recapped.map((pool) => [pool.key, policy.pool(pool.key)])) }
  )
  if (changed.length === 0) return
  yield* query(
    `UPDATE lanes SET pool_id = n.pool_id, cap = n.cap, gap_ms = n.gap_ms, burst = n.burst,
         policy_cap = n.policy_cap, policy_gap_ms = n.policy_gap_ms, policy_burst = n.policy_burst,
         next_at = iif(n.gap_ms > 0 AND lanes.tat - (n.burst - 1) * n.gap_ms > :now,
           max(lanes.next_at, lanes.tat - (n.burst - 1) * n.gap_ms), lanes.next_at)
       FROM (SELECT l.id, p.id AS pool_id, n.value ->> 2 AS policy_cap, n.value ->> 3 AS policy_gap_ms,
               n.value ->> 4 AS policy_burst, coalesce(l.set_cap, n.value ->> 2) AS cap,
               coalesce(l.set_gap_ms, max(n.value ->> 3, l.asked_gap_ms)) AS gap_ms, coalesce(l.set_burst, n.value ->> 4) AS burst
             FROM json_each(:lanes) n JOIN pools p ON p.key = n.value ->> 1
               JOIN lanes l ON l.id = n.value ->> 0) n
       WHERE lanes.id = n.id`,
    { lanes: JSON.stringify(changed), now }
  )
  yield* query(
    `UPDATE pools SET ready = s.ready, delayed = s.delayed, in_flight = s.in_flight, done = s.done,
         skipped = s.skipped, error = s.error
       FROM (SELECT p.id, coalesce(sum(l.ready), 0) AS ready, coalesce(sum(l.delayed), 0) AS delayed,
               coalesce(sum(l.in_flight), 0) AS in_flight, coalesce(sum(l.done), 0) AS done,
               coalesce(sum(l.skipped), 0) AS skipped, coalesce(sum(l.error), 0) AS error
             FROM pools p LEFT JOIN lanes l ON l.pool_id = p.id GROUP BY p.id) s
       WHERE pools.id = s.id`
  )
})

/** Pauses or resumes one lane, or the whole queue. False: there is no such lane. */
export const setPaused = (query: Query, lane: string | undefined, paused: boolean) =>
  lane === undefined
    ? Effect.as(query("UPDATE queue SET paused = :paused", { paused: paused ? 1 : 0 }), true)
    : Effect.map(
        query("UPDATE lanes SET paused = :paused WHERE key = :lane RETURNING id", {
          paused: paused ? 1 : 0,
          lane
        }),
        (rows) => rows.length > 0
      )

export const isPaused = (query: Query) =>
  Effect.map(query<{ readonly paused: number }>("SELECT paused FROM queue"), (rows) => rows[0]?.paused === 1)

/** A lane with every counter, as the table holds it. */
interface LaneRow {
  readonly id: number
  readonly key: string
  readonly pool: string
  readonly cap: number
  readonly gap_ms: number
  readonly burst: number
  readonly tat: number
  readonly next_at: number
  readonly blocked_reason: string | null
  readonly paused: number
  readonly ready: number
  readonly delayed: number
  readonly in_flight: number
  readonly done: number
  readonly skipped: number
  readonly error: number
  readonly set_cap: number | null
  readonly set_gap_ms: number | null
  readonly set_burst: number | null
  readonly policy_cap: number
  readonly policy_gap_ms: number
  readonly policy_burst: number
  readonly asked_gap_ms: number
  readonly held_until: number
}

/** Writes what a host asked for as the time between two starts; see `LaneHold`. */
export const setAskedGap = Effect.fnUntraced(function* (
  query: Query,
  now: number,
  id: number,
  askedMs: number
) {
  const [lane] = yield* query<LaneRow>("SELECT * FROM lanes WHERE id = :id", { id })
  if (lane === undefined || lane.asked_gap_ms === askedMs) return
  const gapMs = lane.set_gap_ms ?? Math.max(lane.policy_gap_ms, askedMs)
  yield* query("UPDATE lanes SET asked_gap_ms = :asked, gap_ms = :gapMs, tat = :tat WHERE id = :id", {
    id,
    asked: askedMs,
    gapMs,
    tat: repaced(lane.tat, lane.gap_ms, gapMs, now)
  })
})

/** Sets limits by hand, or with `null` gives the lane back to the policy; what it waits for is reckoned anew. */
export const setLane = Effect.fnUntraced(function* (
  query: Query,
  policy: LanePolicy,
  now: number,
  key: string,
  overrides: LaneOverrides | null
) {
  yield* ensure(query, policy, [key])
  const [lane] = yield* query<LaneRow>("SELECT * FROM lanes WHERE key = :key", { key })
  if (lane === undefined) return
  const cap = overrides === null ? null : (overrides.cap ?? lane.set_cap)
  const gap = overrides === null ? null : (overrides.gapMs ?? lane.set_gap_ms)
  const burst = overrides === null ? null : (overrides.burst ?? lane.set_burst)
  const gapMs = gap ?? Math.max(lane.policy_gap_ms, lane.asked_gap_ms)
  const tat = repaced(lane.tat, lane.gap_ms, gapMs, now)
  const opens = Math.max(lane.held_until, opensAt(tat, gapMs, burst ?? lane.policy_burst))
  yield* query(
    `UPDATE lanes SET set_cap = :cap, set_gap_ms = :gap, set_burst = :burst, cap = coalesce(:cap, policy_cap),
         gap_ms = :gapMs, burst = coalesce(:burst, policy_burst), tat = :tat,
         next_at = :nextAt, blocked_reason = iif(held_until > :now, blocked_reason, NULL)
       WHERE id = :lane`,
    { lane: lane.id, cap, gap, gapMs, burst, tat, nextAt: opens > now ? opens : 0, now }
  )
})

const overridesOf = (row: LaneRow): LaneOverrides => ({
  ...(row.set_cap === null ? {} : { cap: row.set_cap }),
  ...(row.set_gap_ms === null ? {} : { gapMs: row.set_gap_ms }),
  ...(row.set_burst === null ? {} : { burst: row.set_burst })
})

/** A statement for each combination of conditions, so that each can use the index it has. */
const statsQuery = (filter: LaneFilter) =>
  `SELECT l.*, p.key AS pool FROM lanes l JOIN pools p ON p.id = l.pool_id
   WHERE ${filter.lane === undefined ? "true" : "l.key IN (SELECT value FROM json_each(:lanes))"}
     AND ${filter.overridden === true ? "(l.set_cap IS NOT NULL OR l.set_gap_ms IS NOT NULL OR l.set_burst IS NOT NULL)" : "true"}
   ORDER BY l.ready + l.delayed + l.in_flight DESC, l.key LIMIT :limit`

/** Lanes by unfinished jobs, most first. */
export const stats = (query: Query, now: number, filter: LaneFilter) =>
  Effect.map(
    query<LaneRow>(statsQuery(filter), {
      ...(filter.lane === undefined ? {} : { lanes: JSON.stringify([filter.lane].flat()) }),
      limit: filter.limit
    }),
    (rows) =>
      rows.map((row): LaneStats => {
        const sleeping = row.next_at > now
        return {
          lane: row.key,
          pool: row.pool,
          cap: row.cap,
          gapMs: row.gap_ms,
          burst: row.burst,
          overrides: overridesOf(row),
          ready: row.ready,
          delayed: row.delayed,
          inFlight: row.in_flight,
          done: row.done,
          skipped: row.skipped,
          error: row.error,
          nextAt: sleeping ? row.next_at : null,
          paused: row.paused === 1,
          blockedReason: sleeping ? row.blocked_reason : null
        }
      })
  )
