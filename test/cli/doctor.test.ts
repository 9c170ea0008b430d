/** `doctor`: whatever is wrong is found, and for each of them it says what to do. */
import { existsSync } from "node:fs"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import Database from "better-sqlite3"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { status } from "../../src/demo/Behaviour.ts"
import * as Origin from "../../src/demo/Origin.ts"
import { folder } from "./Folder.ts"
import { run } from "./Program.ts"

const Finding = Schema.Struct({
  check: Schema.String,
  level: Schema.Literal("ok", "note", "warning", "error"),
  message: Schema.String,
  fix: Schema.NullOr(Schema.String)
})
const decode = Schema.decodeSync(
  Schema.parseJson(Schema.Struct({ level: Schema.String, findings: Schema.Array(Finding) }))
)

const CODES = { ok: 0, note: 0, warning: 3, error: 6 }

/** A queue of three jobs in a folder, and the doctor who looks at it. */
const patient = Effect.gen(function* () {
  const { path, queue, run: program } = yield* folder
  for (const n of [1, 2, 3]) yield* program("queue", "enqueue", `https://a.example/${n}.pdf`)
  const env = {
    CONTENTDOWNLOAD_HTTP__CONTACT: "me@example.org",
    CONTENTDOWNLOAD_DOWNLOAD__OUT: join(path, "out"),
    CONTENTDOWNLOAD_STORAGE__MIN_FREE_BYTES: "0"
  }
  const doctor = (changes: Readonly<Record<string, string>> = {}, ...args: ReadonlyArray<string>) =>
    Effect.map(
      run(["doctor", "--format", "json", "--queue", queue, ...args], { env: { ...env, ...changes } }),
      ({ code, stderr, stdout }) => {
        const report = decode(stdout)
        expect({ code, stderr }).toEqual({
          code: Object.entries(CODES).find(([level]) => level === report.level)?.[1],
          stderr: ""
        })
        // Whatever should be looked at says what to do.
        expect(
          report.findings.filter(
            ({ fix, level }) => fix === null && (level === "warning" || level === "error")
          )
        ).toEqual([])
        return report.findings
      }
    )
  const change = (...statements: ReadonlyArray<string>) =>
    Effect.sync(() => {
      const database = new Database(queue)
      for (const statement of statements) database.exec(statement)
      database.close()
    })
  return { path, queue, doctor, change, program }
})

const serious = (findings: ReadonlyArray<typeof Finding.Type>) =>
  findings.filter(({ level }) => level === "warning" || level === "error")

/** All that is to be done. */
const fixes = (findings: ReadonlyArray<typeof Finding.Type>) =>
  findings.map(({ fix }) => fix ?? "").join("\n")

const LATER = Date.now() + 4 * 60 * 60 * 1000

