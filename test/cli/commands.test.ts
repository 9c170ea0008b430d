import { mkdir, readdir } from "node:fs/promises"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Signals } from "../../src/cli/Signals.ts"
import { lanePolicy } from "../../src/config/Limits.ts"
import { Settings } from "../../src/config/Settings.ts"
import * as Sqlite from "../../src/store/sqlite/index.ts"
import { WorkQueue } from "../../src/WorkQueue.ts"
import { folder } from "./Folder.ts"
import { run } from "./Program.ts"

const policy = lanePolicy(Schema.decodeSync(Settings)({}))

/** Ends the job at the head of the queue, as a worker would. */
const endNext = (path: string, how: "done" | "error") =>
  Effect.gen(function* () {
    const queue = yield* WorkQueue
    const [lease] = yield* queue.lease({ worker: "test", limit: 1, ttl: "1 minute" })
    if (lease === undefined) throw new Error("there is nothing to lease")
    const attempt = {
      startedAt: 1_700_000_000_000,
      durationMs: 12,
      step: "fetch",
      target: "https://a.example/1.pdf",
      class: how === "done" ? ("ok" as const) : ("permanent" as const),
      reason: how === "done" ? null : "http-404",
      message: how === "done" ? null : "answered \u001b[31m404"
    }
    const receipt = {
      url: "https://a.example/1.pdf",
      final_url: "https://b.example/1.pdf",
      path: "one/1.pdf",
      sha256: "a".repeat(64),
      bytes: 10,
      content_type: "application/pdf",
      resolver: "direct",
      redirects: 1
    }
    yield* how === "done"
      ? queue.ack(lease, { state: "done", result: receipt }, [attempt])
      : queue.failAndRetry(lease, { reason: "http-404", message: "answered 404", retryAt: null }, [attempt])
  }).pipe(Effect.provide(Sqlite.layer({ path, policy })))

const lines = (text: string): ReadonlyArray<string> => text.trimEnd().split("\n")

describe("queue enqueue", () => {
  it.scopedLive("queues an id once", () =>
    Effect.gen(function* () {
      const { json, run: program } = yield* folder
      expect(yield* program("queue", "enqueue", "10.1000/ABC")).toEqual({
        code: 0,
        stdout: "queued: doi:10.1000/abc\n",
        stderr: ""
      })
      expect(yield* json("queue", "enqueue", "doi:10.1000/abc")).toEqual({
        id: "doi:10.1000/abc",
        result: "duplicate"
      })
    })
  )

  it.scopedLive("takes the rest of an artifact line as JSON", () =>
    Effect.gen(function* () {
      const { json } = yield* folder
      yield* json("queue", "enqueue", "mine", '{"urls": ["https://a.example/1.pdf"], "title": "T"}')
      expect(yield* json("queue", "show", "mine")).toMatchObject({
        id: "mine",
        state: "queued",
        lane: "host:a.example",
        artifact: { id: "mine", urls: ["https://a.example/1.pdf"], title: "T" },
        history: [],
        stored: null
      })
    })
  )

  it.scopedLive("refuses what it can't use, in one line, and makes no queue for it", () =>
    Effect.gen(function* () {
      const { path, run: program } = yield* folder
      for (const args of [
        ["x", "{nope"],
        ["x", "[1]"],
        ["x", '"text"'],
        ["x", '{"id": "y", "urls": ["https://a.example"]}'],
        ["x", '{"urls": ["ftp://a.example/1"]}'],
        ["ftp://a.example/1"],
        ["no identifier at all"],
        ["x".repeat(100_000)]
      ]) {
        const { code, stderr, stdout } = yield* program("queue", "enqueue", ...args)
        expect({ code, stdout }).toEqual({ code: 2, stdout: "" })
        expect(stderr).toMatch(/^contentdownload: .+\n$/)
        expect(stderr.length).toBeLessThan(400)
      }
      expect(yield* Effect.promise(() => readdir(path))).toEqual([])
    })
  )
})

const good = (id: string) => `{"id": "${id}", "urls": ["https://a.example/${id}.pdf"]}`

