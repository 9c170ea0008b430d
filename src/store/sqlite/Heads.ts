/** The heads of lanes: the jobs that each gives next, in the order of priority and then of arrival. */
import * as Effect from "effect/Effect"
import type { Query } from "./Database.ts"
import * as Rows from "./Rows.ts"

/**
 * The heads of lanes that all give `count` jobs, as one text: the elements of an array of JSON arrays, each with what a
 * job's row says, its payload and, where it has one, its plan. One text costs less than the rows would, and is parsed at
 * once.
 */
const findHeads = (count: number): Rows.OverRows => {
  const heads = `SELECT id FROM jobs WHERE lane_id = w.lane AND state = 'queued' AND available_at = 0
    ORDER BY priority, id LIMIT ${count}`
  return Rows.joining(
    1,
    (values) => `WITH w (lane) AS (${values})
    SELECT group_concat('[' || json_array(j.id, j.artifact_id, j.lane_id, j.priority, j.attempts, j.crashes) || ','
      || coalesce(b.payload, '') || coalesce(',' || b.plan, '') || ']') AS heads
    FROM w CROSS JOIN jobs j ON j.id ${count === 1 ? "=" : "IN"} (${heads}) LEFT JOIN bodies b ON b.job_id = j.id`
  )
}

const heads = new Map<number, Rows.OverRows>()

/** `findHeads`, made once for each count. */
const textOf = (count: number): Rows.OverRows => {
  const known = heads.get(count) ?? findHeads(count)
  heads.set(count, known)
  return known
}

/** A job that is about to be leased. */
export interface Head {
  readonly id: number
  readonly artifact: string
  readonly lane: number
  readonly priority: number
  readonly attempts: number
  readonly crashes: number
  readonly payload: unknown
  readonly plan: unknown
}

type Text = readonly [
  facts: readonly [
    id: number,
    artifact: string,
    lane: number,
    priority: number,
    attempts: number,
    crashes: number
  ],
  payload: unknown,
  plan?: unknown
]

/** Every job has a body; where the file has none it is damaged, and the text is no JSON. */
const parseHeads = (text: string): ReadonlyArray<Head> => {
  const found: ReadonlyArray<Text> = JSON.parse(`[${text}]`)
  return found.map(([[id, artifact, lane, priority, attempts, crashes], payload, plan = null]) => ({
    id,
    artifact,
    lane,
    priority,
    attempts,
    crashes,
    payload,
    plan
  }))
}

/** The first `count` jobs of each lane that are ready; one statement for all lanes that give the same count. */
export const headsOf = Effect.fnUntraced(function* (
  query: Query,
  shares: ReadonlyArray<readonly [lane: number, count: number]>
) {
  const byCount = new Map<number, Array<number>>()
  for (const [lane, count] of shares) {
    const lanes = byCount.get(count)
    if (lanes === undefined) byCount.set(count, [lane])
    else lanes.push(lane)
  }
  const taken: Array<Head> = []
  for (const [count, lanes] of byCount) {
    const found = yield* textOf(count)<{ readonly heads: string | null }>(query, lanes)
    for (const { heads: text } of found) if (text !== null) taken.push(...parseHeads(text))
  }
  return taken
})
