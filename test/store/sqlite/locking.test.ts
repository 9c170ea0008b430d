import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { done, job, lease, leaseOne, TTL } from "../../contract/Given.ts"
import { driver, file, open } from "./Files.ts"

describe("a queue that another connection has locked", () => {
  it.scopedLive("is reported as busy when the lock is held for too long, with nothing done", () =>
    Effect.gen(function* () {
      const at = yield* file
      const queue = yield* open(at, { timeout: "150 millis" })
      yield* queue.enqueue(job("a"))
      const held = yield* leaseOne(queue)
      const other = yield* driver(at)
      other.exec("BEGIN IMMEDIATE")
      for (const refused of [
        queue.enqueue(job("b")),
        queue.ack(held, done),
        lease(queue, 1),
        queue.cancel("a"),
        queue.pause()
      ]) {
        const error = yield* Effect.flip<unknown, unknown, never>(refused)
        expect(error).toMatchObject({ _tag: "WorkQueueError", reason: "busy" })
        expect(error).toHaveProperty("message", `the queue ${at} is locked by another process`)
      }
      // Who only looks isn't held up.
      expect(yield* queue.stats).toMatchObject({ in_progress: 1, total: 1 })
      other.exec("ROLLBACK")
      expect(yield* queue.enqueue(job("b"))).toBe("new")
      yield* queue.ack(held, done)
    })
  )

  it.scopedLive("is waited for, while everything else in the process goes on", () =>
    Effect.gen(function* () {
      const at = yield* file
      const queue = yield* open(at)
      const other = yield* driver(at)
      other.exec("BEGIN IMMEDIATE")
      const waiting = yield* Effect.fork(queue.enqueue(job("a")))
      // This process itself lets go of the lock, by timers: a wait that kept it from doing so would never end well.
      yield* Effect.repeatN(Effect.sleep("20 millis"), 10)
      expect(yield* Fiber.poll(waiting)).toMatchObject({ _tag: "None" })
      other.exec("ROLLBACK")
      expect(yield* Fiber.join(waiting)).toBe("new")
    })
  )

  it.scopedLive("leases by the time it gets the lock, not by the time it asked", () =>
    Effect.gen(function* () {
      const at = yield* file
      const queue = yield* open(at)
      yield* queue.enqueue(job("a"))
      const other = yield* driver(at)
      other.exec("BEGIN IMMEDIATE")
      const waiting = yield* Effect.fork(lease(queue, 1))
      yield* Effect.sleep("100 millis")
      const released = yield* Clock.currentTimeMillis
      other.exec("ROLLBACK")
      const [one] = yield* Fiber.join(waiting)
      expect(one?.expiresAt).toBeGreaterThanOrEqual(released + TTL)
    })
  )

  it.scopedLive("can be interrupted while it waits", () =>
    Effect.gen(function* () {
      const at = yield* file
      const queue = yield* open(at, { timeout: "1 hour" })
      const other = yield* driver(at)
      other.exec("BEGIN IMMEDIATE")
      const waiting = yield* Effect.fork(queue.enqueue(job("a")))
      yield* Effect.sleep("100 millis")
      yield* Fiber.interrupt(waiting)
      other.exec("ROLLBACK")
      expect(yield* queue.stats).toMatchObject({ total: 0 })
    })
  )

  it.scopedLive("can't be opened for the first time, and says so", () =>
    Effect.gen(function* () {
      const at = yield* file
      const other = yield* driver(at)
      other.exec("BEGIN EXCLUSIVE")
      const error = yield* Effect.flip(Effect.scoped(open(at, { timeout: "150 millis" })))
      expect(error).toMatchObject({ reason: "busy", message: `the queue ${at} is locked by another process` })
      const waiting = yield* Effect.fork(
        Effect.scoped(Effect.flatMap(open(at), (queue) => queue.enqueue(job("a"))))
      )
      yield* Effect.sleep("100 millis")
      other.exec("ROLLBACK")
      expect(yield* Fiber.join(waiting)).toBe("new")
    })
  )

  it.scopedLive("is opened again when its lock is let go", () =>
    Effect.gen(function* () {
      const at = yield* file
      yield* Effect.scoped(Effect.flatMap(open(at), (queue) => queue.enqueue(job("a"))))
      const other = yield* driver(at)
      other.exec("BEGIN IMMEDIATE")
      const opened = yield* Effect.fork(Effect.scoped(Effect.flatMap(open(at), (queue) => lease(queue, 1))))
      yield* Effect.sleep("100 millis")
      other.exec("ROLLBACK")
      expect(yield* Fiber.join(opened)).toMatchObject([{ id: "a" }])
    })
  )

  it.scopedLive("is waited for by readers too, without a write-ahead log", () =>
    Effect.gen(function* () {
      const at = yield* file
      const queue = yield* open(at, { walMode: false })
      yield* queue.enqueue(job("a"))
      const other = yield* driver(at)
      other.exec("BEGIN EXCLUSIVE")
      const read = yield* Effect.fork(queue.stats)
      const opened = yield* Effect.fork(Effect.flatMap(open(at, { walMode: false }), (one) => lease(one, 1)))
      yield* Effect.sleep("150 millis")
      other.exec("ROLLBACK")
      expect(yield* Fiber.join(read)).toMatchObject({ total: 1 })
      expect(yield* Fiber.join(opened)).toMatchObject([{ id: "a" }])
    })
  )
})