describe("queue import", () => {
  const mixed = [good("a"), "nope", "", good("b"), "[1]", good("a"), '{"id": "c", "urls": ["ftp://x"]}'].join(
    "\n"
  )

  it.scopedLive("queues the good lines and tells the bad ones with their numbers", () =>
    Effect.gen(function* () {
      const { file, json, run: program } = yield* folder
      const path = yield* file("list.jsonl", mixed)
      const first = yield* program("queue", "import", path)
      expect(first.code).toBe(0)
      expect(first.stdout).toBe("2 new, 1 duplicate, 3 rejected\n")
      expect(lines(first.stderr).map((line) => line.slice(0, path.length + 3))).toEqual([
        `${path}:2:`,
        `${path}:5:`,
        `${path}:7:`
      ])
      const again = yield* program("queue", "import", path, "--format", "json")
      expect(JSON.parse(again.stdout)).toEqual({ new: 0, duplicate: 3, rejected: 3, total: 6 })
      expect(yield* json("queue", "stats")).toMatchObject({ queued: 2, total: 2 })
    })
  )

  it.scopedLive("imports nothing when it is strict and a line is bad", () =>
    Effect.gen(function* () {
      const { file, path: root, run: program } = yield* folder
      const path = yield* file("list.jsonl", mixed)
      const strict = yield* program("queue", "import", path, "--strict")
      expect(strict.code).toBe(2)
      expect(lines(strict.stderr).at(-1)).toBe("contentdownload: nothing was imported: 3 of 6 lines bad")
      expect(yield* Effect.promise(() => readdir(root))).toEqual(["list.jsonl"])
      const clean = yield* file("clean.jsonl", [good("a"), good("b")].join("\n"))
      expect((yield* program("queue", "import", "--strict", clean)).stdout).toBe(
        "2 new, 0 duplicates, 0 rejected\n"
      )
    })
  )

  it.scopedLive("reads lists and CSV, gzipped too, and no more than the limit", () =>
    Effect.gen(function* () {
      const { file, run: program } = yield* folder
      const list = yield* file("list.txt", "# mine\nhttps://a.example/1.pdf\n10.1000/x\narXiv:2101.00001\n")
      const csv = yield* file("list.csv", "id,url\nr1,https://a.example/r1\nr2,https://a.example/r2\n")
      const zipped = yield* file("list.jsonl.gz", gzipSync([good("z1"), good("z2")].join("\n")))
      expect((yield* program("queue", "import", list, "--limit", "2")).stdout).toContain("2 new,")
      expect((yield* program("queue", "import", csv)).stdout).toContain("2 new,")
      expect((yield* program("queue", "import", zipped)).stdout).toContain("2 new,")
      expect((yield* program("queue", "import", csv, "--input-format", "list")).code).toBe(2)
    })
  )

  it.scopedLive("refuses a file it can't read before it makes a queue", () =>
    Effect.gen(function* () {
      const { path, run: program } = yield* folder
      for (const name of [join(path, "missing"), path]) {
        const { code, stderr, stdout } = yield* program("queue", "import", name)
        expect({ code, stdout }).toEqual({ code: 2, stdout: "" })
        expect(lines(stderr)).toHaveLength(1)
      }
      expect(yield* Effect.promise(() => readdir(path))).toEqual([])
    })
  )

  it.scopedLive("ends with 2 when no line is good", () =>
    Effect.gen(function* () {
      const { file, run: program } = yield* folder
      const path = yield* file("bad.jsonl", "nope\n[1]\n")
      expect((yield* program("queue", "import", path, "--input-format", "jsonl")).code).toBe(2)
    })
  )
})

const ids = (value: unknown) =>
  Schema.decodeUnknownSync(Schema.Array(Schema.Struct({ id: Schema.String })))(value)

