/**
 * Crash torture: real processes of the built program, killed with SIGKILL at random moments and at every named point,
 * again and again, until what they left is drained; and what has to be true is looked at after each kill.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import { PCGRandom } from "effect/Utils"
import { POINTS, type Point } from "../../src/FailPoint.ts"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import * as Origin from "../../src/demo/Origin.ts"
import * as Invariants from "./Invariants.ts"

/** How a torture went. */
export interface Report {
  readonly cycles: number
  /** Kills by point; `any`: at a random moment. */
  readonly kills: Readonly<Record<string, number>>
  /** Runs that came to their end before their point or moment. */
  readonly escaped: number
  readonly checked: number
}

export interface Options {
  readonly cycles: number
  readonly seed: number
  /** Only this point. Default: all of them, and random moments. */
  readonly point?: Point | undefined
  /** Kills in a cycle at most. Default 3. */
  readonly kills?: number
  /** How files are kept. Default: in odd seeds, and where the point asks for it, by content. */
  readonly layout?: Invariants.Torture["layout"]
  /** No second process beside the one to be killed, which could come to its point first. Default: now and then. */
  readonly alone?: boolean
  /** The program to torture. Default: the built one of this project. */
  readonly program?: string
  readonly log?: (line: string) => void
}

const CAP = 2
const KILLS = 3
const SMALL = ["a.test", "b.test", "c.test", "d.test"]
const FILES_PER_HOST = 5
const LARGE = "large.test"

/** A world of its own for each cycle: small files, some large enough to be on the disk in part, one host that moves. */
const hosts = {
  ...Object.fromEntries(
    SMALL.map((host) => [host, Behaviour.delayed(8, Behaviour.files({ size: { min: 1_000, max: 40_000 } }))])
  ),
  [LARGE]: Behaviour.dripped({ bytes: 131_072, everyMs: 5 }, Behaviour.files({ size: 700_000 })),
  "moved.test": Behaviour.redirect("http://a.test:{port}{path}"),
  "gone.test": Behaviour.status(404)
}

/** `at`: the hosts it is asked for at, one after the other; `host` has it in the end. */
const wanted: ReadonlyArray<Invariants.Wanted & { readonly at: ReadonlyArray<string> }> = [
  ...SMALL.flatMap((host) =>
    Array.from({ length: FILES_PER_HOST }, (_, n) => ({
      id: `${host}-${n}`,
      host,
      at: [host],
      path: `/${n}.pdf`
    }))
  ),
  // The same content as that of another.
  ...SMALL.map((host) => ({ id: `twin-${host}`, host, at: [host], path: "/0.pdf" })),
  ...Array.from({ length: 2 }, (_, n) => ({ id: `large-${n}`, host: LARGE, at: [LARGE], path: `/${n}.pdf` })),
  ...["moved.test", "gone.test"].flatMap((first) =>
    Array.from({ length: 2 }, (_, n) => ({
      id: `${first}-${n}`,
      host: "a.test",
      at: first === "gone.test" ? [first, "a.test"] : [first],
      path: `/${first}-${n}.pdf`
    }))
  )
]

const BUILT = fileURLToPath(new URL("../../dist/bin.js", import.meta.url))

interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stderr: string
}

/** A process of the program; `killAfter`: milliseconds until it is killed from outside. */
const runProgram = async (
  program: string,
  folder: string,
  args: ReadonlyArray<string>,
  how: { readonly failpoint?: string; readonly killAfter?: number } = {}
): Promise<Ended> => {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: folder,
    stdio: ["ignore", "ignore", "pipe"],
    env: {
      ...process.env,
      ...(how.failpoint === undefined ? {} : { CONTENTDOWNLOAD_FAILPOINT: how.failpoint })
    }
  })
  let stderr = ""
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()))
  const killer =
    how.killAfter === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), how.killAfter)
  // A run that doesn't end is a fault of its own.
  const deadline = setTimeout(() => child.kill("SIGKILL"), 60_000)
  await once(child, "close")
  clearTimeout(killer)
  clearTimeout(deadline)
  return { code: child.exitCode, signal: child.signalCode, stderr }
}

const RUN = ["queue", "run", "--drain", "--quiet", "--workers", "8"]

/** How often each point is come to in a cycle at least, so that most kills hit. */
const TIMES: Readonly<Record<Point, number>> = {
  leased: 4,
  planned: 2,
  written: 4,
  synced: 12,
  linked: 12,
  renamed: 12,
  stored: 12,
  "before-commit": 6,
  "after-commit": 6
}

