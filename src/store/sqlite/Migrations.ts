/**
 * The tables of a queue and their history: numbered steps, forward only, all pending ones in one transaction.
 *
 * What must stay true:
 * - `lanes` and `pools` count the jobs in each state; a counter changes only in the transaction that changes a job.
 * - A queued job with `available_at = 0` is ready; with a later time it is delayed and in no lane's line yet.
 * - `lanes.next_at` is 0 while the lane is awake, else the time until which it sleeps.
 * - `queue.sequence` only grows: fencing tokens and the lanes' turns are taken from it.
 */
import * as Migrator from "@effect/sql/Migrator"
import * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"

const counters = ["ready", "delayed", "in_flight", "done", "skipped", "error"]
  .map((name) => `${name} INTEGER NOT NULL DEFAULT 0 CHECK (${name} >= 0)`)
  .join(", ")

const initial = [
  `CREATE TABLE queue (
     id INTEGER PRIMARY KEY CHECK (id = 1),
     sequence INTEGER NOT NULL DEFAULT 0,
     paused INTEGER NOT NULL DEFAULT 0,
     synced INTEGER NOT NULL DEFAULT 0
   ) STRICT`,
  "INSERT INTO queue (id) VALUES (1)",
  `CREATE TABLE pools (
     id INTEGER PRIMARY KEY,
     key TEXT NOT NULL UNIQUE,
     cap INTEGER NOT NULL,
     ${counters}
   ) STRICT`,
  `CREATE TABLE lanes (
     id INTEGER PRIMARY KEY,
     key TEXT NOT NULL UNIQUE,
     pool_id INTEGER NOT NULL REFERENCES pools (id),
     cap INTEGER NOT NULL,
     gap_ms INTEGER NOT NULL,
     burst INTEGER NOT NULL,
     turn INTEGER NOT NULL,
     tat INTEGER NOT NULL DEFAULT 0,
     next_at INTEGER NOT NULL DEFAULT 0,
     blocked_reason TEXT,
     paused INTEGER NOT NULL DEFAULT 0,
     ${counters},
     runnable INTEGER GENERATED ALWAYS AS
       (ready > 0 AND in_flight < cap AND paused = 0 AND next_at = 0) VIRTUAL
   ) STRICT`,
  "CREATE INDEX lanes_runnable ON lanes (pool_id, turn, id) WHERE runnable",
  "CREATE INDEX lanes_sleeping ON lanes (next_at) WHERE next_at > 0",
  `CREATE TABLE jobs (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     artifact_id TEXT NOT NULL UNIQUE,
     lane_id INTEGER NOT NULL REFERENCES lanes (id),
     priority INTEGER NOT NULL,
     available_at INTEGER NOT NULL,
     state TEXT NOT NULL CHECK (state IN ('queued', 'in_progress', 'done', 'skipped', 'error')),
     fencing_token INTEGER NOT NULL DEFAULT 0,
     lease_expires_at INTEGER,
     worker TEXT,
     attempts INTEGER NOT NULL DEFAULT 0,
     crashes INTEGER NOT NULL DEFAULT 0,
     reason TEXT,
     enqueued_at INTEGER NOT NULL,
     finished_at INTEGER
   ) STRICT`,
  "CREATE INDEX jobs_ready ON jobs (lane_id, priority, id) WHERE state = 'queued' AND available_at = 0",
  "CREATE INDEX jobs_delayed ON jobs (available_at) WHERE state = 'queued' AND available_at > 0",
  "CREATE INDEX jobs_leased ON jobs (lease_expires_at) WHERE state = 'in_progress'",
  "CREATE INDEX jobs_failed ON jobs (id) WHERE state = 'error'",
  `CREATE TABLE bodies (
     job_id INTEGER PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
     payload TEXT NOT NULL,
     plan TEXT,
     result TEXT,
     message TEXT
   ) STRICT`,
  `CREATE TABLE attempts (
     id INTEGER PRIMARY KEY,
     job_id INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
     started_at INTEGER NOT NULL,
     duration_ms INTEGER NOT NULL,
     step TEXT NOT NULL,
     target TEXT,
     class TEXT NOT NULL,
     reason TEXT,
     message TEXT
   ) STRICT`,
  "CREATE INDEX attempts_job ON attempts (job_id, id)"
]