describe("a queue with jobs that ended", () => {
  const filled = Effect.gen(function* () {
    const world = yield* folder
    const path = yield* world.file(
      "list.jsonl",
      [
        '{"id": "one", "urls": ["https://a.example/1.pdf"]}',
        '{"id": "two, \\"quoted\\"", "urls": ["https://a.example/2.pdf"]}',
        '{"id": "three", "doi": "10.1000/3"}'
      ].join("\n")
    )
    yield* world.run("queue", "import", path)
    yield* world.run("queue", "pause", "--lane", "resolver:unpaywall")
    yield* endNext(world.queue, "done")
    yield* endNext(world.queue, "error")
    yield* world.run("queue", "resume", "--lane", "resolver:unpaywall")
    return world
  })

  it.scopedLive("is counted by state and by lane", () =>
    Effect.gen(function* () {
      const { json, run: program } = yield* filled
      expect(yield* json("queue", "stats")).toEqual({
        queued: 1,
        in_progress: 0,
        done: 1,
        skipped: 0,
        error: 1,
        total: 3,
        paused: false,
        waits: [{ cause: "worker", reason: null, jobs: 1, lanes: 1, until: null }]
      })
      const table = yield* program("queue", "stats")
      expect(lines(table.stdout).map((line) => line.split(/\s{2,}/))).toEqual([
        ["state", "jobs"],
        ["queued", "1"],
        ["in progress", "0"],
        ["done", "1"],
        ["skipped", "0"],
        ["error", "1"],
        ["total", "3"],
        ["Waiting: 1 for a free worker"],
        ["Why not faster: nobody works on this queue; 'queue run' does."]
      ])
      expect(yield* json("queue", "stats", "--by", "reason")).toEqual([
        { state: "error", reason: "http-404", jobs: 1 }
      ])
      expect(yield* json("queue", "stats", "--by", "lane")).toEqual([
        expect.objectContaining({ lane: "resolver:unpaywall", pool: "resolver:unpaywall", cap: 2, ready: 1 }),
        expect.objectContaining({
          lane: "host:a.example",
          pool: "hosts",
          cap: 4,
          done: 1,
          error: 1,
          in_flight: 0
        })
      ])
    })
  )

  it.scopedLive("is listed, all of it or what is asked for", () =>
    Effect.gen(function* () {
      const { json, run: program } = yield* filled
      expect(ids(yield* json("queue", "list"))).toHaveLength(3)
      expect(ids(yield* json("queue", "list", "--limit", "1"))).toHaveLength(1)
      expect(ids(yield* json("queue", "list", "--state", "done"))).toEqual([{ id: "one" }])
      expect(ids(yield* json("queue", "list", "--lane", "resolver:unpaywall"))).toEqual([{ id: "three" }])
      expect(yield* json("queue", "list", "--reason", "nothing-like-it")).toEqual([])
      const table = yield* program("queue", "list", "--state", "error")
      expect(table.stdout).toContain('two, "quoted"')
      const none = yield* program("queue", "list", "--state", "skipped")
      expect(none).toEqual({ code: 0, stdout: "", stderr: "No job matches.\n" })
    })
  )

  it.scopedLive("isn't all fetched again because the folder has another name, or isn't mounted", () =>
    Effect.gen(function* () {
      const { json, path, run: program } = yield* filled
      const elsewhere = join(path, "elsewhere")
      for (const [made, said] of [
        [undefined, /isn't there, though files should be in it/],
        [elsewhere, /is empty, though files should be in it/],
        // A run has been here in between.
        [join(elsewhere, ".partial"), /is empty, though files should be in it/]
      ] as const) {
        if (made !== undefined) yield* Effect.promise(() => mkdir(made))
        const { code, stderr } = yield* program("verify", "--out", elsewhere)
        expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(said) })
      }
      expect(yield* json("queue", "stats")).toMatchObject({ queued: 1, done: 1 })
    })
  )

  it.scopedLive("shows a job with its file and its tries", () =>
    Effect.gen(function* () {
      const { json, run: program } = yield* filled
      expect(yield* json("queue", "show", "one")).toMatchObject({
        state: "done",
        attempts: 1,
        stored: { path: "one/1.pdf", bytes: 10, resolver: "direct", final_url: "https://b.example/1.pdf" },
        history: [{ step: "fetch", class: "ok", started_at: "2023-11-14T22:13:20.000Z", duration_ms: 12 }]
      })
      const failed = yield* program("queue", "show", 'two, "quoted"')
      expect(failed.stdout).toContain("http-404")
      expect(failed.stdout).not.toContain("\u001b")
      const missing = yield* program("queue", "show", "nobody")
      expect(missing).toEqual({
        code: 2,
        stdout: "",
        stderr: "contentdownload: there is no job nobody in the queue\n"
      })
    })
  )

  it.scopedLive("exports the manifest as JSON lines and as CSV", () =>
    Effect.gen(function* () {
      const { run: program } = yield* filled
      const jsonl = yield* program("queue", "export")
      const [one, two] = lines(jsonl.stdout).map((line): unknown => JSON.parse(line))
      expect(Object.keys(Object(one))).toEqual([
        "id",
        "state",
        "reason",
        "url",
        "final_url",
        "path",
        "sha256",
        "bytes",
        "content_type",
        "resolver",
        "license",
        "version",
        "identity",
        "identity_by",
        "confidence",
        "pages",
        "attempts",
        "finished_at",
        "earlier"
      ])
      expect(one).toMatchObject({ id: "one", state: "done", path: "one/1.pdf", bytes: 10, attempts: 1 })
      expect(two).toMatchObject({ state: "error", reason: "http-404", path: null })
      const csv = yield* program("queue", "export", "--as", "csv", "--state", "error")
      expect(csv.stdout).toMatch(
        /^id,state,reason,.*finished_at,earlier\r\n"two, ""quoted""",error,http-404,/
      )
    })
  )

  it.scopedLive("queues failed jobs again, after counting them", () =>
    Effect.gen(function* () {
      const { json } = yield* filled
      expect(yield* json("queue", "retry-failed", "--dry-run")).toEqual({ queued: 1, dry_run: true })
      expect(yield* json("queue", "retry-failed", "--reason", "timeout")).toEqual({
        queued: 0,
        dry_run: false
      })
      expect(yield* json("queue", "retry-failed", "--lane", "host:a.example")).toEqual({
        queued: 1,
        dry_run: false
      })
      expect(yield* json("queue", "stats")).toMatchObject({ queued: 2, error: 0 })
    })
  )

  it.scopedLive("says what is paused", () =>
    Effect.gen(function* () {
      const { json, run: program } = yield* filled
      yield* program("queue", "pause", "--lane", "resolver:unpaywall")
      expect(yield* json("queue", "show", "three")).toMatchObject({ waiting: "paused" })
      yield* program("queue", "resume", "--lane", "resolver:unpaywall")
      expect(yield* json("queue", "show", "three")).toMatchObject({ waiting: null })
      yield* program("queue", "pause")
      expect(yield* json("queue", "stats")).toMatchObject({ paused: true })
      expect(yield* json("queue", "show", "three")).toMatchObject({ waiting: "the queue is paused" })
      const unknown = yield* program("queue", "pause", "--lane", "host:nobody.example")
      expect(unknown.code).toBe(2)
      expect(unknown.stderr).toContain("there is no lane host:nobody.example")
    })
  )
})

