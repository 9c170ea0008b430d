import { expect, it } from "vitest"
import { delayed, files, status } from "../../src/demo/Behaviour.ts"
import { hasPromtool, named, promtool } from "../telemetry/Promtool.ts"
import * as Strict from "../telemetry/Strict.ts"
import * as Gate from "./Gate.ts"
import { freePort } from "./Ports.ts"
import * as Stage from "./Stage.ts"

const scrapes = (port: number) => async (): Promise<string> => {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`).catch(() => undefined)
  return response === undefined ? "" : response.text()
}

/** What the run of the first test told in the end. */
let told = ""

it("a run tells Prometheus how it goes, from its start on and as long as it goes on", async () => {
  const port = await freePort()
  const gate = await Gate.make()
  const stage = await Stage.make(
    { hosts: { "papers.test": delayed(20, files()), "gone.test": status(404) } },
    { telemetry: { prometheus: { port } } }
  )
  await stage.queue([{ id: "held", urls: [gate.url("/1.pdf")] }])
  const run = stage.start("queue", "run", "--quiet")
  const scrape = scrapes(port)
  await Stage.until("the job is in flight", async () => gate.waiting() === 1)
  await Stage.until("that is to be seen", async () =>
    /^contentdownload_workers\{state="busy"\} 1$/m.test(await scrape())
  )

  // Nothing has ended yet, and what may is there: else the first of it would be no increase.
  const first = Strict.parse(await scrape())
  for (const end of ["done", "skipped", "error", "retry", "lost"]) {
    expect(Strict.valueIn(first, "contentdownload_job_duration_seconds_count", { end })).toBe(0)
  }
  const lost = { end: "lost", reason: "lease-lost" }
  expect(Strict.valueIn(first, "contentdownload_job_ends_total", lost)).toBe(0)
  expect(Strict.valueIn(first, "contentdownload_heartbeats_total", { result: "failed" })).toBe(0)
  expect(Strict.valueIn(first, "contentdownload_jobs", { state: "in_progress" })).toBe(1)
  expect(Strict.valueIn(first, "contentdownload_waiting_lanes", { cause: "hold" })).toBe(0)

  gate.open()
  await stage.queue(Stage.filesOf(["papers.test", "gone.test"], 4))
  let text = ""
  await Stage.until("all has come to its end", async () => {
    text = await scrape()
    return (
      /contentdownload_jobs\{state="done"\} 5\n/.test(text) &&
      /contentdownload_jobs\{state="error"\} 4\n/.test(text)
    )
  })
  const last = Strict.parse(text)
  const value = (name: string, labels: Readonly<Record<string, string>> = {}) =>
    Strict.valueIn(last, name, labels)
  expect(value("contentdownload_job_duration_seconds_count", { end: "done" })).toBe(5)
  expect(value("contentdownload_job_ends_total", { end: "done" })).toBe(5)
  expect(value("contentdownload_job_ends_total", { end: "error", reason: "http-404" })).toBe(4)
  expect(value("contentdownload_queue_ack_duration_seconds_count")).toBe(9)
  expect(value("contentdownload_queue_lease_duration_seconds_count")).toBeGreaterThan(1)
  const asked = { http_request_method: "GET", resolver: "direct" }
  expect(
    value("http_client_request_duration_seconds_count", { ...asked, http_response_status_code: "200" })
  ).toBe(5)
  expect(
    value("http_client_request_duration_seconds_count", {
      ...asked,
      http_response_status_code: "404",
      error_type: "404"
    })
  ).toBe(4)
  expect(value("contentdownload_http_first_byte_duration_seconds_count", { resolver: "direct" })).toBe(9)
  expect(value("contentdownload_wait_duration_seconds_count", { cause: "permit" })).toBe(9)
  expect(value("contentdownload_downloaded_bytes_total")).toBeGreaterThan(0)
  for (const folder of ["output", "queue"]) {
    expect(value("contentdownload_disk_free_bytes", { folder })).toBeGreaterThan(0)
  }
  // Nothing in it grows with what is downloaded.
  expect(text).not.toContain("papers.test")
  told = text
  expect((await fetch(`http://127.0.0.1:${port}/other`)).status).toBe(404)

  const second = await stage.program("queue", "run", "--drain", "--quiet")
  expect(second).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^contentdownload: the metrics can't be served at .*EADDRINUSE.*\n$/)
  })

  run.signal("SIGTERM")
  expect((await run.ended).code).toBe(143)
  expect(await scrape()).toBe("")
})

it.runIf(hasPromtool)(named("what it told holds before promtool"), () => {
  expect(told).not.toBe("")
  expect(promtool(["check", "metrics"], { input: told })).toBe("")
})
