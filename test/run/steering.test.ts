/** What a person does to a queue while it runs counts at once, in whatever process. */
import { expect, it } from "vitest"
import * as Gate from "./Gate.ts"
import * as Stage from "./Stage.ts"

const HOST = "127.0.0.77"

it("a cap that is raised by hand is used by a run, and one that is lowered is kept", async () => {
  const gate = await Gate.make(HOST)
  const stage = await Stage.make({})
  await stage.queue(Array.from({ length: 6 }, (_, i) => ({ id: `file-${i}`, urls: [gate.url(`/${i}.pdf`)] })))
  await stage.does("queue", "lane", "set", `host:${HOST}`, "--cap", "1")
  const run = stage.start("queue", "run", "--drain", "--max-per-host", "2")
  await Stage.until("one is asked for", () => gate.waiting() === 1)
  await stage.does("queue", "lane", "set", `host:${HOST}`, "--cap", "4")
  await Stage.until("four are asked for", () => gate.waiting() === 4)
  expect(gate.requests()).toBe(4)
  await stage.does("queue", "lane", "reset", `host:${HOST}`)
  gate.open()
  expect((await run.ended).code).toBe(0)
  expect(await stage.counts()).toMatchObject({ done: 6, total: 6 })
})

it("a running download that is cancelled is interrupted, and the run goes on with others", async () => {
  const gate = await Gate.make(HOST)
  const stage = await Stage.make({})
  await stage.queue(["a", "b"].map((id) => ({ id, urls: [gate.url(`/${id}.pdf`)] })))
  const run = stage.start("queue", "run", "--drain", "--max-per-host", "1")
  await Stage.until("the first is asked for", () => gate.waiting() === 1)
  const cancelledAt = Date.now()
  await stage.does("queue", "cancel", "a")
  await Stage.until(
    "the second is asked for, and it alone",
    () => gate.requests() === 2 && gate.waiting() === 1
  )
  expect(Date.now() - cancelledAt).toBeLessThan(10_000)
  gate.open()
  expect((await run.ended).code).toBe(0)
  expect(await stage.counts()).toMatchObject({ done: 1, skipped: 1, total: 2 })
  expect(await stage.parts()).toEqual([])
})