describe("commands that read", () => {
  for (const command of [
    "stats",
    "list",
    "show x",
    "retry-failed",
    "pause",
    "resume",
    "export",
    "cancel x",
    "prune --older-than 1d",
    "lane set nowhere --cap 1",
    "lane reset host:a.example"
  ]) {
    it.scopedLive(`don't make a queue: ${command}`, () =>
      Effect.gen(function* () {
        const { path, queue, run: program } = yield* folder
        const { code, stderr, stdout } = yield* program("queue", ...command.split(" "))
        expect({ code, stdout }).toEqual({ code: 2, stdout: "" })
        expect(stderr).toContain(`there is no queue at ${queue}`)
        expect(yield* Effect.promise(() => readdir(path))).toEqual([])
      })
    )
  }
})

describe("config", () => {
  it.scopedLive("shows values, their origins, and no addresses", () =>
    Effect.gen(function* () {
      const { file, path } = yield* folder
      const config = yield* file(
        "c.yaml",
        "resolvers: { unpaywall: { email: me@example.org } }\nlog: { level: error }\n"
      )
      const { code, stdout } = yield* run(
        ["config", "show", "-c", config, "--format", "json", "--queue", "q"],
        {
          env: { CONTENTDOWNLOAD_ORCHESTRATOR__MAX_WORKERS: "4" }
        }
      )
      expect(code).toBe(0)
      expect(stdout).not.toContain("me@example.org")
      expect(JSON.parse(stdout)).toMatchObject({
        file: join(path, "c.yaml"),
        settings: {
          orchestrator: { max_workers: 4 },
          queue: { path: "q" },
          resolvers: { unpaywall: { email: "***" } }
        },
        origins: {
          "orchestrator.max_workers": "env CONTENTDOWNLOAD_ORCHESTRATOR__MAX_WORKERS",
          "queue.path": "flag --queue",
          "log.level": "file",
          "log.format": "default"
        }
      })
      const table = yield* run(["config", "show", "-c", config])
      expect(table.stdout).not.toContain("me@example.org")
    })
  )

  it.scopedLive("writes a file to start from, once", () =>
    Effect.gen(function* () {
      const { path } = yield* folder
      const file = join(path, "new.yaml")
      expect(yield* run(["config", "init", file])).toEqual({ code: 0, stdout: `wrote ${file}\n`, stderr: "" })
      expect((yield* run(["config", "show", "-c", file])).code).toBe(0)
      expect((yield* run(["config", "init", file])).code).toBe(2)
      expect((yield* run(["config", "init", "-"])).stdout).toContain("# max_workers: 8")
    })
  )

  it.live("prints a JSON Schema that knows every section", () =>
    Effect.gen(function* () {
      const { stdout } = yield* run(["config", "schema"])
      const schema: unknown = JSON.parse(stdout)
      expect(schema).toMatchObject({
        properties: {
          orchestrator: { properties: { max_workers: { default: 8, description: expect.any(String) } } },
          resolvers: { properties: { unpaywall: { properties: { email: {} } } } }
        },
        additionalProperties: false
      })
    })
  )

  it.scopedLive("is refused with one line for each mistake", () =>
    Effect.gen(function* () {
      const { file } = yield* folder
      const config = yield* file("c.yaml", "queue: { pth: x }\norchestrator: { max_workers: -1 }\n")
      for (const args of [
        ["config", "show"],
        ["queue", "stats"]
      ]) {
        const { code, stderr, stdout } = yield* run([...args, "--config", config])
        expect({ code, stdout }).toEqual({ code: 2, stdout: "" })
        expect(lines(stderr)).toEqual([
          `contentdownload: orchestrator.max_workers is -1; allowed: a whole number from 1 to 1024 (${config}:2:17)`,
          `contentdownload: there is no setting queue.pth; did you mean queue.path? (${config}:1:10)`
        ])
      }
    })
  )
})

