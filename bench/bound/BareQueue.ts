/**
 * The bound: the same transactions as the queue's, written by hand on better-sqlite3, with the same durability and
 * exact caps per lane, and nothing else. No expiry, retries, pools, paces, notes or errors in the type: what the
 * queue has on top of this is what its ratio to it pays for.
 */
import Database from "better-sqlite3"

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

const prepare = (db: Database.Database, cap: number) => ({
  lanes: db.prepare(
    "SELECT id, cap - in_flight AS room, ready FROM lanes WHERE runnable ORDER BY turn, id LIMIT ?"
  ),
  /** The heads of lanes that give one job each, two each, and so on. */
  heads: Array.from({ length: cap }, (_, index) =>
    db.prepare(
      `UPDATE jobs SET state = 'in_progress', fencing_token = :token, lease_expires_at = :expiresAt
       WHERE id IN (SELECT j.id FROM json_each(:lanes) w CROSS JOIN jobs j ON j.id IN
         (SELECT id FROM jobs WHERE lane_id = w.value AND state = 'queued' ORDER BY id LIMIT ${index + 1}))
       RETURNING id, lane_id, (SELECT payload FROM bodies WHERE job_id = jobs.id) AS payload`
    )
  ),
  updateLanes: db.prepare(
    `UPDATE lanes SET ready = ready - (s.value ->> 1), in_flight = in_flight + (s.value ->> 1), turn = s.value ->> 2
     FROM json_each(:lanes) s WHERE lanes.id = s.value ->> 0`
  ),
  ackJobs: db.prepare(
    `UPDATE jobs SET state = 'done', lease_expires_at = NULL FROM json_each(:leases) l
     WHERE jobs.id = l.value ->> 0 AND jobs.fencing_token = l.value ->> 1 AND jobs.state = 'in_progress'
     RETURNING jobs.id, jobs.lane_id`
  ),
  ackBodies: db.prepare(
    "UPDATE bodies SET result = 'null' FROM json_each(:leases) l WHERE job_id = l.value ->> 0"
  ),
  ackLanes: db.prepare(
    `UPDATE lanes SET in_flight = in_flight - (s.value ->> 1), done = done + (s.value ->> 1)
     FROM json_each(:lanes) s WHERE lanes.id = s.value ->> 0`
  )
})

export class BareQueue {
  readonly #db: Database.Database
  readonly #statements: ReturnType<typeof prepare>
  readonly #cap: number
  readonly #lanes = new Map<string, number>()
  #token = 0

