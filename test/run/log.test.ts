/** The log of runs that meet every transition there is: an event for each, which says of which job, where and why. */
import * as Schema from "effect/Schema"
import { expect, it } from "vitest"
import { files, rateLimited, redirect, reset, resets, status } from "../../src/demo/Behaviour.ts"
import * as Gate from "./Gate.ts"
import * as Stage from "./Stage.ts"
import * as Told from "./Told.ts"

const SECRET = "S3cr3tOfAQuery"

const Event = Schema.Struct({
  time: Schema.DateFromString,
  level: Schema.Literal("debug", "info", "warning"),
  message: Schema.String,
  event: Schema.String,
  job: Schema.NonEmptyString,
  lane: Schema.NonEmptyString,
  attempt: Schema.Int.pipe(Schema.positive()),
  reason: Schema.optional(Schema.NonEmptyString),
  detail: Schema.optional(Schema.String),
  ms: Schema.optional(Schema.Int),
  from: Schema.optional(Schema.String),
  worker: Schema.optional(Schema.String)
})
type Event = typeof Event.Type

const line = Schema.parseJson(Schema.Struct({ event: Schema.optional(Schema.String) }))
const decodeEvent = Schema.decodeUnknownSync(Schema.parseJson(Event), { onExcessProperty: "error" })

/** The events on stderr. Other lines are messages to the person who started it. */
const eventsOf = (stderr: string): ReadonlyArray<Event> =>
  stderr
    .split("\n")
    .filter((text) => text.startsWith("{") && Schema.decodeUnknownSync(line)(text).event !== undefined)
    .map((text) => decodeEvent(text))

const HOSTS = {
  "good.test": files({ size: 2_000 }),
  "large.test": files({ size: 50_000 }),
  "gone.test": status(404),
  "down.test": reset(),
  "shaky.test": resets(1, files({ size: 2_000 })),
  "busy.test": rateLimited({ first: 1, retryAfter: 1 }, files({ size: 2_000 })),
  "moved.test": redirect("http://good.test:{port}{path}")
}

/** How a lease may end, as the summary counts it, in the words of the log. */
const ENDS = {
  done: ["done"],
  skipped: ["skipped"],
  error: ["failed", "dead"],
  retry: ["retry"],
  waiting: ["waiting"],
  moved: ["moved"],
  released: ["released"],
  lost: ["lost"]
} as const

it("has an event for each transition, and nothing secret in any", async () => {
  const gate = await Gate.make()
  const held = (path: string) => gate.url(path).replace("127.0.0.1", "gate.test")
  const hosts = [...Object.keys(HOSTS), "gate.test", "away.test"]
  const stage = await Stage.make(
    // It leads to a host that has no room for more than the job it is at.
    { hosts: { ...HOSTS, "away.test": redirect(held("/away.pdf")) } },
    {
      orchestrator: { max_job_attempts: 2, grace_seconds: 0, hosts: { "gate.test": { max: 1 } } },
      http: { resolve: Object.fromEntries(hosts.map((host) => [host, "127.0.0.1"])) },
      download: { max_bytes: 20_000 }
    }
  )
  const run = ["queue", "run", "--no-progress", "--log-level", "debug", "--log-format", "json"]
  await stage.queue([{ id: "stuck", urls: [held(`/stuck.pdf?api_key=${SECRET}`)] }])
  const killed = stage.start(...run)
  await Stage.until("a job is under way", () => gate.waiting() === 1)
  await killed.kill()

  const names = Object.keys(HOSTS)
  await stage.queue([
    ...names.map((host) => ({ id: host, host, path: `/paper.pdf?api_key=${SECRET}` })),
    { id: "away.test", host: "away.test", path: "/paper.pdf" }
  ])
  const second = stage.start(...run, "--format", "json")
  await Stage.until("the first job is under way again, and all others have come to their ends", async () => {
    const { done, error, queued, skipped } = await stage.counts()
    return gate.waiting() === 1 && done === 4 && skipped === 1 && error === 2 && queued === 1
  })
  await stage.does("queue", "cancel", "stuck")
  await Stage.until(
    "the job that was moved has its turn",
    () => gate.requests() === 3 && gate.waiting() === 1
  )
  second.signal("SIGTERM")
  const { stderr, stdout } = await second.ended

  const events = eventsOf(stderr)
  const of = (event: string) => events.filter((one) => one.event === event)
  expect(new Set(events.map(({ event }) => event))).toEqual(
    new Set(["leased", "rerouted", "reclaimed", ...Object.values(ENDS).flat()])
  )
  for (const [event, expected] of [
    ["reclaimed", { job: "stuck", lane: "host:gate.test", level: "info", reason: "worker-died" }],
    ["skipped", { job: "large.test", lane: "host:large.test", level: "info", reason: "too-large" }],
    ["failed", { job: "gone.test", lane: "host:gone.test", level: "warning", reason: "http-404" }],
    ["dead", { job: "down.test", lane: "host:down.test", level: "warning", reason: "reset", attempt: 2 }],
    ["waiting", { job: "busy.test", lane: "host:busy.test", level: "info", reason: "http-429", attempt: 1 }],
    ["moved", { job: "away.test", lane: "host:away.test", level: "debug" }],
    ["lost", { job: "stuck", lane: "host:gate.test", level: "warning", reason: "lease-lost" }],
    ["released", { job: "away.test", lane: "host:gate.test", level: "debug", reason: "interrupted" }]
  ] as const) {
    expect(of(event), event).toEqual([expect.objectContaining(expected)])
  }
  expect(of("retry").map(({ attempt, job }) => [job, attempt])).toEqual(
    expect.arrayContaining([
      ["shaky.test", 1],
      ["down.test", 1]
    ])
  )
  // It is told in the lane it came to, and how it came there.
  expect(of("rerouted")).toEqual([
    expect.objectContaining({ job: "moved.test", from: "host:moved.test", lane: "host:good.test" })
  ])
  expect(of("done").find(({ job }) => job === "moved.test")?.lane).toBe("host:good.test")

  // As many as the summary counts, and each lease ends once.
  const { ends } = Told.summary(stdout)
  const told = Object.entries(ENDS).map(([end, words]) => [end, words.flatMap((word) => of(word)).length])
  expect(Object.fromEntries(told)).toEqual(ends)
  expect(of("leased")).toHaveLength(Object.values(ends).reduce((sum, n) => sum + n, 0))

  expect(stderr).toContain("api_key=***")
  expect(killed.stderr() + stderr + stdout).not.toContain(SECRET)
})
