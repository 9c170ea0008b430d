/**
 * The counters of lanes and pools. They change in the transaction that changes the jobs they count, through one
 * tally per transaction, so that a batch costs a few statements whatever its size.
 */
import type { SqlError } from "@effect/sql/SqlError"
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

type Counts = Record<Counter, number>

/** Changes to apply, by lane. */
export type Tally = Map<number, Counts>

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

/** Adds the same to some counters of many rows; the statement is made once for the counters it names. */
const adding = (table: "lanes" | "pools") => {
  const statements = new Map<string, Rows.OverRows>()
  return (names: ReadonlyArray<Counter>): Rows.OverRows => {
    const key = names.join()
    const known = statements.get(key)
    if (known !== undefined) return known
    const sums = names.map((name) => `${name} = ${name} + :${name}`).join(", ")
    const made = Rows.among((ids) => `UPDATE ${table} SET ${sums} WHERE id IN (${ids})`)
    statements.set(key, made)
    return made
  }
}

const addToLanes = adding("lanes")
const addToPools = adding("pools")

const same = (a: Counts, b: Counts): boolean =>
  a.ready === b.ready &&
  a.delayed === b.delayed &&
  a.in_flight === b.in_flight &&
  a.done === b.done &&
  a.skipped === b.skipped &&
  a.error === b.error

/** Rows that change alike share a statement: a batch mostly moves one job of each lane from one counter to one other. */
const apply = (query: Query, changes: Tally, add: (names: ReadonlyArray<Counter>) => Rows.OverRows) => {
  const alike: Array<{ readonly counts: Counts; readonly ids: Array<number> }> = []
  for (const [id, counts] of changes) {
    const group = alike.find((other) => same(other.counts, counts))
    if (group === undefined) alike.push({ counts, ids: [id] })
    else group.ids.push(id)
  }
  return Rows.each(alike, ({ counts, ids }) => {
    const names = columns.filter((name) => counts[name] !== 0)
    return names.length === 0
      ? Effect.void
      : add(names)(query, ids, Object.fromEntries(names.map((name) => [name, counts[name]])))
  })
}

const poolsOf = Rows.among((ids) => `SELECT ${Rows.list("id, pool_id")} FROM lanes WHERE id IN (${ids})`)

/** Writes a tally to the lanes and their pools. `known`: the pools of lanes, as far as they were read already. */
export const applyTally = (
  query: Query,
  changes: Tally,
  known: ReadonlyMap<number, number> = new Map()
): Effect.Effect<void, SqlError> => {
  if (changes.size === 0) return Effect.void
  const pools: Array<readonly [lane: number, pool: number]> = []
  const unknown: Array<number> = []
  for (const lane of changes.keys()) {
    const pool = known.get(lane)
    if (pool === undefined) unknown.push(lane)
    else pools.push([lane, pool])
  }
  return Effect.flatMap(Rows.listed<readonly [lane: number, pool: number]>(poolsOf(query, unknown)), (read) =>
    Effect.zipRight(apply(query, changes, addToLanes), applyToPools(query, changes, [...pools, ...read]))
  )
}

/** Adds what changed in the lanes to the pools they stand in. */
export const applyToPools = (
  query: Query,
  changes: Tally,
  poolsOfLanes: ReadonlyArray<readonly [lane: number, pool: number]>
): Effect.Effect<void, SqlError> => {
  const pools: Tally = emptyTally()
  for (const [lane, pool] of poolsOfLanes) {
    const counts = changes.get(lane)
    if (counts !== undefined) {
      for (const name of columns) if (counts[name] !== 0) tally(pools, pool, name, counts[name])
    }
  }
  return apply(query, pools, addToPools)
}
