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

/** `SET` of the counters named, and where their changes stand in the rows of `:rows`. */
const change = (table: string, names: ReadonlyArray<Counter>) =>
  `UPDATE ${table} SET ${names.map((name, i) => `${name} = ${table}.${name} + (d.value ->> ${i + 1})`).join(", ")}
   FROM json_each(:rows) d WHERE ${table}.id = d.value ->> 0`

/**
 * Writes a tally to the lanes and their pools. Only the columns that change are named: a batch mostly moves jobs from
 * one counter to one other.
 */
export const applyTally = (query: Query, changes: Tally) => {
  const touched = columns.filter((name) => Array.from(changes.values()).some((counts) => counts[name] !== 0))
  if (touched.length === 0) return Effect.void
  const rows = Array.from(changes, ([lane, counts]) => [lane, ...touched.map((name) => counts[name])])
  return Effect.flatMap(
    query<{ readonly id: number; readonly pool_id: number }>(
      `${change("lanes", touched)} RETURNING lanes.id, pool_id`,
      { rows: JSON.stringify(rows) }
    ),
    (lanes) => applyToPools(query, changes, lanes)
  )
}

/** Adds what changed in the lanes to the pools they stand in. */
export const applyToPools = (
  query: Query,
  changes: Tally,
  lanes: ReadonlyArray<{ readonly id: number; readonly pool_id: number }>
) => {
  const pools: Tally = emptyTally()
  for (const { id, pool_id } of lanes) {
    const counts = changes.get(id)
    if (counts !== undefined) for (const name of columns) tally(pools, pool_id, name, counts[name])
  }
  const touched = columns.filter((name) => Array.from(pools.values()).some((counts) => counts[name] !== 0))
  if (touched.length === 0) return Effect.void
  const rows = Array.from(pools, ([pool, counts]) => [pool, ...touched.map((name) => counts[name])])
  return Effect.asVoid(query(change("pools", touched), { rows: JSON.stringify(rows) }))
}
