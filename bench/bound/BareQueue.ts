/**
 * The bound: the same transactions as the queue's, written by hand on better-sqlite3, over the same tables, with the
 * same facts, the same durability and exact caps per lane, and nothing else. No expiry, retries, paces, notes, errors in
 * the type or fibers: what the queue has on top of this is what its ratio to it pays for.
 */
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import { queueLayer, run } from "../Ours.ts"

export interface BareJob {
  readonly id: string
  readonly lane: string
  readonly payload: string
}

export interface BareLease {
  readonly job: number
  readonly token: number
  readonly lane: number
  readonly payload: string
}

/** Jobs in one VALUES clause, and rows in one transaction, of a bulk import. */
const VALUES = 100
const TRANSACTION = 1000

const WORKER = "bench.example:4711:1a2b3c4d"

const rowsOf = (row: string, count: number) => Array.from({ length: count }, () => row).join(", ")

/** The statements for batches of one size; a smaller batch is filled up with nulls. */
const prepare = (db: Database.Database, batch: number, cap: number) => {
  const ids = rowsOf("?", batch)
  return {
    lanes: db
      .prepare(
        "SELECT id, min(cap - in_flight, ready) FROM lanes WHERE pool_id = 1 AND runnable ORDER BY turn, id LIMIT ?"
      )
      .raw(),
    /** The heads of lanes that give one job each, two each, and so on. */
    heads: Array.from({ length: cap }, (_, index) =>
      db
        .prepare(
          `WITH w (lane) AS (VALUES ${rowsOf("(?)", batch)})
           SELECT j.id, j.lane_id, b.payload FROM w CROSS JOIN jobs j ON j.id IN
             (SELECT id FROM jobs WHERE lane_id = w.lane AND state = 'queued' AND available_at = 0
              ORDER BY priority, id LIMIT ${index + 1}) JOIN bodies b ON b.job_id = j.id`
        )
        .raw()
    ),
    leaseJobs: db.prepare(
      `UPDATE jobs SET state = 'in_progress', fencing_token = :token, worker = '${WORKER}',
         lease_expires_at = :expiresAt WHERE id IN (${ids})`
    ),
    leaseLanes: db.prepare(
      `WITH s (id, count, turn) AS (VALUES ${rowsOf("(?, ?, ?)", batch)})
       UPDATE lanes SET ready = ready - s.count, in_flight = in_flight + s.count, turn = s.turn
       FROM s WHERE lanes.id = s.id`
    ),
    leasePool: db.prepare(
      "UPDATE pools SET ready = ready - :count, in_flight = in_flight + :count WHERE id = 1"
    ),
    sequence: db.prepare("UPDATE queue SET sequence = sequence + ? RETURNING sequence").pluck(),
    held: db
      .prepare(
        `WITH s (id, token) AS (VALUES ${rowsOf("(?, ?)", batch)})
         SELECT j.id, j.lane_id FROM s CROSS JOIN jobs j
         ON j.id = s.id AND j.fencing_token = s.token AND j.state = 'in_progress'`
      )
      .raw(),
    ackJobs: db.prepare(
      `UPDATE jobs SET state = 'done', attempts = attempts + 1, reason = NULL, finished_at = :now, worker = NULL,
         lease_expires_at = NULL WHERE id IN (${ids})`
    ),
    ackBodies: db.prepare(
      `WITH s (id, result) AS (VALUES ${rowsOf("(?, ?)", batch)})
       UPDATE bodies SET result = s.result, message = NULL FROM s WHERE job_id = s.id`
    ),
    ackLanes: db.prepare(
      `WITH s (id, count) AS (VALUES ${rowsOf("(?, ?)", batch)})
       UPDATE lanes SET in_flight = in_flight - s.count, done = done + s.count FROM s WHERE lanes.id = s.id`
    ),
    ackPool: db.prepare("UPDATE pools SET in_flight = in_flight - :count, done = done + :count WHERE id = 1")
  }
}

/** Cells for a statement of `batch` rows, the missing ones null. */
const filled = (cells: ReadonlyArray<number | string>, count: number): Array<number | string | null> => [
  ...cells,
  ...Array.from({ length: count - cells.length }, () => null)
]

export class BareQueue {
  readonly #db: Database.Database
  readonly #cap: number
  readonly #lanes = new Map<string, number>()
  readonly #statements = new Map<number, ReturnType<typeof prepare>>()

  private constructor(path: string, cap: number) {
    this.#cap = cap
    this.#db = new Database(path)
    for (const setting of [
      "synchronous = NORMAL",
      "foreign_keys = ON",
      "temp_store = MEMORY",
      "cache_size = -16384",
      "wal_autocheckpoint = 4000"
    ]) {
      this.#db.pragma(setting)
    }
    this.#db.prepare("INSERT INTO pools (id, key, cap) VALUES (1, 'bench', 1000000)").run()
  }

  /** An empty queue in a file with the tables of ours. */
  static async open(path: string, cap: number): Promise<BareQueue> {
    await run(Effect.void, queueLayer(path, cap))
    return new BareQueue(path, cap)
  }

  /** What is enqueued one by one must survive a power cut. */
  syncEachCommit(): void {
    this.#db.pragma("synchronous = FULL")
  }

  close(): void {
    this.#db.close()
  }

  #for(batch: number): ReturnType<typeof prepare> {
    const known = this.#statements.get(batch)
    if (known !== undefined) return known
    const made = prepare(this.#db, batch, this.#cap)
    this.#statements.set(batch, made)
    return made
  }

