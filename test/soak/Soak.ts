/**
 * A soak: real runs of the built program for as long as one likes, against hosts that fail now and then, with jobs that
 * keep coming and are pruned when they are done, and a run beside them that is killed again and again.
 *
 * One run is never killed: its memory and its open files are what is looked at, and the size of the queue's files.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import Database from "better-sqlite3"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import type { OriginService } from "../../src/demo/Origin.ts"
import { counted } from "../torture/Invariants.ts"
import { type Series, type Trend, trendOf } from "./Trend.ts"

const CAP = 3
const SMALL = Behaviour.files({ size: { min: 1_000, max: 30_000 } })

/** What can go wrong goes wrong for some of the files, in a way that passes, or never does. */
export const hosts: Readonly<Record<string, Behaviour.Behaviour>> = {
  "plain.test": Behaviour.delayed(10, SMALL),
  "slow.test": Behaviour.dripped({ bytes: 4_096, everyMs: 20 }, SMALL),
  "flaky.test": Behaviour.flaky5xx(1, SMALL),
  "reset.test": Behaviour.resets(1, SMALL, "body"),
  "limited.test": Behaviour.rateLimited({ max: 20, windowMs: 1000 }, SMALL),
  "moved.test": Behaviour.redirect("http://plain.test:{port}{path}"),
  "gone.test": Behaviour.status(404),
  "large.test": Behaviour.dripped({ bytes: 65_536, everyMs: 5 }, Behaviour.files({ size: 1_500_000 }))
}

export interface Options {
  readonly minutes: number
  /** Jobs that come with each import, and the seconds between two. None comes while twice as many are left. */
  readonly jobs: number
  readonly everySeconds: number
  /** Seconds between two lines. */
  readonly lineSeconds: number
  readonly program: string
  readonly folder: string
  readonly origin: OriginService
  readonly log: (line: string) => void
}

export interface Report {
  readonly trends: ReadonlyArray<Trend>
  readonly imported: number
  readonly ended: number
  readonly kills: number
  readonly checked: number
}

/** What didn't hold. */
export class Broken extends Error {}

const MB = 1e6

/** Left to itself, the heap grows for minutes before anything is collected, and what leaks can't be told from that. */
const HEAP = "--max-old-space-size=96"

/** Tells what the run holds after all else was collected, heap and buffers; see the probe. */
const PROBE = fileURLToPath(new URL("../Probe.cjs", import.meta.url))

/** Where the system tells of a process: its memory and its open files. */
const residentBytes = (pid: number): number =>
  1024 * Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0)
/** What the probe has seen last: bytes that are still held. `undefined`: it hasn't looked yet. */
const heldBytes = (path: string): number | undefined => {
  if (!existsSync(path)) return undefined
  const { held }: { readonly held: number } = JSON.parse(readFileSync(path, "utf8"))
  return held
}
const openFiles = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0

/** Removes files that were stored a while ago: they are looked at no more. */
const removeOld = (folder: string, olderThanMs: number): void => {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (
      entry.isFile() &&
      Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Infinity) > olderThanMs
    ) {
      rmSync(path, { force: true })
    }
  }
}