describe("the program", () => {
  it.live("shows its help and its version without a queue", () =>
    Effect.gen(function* () {
      for (const args of [[], ["--help"], ["queue"], ["queue", "import", "--help"]]) {
        const { code, stderr, stdout } = yield* run(args)
        expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
        expect(stdout).toContain("Usage: contentdownload")
        expect(stdout).not.toContain("\u001b")
      }
      expect((yield* run(["--version"])).stdout).toMatch(/^\S+\n$/)
      expect((yield* run(["queue", "stats", "--version"])).stdout).toMatch(/^\S+\n$/)
    })
  )

  it.live("refuses what it doesn't know, in one line on stderr", () =>
    Effect.gen(function* () {
      for (const args of [["nope"], ["queue", "nope"], ["--nope"], ["queue", "list", "--limit", "many"]]) {
        const { code, stderr, stdout } = yield* run(args)
        expect({ code, stdout }).toEqual({ code: 2, stdout: "" })
        expect(lines(stderr)).toHaveLength(1)
      }
    })
  )

  it.scopedLive("ends with the signal's code when one comes", () =>
    Effect.gen(function* () {
      const { queue } = yield* folder
      for (const [signal, code] of [
        ["SIGINT", 130],
        ["SIGTERM", 143]
      ] as const) {
        const signals = Layer.succeed(Signals, { first: Effect.succeed(signal), second: Effect.never })
        const ended = yield* run(["queue", "stats", "--queue", queue], { signals })
        expect(ended.code).toBe(code)
      }
    })
  )
})
