/**
 * What there is to know of the health of a queue file, read without changing anything, also while others run it, of a
 * damaged file, and of one that isn't ours.
 */
import * as Effect from "effect/Effect"
import * as fs from "node:fs/promises"
import type { WorkQueueError } from "../../WorkQueue.ts"
import { APPLICATION_ID } from "./Opening.ts"
import { SCHEMA_VERSION } from "./Migrations.ts"
import { attempt, integrity, open, pragma, type ReadOnly, rows, schemaOf } from "./ReadOnly.ts"

/** A counter that differs from a recount. */
export interface Miscount {
  /** `lane` or `pool`, and its key. */
  readonly of: string
  readonly counter: string
  readonly kept: number
  readonly counted: number
}

/** The leases of one worker. */
export interface WorkerLeases {
  readonly worker: string
  readonly jobs: number
  readonly firstExpiry: number
  readonly lastExpiry: number
}

/** A lane that may be meant otherwise. */
export interface OddLane {
  readonly lane: string
  readonly jobs: number
  readonly cap: number
  readonly paused: boolean
  /** 0: nobody asked it to wait. */
  readonly heldUntil: number
  readonly reason: string | null
}

/** A queue, looked at. */
export interface Facts {
  readonly schema: number
  readonly integrity: ReadonlyArray<string>
  /** At most ten. */
  readonly miscounts: ReadonlyArray<Miscount>
  /** Jobs whose payload is missing. */
  readonly bodiless: number
  readonly journalMode: string
  readonly bytes: number
  readonly freeBytes: number
  readonly walBytes: number
  readonly paused: boolean
  readonly errors: number
  /** The latest time anything is recorded to have happened; 0 when nothing has. */
  readonly latest: number
  readonly leases: ReadonlyArray<WorkerLeases>
  /** At most fifty: paused, held, or without a cap. */
  readonly lanes: ReadonlyArray<OddLane>
}

/**
 * What the file is.
 * - `newer`: a newer program wrote it. `older`: the next command upgrades it.
 * - `queue`: it can be looked at.
 */
export type Inspection =
  | { readonly kind: "missing" | "empty" | "foreign" }
  | { readonly kind: "newer" | "older"; readonly schema: number; readonly known: number }
  | { readonly kind: "queue"; readonly facts: Facts }

/** The pages of the log that is written ahead, or nothing. */
const sizeOf = (file: string) =>
  Effect.promise(() =>
    fs.stat(file).then(
      ({ size }) => size,
      () => 0
    )
  )

const COUNTERS = ["ready", "delayed", "in_flight", "done", "skipped", "error"] as const

const place = `CASE state WHEN 'in_progress' THEN 'in_flight'
  WHEN 'queued' THEN iif(available_at > 0, 'delayed', 'ready') ELSE state END`

/** Each kept counter beside its recount, where they differ. */
const miscounts = (connection: ReadOnly): ReadonlyArray<Miscount> => [
  ...rows<Miscount>(
    connection,
    `WITH kept AS (${COUNTERS.map((name) => `SELECT id, key, '${name}' AS counter, ${name} AS n FROM lanes`).join(" UNION ALL ")}),
       counted AS (SELECT lane_id, ${place} AS counter, count(*) AS n FROM jobs GROUP BY 1, 2)
     SELECT 'lane ' || k.key AS "of", k.counter, k.n AS kept, coalesce(c.n, 0) AS counted
     FROM kept k LEFT JOIN counted c ON c.lane_id = k.id AND c.counter = k.counter
     WHERE k.n <> coalesce(c.n, 0) LIMIT 10`
  ),
  ...COUNTERS.flatMap((name) =>
    rows<Miscount>(
      connection,
      `SELECT 'pool ' || p.key AS "of", '${name}' AS counter, p.${name} AS kept, coalesce(sum(l.${name}), 0) AS counted
       FROM pools p LEFT JOIN lanes l ON l.pool_id = p.id GROUP BY p.id HAVING kept <> counted LIMIT 10`
    )
  )
]

