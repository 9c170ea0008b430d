import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { appendFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import type { Database } from "../../../src/store/sqlite/Database.ts"
import { changesByOthers } from "../../../src/store/sqlite/Watch.ts"
import { job } from "../../contract/Given.ts"
import { file, open } from "./Files.ts"

/** A database of which only the number of foreign commits is real; `looks` counts how often it was looked at. */
const fake = () => {
  const state = { version: 1, looks: 0, lastWrite: 0 }
  const database: Database = {
    write: () => Effect.die("not here"),
    writeDurably: () => Effect.die("not here"),
    read: () => Effect.die("not here"),
    dataVersion: Effect.sync(() => {
      state.looks += 1
      return state.version
    })
  }
  return { state, database }
}

const NEVER = "1 hour"

/** Subscribes, and waits until the first look has been. */
const subscribed = (at: string, interval: "1 hour" | "50 millis" = NEVER) =>
  Effect.gen(function* () {
    const { database, state } = fake()
    const ticks = yield* Queue.unbounded<void>()
    yield* changesByOthers(database, { path: at, interval, lastWrite: () => state.lastWrite }).pipe(
      Stream.runForEach(() => Queue.offer(ticks, undefined)),
      Effect.forkScoped
    )
    yield* Effect.iterate(0, { while: () => state.looks === 0, body: () => Effect.as(Effect.yieldNow(), 0) })
    yield* Effect.yieldNow()
    return { state, ticks }
  })

const soon = <A>(effect: Effect.Effect<A>) => Effect.timeout(effect, "5 seconds")

/** The folders this process watches, where the system tells: on Linux. */
const watches = (): number | undefined => {
  if (process.platform !== "linux") return undefined
  const infos = readdirSync("/proc/self/fdinfo").map((fd) => {
    try {
      return readFileSync(`/proc/self/fdinfo/${fd}`, "utf8")
    } catch {
      // The descriptor the folder was read through is closed by now.
      return ""
    }
  })
  return infos.join("").split("inotify wd:").length - 1
}

const queueFile = Effect.tap(file, (at) => Effect.sync(() => writeFileSync(at, "")))

describe("changes by other processes", () => {
  it.scopedLive("are noticed without polling", () =>
    Effect.gen(function* () {
      const at = yield* file
      const here = yield* open(at, { pollInterval: NEVER })
      const there = yield* open(at)
      const ticks = yield* Queue.unbounded<void>()
      yield* Effect.forkScoped(Stream.runForEach(here.changes, () => Queue.offer(ticks, undefined)))
      yield* Effect.sleep("200 millis")
      for (let i = 0; i < 5; i++) {
        yield* Queue.takeAll(ticks)
        yield* there.enqueue(job(`job-${i}`))
        yield* soon(Queue.take(ticks))
        yield* Effect.sleep("50 millis")
      }
    })
  )

  it.scopedLive("are noticed when the hint comes before the commit can be seen", () =>
    Effect.gen(function* () {
      const at = yield* queueFile
      const { state, ticks } = yield* subscribed(at)
      appendFileSync(`${at}-wal`, "x")
      yield* Effect.sleep("100 millis")
      state.version += 1
      yield* soon(Queue.take(ticks))
    })
  )

  it.scopedLive("are noticed when the log was removed and made again, and in the other journal", () =>
    Effect.gen(function* () {
      const at = yield* queueFile
      const { state, ticks } = yield* subscribed(at)
      for (const name of [`${at}-wal`, `${at}-wal`, at, `${at}-journal`]) {
        yield* Effect.sleep("50 millis")
        if (name !== at) rmSync(name, { force: true })
        state.version += 1
        appendFileSync(name, "x")
        yield* soon(Queue.take(ticks))
      }
    })
  )

  it.scoped("are polled for where the file system tells nothing", () =>
    Effect.gen(function* () {
      const { state, ticks } = yield* subscribed("/nowhere/queue.sqlite", "50 millis")
      yield* TestClock.adjust("49 millis")
      state.version += 1
      expect(yield* Queue.size(ticks)).toBe(0)
      yield* TestClock.adjust("1 millis")
      yield* Queue.take(ticks)
      yield* TestClock.adjust("1 second")
      expect(yield* Queue.size(ticks)).toBe(0)
    })
  )

  it.scopedLive("are looked for seldom while nothing happens, or other files change", () =>
    Effect.gen(function* () {
      const at = yield* queueFile
      const { state } = yield* subscribed(at)
      for (let i = 0; i < 20; i++) {
        writeFileSync(`${at}.part`, String(i))
        yield* Effect.sleep("10 millis")
      }
      expect(state.looks).toBe(1)
    })
  )

  it.scopedLive("are looked for a bounded number of times while we write, or others do", () =>
    Effect.gen(function* () {
      const at = yield* queueFile
      for (const whose of ["ours", "theirs"] as const) {
        const { state } = yield* subscribed(at)
        const until = Date.now() + 1_000
        while (Date.now() < until) {
          if (whose === "ours") state.lastWrite = Date.now()
          else state.version += 1
          appendFileSync(`${at}-wal`, "x")
          yield* Effect.sleep("1 millis")
        }
        expect(state.looks).toBeGreaterThan(5)
        expect(state.looks).toBeLessThanOrEqual(45)
      }
    })
  )

  it.scopedLive("are no longer looked for when the scope is closed", () =>
    Effect.gen(function* () {
      const at = yield* queueFile
      const scope = yield* Scope.make()
      const watchesBefore = watches()
      const { state } = yield* Scope.extend(subscribed(at), scope)
      if (watchesBefore !== undefined) expect(watches()).toBe(watchesBefore + 1)
      yield* Scope.close(scope, Exit.void)
      expect(watches()).toBe(watchesBefore)
      const before = state.looks
      appendFileSync(`${at}-wal`, "x")
      yield* Effect.sleep("100 millis")
      expect(state.looks).toBe(before)
    })
  )
})
