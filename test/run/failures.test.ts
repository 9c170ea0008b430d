import { describe, expect, it } from "vitest"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import * as Pair from "./Pair.ts"
import * as Stage from "./Stage.ts"
import * as Told from "./Told.ts"

const { delayed, files, flaky5xx, htmlForPdf, redirect, resets, stalled, status, tries, truncated } =
  Behaviour

const small = files({ size: 5_000 })
const MAX_BYTES = 300_000

/** One job for each host: how it behaves, and what has to become of the job. */
const CASES: Readonly<
  Record<
    string,
    {
      readonly behaviour: Behaviour.Behaviour
      readonly state: "done" | "skipped" | "error"
      readonly reason: string | RegExp | null
      readonly attempts: number
      readonly requests: number
    }
  >
> = {
  "reset.test": { behaviour: resets(1, small), state: "done", reason: null, attempts: 2, requests: 2 },
  "cut.test": {
    behaviour: tries(1, truncated(small), small),
    state: "done",
    reason: null,
    attempts: 2,
    requests: 2
  },
  "stuck.test": {
    behaviour: tries(1, stalled(small), small),
    state: "done",
    reason: null,
    attempts: 2,
    requests: 2
  },
  "shaky.test": { behaviour: flaky5xx(2, small), state: "done", reason: null, attempts: 3, requests: 3 },
  "down.test": { behaviour: status(500), state: "error", reason: "http-500", attempts: 3, requests: 3 },
  "gone.test": { behaviour: status(404), state: "error", reason: "http-404", attempts: 1, requests: 1 },
  "page.test": {
    behaviour: htmlForPdf("application/pdf"),
    state: "error",
    reason: "login-page",
    attempts: 1,
    requests: 1
  },
  "large.test": {
    behaviour: files({ size: MAX_BYTES + 1 }),
    state: "skipped",
    reason: "too-large",
    attempts: 1,
    requests: 1
  },
  "endless.test": {
    behaviour: Behaviour.endless(),
    state: "skipped",
    reason: "too-large",
    attempts: 1,
    requests: 1
  },
  "circle.test": {
    behaviour: redirect("{path}"),
    state: "error",
    reason: "redirect-loop",
    attempts: 1,
    requests: 1
  }
}

const settings = {
  http: { idle_timeout_seconds: 0.3 },
  download: { max_bytes: MAX_BYTES }
}

