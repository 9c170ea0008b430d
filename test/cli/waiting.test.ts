import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { withWaiting } from "../../src/cli/Waiting.ts"
import { uniform } from "../../src/Lane.ts"
import * as Sqlite from "../../src/store/sqlite/index.ts"
import * as Memory from "../../src/store/memory/index.ts"
import { WorkQueue } from "../../src/WorkQueue.ts"
import { enqueue, job, lease, leaseOne } from "../contract/Given.ts"
import { folder } from "./Folder.ts"

const Listed = Schema.Array(Schema.Struct({ id: Schema.String, waiting: Schema.NullOr(Schema.String) }))
const waits = (listed: unknown) =>
  Object.fromEntries(Schema.decodeUnknownSync(Listed)(listed).map(({ id, waiting }) => [id, waiting]))

describe("why jobs wait", () => {
  it.scopedLive("is listed for each, and shown", () =>
    Effect.gen(function* () {
      const { json, queue: path, run: program } = yield* folder
      yield* Effect.gen(function* () {
        const queue = yield* WorkQueue
        const now = yield* Clock.currentTimeMillis
        yield* enqueue(
          queue,
          job("full-1", "host:full"),
          job("full-2", "host:full"),
          job("held", "host:held"),
          job("paused", "host:paused"),
          job("later", "host:later", { availableAt: now + 3_600_000 }),
          job("free", "host:free"),
          job("gone", "host:gone")
        )
        yield* queue.cancel("gone")
        yield* queue.pause("host:paused")
        for (const one of yield* lease(queue, 2)) {
          if (one.id === "held") {
            yield* queue.release(one, { hold: { until: now + 3_600_000, reason: "http-429" } })
          }
        }
      }).pipe(Effect.provide(Sqlite.layer({ path, policy: uniform({ cap: 1 }) })))
      const found = waits(yield* json("queue", "list"))
      expect(found).toEqual({
        "full-1": null,
        "full-2": "lane host:full in flight 1/1",
        held: expect.stringMatching(/^until [\d :-]+ \(http-429\)$/),
        paused: "paused",
        later: expect.stringMatching(/^not due until [\d :-]+$/),
        free: null,
        gone: null
      })
      for (const id of Object.keys(found)) {
        expect(yield* json("queue", "show", id)).toMatchObject({ waiting: found[id] })
      }
      const table = (yield* program("queue", "list")).stdout.split("\n")
      expect(table[0]).toMatch(/ended +waiting$/)
      expect(table.filter((line) => line.endsWith("lane host:full in flight 1/1"))).toHaveLength(1)
      expect((yield* program("queue", "show", "full-2")).stdout).toContain(
        "waiting   lane host:full in flight 1/1"
      )
      yield* program("queue", "pause")
      expect(waits(yield* json("queue", "list"))).toMatchObject({
        free: "the queue is paused",
        "full-1": null
      })
    })
  )

  it.scoped("is found out with one question for the lanes of a page, not one for each job", () =>
    Effect.gen(function* () {
      const queue = yield* Memory.make({ policy: uniform() })
      const asked: Array<unknown> = []
      yield* queue.enqueueAll(Stream.map(Stream.range(1, 400), (i) => job(`job-${i}`, `host:${i % 40}`)))
      yield* leaseOne(queue)
      const watched = WorkQueue.of({
        ...queue,
        laneStats: (filter) => {
          asked.push(filter.lane)
          return queue.laneStats(filter)
        }
      })
      const found = yield* Stream.runCollect(withWaiting(Stream.rechunk(queue.list({}), 200))).pipe(
        Effect.provideService(WorkQueue, watched)
      )
      expect([...found].filter(({ waiting }) => waiting === "lane host:1 in flight 1/1")).toHaveLength(9)
      expect(asked).toHaveLength(2)
    })
  )
})
