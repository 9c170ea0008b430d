/**
 * Removing jobs that ended long ago, beside a running queue: the file is read page by page outside of any write, and
 * what is found on a page is removed in a short transaction of its own.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { JobState } from "../../Job.ts"
import type { WorkQueueError } from "../../WorkQueue.ts"
import { applyTally, counterOf, emptyTally, tally } from "./Counters.ts"
import type { Database, Query } from "./Database.ts"

/** Jobs looked at in one step, and so the most that are removed in one transaction. */
const PAGE = 500

/** The longest pause after a transaction. */
const LONGEST_PAUSE_MS = 250

/** Which jobs go; see `WorkQueue.prune`. */
export interface PruneFilter {
  readonly finishedBefore: number
  readonly state?: JobState | undefined
  readonly dryRun?: boolean | undefined
}

const isEnded = `state IN ('done', 'skipped', 'error') AND (:state IS NULL OR state = :state)
  AND finished_at < :finishedBefore`

const look = (query: Query, after: number, parameters: { state: string | null; finishedBefore: number }) =>
  query<{ readonly id: number; readonly ended: number }>(
    `SELECT id, (${isEnded}) AS ended FROM jobs WHERE id > :after ORDER BY id LIMIT ${PAGE}`,
    { ...parameters, after }
  )

/** What was queued again since it was looked at stays. */
const remove = (
  query: Query,
  jobs: ReadonlyArray<number>,
  parameters: { state: string | null; finishedBefore: number }
) =>
  Effect.gen(function* () {
    const rows = yield* query<{ readonly lane_id: number; readonly state: JobState }>(
      `DELETE FROM jobs WHERE id IN (SELECT value FROM json_each(:jobs)) AND ${isEnded} RETURNING lane_id, state`,
      { ...parameters, jobs: JSON.stringify(jobs) }
    )
    const changes = emptyTally()
    for (const row of rows) tally(changes, row.lane_id, counterOf(row.state, 0), -1)
    yield* applyTally(query, changes)
    return rows.length
  })

/** Removes them, or counts them, and answers how many. */
export const prune = (database: Database, filter: PruneFilter): Effect.Effect<number, WorkQueueError> =>
  Effect.gen(function* () {
    const parameters = { state: filter.state ?? null, finishedBefore: filter.finishedBefore }
    let removed = 0
    let after = 0
    for (;;) {
      const page = yield* database.read((query) => look(query, after, parameters))
      const jobs = page.flatMap(({ ended, id }) => (ended === 1 ? [id] : []))
      if (filter.dryRun === true) removed += jobs.length
      else if (jobs.length > 0) {
        const startedAt = yield* Clock.currentTimeMillis
        removed += yield* database.write((query) => remove(query, jobs, parameters))
        const took = (yield* Clock.currentTimeMillis) - startedAt
        // As long as it held the lock, others get to have it.
        if (took > 0) yield* Effect.sleep(Math.min(LONGEST_PAUSE_MS, took))
      }
      const last = page.at(-1)
      if (last === undefined || page.length < PAGE) return removed
      after = last.id
    }
  })
