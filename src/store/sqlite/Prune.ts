/**
 * Removing jobs that ended long ago, beside a running queue: they are found by an index, page by page and outside of any
 * write, and what is found on a page is removed in a short transaction of its own.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { JobState } from "../../Job.ts"
import type { WorkQueueError } from "../../WorkQueue.ts"
import { applyTally, counterOf, emptyTally, tally } from "./Counters.ts"
import type { Database, Parameters, Query } from "./Database.ts"

/** Jobs found in one step, and so the most that are removed in one transaction. */
const PAGE = 500

/** The longest pause after a transaction. */
const LONGEST_PAUSE_MS = 250

/** Which jobs go; see `WorkQueue.prune`. */
export interface PruneFilter {
  readonly finishedBefore: number
  readonly state?: JobState | undefined
  readonly dryRun?: boolean | undefined
}

/** Whether a job is one of those that go. */
const isEnded =
  "finished_at < :finishedBefore AND state IN ('done', 'skipped', 'error') AND state = coalesce(:state, state)"

/** Which jobs go; no state: whatever their state. */
interface Ended extends Parameters {
  readonly state: JobState | null
  readonly finishedBefore: number
}

/** The last job of a page. */
interface Place {
  readonly finished_at: number
  readonly state: string
  readonly id: number
}

/** The next page, in the order in which they ended. The index holds all that is asked about here. */
export const look = (query: Query, after: Place, ended: Ended) =>
  query<Place>(
    `SELECT finished_at, state, id FROM jobs WHERE ${isEnded} AND (finished_at, state, id) > (:at, :afterState, :after)
     ORDER BY finished_at, state, id LIMIT ${PAGE}`,
    { ...ended, at: after.finished_at, afterState: after.state, after: after.id }
  )

/** What was queued again since it was looked at stays. */
const remove = Effect.fnUntraced(function* (query: Query, jobs: ReadonlyArray<number>, ended: Ended) {
  const rows = yield* query<{ readonly lane_id: number; readonly state: JobState }>(
    `DELETE FROM jobs WHERE id IN (SELECT value FROM json_each(:jobs)) AND ${isEnded} RETURNING lane_id, state`,
    { ...ended, jobs: JSON.stringify(jobs) }
  )
  const changes = emptyTally()
  for (const row of rows) tally(changes, row.lane_id, counterOf(row.state, 0), -1)
  yield* applyTally(query, changes)
  return rows.length
})

/** Removes them, or counts them, and answers how many. */
export const prune = (database: Database, filter: PruneFilter): Effect.Effect<number, WorkQueueError> =>
  Effect.gen(function* () {
    const ended: Ended = { state: filter.state ?? null, finishedBefore: filter.finishedBefore }
    let removed = 0
    let after: Place = { finished_at: -1, state: "", id: 0 }
    for (;;) {
      const page = yield* database.read((query) => look(query, after, ended))
      const last = page.at(-1)
      if (last === undefined) return removed
      if (filter.dryRun === true) removed += page.length
      else {
        const jobs = page.map(({ id }) => id)
        const startedAt = yield* Clock.currentTimeMillis
        removed += yield* database.write((query) => remove(query, jobs, ended))
        const took = (yield* Clock.currentTimeMillis) - startedAt
        // As long as it held the lock, others get to have it.
        if (took > 0) yield* Effect.sleep(Math.min(LONGEST_PAUSE_MS, took))
      }
      if (page.length < PAGE) return removed
      after = last
    }
  })
