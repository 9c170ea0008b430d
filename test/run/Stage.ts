/**
 * What the tests from the outside stand on: an origin to download from, a folder with a queue in it, and the built
 * program as processes of its own. Everything ends with the test: processes, connections, the folder.
 */
import type { ChildProcess } from "node:child_process"
import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { expect, onTestFinished } from "vitest"
import type { Settings } from "../../src/Config.ts"
import * as Origin from "../../src/demo/Origin.ts"
import type { HostStats, Seen } from "../../src/demo/Traffic.ts"
import { ManifestLine } from "../../src/download/Manifest.ts"
import { type Ended, ended, run, start } from "../cli/Program.ts"
import * as Told from "./Told.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** A file of the origin that is to be downloaded. */
export interface Wanted {
  readonly id: string
  readonly host: string
  /** With its query. */
  readonly path: string
}

/** What is imported: a file of the origin, or an artifact with URLs of its own. */
export type Line = Wanted | { readonly id: string; readonly urls: ReadonlyArray<string> }

/** The program, running. */
export interface Running {
  readonly ended: Promise<Ended>
  readonly stderr: () => string
  readonly signal: (signal: NodeJS.Signals) => void
  /** `kill -9`, and waits until it is gone. */
  readonly kill: () => Promise<void>
  /** Whether it is still there. */
  readonly alive: () => boolean
}

export interface Stage {
  readonly folder: string
  readonly origin: Origin.OriginService
  readonly log: () => ReadonlyArray<Seen>
  readonly stats: () => Readonly<Record<string, HostStats>>
  /** Runs the program to its end. */
  readonly program: (...args: ReadonlyArray<string>) => Promise<Ended>
  readonly start: (...args: ReadonlyArray<string>) => Running
  /** Carries out a command in this process, however it ends. */
  readonly here: (...args: ReadonlyArray<string>) => Promise<Ended>
  /** Carries out a command that has to go well without a word on stderr. */
  readonly does: (...args: ReadonlyArray<string>) => Promise<void>
  /** Queues artifacts; all of them have to be new. */
  readonly queue: (lines: ReadonlyArray<Line>) => Promise<void>
  /** Every job, as `queue export` has it, by id. */
  readonly manifest: () => Promise<ReadonlyMap<string, ManifestLine>>
  readonly counts: () => Promise<Told.Stats>
  readonly lanes: () => Promise<ReadonlyArray<Told.Lane>>
  readonly show: (id: string) => Promise<Told.Job>
  /** Unfinished files, wherever they are. */
  readonly parts: () => Promise<ReadonlyArray<string>>
  /** Fails unless this line's file is there with the bytes the origin has. */
  readonly checkFile: (line: ManifestLine, host: string, path: string) => Promise<void>
  /** Fails unless all of these are done, with the right files, with no other and no unfinished file beside them. */
  readonly checkAll: (wanted: ReadonlyArray<Wanted>) => Promise<void>
}

/** The folder the files go to, relative to the stage's. */
export const OUT = "downloads"

// ---------------------------------------------------------------------------------------------------------------
// Waiting
// ---------------------------------------------------------------------------------------------------------------

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Waits for something that has to come; says what didn't. */
export const until = async (what: string, check: () => boolean | Promise<boolean>): Promise<void> => {
  const giveUpAt = Date.now() + 30_000
  while (!(await check())) {
    if (Date.now() > giveUpAt) throw new Error(`waited in vain until ${what}`)
    await sleep(5)
  }
}

// ---------------------------------------------------------------------------------------------------------------
// Parts
// ---------------------------------------------------------------------------------------------------------------

/** The stage is without robots.txt, and each run says so. */
const withoutRobots = (end: Ended): Ended => ({
  ...end,
  stderr: end.stderr.replace(/^robots\.txt is not asked for.*\n/m, "")
})

const running = (child: ChildProcess): Running => {
  let stderr = ""
  child.stdin?.end()
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  const over = ended(child).then(withoutRobots)
  const alive = () => child.exitCode === null && child.signalCode === null
  const kill = async () => {
    if (alive()) child.kill("SIGKILL")
    await over
  }
  onTestFinished(kill)
  return { ended: over, stderr: () => stderr, signal: (signal) => void child.kill(signal), kill, alive }
}

const hashOf = async (path: string): Promise<string> => {
  const hash = createHash("sha256")
  const bytes: AsyncIterable<Uint8Array> = createReadStream(path)
  for await (const chunk of bytes) hash.update(chunk)
  return hash.digest("hex")
}

const filesIn = async (folder: string): Promise<ReadonlyArray<string>> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

const decodeManifest = Schema.decodeUnknownSync(Schema.parseJson(ManifestLine))

// ---------------------------------------------------------------------------------------------------------------
// Constructor
// ---------------------------------------------------------------------------------------------------------------

type Encoded = typeof Settings.Encoded

