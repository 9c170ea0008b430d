import { describe, expect, it } from "@effect/vitest"
import type DatabaseConstructor from "better-sqlite3"
import * as Effect from "effect/Effect"
import { uniform } from "../../../src/Lane.ts"
import * as Database from "../../../src/store/sqlite/Database.ts"
import { enqueue } from "../../../src/store/sqlite/Enqueue.ts"
import * as Lease from "../../../src/store/sqlite/Lease.ts"
import * as Prune from "../../../src/store/sqlite/Prune.ts"
import * as Read from "../../../src/store/sqlite/Read.ts"
import { settle } from "../../../src/store/sqlite/Settle.ts"
import { takeBack } from "../../../src/store/sqlite/TakeBack.ts"
import { done, job } from "../../contract/Given.ts"
import { driver, file } from "./Files.ts"

interface Statement {
  readonly text: string
  readonly parameters: Database.Parameters | undefined
  readonly cells: ReadonlyArray<Database.Value> | undefined
}

/** Runs the body and answers the statements it ran. */
const recorded = (
  database: Database.Database,
  body: (query: Database.Query) => ReturnType<Parameters<Database.Database["write"]>[0]>
) =>
  Effect.gen(function* () {
    const statements: Array<Statement> = []
    yield* database.write((query) =>
      body((text, parameters, cells) => {
        statements.push({ text, parameters, cells })
        return query(text, parameters, cells)
      })
    )
    return statements
  })

const planOf = (
  db: DatabaseConstructor.Database,
  { cells, parameters, text }: Statement
): ReadonlyArray<string> =>
  db
    .prepare<[ReadonlyArray<Database.Value>, Database.Parameters], { readonly detail: string }>(
      `EXPLAIN QUERY PLAN ${text}`
    )
    .all(cells ?? [], parameters ?? {})
    .map((row) => row.detail)

/**
 * Reading a table of jobs or lanes from one end to the other. The indexes named hold only what is due or running, so
 * going through them is as good as a search.
 */
const scans = (plan: ReadonlyArray<string>) =>
  plan.filter(
    (line) =>
      /^SCAN (j|jobs|l|lanes|bodies|attempts)\b/.test(line) &&
      !/VIRTUAL TABLE|INDEX (jobs_delayed|jobs_leased|lanes_sleeping|lanes_runnable)\b/.test(line)
  )

describe("the statements that run for every job", () => {
  it.scopedLive("search lanes and jobs by their indexes, and read no table through", () =>
    Effect.gen(function* () {
      const at = yield* file
      const database = yield* Database.open({ path: at })
      const policy = uniform({ cap: 3, gapMs: 10, burst: 2 })
      const jobs = Array.from({ length: 40 }, (_, i) =>
        job(`job-${i}`, `host:${i % 8}`, { priority: i % 3, availableAt: i % 5 === 0 ? 5 : 0 })
      )
      const request = { worker: "w", limit: 6, ttlMs: 50, maxCrashes: 20 }
      const statements = yield* recorded(database, (query) =>
        Effect.gen(function* () {
          yield* enqueue(query, policy, 0, jobs)
          const leases = yield* Lease.lease(query, { ...request, now: 0 })
          // Everything that time brings: delayed jobs, sleeping lanes, leases that expire.
          const later = yield* Lease.lease(query, { ...request, now: 60 })
          yield* Lease.heartbeat(query, later, 500)
          const [a, b, c, d, e] = later
          expect(leases.length).toBeGreaterThan(4)
          if (a === undefined || b === undefined || c === undefined || d === undefined || e === undefined) {
            return yield* Effect.dieMessage("five leases expected")
          }
          yield* settle(query, policy, 70, [
            { kind: "ack", lease: a, settled: done, history: [] },
            {
              kind: "failAndRetry",
              lease: b,
              failed: { reason: "r", message: "m", retryAt: 90 },
              history: []
            },
            { kind: "release", lease: c, released: { hold: { until: 99, reason: "r" } }, history: [] },
            { kind: "reroute", lease: d, rerouted: { lane: "host:1", plan: 1 }, history: [] },
            { kind: "reroute", lease: e, rerouted: { lane: "host:new", plan: 1 }, history: [] }
          ])
          yield* takeBack(query, {
            where: "lease_expires_at <= :match",
            match: 9_999,
            reason: "lease-expired",
            now: 9_999,
            maxCrashes: 2
          })
          yield* Read.nextReadyAt(query, 80)
          yield* Read.stats(query)
          yield* Read.get(query, "job-1")
        })
      )
      const db = yield* driver(at)
      // Else a plan lists the check of references to a new row as well, which runs only after a violation.
      db.pragma("foreign_keys = OFF")
      const texts = new Set<string>()
      const used = new Set<string>()
      for (const statement of statements) {
        if (texts.has(statement.text)) continue
        texts.add(statement.text)
        const plan = planOf(db, statement)
        expect({ text: statement.text, scans: scans(plan) }).toEqual({ text: statement.text, scans: [] })
        for (const line of plan) for (const [, name] of line.matchAll(/INDEX (\w+)/g)) used.add(name ?? "")
      }
      for (const index of ["jobs_ready", "jobs_delayed", "jobs_leased", "lanes_runnable", "lanes_sleeping"]) {
        expect([...used]).toContain(index)
      }
    })
  )
})

describe("what is removed by its age", () => {
  it.scopedLive("is found by an index, from the first to the last page", () =>
    Effect.gen(function* () {
      const at = yield* file
      const database = yield* Database.open({ path: at })
      const statements = yield* recorded(database, (query) =>
        Prune.look(query, { finished_at: 5, state: "done", id: 1 }, { state: "done", finishedBefore: 10 })
      )
      const db = yield* driver(at)
      const plans = statements.flatMap((statement) => planOf(db, statement))
      expect(plans).toHaveLength(1)
      expect(plans.join()).toMatch(/SEARCH jobs USING COVERING INDEX jobs_ended \(\(?finished_at/)
    })
  )
})
