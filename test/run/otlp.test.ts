/** What a run sends to a receiver of OTLP, and what it does when there is none. */
import { expect, it } from "vitest"
import { delayed, files, status } from "../../src/demo/Behaviour.ts"
import { type Ended, ended, spawned, start } from "../cli/Program.ts"
import * as Receiver from "../telemetry/Receiver.ts"
import * as Wire from "../telemetry/Wire.ts"
import * as Gate from "./Gate.ts"
import { freePort } from "./Ports.ts"
import * as Stage from "./Stage.ts"

const SECRET = "topsecret"

const environment = (receiver: { readonly url: string }, more: Readonly<Record<string, string>> = {}) => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
  OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
  OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer%20${SECRET}`,
  ...more
})

const drain = (stage: Stage.Stage, env: Readonly<Record<string, string>>): Promise<Ended> =>
  spawned(["queue", "run", "--drain", "--no-progress", "--log-level", "debug"], stage.folder, { env })

const text = new TextDecoder()

/** The lines of the log that say that something can't be sent. */
const complaints = ({ stderr }: Ended) =>
  stderr
    .split("\n")
    .flatMap((line) => /\w+ can't be sent.*$/.exec(line) ?? [])
    .toSorted()

const onePaper = async () => {
  const stage = await Stage.make({ hosts: { "papers.test": files(), "other.test": files() } })
  await stage.queue(Stage.filesOf(["papers.test"], 1))
  return stage
}

it("a run sends a trace for each job, and its metrics, to the end", async () => {
  const receiver = await Receiver.make()
  const stage = await Stage.make({
    hosts: {
      "papers.test": delayed(5, files()),
      "gone.test": status(404)
    }
  })
  const good = Stage.filesOf(["papers.test"], 3, `?token=${SECRET}`)
  await stage.queue([...good, ...Stage.filesOf(["gone.test"], 2)])
  const run = await drain(stage, environment(receiver, { OTEL_SERVICE_NAME: "library" }))
  expect(run.code).toBe(3)

  const spans = receiver.spans()
  const jobs = spans.filter(({ name }) => name === "job")
  expect(jobs).toHaveLength(5)
  for (const job of jobs) {
    expect(job.parentSpanId).toBeUndefined()
    const id = String(job.attributes["contentdownload.job.id"])
    const lane = id.replace(/-\d$/, "")
    expect(job.attributes).toMatchObject({
      "contentdownload.job.lane": `host:${lane}`,
      "contentdownload.job.attempt": 1
    })
    // Some may have waited for the thread that opens PDFs.
    const trace = spans.filter(({ name, traceId }) => traceId === job.traceId && name !== "wait")
    const under = (parent: Receiver.ReceivedSpan | undefined) =>
      trace.filter(({ parentSpanId }) => parent !== undefined && parentSpanId === parent.spanId)
    const named = (name: string) => trace.find((span) => span.name === name)
    const isGone = lane === "gone.test"
    expect(under(job).map(({ name }) => name)).toEqual(["fetch", "ack"])
    expect(under(named("fetch")).map(({ name }) => name)).toEqual(
      isGone ? ["GET"] : ["GET", "verify", "store"]
    )
    expect(trace).toHaveLength(isGone ? 4 : 6)
    for (const { endTimeUnixNano, startTimeUnixNano } of trace) {
      expect(BigInt(startTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(job.startTimeUnixNano))
      expect(BigInt(endTimeUnixNano)).toBeLessThanOrEqual(BigInt(job.endTimeUnixNano))
    }
    const get = named("GET")
    expect(get?.kind).toBe(3)
    expect(get?.attributes).toMatchObject({
      "http.request.method": "GET",
      "http.response.status_code": isGone ? 404 : 200,
      "server.address": lane
    })
    expect(get?.attributes["error.type"]).toBe(isGone ? "404" : undefined)
    expect(get?.status.code).toBe(isGone ? 2 : 0)
    expect(job.status.code).toBe(isGone ? 2 : 0)
    expect(job.status.message?.includes("404")).toBe(isGone ? true : undefined)
    expect(job.attributes["contentdownload.job.reason"]).toBe(isGone ? "http-404" : undefined)
    expect(job.attributes["contentdownload.job.end"]).toBe(isGone ? "error" : "done")
  }
  expect(new Set(jobs.map(({ traceId }) => traceId)).size).toBe(5)

  // Nothing that might be a key leaves the machine, but to the receiver whose key it is.
  for (const { body, headers } of receiver.requests()) {
    expect(headers["authorization"]).toBe(`Bearer ${SECRET}`)
    expect(body.toString()).not.toContain(SECRET)
  }
  expect(run.stderr).not.toContain(SECRET)
  // No host is told which trace it is part of.
  expect(stage.log().length).toBeGreaterThan(4)
  for (const { headers } of stage.log()) {
    expect(Object.keys(headers).filter((name) => /trace|b3|baggage/.test(name))).toEqual([])
  }

  const point = (name: string, labels: Readonly<Record<string, string>> = {}) =>
    receiver.points(name).find((each) => JSON.stringify(each.labels) === JSON.stringify(labels))
  expect(point("contentdownload.job.duration", { end: "done" })?.count).toBe(3)
  expect(point("contentdownload.job.duration", { end: "error" })?.count).toBe(2)
  expect(point("contentdownload.jobs", { state: "done" })?.asDouble).toBe(3)
  expect(point("contentdownload.queue.ack.duration")?.count).toBe(5)
  for (const { bucketCounts = [], count, explicitBounds = [] } of receiver.points(
    "http.client.request.duration"
  )) {
    expect(bucketCounts).toHaveLength(explicitBounds.length + 1)
    expect(bucketCounts.reduce((sum, each) => sum + each, 0)).toBe(count)
  }
  const resources = receiver.resources()
  expect(new Set(resources.map((resource) => resource["service.instance.id"])).size).toBe(1)
  expect(resources.at(-1)).toMatchObject({ "service.name": "library", "service.version": expect.any(String) })
})

it("unless told otherwise it sends protocol buffers, packed if asked for", async () => {
  const receiver = await Receiver.make()
  const stage = await onePaper()
  const run = await drain(stage, {
    OTEL_EXPORTER_OTLP_ENDPOINT: `${receiver.url}/base/`,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${receiver.url}/mine`,
    OTEL_EXPORTER_OTLP_COMPRESSION: "gzip"
  })
  expect(run.code).toBe(0)
  const sent = (path: string) => receiver.requests().find((request) => request.path === path)
  for (const path of ["/mine", "/base/v1/metrics"]) {
    expect(sent(path)?.headers).toMatchObject({
      "content-type": "application/x-protobuf",
      "content-encoding": "gzip"
    })
  }
  // By the field numbers of opentelemetry-proto: resource_spans.scope_spans.spans.name, and the like for metrics.
  const names = (path: string, fields: ReadonlyArray<number>) =>
    Wire.at(sent(path)?.body ?? new Uint8Array(), fields).map((bytes) => text.decode(bytes))
  expect(names("/mine", [1, 2, 2, 5]).toSorted()).toEqual(["GET", "ack", "fetch", "job", "store", "verify"])
  expect(names("/base/v1/metrics", [1, 2, 2, 1])).toContain("contentdownload.job.duration")
  expect(complaints(run)).toEqual([])
})