/** One cycle in a folder of its own; answers the kills. */
const cycle = (options: Options, seed: number) =>
  Effect.gen(function* () {
    const random = new PCGRandom(seed)
    const program = options.program ?? BUILT
    const layout = options.layout ?? (seed % 2 === 1 || options.point === "linked" ? "content" : "id")
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "contentdownload-torture-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
    )
    const origin = yield* Origin.make({ hosts })
    writeFileSync(
      join(folder, "contentdownload.yaml"),
      JSON.stringify({
        orchestrator: { max_per_host: CAP, max_job_crashes: 1000, jitter_seconds: 0 },
        http: { resolve: origin.resolve, adaptive_pace: false },
        robots: { enabled: false },
        storage: { layout, min_free_bytes: 0 },
        resolvers: { order: [] }
      })
    )
    writeFileSync(
      join(folder, "list.jsonl"),
      wanted
        .map(
          ({ at, id, path }) => `${JSON.stringify({ id, urls: at.map((host) => origin.url(host, path)) })}\n`
        )
        .join("")
    )
    const start = (args: ReadonlyArray<string>, how?: Parameters<typeof runProgram>[3]) =>
      Effect.promise(() => runProgram(program, folder, args, how))
    const imported = yield* start(["queue", "import", "list.jsonl"])
    if (imported.code !== 0)
      throw new Invariants.Broken(`the import ended with ${imported.code}: ${imported.stderr}`)

    const torture: Invariants.Torture = {
      folder,
      queue: join(folder, "state", "workqueue.sqlite"),
      out: join(folder, "downloads"),
      layout,
      wanted,
      cap: CAP,
      origin,
      done: new Map(),
      token: 0,
      checked: 0
    }
    const kills: Array<string> = []
    let escaped = 0
    for (let kill = 0; kill < (options.kills ?? KILLS); kill++) {
      const points: ReadonlyArray<Point | "any"> =
        options.point === undefined
          ? ["any", "any", ...POINTS.filter((each) => layout === "content" || each !== "linked")]
          : [options.point]
      const point = points[random.integer(points.length)] ?? "any"
      const how =
        point === "any"
          ? { killAfter: 220 + random.integer(400) }
          : { failpoint: `${point}:${1 + random.integer(TIMES[point])}` }
      // Two processes on one queue, now and then; only one of them is killed.
      const beside =
        options.alone !== true && random.integer(3) === 0 ? start(RUN) : Effect.succeed(undefined)
      const [killed, other] = yield* Effect.all([start(RUN, how), beside], { concurrency: 2 })
      for (const ended of [killed, other]) {
        if (ended !== undefined && ended.signal === null && ended.code !== 0) {
          throw new Invariants.Broken(`a run ended with ${ended.code}: ${ended.stderr}`)
        }
      }
      if (killed.signal === "SIGKILL") kills.push(point)
      else escaped += 1
      // What is looked at through SQLite is what the next run finds: its recovery is the same.
      Invariants.always(torture, yield* origin.log)
      // It has drained the queue.
      if (killed.signal === null) break
    }
    const last = yield* start(RUN)
    if (last.code !== 0) throw new Invariants.Broken(`the last run ended with ${last.code}: ${last.stderr}`)
    Invariants.atTheEnd(torture, yield* origin.log)
    Invariants.asSeen(torture, yield* origin.stats, CAP)
    return { kills, escaped, checked: torture.checked }
  }).pipe(Effect.scoped)

/** Runs the cycles one after the other. Throws `Broken`, with the seed that plays the cycle again, when something isn't true. */
export const torture = async (options: Options): Promise<Report> => {
  const kills: Record<string, number> = {}
  let escaped = 0
  let checked = 0
  for (let n = 0; n < options.cycles; n++) {
    const seed = options.seed + n
    try {
      const done = await Effect.runPromise(cycle(options, seed))
      for (const point of done.kills) kills[point] = (kills[point] ?? 0) + 1
      escaped += done.escaped
      checked += done.checked
    } catch (cause) {
      throw new Invariants.Broken(
        `seed ${seed}: ${cause instanceof Error ? cause.message : String(cause)} (play it again: npm run torture -- --cycles 1 --seed ${seed})`,
        { cause }
      )
    }
    if ((n + 1) % 10 === 0)
      options.log?.(`${n + 1} cycles, ${checked} statements true, kills ${JSON.stringify(kills)}`)
  }
  return { cycles: options.cycles, kills, escaped, checked }
}
