/**
 * The counters of lanes and pools. They change in the transaction that changes the jobs they count, through one
 * tally per transaction, so that a batch costs two statements whatever its size.
 */
import * as Effect from "effect/Effect"
import type { JobState } from "../../Job.ts"
import type { Query } from "./Database.ts"
import * as Rows from "./Rows.ts"

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

/** Adds to some counters of a table; the ids come first in a row, then what to add. */
const change = (table: string, returning = "") => {
  const statements = new Map<string, Rows.OverRows>()
  return (names: ReadonlyArray<Counter>): Rows.OverRows => {
    const key = names.join()
    const known = statements.get(key)
    if (known !== undefined) return known
    const made = Rows.joining(
      1 + names.length,
      (values) => `WITH d (id, ${names.map((name) => `d_${name}`).join(", ")}) AS (${values})
        UPDATE ${table} SET ${names.map((name) => `${name} = ${table}.${name} + d.d_${name}`).join(", ")}
        FROM d WHERE ${table}.id = d.id ${returning}`
    )
    statements.set(key, made)
    return made
  }
}

const changeLanes = change("lanes", "RETURNING lanes.id, pool_id")
const changePools = change("pools")

/**
 * Writes a tally to the lanes and their pools. Only the columns that change are named: a batch mostly moves jobs from
 * one counter to one other.
 */
export const applyTally = (query: Query, changes: Tally) => {
  const touched = columns.filter((name) => Array.from(changes.values()).some((counts) => counts[name] !== 0))
  if (touched.length === 0) return Effect.void
  const rows = Array.from(changes, ([lane, counts]) => [lane, ...touched.map((name) => counts[name])])
  return Effect.flatMap(
    changeLanes(touched)<{ readonly id: number; readonly pool_id: number }>(query, rows),
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
  return Effect.asVoid(changePools(touched)(query, rows))
}
