import { createServer } from "node:net"
import { expect, it } from "vitest"
import { delayed, files, status } from "../../src/demo/Behaviour.ts"
import * as Stage from "./Stage.ts"

/** A port that was free a moment ago. */
const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

it("a run tells Prometheus how it goes, as long as it goes on", async () => {
  const port = await freePort()
  const stage = await Stage.make(
    { hosts: { "papers.test": delayed(20, files()), "gone.test": status(404) } },
    { telemetry: { prometheus: { port } } }
  )
  await stage.queue(Stage.filesOf(["papers.test", "gone.test"], 4))
  const run = stage.start("queue", "run", "--quiet")
  const scrape = async () => {
    const response = await fetch(`http://127.0.0.1:${port}/metrics`).catch(() => undefined)
    return response === undefined ? "" : response.text()
  }
  let text = ""
  await Stage.until("all has come to its end", async () => {
    text = await scrape()
    return (
      /contentdownload_jobs\{state="done"\} 4\n/.test(text) &&
      /contentdownload_jobs\{state="error"\} 4\n/.test(text)
    )
  })
  expect(text).toContain('contentdownload_job_ends_total{end="done",reason=""} 4\n')
  expect(text).toMatch(/contentdownload_job_ends_total\{end="error",reason="http-404"\} 4\n/)
  expect(text).toMatch(/contentdownload_http_requests_total\{status="4xx"\} 4\n/)
  expect(text).toMatch(/contentdownload_downloaded_bytes_total [1-9]/)
  expect(text).toMatch(/contentdownload_job_duration_seconds_count 8\n/)
  const names = text.split("\n").flatMap((line) => /^# TYPE (\S+)/.exec(line)?.[1] ?? [])
  expect(new Set(names).size).toBe(names.length)
  // Nothing in it grows with what is downloaded.
  expect(text).not.toContain("papers.test")
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