describe("doctor", () => {
  it.scopedLive("finds nothing wrong with a queue as it should be", () =>
    Effect.gen(function* () {
      const { doctor } = yield* patient
      const findings = yield* doctor()
      // How full this machine's disk is isn't the queue's fault.
      expect(serious(findings).filter(({ check }) => check !== "disk")).toEqual([])
      const well = findings.filter(({ level }) => level === "ok").map(({ check }) => check)
      expect(well).toEqual(
        expect.arrayContaining(["queue", "clock", "lease", "lane", "resolver", "settings"])
      )
    })
  )

  it.scopedLive.each([
    [
      "a counter that a recount contradicts",
      "UPDATE lanes SET ready = ready + 1; UPDATE pools SET ready = ready + 1",
      "error",
      /host:a\.example counts 4 as ready, but there are 3/,
      /restore a backup/
    ],
    [
      "a job without a payload",
      "DELETE FROM bodies WHERE job_id = 2",
      "error",
      /1 job without a payload/,
      /restore a backup/
    ],
    [
      "a newer version's file",
      "INSERT INTO effect_sql_migrations (migration_id, name) VALUES (9999, 'later')",
      "error",
      /a newer version wrote it/,
      /upgrade contentdownload/
    ],
    [
      "another program's file",
      "PRAGMA application_id = 1",
      "error",
      /something else than a queue/,
      /name another file/
    ],
    ["a pause of the whole", "UPDATE queue SET paused = 1", "warning", /paused as a whole/, /queue resume/],
    [
      "a pause of a lane that has jobs",
      "UPDATE lanes SET paused = 1",
      "warning",
      /host:a\.example is paused with 3 jobs/,
      /queue resume --lane host:a\.example/
    ],
    [
      "a lane that is held for hours",
      `UPDATE lanes SET held_until = ${LATER}, blocked_reason = 'http-429'`,
      "warning",
      /held until .*\(http-429\) with 3 jobs/,
      /queue lane set/
    ],
    [
      "a lease that ran out and wasn't taken back",
      "UPDATE jobs SET state = 'in_progress', worker = 'somebody', lease_expires_at = 1000 WHERE id = 1; UPDATE lanes SET ready = 2, in_flight = 1; UPDATE pools SET ready = 2, in_flight = 1",
      "warning",
      /1 job of worker somebody expired .* ago/,
      /any run takes them back/
    ],
    [
      "a lease for longer than there are leases",
      `UPDATE jobs SET state = 'in_progress', worker = 'somebody', lease_expires_at = ${LATER} WHERE id = 1; UPDATE lanes SET ready = 2, in_flight = 1; UPDATE pools SET ready = 2, in_flight = 1`,
      "warning",
      /leased until .*, longer than/,
      /check the clock/
    ],
    [
      "something that happens in the future",
      `UPDATE jobs SET enqueued_at = ${LATER}`,
      "warning",
      /recorded .* in the future/,
      /NTP/
    ]
  ] as const)("finds %s", ([, statement, level, message, fix]) =>
    Effect.gen(function* () {
      const { change, doctor } = yield* patient
      yield* change(statement)
      const found = serious(yield* doctor()).filter(({ check }) => check !== "disk")
      expect(found).toContainEqual(
        expect.objectContaining({
          level,
          message: expect.stringMatching(message),
          fix: expect.stringMatching(fix)
        })
      )
    })
  )

  it.scopedLive("finds what keeps files from being stored", () =>
    Effect.gen(function* () {
      const { doctor, path } = yield* patient
      yield* Effect.promise(() => writeFile(join(path, "out"), "no folder"))
      expect(serious(yield* doctor())).toContainEqual(
        expect.objectContaining({
          check: "output",
          level: "error",
          message: expect.stringMatching(/is no folder/)
        })
      )
      const full = yield* doctor({ CONTENTDOWNLOAD_STORAGE__MIN_FREE_BYTES: "1000000000000000" })
      expect(serious(full)).toContainEqual(
        expect.objectContaining({ check: "disk", level: "error", fix: expect.stringMatching(/make room/) })
      )
    })
  )

  it.scopedLive.runIf(existsSync("/proc/locks"))("names who keeps the queue locked", () =>
    Effect.gen(function* () {
      const { doctor, queue } = yield* patient
      const holder = yield* Effect.acquireRelease(
        Effect.sync(() => new Database(queue)),
        (database) => Effect.sync(() => database.close())
      )
      const locked = Effect.map(doctor(), (findings) =>
        findings.flatMap(({ fix, message }) =>
          message.includes("keeps it locked") ? [`${message} ${fix}`] : []
        )
      )
      holder.exec("BEGIN IMMEDIATE")
      const me = new RegExp(`^process ${process.pid} keeps it locked: .*node.*kill ${process.pid}`)
      expect(yield* locked).toEqual([expect.stringMatching(me)])
      holder.exec("ROLLBACK")
      expect(yield* locked).toEqual([])
    })
  )

  it.scopedLive("names the keys and addresses that are missing, by their variables", () =>
    Effect.gen(function* () {
      const { doctor } = yield* patient
      const none = { CONTENTDOWNLOAD_HTTP__CONTACT: "null" }
      const bare = yield* doctor(none)
      expect(serious(bare).map(({ check }) => check)).toContain("settings")
      expect(fixes(bare)).toMatch(/UNPAYWALL_EMAIL/)
      expect(fixes(bare)).toMatch(/CORE_API_KEY/)
      const given = yield* doctor({ ...none, UNPAYWALL_EMAIL: "me@example.org", CORE_API_KEY: "s3cr3t" })
      expect(fixes(given)).not.toMatch(/UNPAYWALL_EMAIL|CORE_API_KEY/)
      expect(JSON.stringify(given)).not.toContain("s3cr3t")
      const odd = yield* doctor({ ...none, UNPAYWALL_EMAIL: "s3cr3t", CORE_API_KEY: "Bearer s3cr3t" })
      expect(JSON.stringify(serious(odd))).toMatch(/UNPAYWALL_EMAIL is no mail.*CORE_API_KEY is no key/)
      expect(fixes(odd)).toMatch(/CORE_API_KEY/)
      expect(JSON.stringify(odd)).not.toContain("s3cr3t")
    })
  )

  it.scopedLive(
    "asks services only when that is wanted, and tells one that answers from one that doesn't",
    () =>
      Effect.gen(function* () {
        const { doctor } = yield* patient
        const origin = yield* Origin.make({ hosts: { "well.test": status(200), "ill.test": status(503) } })
        const env = {
          CONTENTDOWNLOAD_HTTP__RESOLVE: JSON.stringify(origin.resolve),
          CONTENTDOWNLOAD_RESOLVERS__ORDER: '["openalex","crossref"]',
          CONTENTDOWNLOAD_RESOLVERS__OPENALEX__BASE_URL: origin.url("well.test", ""),
          CONTENTDOWNLOAD_RESOLVERS__CROSSREF__BASE_URL: origin.url("ill.test", "")
        }
        yield* doctor(env)
        expect(yield* origin.log).toEqual([])
        const findings = (yield* doctor(env, "--online")).map(({ level, message }) => [level, message])
        expect(yield* origin.log).toHaveLength(2)
        expect(findings).toContainEqual(["ok", "openalex answers"])
        expect(findings).toContainEqual(["warning", expect.stringMatching(/^crossref answers 503/)])
      })
  )
})
