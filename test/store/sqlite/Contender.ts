/**
 * A process that competes for the jobs of a queue until none is left: `Contender <file> <worker>`. Reports what it ran,
 * and the most it ever saw in flight, as JSON on stdout.
 */
import * as Effect from "effect/Effect"
import { uniform } from "../../../src/Lane.ts"
import * as Sqlite from "../../../src/store/sqlite/index.ts"
import { WorkQueue } from "../../../src/WorkQueue.ts"

const [path = "", worker = ""] = process.argv.slice(2)

const report = Effect.gen(function* () {
  const queue = yield* WorkQueue
  const ran: Array<{ readonly id: string; readonly token: number }> = []
  let mostInLane = 0
  let mostInAll = 0
  while ((yield* queue.stats).queued > 0) {
    const leases = yield* queue.lease({ worker, limit: 2, ttl: "1 minute" })
    for (const one of yield* queue.laneStats({ limit: 100 })) mostInLane = Math.max(mostInLane, one.inFlight)
    mostInAll = Math.max(mostInAll, (yield* queue.stats).in_progress)
    for (const one of leases) {
      yield* queue.ack(one, { state: "done", result: worker })
      ran.push({ id: one.id, token: one.token })
    }
  }
  return { ran, mostInLane, mostInAll }
})

const text = await Effect.runPromise(
  Effect.provide(Effect.map(report, JSON.stringify), Sqlite.layer({ path, policy: uniform() }))
)
process.stdout.write(text)
