/** `resolve` shows the plan of a work, asks politely, and downloads nothing. */
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { stringify } from "yaml"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import * as Origin from "../../src/demo/Origin.ts"
import { run } from "./Program.ts"

const MAIL = "private.person@example.org"

const copies = Behaviour.json({
  is_oa: true,
  oa_locations: [
    { url_for_pdf: "https://a.test/submitted.pdf", version: "submittedVersion", host_type: "repository" },
    {
      url_for_pdf: "https://b.test/published.pdf",
      version: "publishedVersion",
      license: "CC BY",
      host_type: "publisher"
    },
    { url: "https://c.test/page", host_type: "repository" }
  ]
})

const given = (
  unpaywall: Behaviour.Behaviour,
  order: ReadonlyArray<string>,
  ...args: ReadonlyArray<string>
) =>
  Effect.gen(function* () {
    const origin = yield* Origin.make({
      hosts: {
        "unpaywall.test": unpaywall,
        "doi.test": Behaviour.redirect("https://journal.test/article/1"),
        "core.test": Behaviour.json({ totalHits: 0, results: [] })
      }
    })
    const folder = yield* Effect.acquireRelease(
      Effect.promise(() => mkdtemp(join(tmpdir(), "contentdownload-"))),
      (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
    )
    const file = join(folder, "settings.yaml")
    const text = stringify({
      http: { contact: MAIL, resolve: { ...origin.resolve } },
      queue: { path: join(folder, "queue.sqlite") },
      resolvers: {
        order,
        unpaywall: { base_url: origin.url("unpaywall.test", "") },
        core: { base_url: origin.url("core.test", "") },
        doi_redirect: { base_url: origin.url("doi.test", "") }
      }
    })
    yield* Effect.promise(() => writeFile(file, text))
    const ended = yield* run(["resolve", ...args, "--config", file], {
      env: { CORE_API_KEY: "s3cret-of-mine" }
    })
    return { ...ended, log: yield* origin.log }
  }).pipe(Effect.scoped)

const order = ["unpaywall", "core", "doi_redirect", "landing_page"]

describe("resolve", () => {
  it.live("refuses a proxy that is none before anything is asked, in one line", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* run(["resolve", "10.1234/paper"], {
        env: { HTTP_PROXY: "http://me:s3cret@::::", CONTENTDOWNLOAD_HTTP__CONTACT: MAIL }
      })
      expect({ code, stderr, stdout }).toEqual({
        code: 2,
        stderr:
          "contentdownload: HTTP_PROXY is not the URL of a proxy, such as http://proxy.example.org:3128\n",
        stdout: ""
      })
    })
  )

  it.live("prints who was asked, and the candidates in the order to try", () =>
    Effect.gen(function* () {
      const { code, log, stdout } = yield* given(copies, order, "10.1234/paper", "--format", "json")
      expect(code).toBe(0)
      const plan: unknown = JSON.parse(stdout)
      expect(plan).toMatchObject({
        artifact: { doi: "10.1234/paper" },
        asked: [
          { resolver: "unpaywall", outcome: "found", candidates: 3 },
          { resolver: "core", outcome: "not_found" },
          { resolver: "doi_redirect", outcome: "found", candidates: 1 },
          { resolver: "landing_page", outcome: "found", candidates: 2 }
        ],
        candidates: [
          {
            url: "https://b.test/published.pdf",
            version: "publishedVersion",
            license: "cc-by",
            host_type: "publisher"
          },
          { url: "https://a.test/submitted.pdf", version: "submittedVersion" },
          { url: "https://c.test/page", kind: "landing" },
          { url: "https://journal.test/article/1", kind: "landing" }
        ]
      })
      // Services were asked, and nobody who has files.
      expect(log.map(({ host }) => host)).toEqual(["unpaywall.test", "core.test", "doi.test"])
    })
  )

  it.live("prints tables for people, and never who asks", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* given(copies, order, "https://doi.org/10.1234/PAPER")
      expect(code).toBe(0)
      expect(stdout).toMatch(/resolver\s+outcome\s+urls/)
      expect(stdout).toMatch(
        /1 {2}pdf\s+publishedVersion\s+cc-by\s+publisher\s+unpaywall\s+https:\/\/b\.test/
      )
      for (const secret of [MAIL, encodeURIComponent(MAIL), "s3cret-of-mine"]) {
        expect(stdout + stderr).not.toContain(secret)
      }
    })
  )

  it.live("ends with 3 when nobody knows where to get it", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* given(Behaviour.status(404), ["unpaywall"], "10.1234/paper")
      expect(code).toBe(3)
      expect(stdout).toContain("not_found")
      expect(stderr).toContain("Nobody knows where to get it.")
    })
  )

  it.live("doesn't say of those who gave no answer that they know nothing", () =>
    Effect.gen(function* () {
      const broken = Behaviour.status(500)
      const some = yield* given(broken, ["unpaywall", "core"], "10.1234/x")
      expect(some.code).toBe(3)
      expect(some.stderr).toContain("Nobody who has answered knows where to get it; 1 of 2 gave no answer.")
      const none = yield* given(broken, ["unpaywall"], "10.1234/x")
      expect(none.code).toBe(3)
      expect(none.stderr).toContain("Nobody who was asked has answered.")
    })
  )

  it.live("tells until when a service wants to be left alone", () =>
    Effect.gen(function* () {
      const refusing = Behaviour.status(429, { "retry-after": "100" })
      const { code, stdout } = yield* given(refusing, ["unpaywall"], "10.1234/paper", "--format", "json")
      expect(code).toBe(3)
      expect(JSON.parse(stdout)).toMatchObject({
        asked: [{ outcome: "rate_limited", until: expect.any(String) }]
      })
    })
  )

  it.live("refuses what is no identifier", () =>
    Effect.gen(function* () {
      const { code, stderr } = yield* given(copies, order, "12345")
      expect(code).toBe(2)
      expect(stderr).toContain("bare number")
    })
  )
})