const oddLanes = (connection: ReadOnly, now: number) =>
  rows<Omit<OddLane, "paused"> & { readonly paused: number }>(
    connection,
    `SELECT key AS lane, ready + delayed + in_flight AS jobs, cap, paused, held_until AS heldUntil,
       blocked_reason AS reason
     FROM lanes WHERE paused = 1 OR cap < 1 OR held_until > ?
     ORDER BY jobs DESC, key LIMIT 50`,
    now
  ).map((lane) => ({ ...lane, paused: lane.paused === 1 }))

const number = (connection: ReadOnly, text: string): number =>
  rows<{ readonly n: number | null }>(connection, text)[0]?.n ?? 0

const numericPragma = (connection: ReadOnly, name: string): number => Number(pragma(connection, name))

const factsOf = (connection: ReadOnly, now: number, quick: boolean): Omit<Facts, "walBytes"> => {
  const damage = integrity(connection, quick)
  const pageSize = numericPragma(connection, "page_size")
  const trusted = damage.length === 0
  return {
    schema: SCHEMA_VERSION,
    integrity: damage,
    // Of a damaged file no count can be trusted.
    miscounts: trusted && !quick ? miscounts(connection).slice(0, 10) : [],
    bodiless:
      trusted && !quick
        ? number(connection, "SELECT count(*) AS n FROM jobs WHERE id NOT IN (SELECT job_id FROM bodies)")
        : 0,
    journalMode: String(pragma(connection, "journal_mode")),
    bytes: pageSize * numericPragma(connection, "page_count"),
    freeBytes: pageSize * numericPragma(connection, "freelist_count"),
    paused: number(connection, "SELECT paused AS n FROM queue") === 1,
    errors: number(connection, "SELECT sum(error) AS n FROM pools"),
    latest: quick
      ? number(
          connection,
          "SELECT max(enqueued_at) AS n FROM (SELECT enqueued_at FROM jobs ORDER BY id DESC LIMIT 1000)"
        )
      : number(connection, "SELECT max(max(enqueued_at, coalesce(finished_at, 0))) AS n FROM jobs"),
    leases: rows<WorkerLeases>(
      connection,
      `SELECT coalesce(worker, '') AS worker, count(*) AS jobs, min(lease_expires_at) AS firstExpiry,
         max(lease_expires_at) AS lastExpiry
       FROM jobs WHERE state = 'in_progress' GROUP BY 1 ORDER BY 2 DESC LIMIT 50`
    ),
    lanes: oddLanes(connection, now)
  }
}

const look = (connection: ReadOnly, now: number, quick: boolean) => {
  if (pragma(connection, "application_id") !== APPLICATION_ID) return { kind: "foreign" } as const
  // One snapshot, or what happens meanwhile would look like a miscount.
  connection.exec("BEGIN")
  const schema = schemaOf(connection)
  if (schema > SCHEMA_VERSION) return { kind: "newer", schema, known: SCHEMA_VERSION } as const
  if (schema < SCHEMA_VERSION) return { kind: "older", schema, known: SCHEMA_VERSION } as const
  return { kind: "queue", facts: factsOf(connection, now, quick) } as const
}

/**
 * Looks at a queue file. `quick` leaves out what takes time with the number of jobs: the recount and the comparison of
 * indices. Fails when the file can't be read, or is damaged so that it can't. It blocks this process meanwhile.
 */
export const inspect = (
  file: string,
  now: number,
  quick: boolean
): Effect.Effect<Inspection, WorkQueueError> =>
  Effect.gen(function* () {
    const found = yield* Effect.promise(() => fs.stat(file).catch(() => undefined))
    if (found === undefined) return { kind: "missing" }
    if (found.isFile() && found.size === 0) return { kind: "empty" }
    const looked = yield* Effect.scoped(
      Effect.flatMap(open(file), (connection) => attempt(file, () => look(connection, now, quick)))
    )
    if (looked.kind !== "queue") return looked
    return { kind: "queue", facts: { ...looked.facts, walBytes: yield* sizeOf(`${file}-wal`) } }
  })