describe("what a host does wrong", () => {
  it("ends each job as its class says, whatever happens to the others", async () => {
    const hosts = Object.entries(CASES)
    const stage = await Stage.make(
      {
        hosts: {
          ...Object.fromEntries(hosts.map(([host, { behaviour }]) => [host, behaviour])),
          "spare.test": small,
          // Over two hosts, each of which leads back to the other.
          "ping.test": redirect("http://pong.test:{port}{path}"),
          "pong.test": redirect("http://ping.test:{port}{path}")
        }
      },
      settings
    )
    const spare = {
      id: "spare",
      urls: ["gone.test", "spare.test"].map((host) => stage.origin.url(host, "/spare.pdf"))
    }
    const circle = { id: "ping", urls: [stage.origin.url("ping.test", "/round.pdf")] }
    await stage.queue([
      ...Stage.filesOf(
        hosts.map(([host]) => host),
        1
      ),
      spare,
      circle
    ])
    const ended = await stage.program("queue", "run", "--drain", "--format", "json")
    expect(ended.code, ended.stderr).toBe(3)

    const manifest = await stage.manifest()
    for (const [host, { attempts, reason, requests, state }] of hosts) {
      const line = manifest.get(`${host}-0`)
      expect(line, host).toMatchObject({ state, reason, attempts })
      const asked = stage.log().filter((seen) => seen.host === host && seen.path === "/papers/0.pdf")
      expect(asked.length, `requests to ${host}`).toBe(requests)
      expect(line?.path === null, `a file of ${host}`).toBe(state !== "done")
      if (line?.state === "done") await stage.checkFile(line, host, "/papers/0.pdf")
    }
    const [, second] = spare.urls
    expect(manifest.get("spare")).toMatchObject({ state: "done", url: second, attempts: 1 })
    const job = await stage.show("spare")
    expect(job.history.map((attempt) => [attempt.target, attempt.reason])).toEqual([
      [spare.urls[0], "http-404"],
      [second, null]
    ])
    expect(manifest.get("ping")).toMatchObject({ state: "error", attempts: 1 })
    expect(manifest.get("ping")?.reason).toMatch(/^(?:redirect-loop|too-many-redirects)$/)
    // The body without an end was left early, and nothing of it is kept.
    expect(stage.log().find(({ host }) => host === "endless.test")?.bytes).toBeLessThan(MAX_BYTES * 40)
    expect(await stage.parts()).toEqual([])

    const summary = Told.summary(ended.stdout)
    expect(summary).toMatchObject({
      ended: "drained",
      next_ready_at: null,
      ends: { done: 5, skipped: 2, error: 5, retry: 7, waiting: 0, released: 0, lost: 0 },
      reasons: {
        skipped: { "too-large": 2 },
        retry: { reset: 1, truncated: 1, "idle-timeout": 1, "http-503": 2, "http-500": 2 }
      },
      queue: { queued: 0, in_progress: 0, done: 5, skipped: 2, error: 5, total: 12 }
    })
    expect(summary.reasons.error).toMatchObject({ "http-500": 1, "http-404": 1, "login-page": 1 })
    expect(summary.lanes).toMatchObject({ "host:down.test": { error: 1 }, "host:gone.test": { error: 1 } })
    expect(summary.bytes).toBeGreaterThan(5 * 5_000)
  })

  it("follows redirects to another host only as fast as that host's cap lets it, over two processes", async () => {
    const stage = await Stage.make({
      hosts: {
        "moved.test": redirect("http://middle.test:{port}{path}", 301),
        "middle.test": redirect("http://library.test:{port}{path}", 302),
        "library.test": delayed(60, small)
      }
    })
    const moved = Stage.filesOf(["moved.test"], 16)
    const own = Stage.filesOf(["library.test"], 8, "?own")
    const pair = await Pair.start(stage, "--workers", "8", "--max-per-host", "2")
    await stage.queue([...moved, ...own])
    await Stage.until("all is fetched", () => (stage.stats()["library.test"]?.finished ?? 0) >= 24)
    for (const ended of await pair.ended()) expect(ended.code, ended.stderr).toBe(0)
    expect(stage.stats()["library.test"]).toMatchObject({ requests: 24, maxConcurrent: 2 })
    const manifest = await stage.manifest()
    for (const { id, path } of moved) {
      const line = manifest.get(id)
      if (line === undefined) throw new Error(`${id} is not in the manifest`)
      expect(line).toMatchObject({ attempts: 1, final_url: stage.origin.url("library.test", path) })
      await stage.checkFile(line, "library.test", path)
    }
  })

  it("is forgotten by retry-failed: once the host recovers, the next run ends well", async () => {
    const stage = await Stage.make({ hosts: { "down.test": tries(3, status(500), small), "up.test": small } })
    const wanted = Stage.filesOf(["down.test", "up.test"], 2)
    await stage.queue(wanted)
    const first = await stage.program("queue", "run", "--drain")
    expect(first.code, first.stderr).toBe(3)
    expect(first.stdout).toContain("queue retry-failed")
    const again = await stage.program("queue", "retry-failed", "--format", "json")
    expect(JSON.parse(again.stdout)).toEqual({ queued: 2, dry_run: false })
    expect(await stage.counts()).toMatchObject({ queued: 2, done: 2, error: 0 })
    const second = await stage.program("queue", "run", "--drain")
    expect(second.code, second.stderr).toBe(0)
    await stage.checkAll(wanted)
    expect(stage.stats()).toMatchObject({ "down.test": { requests: 8 }, "up.test": { requests: 2 } })
  })
})
