/**
 * Crash torture: real processes of the built program, killed with SIGKILL at random moments and at every named point,
 * again and again, until what they left is drained; and what has to be true is looked at after each kill.
 */
import { cpSync, mkdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { PCGRandom } from "effect/Utils"
import { POINTS, type Point } from "../../src/FailPoint.ts"
import * as Invariants from "./Invariants.ts"
import { type Kill, runProgram } from "./Killing.ts"
import { CAP, folderOfOurOwn, makeWorld, wanted, type World, writeConfig } from "./World.ts"

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

const KILLS = 3

const BUILT = fileURLToPath(new URL("../../dist/bin.js", import.meta.url))

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
const cycle = (world: World, options: Options, seed: number) =>
  Effect.gen(function* () {
    const { origin } = world
    const random = new PCGRandom(seed)
    const layout = options.layout ?? (seed % 2 === 1 || options.point === "linked" ? "content" : "id")
    const folder = yield* folderOfOurOwn
    writeConfig(folder, origin, { layout, parsed: seed % 4 < 2 })
    mkdirSync(join(folder, "state"))
    cpSync(join(world.imported, "state"), join(folder, "state"), { recursive: true })
    const before = (yield* origin.log).length
    const log = Effect.map(origin.log, (seen) => seen.slice(before))
    const start = (args: ReadonlyArray<string>, how?: Kill) =>
      Effect.promise(() => runProgram(world, folder, args, how))

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
      // The less is left, the sooner a run comes to its end.
      const left = Math.max(1, Math.floor((wanted.length - torture.done.size) / 3))
      const how: Kill =
        point !== "any"
          ? { failpoint: `${point}:${1 + random.integer(Math.min(TIMES[point], left))}` }
          : random.integer(4) === 0
            ? { after: { ms: random.integer(500) } }
            : { after: { requests: 1 + random.integer(left), ms: random.integer(30) } }
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
      Invariants.always(torture, yield* log)
      // The queue is drained.
      if (killed.signal === null || torture.done.size === wanted.length) break
    }
    // One that wasn't killed has also put away what those before it left.
    if (escaped === 0) {
      const last = yield* start(RUN)
      if (last.code !== 0) throw new Invariants.Broken(`the last run ended with ${last.code}: ${last.stderr}`)
    }
    Invariants.atTheEnd(torture, yield* log)
    Invariants.asSeen(torture, yield* origin.stats, CAP)
    return { kills, escaped, checked: torture.checked }
  }).pipe(Effect.scoped)

/** Runs the cycles one after the other. Throws `Broken`, with the seed that plays the cycle again, when something isn't true. */
export const torture = async (options: Options): Promise<Report> => {
  const exit = await Effect.runPromiseExit(Effect.scoped(cycles(options)))
  if (Exit.isFailure(exit)) throw Cause.squash(exit.cause)
  return exit.value
}

const cycles = (options: Options) =>
  Effect.gen(function* () {
    const world = yield* makeWorld(options.program ?? BUILT)
    const kills: Record<string, number> = {}
    let escaped = 0
    let checked = 0
    for (let n = 0; n < options.cycles; n++) {
      const seed = options.seed + n
      const done = yield* Effect.catchAllDefect(cycle(world, options, seed), (cause) =>
        Effect.die(
          new Invariants.Broken(
            `seed ${seed}: ${cause instanceof Error ? cause.message : String(cause)} (play it again: npm run torture -- --cycles 1 --seed ${seed})`,
            { cause }
          )
        )
      )
      for (const point of done.kills) kills[point] = (kills[point] ?? 0) + 1
      escaped += done.escaped
      checked += done.checked
      if ((n + 1) % 10 === 0)
        options.log?.(`${n + 1} cycles, ${checked} statements true, kills ${JSON.stringify(kills)}`)
    }
    return { cycles: options.cycles, kills, escaped, checked }
  })