/**
 * `cap`, `gap_ms` and `burst` of a lane stay what holds now: what was set by hand, where it was, else the policy's.
 * `held_until` is the latest time anyone asked the lane to wait for; `next_at` may be later, for its pace.
 */
const laneOverrides = [
  ...["set_cap", "set_gap_ms", "set_burst"].map((name) => `ALTER TABLE lanes ADD COLUMN ${name} INTEGER`),
  ...["policy_cap", "policy_gap_ms", "policy_burst", "held_until"].map(
    (name) => `ALTER TABLE lanes ADD COLUMN ${name} INTEGER NOT NULL DEFAULT 0`
  ),
  `UPDATE lanes SET policy_cap = cap, policy_gap_ms = gap_ms, policy_burst = burst,
     held_until = iif(blocked_reason IS NULL, 0, next_at)`,
  "CREATE INDEX lanes_set ON lanes (id) WHERE set_cap IS NOT NULL OR set_gap_ms IS NOT NULL OR set_burst IS NOT NULL"
]

/**
 * What has ended, in the order in which it did, so that what is removed by its age is found without reading the rest. The
 * time comes first: a job that ends is then put at the end, which costs the least.
 */
const endedIndex = ["CREATE INDEX jobs_ended ON jobs (finished_at, state) WHERE finished_at IS NOT NULL"]

/** Texts that may be lost; whoever opens the file may delete all of them. */
const cache = [
  `CREATE TABLE cache (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     key TEXT NOT NULL UNIQUE,
     value TEXT NOT NULL,
     bytes INTEGER NOT NULL,
     keep_until INTEGER NOT NULL
   ) STRICT`,
  "CREATE INDEX cache_until ON cache (keep_until)",
  "CREATE INDEX cache_bytes ON cache (id, bytes)"
]

/** `asked_gap_ms`: what the host asked for as the time between two starts, such as a Crawl-delay. */
const askedGap = ["ALTER TABLE lanes ADD COLUMN asked_gap_ms INTEGER NOT NULL DEFAULT 0"]

const step = (statements: ReadonlyArray<string>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
  )

const steps = {
  "0001_queue": step(initial),
  "0002_lane_overrides": step(laneOverrides),
  "0003_ended_index": step(endedIndex),
  "0004_cache": step(cache),
  "0005_asked_gap": step(askedGap)
}

/** The newest schema this program knows; it refuses a file with a newer one. */
export const SCHEMA_VERSION = Object.keys(steps).length

const version = (client: SqlClient.SqlClient) =>
  Effect.map(
    client.unsafe<{ readonly version: number | null }>(
      "SELECT max(migration_id) AS version FROM effect_sql_migrations"
    ),
    (rows) => rows[0]?.version ?? 0
  )

const isNewest = (client: SqlClient.SqlClient) =>
  Effect.flatMap(
    client.unsafe<{ readonly made: number }>(
      "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'effect_sql_migrations') AS made"
    ),
    ([row]) =>
      row?.made === 1
        ? Effect.map(version(client), (found) => found === SCHEMA_VERSION)
        : Effect.succeed(false)
  )

/**
 * Brings the tables to `SCHEMA_VERSION`. The migrator reports success also when it applied nothing because another
 * process held its lock, so the version is read back, and the whole tried again until it is right.
 */
export const migrate = (client: SqlClient.SqlClient): Effect.Effect<void, SqlError> =>
  // Nothing is to be done for most, and the migrator would wait for the write lock to find that out.
  Effect.flatMap(isNewest(client), (newest) => (newest ? Effect.void : bringUp(client)))

const bringUp = (client: SqlClient.SqlClient): Effect.Effect<void, SqlError> =>
  Migrator.make({})({ loader: Migrator.fromRecord(steps) }).pipe(
    Effect.provideService(SqlClient.SqlClient, client),
    Effect.catchTag("MigrationError", (error) =>
      Effect.fail(new SqlError({ cause: error, message: error.message }))
    ),
    Effect.zipRight(version(client)),
    Effect.filterOrFail(
      (found) => found === SCHEMA_VERSION,
      (found) =>
        new SqlError({
          cause: new Error(`the schema is at version ${found}, not ${SCHEMA_VERSION}`),
          message: "The migrations did not finish"
        })
    ),
    Effect.retry({ times: 5, schedule: Schedule.spaced("50 millis") }),
    Effect.asVoid
  )