/** A stage of its own for one test. The settings are a configuration file, with short waits unless told otherwise. */
export const make = async (
  options: Origin.OriginOptions,
  given: Encoded | ((origin: Origin.OriginService) => Encoded) = {}
): Promise<Stage> => {
  const scope = Effect.runSync(Scope.make())
  onTestFinished(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  const origin = await Effect.runPromise(Scope.extend(Origin.make(options), scope))
  const folder = await mkdtemp(join(tmpdir(), "contentdownload-"))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const settings = typeof given === "function" ? given(origin) : given
  const configuration: Encoded = {
    ...settings,
    orchestrator: { retry_backoff_seconds: 0.02, jitter_seconds: 0, ...settings.orchestrator },
    // A pace that follows how long answers take would make of a busy machine a slow host.
    http: {
      resolve: origin.resolve,
      adaptive_pace: false,
      // Hosts that never answer are on this machine, too.
      allow_private_hosts: true,
      ...settings.http
    },
    // What a host is asked for is counted, and is to be files.
    robots: { enabled: false, ...settings.robots },
    storage: { min_free_bytes: 0, ...settings.storage },
    download: { out: OUT, ...settings.download },
    // Nobody but the origin is to be asked.
    resolvers: { order: [], ...settings.resolvers }
  }
  const queueFile = join(folder, "state", "workqueue.sqlite")
  // JSON is YAML.
  await writeFile(join(folder, "contentdownload.yaml"), JSON.stringify(configuration))

  const startProgram = (...args: ReadonlyArray<string>) => running(start(args, folder))
  const program = (...args: ReadonlyArray<string>) => startProgram(...args).ended
  /** Commands that only look, or only queue, run in this process: starting one costs more than they do. */
  const places = ["--config", join(folder, "contentdownload.yaml"), "--queue", queueFile]
  // Its folder isn't this process's.
  const env = { CONTENTDOWNLOAD_DOWNLOAD__OUT: join(folder, OUT) }
  const here = (...args: ReadonlyArray<string>) =>
    Effect.runPromise(Effect.map(run([...args, ...places], { env }), withoutRobots))
  const told = async (...args: ReadonlyArray<string>) => {
    const { code, stderr, stdout } = await here(...args)
    expect({ code, stderr }, args.join(" ")).toEqual({ code: 0, stderr: "" })
    return stdout
  }
  let lists = 0

  const stage: Stage = {
    folder,
    origin,
    log: () => Effect.runSync(origin.log),
    stats: () => Effect.runSync(origin.stats),
    program,
    start: startProgram,
    here,
    does: async (...args) => void (await told(...args)),
    queue: async (lines) => {
      const list = join(folder, `list-${(lists += 1)}.jsonl`)
      const artifacts = lines.map((line) =>
        "urls" in line ? line : { id: line.id, urls: [origin.url(line.host, line.path)] }
      )
      await writeFile(list, artifacts.map((artifact) => `${JSON.stringify(artifact)}\n`).join(""))
      const counted: unknown = JSON.parse(await told("queue", "import", list, "--format", "json"))
      expect(counted).toEqual({ new: lines.length, duplicate: 0, rejected: 0, total: lines.length })
    },
    manifest: async () => {
      const lines = (await told("queue", "export"))
        .trimEnd()
        .split("\n")
        .map((line) => decodeManifest(line))
      return new Map(lines.map((line) => [line.id, line]))
    },
    counts: async () => Told.stats(await told("queue", "stats", "--format", "json")),
    lanes: async () => Told.lanes(await told("queue", "stats", "--by", "lane", "--format", "json")),
    show: async (id) => Told.job(await told("queue", "show", id, "--format", "json")),
    parts: async () => (await filesIn(folder)).filter((path) => path.endsWith(".part")),
    checkFile: async (line, host, path) => {
      const { sha256, size } = origin.expected(host, path)
      expect(line).toMatchObject({ state: "done", sha256, bytes: size, path: expect.any(String) })
      expect(await hashOf(join(folder, OUT, line.path ?? "")), line.id).toBe(sha256)
    },
    checkAll: async (wanted) => {
      const manifest = await stage.manifest()
      for (const { host, id, path } of wanted) {
        const line = manifest.get(id)
        if (line === undefined) throw new Error(`${id} is not in the manifest`)
        await stage.checkFile(line, host, path)
      }
      expect(await filesIn(join(folder, OUT))).toHaveLength(wanted.length)
      expect(await stage.counts()).toMatchObject({ done: wanted.length, total: wanted.length })
    }
  }
  return stage
}

/** `count` files of each host, the hosts taking turns. */
export const filesOf = (hosts: ReadonlyArray<string>, count: number, query = ""): ReadonlyArray<Wanted> =>
  Array.from({ length: count }, (_, index) => index).flatMap((index) =>
    hosts.map((host) => ({ id: `${host}-${index}`, host, path: `/papers/${index}.pdf${query}` }))
  )