  constructor(path: string, cap: number) {
    this.#cap = cap
    this.#db = new Database(path)
    this.#db.pragma("journal_mode = WAL")
    this.#db.pragma("synchronous = NORMAL")
    this.#db.pragma("temp_store = MEMORY")
    this.#db.pragma("cache_size = -16384")
    this.#db.pragma("wal_autocheckpoint = 4000")
    this.#db.exec(`
      CREATE TABLE lanes (
        id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, cap INTEGER NOT NULL, turn INTEGER NOT NULL,
        ready INTEGER NOT NULL DEFAULT 0, in_flight INTEGER NOT NULL DEFAULT 0, done INTEGER NOT NULL DEFAULT 0,
        runnable INTEGER GENERATED ALWAYS AS (ready > 0 AND in_flight < cap) VIRTUAL
      ) STRICT;
      CREATE INDEX lanes_runnable ON lanes (turn, id) WHERE runnable;
      CREATE TABLE jobs (
        id INTEGER PRIMARY KEY, artifact_id TEXT NOT NULL UNIQUE, lane_id INTEGER NOT NULL, state TEXT NOT NULL,
        fencing_token INTEGER NOT NULL DEFAULT 0, lease_expires_at INTEGER
      ) STRICT;
      CREATE INDEX jobs_ready ON jobs (lane_id, id) WHERE state = 'queued';
      CREATE INDEX jobs_leased ON jobs (lease_expires_at) WHERE state = 'in_progress';
      CREATE TABLE bodies (job_id INTEGER PRIMARY KEY, payload TEXT NOT NULL, result TEXT) STRICT;
    `)
    this.#statements = prepare(this.#db, cap)
  }

  /** What is enqueued one by one must survive a power cut. */
  syncEachCommit(): void {
    this.#db.pragma("synchronous = FULL")
  }

  close(): void {
    this.#db.close()
  }

  #laneOf(key: string): number {
    const known = this.#lanes.get(key)
    if (known !== undefined) return known
    const { lastInsertRowid } = this.#db
      .prepare("INSERT INTO lanes (key, cap, turn) VALUES (?, ?, ?)")
      .run(key, this.#cap, this.#lanes.size)
    this.#lanes.set(key, Number(lastInsertRowid))
    return Number(lastInsertRowid)
  }

  /** Inserts in transactions of 1,000 rows, 100 to a statement. Every id has to be new. */
  import(jobs: ReadonlyArray<BareJob>): void {
    const rowsOf = (row: string, count: number) => Array.from({ length: count }, () => row).join(", ")
    const prepareInsert = (count: number) => ({
      jobs: this.#db.prepare(
        `INSERT INTO jobs (artifact_id, lane_id, state) VALUES ${rowsOf("(?, ?, 'queued')", count)} RETURNING id`
      ),
      bodies: this.#db.prepare(`INSERT INTO bodies (job_id, payload) VALUES ${rowsOf("(?, ?)", count)}`)
    })
    const whole = prepareInsert(Math.min(VALUES, jobs.length))
    const addReady = this.#db.prepare("UPDATE lanes SET ready = ready + ? WHERE id = ?")
    const write = this.#db.transaction((rows: ReadonlyArray<BareJob>) => {
      const counts = new Map<number, number>()
      for (let from = 0; from < rows.length; from += VALUES) {
        const part = rows.slice(from, from + VALUES)
        const insert = part.length === Math.min(VALUES, jobs.length) ? whole : prepareInsert(part.length)
        const parameters: Array<string | number> = []
        for (const { id, lane } of part) {
          const laneId = this.#laneOf(lane)
          counts.set(laneId, (counts.get(laneId) ?? 0) + 1)
          parameters.push(id, laneId)
        }
        const made = insert.jobs.all(...parameters) as ReadonlyArray<{ readonly id: number }>
        insert.bodies.run(...part.flatMap(({ payload }, index) => [made[index]?.id ?? 0, payload]))
      }
      for (const [lane, count] of counts) addReady.run(count, lane)
    })
    for (let from = 0; from < jobs.length; from += TRANSACTION) write(jobs.slice(from, from + TRANSACTION))
  }

  /** One transaction: the lanes whose turn it is, their heads, their counters. */
  lease(limit: number, ttlMs: number): ReadonlyArray<BareLease> {
    const expiresAt = Date.now() + ttlMs
    const { heads, lanes, updateLanes } = this.#statements
    return this.#db
      .transaction(() => {
        const open = lanes.all(limit) as ReadonlyArray<{ id: number; room: number; ready: number }>
        if (open.length === 0) return []
        const shares = new Map<number, number>()
        for (let left = limit, dealt = true; left > 0 && dealt;) {
          dealt = false
          for (const { id, ready, room } of open) {
            const share = shares.get(id) ?? 0
            if (left === 0 || share >= Math.min(room, ready)) continue
            shares.set(id, share + 1)
            left -= 1
            dealt = true
          }
        }
        const token = ++this.#token
        const rows: Array<{ id: number; lane_id: number; payload: string }> = []
        for (const [index, statement] of heads.entries()) {
          const giving = Array.from(shares).flatMap(([id, share]) => (share === index + 1 ? [id] : []))
          if (giving.length === 0) continue
          rows.push(...(statement.all({ token, expiresAt, lanes: JSON.stringify(giving) }) as typeof rows))
        }
        updateLanes.run({
          lanes: JSON.stringify(Array.from(shares, ([id, count]) => [id, count, ++this.#token]))
        })
        return rows.map((row) => ({ job: row.id, token, lane: row.lane_id, payload: row.payload }))
      })
      .immediate()
  }

  /** One transaction: the jobs, their results, their lanes' counters. Answers how many were still held. */
  ack(leases: ReadonlyArray<BareLease>): number {
    const { ackBodies, ackJobs, ackLanes } = this.#statements
    return this.#db
      .transaction(() => {
        const parameter = { leases: JSON.stringify(leases.map(({ job, token }) => [job, token])) }
        const held = ackJobs.all(parameter) as ReadonlyArray<{ id: number; lane_id: number }>
        ackBodies.run(parameter)
        const counts = new Map<number, number>()
        for (const { lane_id } of held) counts.set(lane_id, (counts.get(lane_id) ?? 0) + 1)
        ackLanes.run({ lanes: JSON.stringify([...counts]) })
        return held.length
      })
      .immediate()
  }

  /** Leases and acks a batch at a time until nothing is left: what a scheduler does at least. */
  drain(batch: number, ttlMs: number, handle: (payload: string) => unknown = () => undefined): void {
    for (;;) {
      const leases = this.lease(batch, ttlMs)
      if (leases.length === 0) return
      for (const { payload } of leases) handle(payload)
      this.ack(leases)
    }
  }
}