it("SIGTERM doesn't lose what was to be sent", async () => {
  const receiver = await Receiver.make()
  const gate = await Gate.make()
  const stage = await Stage.make({ hosts: {} }, { orchestrator: { grace_seconds: 0.1 } })
  await stage.queue([{ id: "held", urls: [gate.url("/1.pdf")] }])
  const child = start(["queue", "run", "--quiet"], stage.folder, environment(receiver))
  const over = ended(child)
  await Stage.until("the job is in flight", () => gate.waiting() === 1)
  child.kill("SIGTERM")
  expect((await over).code).toBe(143)
  expect(receiver.spans().find(({ name }) => name === "job")?.attributes).toMatchObject({
    "contentdownload.job.end": "released"
  })
  expect(
    receiver.points("contentdownload.job.duration").find(({ labels }) => labels["end"] === "released")
  ).toMatchObject({ count: 1 })
})

it.each([
  ["isn't there", async () => ({ url: `http://127.0.0.1:${await freePort()}` }), /ECONNREFUSED/],
  ["is in trouble", () => Receiver.make(503), /HTTP 503/],
  ["never answers", () => Receiver.make(null), /no answer within 200 ms/]
])("a receiver that %s is said once a signal, and the run ends as it would", async (_, receiver, why) => {
  const stage = await onePaper()
  const run = await drain(stage, environment(await receiver(), { OTEL_EXPORTER_OTLP_TIMEOUT: "200" }))
  expect(run.code).toBe(0)
  const [first = "", second = "", ...more] = complaints(run)
  expect(more).toEqual([])
  expect(first).toMatch(/metrics can't be sent to .*v1\/metrics/)
  expect(second).toMatch(/traces can't be sent to .*v1\/traces/)
  expect(first).toMatch(why)
  expect(run.stderr).not.toContain(SECRET)
})

it("a receiver that never answers is left behind at the end, however long it is to be waited for", async () => {
  const receiver = await Receiver.make(null)
  const stage = await onePaper()
  const run = await drain(stage, environment(receiver, { OTEL_EXPORTER_OTLP_TIMEOUT: "600000" }))
  expect(run.code).toBe(0)
  const waited = complaints(run).map((line) => Number(/no answer within (\d+) ms/.exec(line)?.[1]))
  expect(waited).toHaveLength(2)
  for (const ms of waited) expect(ms).toBeLessThanOrEqual(1500)
})

it("jobs that aren't sampled send nothing, and neither does a run that is told so", async () => {
  const receiver = await Receiver.make()
  const stage = await onePaper()
  const run = await drain(stage, environment(receiver, { OTEL_TRACES_SAMPLER: "always_off" }))
  expect(run.code).toBe(0)
  expect(receiver.requests().map(({ path }) => path)).toEqual(["/v1/metrics"])
  await stage.queue(Stage.filesOf(["other.test"], 1))
  expect((await drain(stage, environment(receiver, { OTEL_SDK_DISABLED: "true" }))).code).toBe(0)
  expect(receiver.requests()).toHaveLength(1)
})