  #laneOf(key: string): number {
    const known = this.#lanes.get(key)
    if (known !== undefined) return known
    const { lastInsertRowid } = this.#db
      .prepare("INSERT INTO lanes (key, pool_id, cap, gap_ms, burst, turn) VALUES (?, 1, ?, 0, 1, ?)")
      .run(key, this.#cap, this.#lanes.size)
    this.#lanes.set(key, Number(lastInsertRowid))
    return Number(lastInsertRowid)
  }

  /** Inserts in transactions of 1,000 rows, 100 to a statement. Every id has to be new. */
  import(jobs: ReadonlyArray<BareJob>): void {
    const now = Date.now()
    const prepareInsert = (count: number) => ({
      jobs: this.#db
        .prepare(
          `INSERT INTO jobs (artifact_id, lane_id, priority, available_at, enqueued_at, state)
           VALUES ${rowsOf("(?, ?, 0, 0, ?, 'queued')", count)} RETURNING id`
        )
        .pluck(),
      bodies: this.#db.prepare(`INSERT INTO bodies (job_id, payload) VALUES ${rowsOf("(?, ?)", count)}`)
    })
    const whole = prepareInsert(Math.min(VALUES, jobs.length))
    const addReady = this.#db.prepare("UPDATE lanes SET ready = ready + ? WHERE id = ?")
    const addToPool = this.#db.prepare("UPDATE pools SET ready = ready + ? WHERE id = 1")
    const write = this.#db.transaction((rows: ReadonlyArray<BareJob>) => {
      const counts = new Map<number, number>()
      for (let from = 0; from < rows.length; from += VALUES) {
        const part = rows.slice(from, from + VALUES)
        const insert = part.length === Math.min(VALUES, jobs.length) ? whole : prepareInsert(part.length)
        const parameters: Array<string | number> = []
        for (const { id, lane } of part) {
          const laneId = this.#laneOf(lane)
          counts.set(laneId, (counts.get(laneId) ?? 0) + 1)
          parameters.push(id, laneId, now)
        }
        const made = insert.jobs.all(...parameters) as ReadonlyArray<number>
        insert.bodies.run(...part.flatMap(({ payload }, index) => [made[index] ?? 0, payload]))
      }
      for (const [lane, count] of counts) addReady.run(count, lane)
      addToPool.run(rows.length)
    })
    for (let from = 0; from < jobs.length; from += TRANSACTION) write(jobs.slice(from, from + TRANSACTION))
  }

  /** The lanes whose turn it is, their heads, their counters. */
  #lease(limit: number, ttlMs: number): ReadonlyArray<BareLease> {
    const s = this.#for(limit)
    const open = s.lanes.all(limit) as ReadonlyArray<readonly [id: number, room: number]>
    if (open.length === 0) return []
    const shares = new Map<number, number>()
    for (let left = limit, dealt = true; left > 0 && dealt;) {
      dealt = false
      for (const [id, room] of open) {
        const share = shares.get(id) ?? 0
        if (left === 0 || share >= room) continue
        shares.set(id, share + 1)
        left -= 1
        dealt = true
      }
    }
    const token = (s.sequence.get(1 + shares.size) as number) - shares.size
    const rows: Array<readonly [id: number, lane: number, payload: string]> = []
    for (const [index, heads] of s.heads.entries()) {
      const giving = Array.from(shares).flatMap(([lane, share]) => (share === index + 1 ? [lane] : []))
      if (giving.length > 0) rows.push(...(heads.all(filled(giving, limit)) as typeof rows))
    }
    const expiresAt = Date.now() + ttlMs
    s.leaseJobs.run(
      filled(
        rows.map(([id]) => id),
        limit
      ),
      { token, expiresAt }
    )
    let turn = token
    s.leaseLanes.run(
      filled(
        Array.from(shares).flatMap(([lane, count]) => [lane, count, ++turn]),
        3 * limit
      )
    )
    s.leasePool.run({ count: rows.length })
    return rows.map(([job, lane, payload]) => ({ job, token, lane, payload }))
  }

  /** The jobs, their results, their lanes' counters. Answers how many were still held. */
  #ack(leases: ReadonlyArray<BareLease>, batch: number): number {
    const s = this.#for(batch)
    const held = s.held.all(
      filled(
        leases.flatMap(({ job, token }) => [job, token]),
        2 * batch
      )
    ) as ReadonlyArray<readonly [id: number, lane: number]>
    s.ackJobs.run(
      filled(
        held.map(([id]) => id),
        batch
      ),
      { now: Date.now() }
    )
    s.ackBodies.run(
      filled(
        held.flatMap(([id]) => [id, JSON.stringify({ ok: true })]),
        2 * batch
      )
    )
    const counts = new Map<number, number>()
    for (const [, lane] of held) counts.set(lane, (counts.get(lane) ?? 0) + 1)
    s.ackLanes.run(filled([...counts].flat(), 2 * batch))
    s.ackPool.run({ count: held.length })
    return held.length
  }

  /**
   * Leases and acks a batch at a time until nothing is left: what a scheduler does at least. What was handled is
   * acknowledged in the transaction that leases the next, as the queue does under load.
   */
  drain(batch: number, ttlMs: number, handle: (payload: string) => unknown): void {
    const turn = this.#db.transaction((handled: ReadonlyArray<BareLease>) => {
      if (handled.length > 0) this.#ack(handled, batch)
      return this.#lease(batch, ttlMs)
    })
    for (let leases = turn.immediate([]); leases.length > 0; leases = turn.immediate(leases)) {
      for (const { payload } of leases) handle(payload)
    }
  }
}
