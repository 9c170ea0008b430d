/**
 * The counters of lanes and pools. They change in the transaction that changes the jobs they count, through one
 * tally per transaction, so that a batch costs two statements whatever its size.
 */
import * as Effect from "effect/Effect"
import type { JobState } from "../../Job.ts"
import type { Query } from "./Database.ts"

const columns = ["ready", "delayed", "in_flight", "done", "skipped", "error"] as const

/** A column that counts jobs. */
export type Counter = (typeof columns)[number]

/** Which counter a job stands in. */
export const counterOf = (state: JobState, availableAt: number): Counter =>
  state === "queued" ? (availableAt > 0 ? "delayed" : "ready") : state === "in_progress" ? "in_flight" : state

/** Changes to apply, by lane. */
export type Tally = Map<number, Record<Counter, number>>

export const emptyTally = (): Tally => new Map()

/** Adds `by` jobs to a counter of a lane. */
export const tally = (into: Tally, lane: number, counter: Counter, by: number): void => {
  let counts = into.get(lane)
  if (counts === undefined) {
    counts = { ready: 0, delayed: 0, in_flight: 0, done: 0, skipped: 0, error: 0 }
    into.set(lane, counts)
  }
  counts[counter] += by
}

/** Counts a job that went from one counter to another within its lane. */
export const tallyMove = (into: Tally, lane: number, from: Counter, to: Counter): void => {
  tally(into, lane, from, -1)
  tally(into, lane, to, 1)
}

const decoded = `SELECT value ->> 0 AS lane_id, ${columns.map((name, i) => `value ->> ${i + 1} AS ${name}`).join(", ")}
  FROM json_each(:rows)`

const updateLanes = `UPDATE lanes SET ${columns.map((name) => `${name} = lanes.${name} + d.${name}`).join(", ")}
  FROM (${decoded}) d WHERE lanes.id = d.lane_id`

const updatePools = `UPDATE pools SET ${columns.map((name) => `${name} = pools.${name} + d.${name}`).join(", ")}
  FROM (SELECT l.pool_id, ${columns.map((name) => `sum(d.${name}) AS ${name}`).join(", ")}
        FROM (${decoded}) d JOIN lanes l ON l.id = d.lane_id GROUP BY l.pool_id) d
  WHERE pools.id = d.pool_id`

/** Writes a tally to the lanes and their pools. */
export const applyTally = (query: Query, changes: Tally) => {
  const rows: Array<ReadonlyArray<number>> = []
  for (const [lane, counts] of changes) {
    if (columns.some((name) => counts[name] !== 0)) {
      rows.push([lane, ...columns.map((name) => counts[name])])
    }
  }
  if (rows.length === 0) return Effect.void
  const parameter = { rows: JSON.stringify(rows) }
  return Effect.asVoid(Effect.zipRight(query(updateLanes, parameter), query(updatePools, parameter)))
}