/** Runs for so many minutes; throws `Broken` when something doesn't hold. */
export const soak = async (options: Options): Promise<Report> => {
  const { folder, origin, program } = options
  mkdirSync(folder, { recursive: true })
  writeFileSync(
    join(folder, "contentdownload.yaml"),
    JSON.stringify({
      orchestrator: {
        max_per_host: CAP,
        max_job_crashes: 1000,
        jitter_seconds: 0,
        retry_backoff_seconds: 1,
        lease_ttl_seconds: 30,
        heartbeat_seconds: 5
      },
      http: { resolve: origin.resolve, adaptive_pace: false, breaker_failures: 0 },
      robots: { enabled: false },
      storage: { min_free_bytes: 0 },
      resolvers: { order: [] }
    })
  )
  const queue = join(folder, "state", "workqueue.sqlite")
  const out = join(folder, "downloads")
  const probe = join(folder, "probe.json")
  const children = new Set<ChildProcess>()
  const startIn = (node: ReadonlyArray<string>, args: ReadonlyArray<string>) => {
    const child = spawn(process.execPath, [...node, program, ...args], {
      cwd: folder,
      env: { ...process.env, SOAK_PROBE: probe },
      stdio: ["ignore", "ignore", "pipe"]
    })
    let stderr = ""
    child.stderr.on("data", (chunk: Buffer) => (stderr = (stderr + chunk.toString()).slice(-2000)))
    children.add(child)
    const ended = once(child, "close").then(() => {
      children.delete(child)
      return { code: child.exitCode, stderr }
    })
    return { child, ended }
  }
  const start = (...args: ReadonlyArray<string>) => startIn([], args)
  const command = async (...args: ReadonlyArray<string>) => {
    const { code, stderr } = await start(...args).ended
    if (code !== 0) throw new Broken(`${args.join(" ")} ended with ${code}: ${stderr}`)
  }

  let imported = 0
  let kills = 0
  let checked = 0
  const names = Object.keys(hosts)
  const add = async () => {
    const lines = Array.from({ length: options.jobs }, () => {
      imported += 1
      const host = names[imported % names.length] ?? ""
      // Few are large.
      const at = host === "large.test" && imported % 64 !== 7 ? "plain.test" : host
      return `${JSON.stringify({ id: `soak-${imported}`, urls: [origin.url(at, `/${imported}.pdf`)] })}\n`
    })
    writeFileSync(join(folder, "list.jsonl"), lines.join(""))
    await command("queue", "import", "list.jsonl")
  }

  const look = () => {
    const db = new Database(queue)
    try {
      counted(db, CAP, (what, isTrue) => {
        checked += 1
        if (!isTrue) throw new Broken(what)
      })
      if (db.pragma("quick_check", { simple: true }) !== "ok") throw new Broken("the database is damaged")
      const [row] = db
        .prepare<[], { readonly ended: number; readonly left: number }>(
          `SELECT (SELECT seq FROM sqlite_sequence WHERE name = 'jobs') - count(*) AS ended, count(*) AS left FROM jobs
           WHERE state IN ('queued', 'in_progress')`
        )
        .all()
      return row ?? { ended: 0, left: 0 }
    } finally {
      db.close()
    }
  }

  await add()
  const steady = startIn(
    [HEAP, "--expose-gc", "--require", PROBE],
    ["queue", "run", "--quiet", "--workers", "8"]
  )
  const { pid } = steady.child
  if (pid === undefined) throw new Broken("the run didn't start")
  const series = {
    rss: new Array<number>(),
    held: new Array<number>(),
    files: new Array<number>(),
    queue: new Array<number>()
  }
  const end = Date.now() + options.minutes * 60_000
  const over = new AbortController()
  /** Does something again and again until the end. */
  const again = async (seconds: number, work: () => Promise<void>) => {
    while (!over.signal.aborted && Date.now() < end) {
      await sleep(Math.min(seconds * 1000, Math.max(0, end - Date.now())))
      if (Date.now() < end) await work()
    }
  }
  let ended = 0
  try {
    await Promise.all(
      [
        again(options.everySeconds, async () => {
          if (look().left < 2 * options.jobs) await add()
        }),
        again(15, async () => {
          await command("queue", "prune", "--older-than", "20s")
          removeOld(out, 60_000)
        }),
        again(5, async () => {
          const victim = start("queue", "run", "--quiet", "--workers", "4")
          await sleep(2000 + Math.random() * 4000)
          if (victim.child.exitCode === null) kills += 1
          victim.child.kill("SIGKILL")
          await victim.ended
        }),
        again(options.lineSeconds, async () => {
          if (steady.child.exitCode !== null)
            throw new Broken(`the run ended: ${(await steady.ended).stderr}`)
          const seen = look()
          ended = seen.ended
          const [rss, files, held] = [residentBytes(pid), openFiles(pid), heldBytes(probe)]
          const bytes = sizeOf(queue) + sizeOf(`${queue}-wal`)
          series.rss.push(rss)
          if (held !== undefined) series.held.push(held)
          series.files.push(files)
          series.queue.push(bytes)
          options.log(
            `${Math.round(options.minutes * 60 - (end - Date.now()) / 1000)} s: rss ${(rss / MB).toFixed(1)} MB, ` +
              `held ${((held ?? 0) / MB).toFixed(1)} MB, ` +
              `${files} open files, queue ${(bytes / MB).toFixed(1)} MB, ${ended} jobs ended, ${seen.left} left, ` +
              `${kills} kills, ${checked} statements true`
          )
        })
      ].map((work) =>
        work.catch((cause: unknown) => {
          over.abort()
          throw cause
        })
      )
    )
    steady.child.kill("SIGTERM")
    const last = await steady.ended
    if (last.code !== 143) throw new Broken(`the run ended with ${last.code}: ${last.stderr}`)
  } finally {
    for (const child of children) child.kill("SIGKILL")
  }
  const all: ReadonlyArray<Series> = [
    // What the system counts comes near its ceiling for half an hour: pieces that each thread's allocator keeps for later.
    { name: "rss", noise: 12 * MB, tolerance: 0.2, values: series.rss },
    // Some bodies are always on their way.
    { name: "held", noise: 3 * MB, tolerance: 0.05, values: series.held },
    { name: "open files", noise: 6, tolerance: 0.1, values: series.files },
    { name: "queue", noise: 2 * MB, tolerance: 0.1, values: series.queue }
  ]
  return { trends: all.map(trendOf), imported, ended, kills, checked }
}
