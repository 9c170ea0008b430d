/**
 * What has to be true of a queue and its output folder at any moment, and at the end: looked at from the outside, in the
 * database, on the disk and in the origin's own log.
 */
import { createHash } from "node:crypto"
import { readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import Database from "better-sqlite3"
import type { OriginService } from "../../src/demo/Origin.ts"
import type { Seen } from "../../src/demo/Traffic.ts"

/** A file of the origin that is to be downloaded. */
export interface Wanted {
  readonly id: string
  readonly host: string
  readonly path: string
}

interface JobRow {
  readonly id: number
  readonly artifact_id: string
  readonly state: string
  readonly fencing_token: number
  readonly finished_at: number | null
  readonly attempts: number
  readonly result: string | null
}

/** What is known of a torture so far. */
export interface Torture {
  readonly folder: string
  readonly queue: string
  readonly out: string
  readonly layout: "id" | "content"
  readonly wanted: ReadonlyArray<Wanted>
  readonly cap: number
  readonly origin: OriginService
  /** Jobs that were seen done, as they were then. */
  readonly done: Map<string, JobRow>
  /** The highest token seen so far. */
  token: number
  /** How many statements were found true. */
  checked: number
}

/** What was broken, in words. */
export class Broken extends Error {}

const COUNTERS = ["ready", "delayed", "in_flight", "done", "skipped", "error"]

const RECOUNT = `SELECT l.key, l.ready, l.delayed, l.in_flight, l.done, l.skipped, l.error,
  count(*) FILTER (WHERE state = 'queued' AND available_at = 0) AS ready_now,
  count(*) FILTER (WHERE state = 'queued' AND available_at > 0) AS delayed_now,
  count(*) FILTER (WHERE state = 'in_progress') AS in_flight_now,
  count(*) FILTER (WHERE state = 'done') AS done_now,
  count(*) FILTER (WHERE state = 'skipped') AS skipped_now,
  count(*) FILTER (WHERE state = 'error') AS error_now
  FROM lanes l LEFT JOIN jobs j ON j.lane_id = l.id GROUP BY l.id`

const sha256 = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex")

const filesUnder = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

/** Which file a job has that is done. */
const receiptOf = (job: JobRow): { readonly path: string; readonly sha256: string } =>
  JSON.parse(job.result ?? "{}")

/** Checks one statement, and counts it. */
const holds = (torture: Torture, what: string, isTrue: boolean): void => {
  torture.checked += 1
  if (!isTrue) throw new Broken(what)
}

/** The counters of every lane are those of a recount, and it keeps its cap. */
export const counted = (
  db: Database.Database,
  cap: number,
  check: (what: string, isTrue: boolean) => void
): void => {
  for (const row of db.prepare<[], Record<string, number | string>>(RECOUNT).all()) {
    for (const name of COUNTERS) {
      check(`lane ${row["key"]}: ${name} is counted right`, row[name] === row[`${name}_now`])
    }
    check(`lane ${row["key"]} keeps its cap`, Number(row["in_flight"]) <= cap)
  }
}

/** What is true at any moment, also right after a kill. */
export const always = (torture: Torture, log: ReadonlyArray<Seen>): void => {
  const db = new Database(torture.queue)
  try {
    holds(torture, "the database is whole", db.pragma("integrity_check", { simple: true }) === "ok")
    const jobs = db
      .prepare<[], JobRow>(
        `SELECT j.id, artifact_id, state, fencing_token, finished_at, attempts, result
         FROM jobs j LEFT JOIN bodies b ON b.job_id = j.id ORDER BY j.id`
      )
      .all()
    holds(torture, "every job is there once", jobs.length === torture.wanted.length)
    counted(db, torture.cap, (what, isTrue) => holds(torture, what, isTrue))
    const held = jobs.filter(({ state }) => state === "in_progress")
    holds(
      torture,
      "no token is given out again",
      held.every(
        ({ artifact_id, fencing_token }) =>
          fencing_token > (torture.done.get(artifact_id)?.fencing_token ?? 0)
      )
    )
    torture.token = Math.max(torture.token, ...jobs.map(({ fencing_token }) => fencing_token))
    const sequence =
      db.prepare<[], { readonly sequence: number }>("SELECT sequence FROM queue").get()?.sequence ?? 0
    holds(torture, "the sequence is ahead of every token", sequence >= torture.token)
    checkDone(torture, jobs, log)
  } finally {
    db.close()
  }
}

/** What is done stays as it is, on the disk and in the queue, and is asked for no more. */
const checkDone = (torture: Torture, jobs: ReadonlyArray<JobRow>, log: ReadonlyArray<Seen>): void => {
  const byId = new Map(jobs.map((job) => [job.artifact_id, job]))
  for (const { host, id, path } of torture.wanted) {
    const job = byId.get(id)
    const before = torture.done.get(id)
    if (before !== undefined) {
      holds(
        torture,
        `${id} stays done, as it was`,
        job?.state === "done" && job.finished_at === before.finished_at
      )
      holds(torture, `${id} is acknowledged once`, job?.attempts === before.attempts)
    }
    if (job?.state !== "done") continue
    const expected = torture.origin.expected(host, path)
    const receipt = receiptOf(job)
    holds(torture, `${id} is recorded with the bytes the origin has`, receipt.sha256 === expected.sha256)
    if (before === undefined) {
      holds(
        torture,
        `${id} is on the disk as recorded`,
        sha256(join(torture.out, receipt.path)) === expected.sha256
      )
      torture.done.set(id, job)
    }
    const finished = log.filter((seen) => seen.host === host && seen.path === path && seen.finished)
    holds(torture, `${id} was sent`, finished.length > 0)
  }
}

/** What is true when a run has drained the queue. */
export const atTheEnd = (torture: Torture, log: ReadonlyArray<Seen>): void => {
  always(torture, log)
  holds(torture, "everything is done", torture.done.size === torture.wanted.length)
  const files = filesUnder(torture.out)
  const parts = files.filter((path) => path.endsWith(".part") || path.endsWith(".log"))
  holds(torture, `no unfinished file is left: ${parts.join()}`, parts.length === 0)
  const objects = files.filter((path) => path.startsWith(join(torture.out, "objects")))
  const named = new Set([...torture.done.values()].map((job) => join(torture.out, receiptOf(job).path)))
  const others = files.filter((path) => !objects.includes(path) && !named.has(path))
  holds(torture, `there is no other file than those of the works: ${others.join()}`, others.length === 0)
  holds(
    torture,
    "there is a file for each work",
    named.size === torture.wanted.length && files.length - objects.length === named.size
  )
  if (torture.layout === "content") {
    const nodes = new Set(files.map((path) => statSync(path).ino))
    const contents = new Set(files.map(sha256))
    holds(torture, "each content is there once", nodes.size === contents.size)
    holds(
      torture,
      "each content stands under its hash, and has a name",
      objects.length === contents.size && objects.every((path) => path.endsWith(sha256(path)))
    )
  }
  for (const { host, id, path } of torture.wanted) {
    const { sha256: expected } = torture.origin.expected(host, path)
    const job = torture.done.get(id)
    holds(
      torture,
      `${id} is whole at the end`,
      job !== undefined && sha256(join(torture.out, receiptOf(job).path)) === expected
    )
  }
}

/** As the hosts saw it: never more requests at once than the cap. */
export const asSeen = (
  torture: Torture,
  most: Readonly<Record<string, { readonly maxConcurrent: number }>>,
  cap: number
): void => {
  for (const [host, { maxConcurrent }] of Object.entries(most)) {
    holds(torture, `${host} had at most ${cap} requests at once`, maxConcurrent <= cap)
  }
}
