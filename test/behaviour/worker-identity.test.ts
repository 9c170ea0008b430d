/** Who is certainly dead: only a process of this machine, this boot and this space that is gone. */
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { Worker as Thread } from "node:worker_threads"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { build } from "esbuild"
import * as WorkerIdentity from "../../src/WorkerIdentity.ts"

const { WorkerIdentity: Identity } = WorkerIdentity

type Part = "host" | "boot" | "space" | "pid" | "mark"

/** Our own name with some of its parts exchanged. */
const named = (parts: Partial<Record<Part, string | number>>) =>
  Effect.map(Identity, ({ worker }) => {
    const [host, boot, space, pid, mark] = worker.split(":")
    return Object.values({ host, boot, space, pid, mark, ...parts }).join(":")
  })

const isDead = (parts: Partial<Record<Part, string | number>>) =>
  Effect.flatMap(Identity, (identity) => Effect.map(named(parts), identity.isDead))

/** Whether this system tells boots and process-id spaces apart. */
const tells = (part: "boot" | "space") =>
  Effect.map(Identity, ({ worker }) => worker.split(":")[part === "boot" ? 1 : 2] !== "")

/** Whether it tells when a process started. */
const tellsStart = Effect.map(Identity, ({ worker }) => /:s\d+$/.test(worker))

const IDENTITY = fileURLToPath(new URL("../../src/WorkerIdentity.ts", import.meta.url))

const Seen = Schema.Struct({ worker: Schema.String, dead: Schema.Boolean })

/** The identity as a thread of this process sees it, and whether that one takes `other` for dead. */
const inThread = (other: string) =>
  Effect.gen(function* () {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "contentdownload-thread-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true }))
    )
    const entry = join(folder, "thread.mjs")
    yield* Effect.promise(() =>
      build({
        stdin: {
          contents: `import * as Effect from "effect/Effect"
            import { parentPort, workerData } from "node:worker_threads"
            import * as WorkerIdentity from ${JSON.stringify(IDENTITY)}
            const { worker, isDead } = Effect.runSync(WorkerIdentity.make)
            parentPort.postMessage({ worker, dead: isDead(workerData) })`,
          resolveDir: dirname(IDENTITY)
        },
        outfile: entry,
        bundle: true,
        platform: "node",
        format: "esm"
      })
    )
    const thread = new Thread(entry, { workerData: other })
    const [seen]: ReadonlyArray<unknown> = yield* Effect.promise(() => once(thread, "message"))
    return yield* Schema.decodeUnknown(Seen)(seen)
  })

/** A process that looks as one that was killed does while its other threads wait for their turn to end. */
const FIRST_THREAD_ENDS = `
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(60,)).start()
print("", flush=True)
ctypes.CDLL(None).pthread_exit(None)
`

const CHILD_NOBODY_ASKS_AFTER = `
(while [ "$(cat /proc/$$/comm)" = sh ]; do sleep 0.01; done) &
echo $!
exec sleep 20
`

const provided = Effect.provide(WorkerIdentity.layer)

