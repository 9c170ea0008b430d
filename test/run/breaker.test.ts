import { expect, it } from "vitest"
import { files, reset, status } from "../../src/demo/Behaviour.ts"
import * as Stage from "./Stage.ts"

it("a host that only fails is left alone, also by the next process, and says so; others go on", async () => {
  const stage = await Stage.make(
    { hosts: { "broken.test": reset(), "busy.test": status(503), "well.test": files() } },
    {
      orchestrator: { max_job_attempts: 2, retry_backoff_seconds: 600, max_wait_seconds: 0 },
      http: { breaker_failures: 3, breaker_pause_seconds: 900 }
    }
  )
  const requests = (host: string) => stage.stats()[host]?.requests ?? 0
  await stage.queue(Stage.filesOf(["broken.test", "busy.test", "well.test"], 12))
  const run = ["queue", "run", "--drain", "--max-per-host", "1"]
  const first = await stage.program(...run)
  expect(first.code, first.stderr).toBe(4)
  expect([requests("broken.test"), requests("busy.test"), requests("well.test")]).toEqual([3, 3, 12])
  const lanes = await stage.lanes()
  for (const host of ["broken.test", "busy.test"]) {
    expect(lanes.find(({ lane }) => lane === `host:${host}`)).toMatchObject({
      waiting: expect.stringMatching(/^until .* \(breaker-open\)$/)
    })
    expect((await stage.show(`${host}-11`)).waiting).toMatch(/\(breaker-open\)$/)
  }
  // No try is used up by waiting.
  const attempts = [...(await stage.manifest()).values()].map((line) => line.attempts)
  expect(attempts.filter((count) => count === 1)).toHaveLength(3 + 3 + 12)
  expect(attempts.filter((count) => count === 0)).toHaveLength(9 + 9)

  const second = await stage.program(...run)
  expect(second.code, second.stderr).toBe(4)
  expect([requests("broken.test"), requests("busy.test")]).toEqual([3, 3])
})