describe("A worker is", () => {
  it.effect("named after this process", () =>
    Effect.gen(function* () {
      const { worker } = yield* Identity
      expect(worker.split(":")).toHaveLength(5)
      expect(yield* named({ pid: process.pid })).toBe(worker)
    }).pipe(provided)
  )

  it.effect("not dead when it is this one", () =>
    Effect.gen(function* () {
      const identity = yield* Identity
      expect(identity.isDead(identity.worker)).toBe(false)
    }).pipe(provided)
  )

  it.effect("not dead when it is this process, seen through a second layer", () =>
    Effect.gen(function* () {
      const identity = yield* Identity
      const second = yield* Effect.provide(Identity, Layer.fresh(WorkerIdentity.layer))
      expect(identity.isDead(second.worker)).toBe(false)
      expect(second.isDead(identity.worker)).toBe(false)
    }).pipe(provided)
  )

  it.effect("dead when its process has exited", () =>
    Effect.gen(function* () {
      const { pid, status } = spawnSync(process.execPath, ["-e", ""])
      expect(status).toBe(0)
      expect(yield* isDead({ pid, mark: "abc123" })).toBe(true)
    }).pipe(provided)
  )

  it.scopedLive("not dead while its process lives, and dead as soon as it has exited", () =>
    Effect.gen(function* () {
      const child = yield* Effect.acquireRelease(
        Effect.sync(() =>
          spawn(process.execPath, ["-e", "process.stdin.resume()"], { stdio: ["pipe", "ignore", "ignore"] })
        ),
        // It ends by itself when there is nothing more to read.
        (process) => Effect.sync(() => process.stdin.end())
      )
      const exited = once(child, "exit")
      const pid = yield* Effect.orDie(Effect.fromNullable(child.pid))
      expect(yield* isDead({ pid, mark: "abc123" })).toBe(false)
      child.stdin.end()
      yield* Effect.promise(() => exited)
      expect(yield* isDead({ pid, mark: "abc123" })).toBe(true)
    }).pipe(provided)
  )

  it.effect("not dead when its process belongs to someone else", () =>
    Effect.gen(function* () {
      expect(yield* isDead({ pid: 1, mark: "abc123" })).toBe(false)
    }).pipe(provided)
  )

  it.effect("dead when its process had our own id: or we would not have it", () =>
    Effect.gen(function* () {
      for (const mark of ["abc123", "s1"]) expect(yield* isDead({ mark })).toBe(yield* tellsStart)
    }).pipe(provided)
  )

  it.effect("dead when its id is another process's now, which started at another time", () =>
    Effect.gen(function* () {
      expect(yield* isDead({ pid: process.ppid, mark: "s1" })).toBe(yield* tellsStart)
    }).pipe(provided)
  )

  it.scopedLive("dead when it has ended and its parent hasn't asked how", () =>
    Effect.gen(function* () {
      // The shell becomes a program that never asks after its child, which ends only then.
      const parent = yield* Effect.acquireRelease(
        Effect.sync(() =>
          spawn("sh", ["-c", CHILD_NOBODY_ASKS_AFTER], { stdio: ["ignore", "pipe", "ignore"] })
        ),
        (process) => Effect.sync(() => process.kill("SIGKILL"))
      )
      const [said]: ReadonlyArray<unknown> = yield* Effect.promise(() => once(parent.stdout, "data"))
      const pid = Number(String(said))
      const dead = isDead({ pid, mark: "abc123" })
      if (yield* tellsStart) {
        for (let looks = 0; looks < 250 && !(yield* dead); looks++) yield* Effect.sleep("20 millis")
        expect(yield* dead).toBe(true)
        // Its id is still taken.
        expect(process.kill(pid, 0)).toBe(true)
      }
    }).pipe(provided)
  )

  it.scopedLive("not dead while one of its threads lives, though the first is gone", (context) =>
    Effect.gen(function* () {
      const python = spawnSync("python3", ["-c", "import ctypes"]).status === 0
      if (!python || !(yield* tellsStart)) return context.skip("there is nothing to end a single thread with")
      const child = yield* Effect.acquireRelease(
        Effect.sync(() =>
          spawn("python3", ["-c", FIRST_THREAD_ENDS], { stdio: ["ignore", "pipe", "inherit"] })
        ),
        (process) => Effect.sync(() => process.kill("SIGKILL"))
      )
      yield* Effect.promise(() => once(child.stdout, "data"))
      const pid = yield* Effect.orDie(Effect.fromNullable(child.pid))
      const letter = () => readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.[0]
      for (let looks = 0; looks < 250 && letter() !== "Z"; looks++) yield* Effect.sleep("20 millis")
      expect(letter()).toBe("Z")
      expect(yield* isDead({ pid, mark: "abc123" })).toBe(false)
    }).pipe(provided)
  )

  it.scopedLive("not dead when it is another thread of this process", () =>
    Effect.gen(function* () {
      const identity = yield* Identity
      const thread = yield* inThread(identity.worker)
      expect(identity.isDead(thread.worker)).toBe(false)
      expect(thread.dead).toBe(false)
      // Or a lease of one would be looked at as somebody else's by the other.
      if (yield* tellsStart) expect(thread.worker).toBe(identity.worker)
    }).pipe(provided)
  )

  it.effect("not known to be dead on another host, whatever became of it", () =>
    Effect.gen(function* () {
      const { pid } = spawnSync(process.execPath, ["-e", ""])
      expect(yield* isDead({ host: "elsewhere", pid })).toBe(false)
      expect(yield* isDead({ host: "elsewhere", boot: "00000000" })).toBe(false)
      expect(yield* isDead({ host: "elsewhere", mark: "abc123" })).toBe(false)
    }).pipe(provided)
  )

  it.effect("dead when this host has been started again since, whoever has its id now", () =>
    Effect.gen(function* () {
      expect(yield* isDead({ boot: "00000000", pid: 1 })).toBe(yield* tells("boot"))
      // Nothing is known of a boot without a name.
      expect(yield* isDead({ boot: "", pid: 1 })).toBe(false)
    }).pipe(provided)
  )

  it.effect("not known to be dead in another space of process ids", () =>
    Effect.gen(function* () {
      const { pid } = spawnSync(process.execPath, ["-e", ""])
      expect(yield* isDead({ space: "1", pid })).toBe(false)
      expect(yield* isDead({ space: "1", mark: "abc123" })).toBe(false)
    }).pipe(provided)
  )
})

describe("A name that is none of ours", () => {
  const name = FastCheck.oneof(
    FastCheck.string(),
    FastCheck.array(FastCheck.string()).map((parts) => parts.join(":"))
  )
  it.effect.prop("is never dead", { name }, (given) =>
    Effect.gen(function* () {
      const identity = yield* Identity
      expect(identity.isDead(given.name)).toBe(false)
    }).pipe(provided)
  )

  const pid = FastCheck.oneof(
    FastCheck.constantFrom("", "0", "-1", "-4", "1.5", "x", "NaN", "Infinity", " ", "1e400"),
    FastCheck.integer({ max: 0 }).map(String)
  )
  it.effect.prop("nor is ours with an id that is none", { pid }, (given) =>
    Effect.gen(function* () {
      expect(yield* isDead({ pid: given.pid, mark: "abc123" })).toBe(false)
    }).pipe(provided)
  )

  it.effect("nor is ours with a part too few", () =>
    Effect.gen(function* () {
      const { isDead: dead, worker } = yield* Identity
      const parts = worker.split(":")
      for (let length = 0; length < parts.length; length++) {
        expect(dead(parts.slice(0, length).join(":"))).toBe(false)
      }
    }).pipe(provided)
  )
})

describe("layerTest", () => {
  it.effect("has the name given, and holds for dead who is said to be", () =>
    Effect.gen(function* () {
      const identity = yield* Identity
      expect(identity.worker).toBe("us")
      expect(["us", "them", "others"].map(identity.isDead)).toEqual([false, true, false])
    }).pipe(Effect.provide(WorkerIdentity.layerTest("us", ["them"])))
  )
})
