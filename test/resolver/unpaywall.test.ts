import { readFileSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import type { Artifact } from "../../src/Artifact.ts"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import * as Origin from "../../src/demo/Origin.ts"
import * as Http from "../../src/http/Http.ts"
import * as Unpaywall from "../../src/resolver/Unpaywall.ts"
import { settings } from "../download/Rig.ts"

const sample = (name: string): string =>
  readFileSync(new URL(`../fixtures/samples/unpaywall/${name}`, import.meta.url), "utf8")

const NATURE = "10.1038/nature12373"

/** Asks a service that behaves so. */
const ask = (
  behaviour: Behaviour.Behaviour,
  options: { readonly email?: string | null; readonly doi?: string } = {}
) =>
  Effect.gen(function* () {
    const origin = yield* Origin.make({ otherwise: behaviour })
    const http = yield* Http.make(settings("unused").http)
    const base_url = `${origin.url("127.0.0.1", "")}/`
    const email = options.email === undefined ? "someone@example.org" : options.email
    const resolver = Unpaywall.make({ base_url, email, max_retry_after_seconds: 1000 }, http)
    const artifact: Artifact = { id: "x", urls: [], doi: options.doi ?? NATURE }
    const result = yield* Effect.either(resolver.resolve(artifact))
    return { result, log: yield* origin.log }
  }).pipe(Effect.scoped)

const answer = (status: number, file: string, type = "application/json") =>
  Behaviour.respond({ status, headers: { "content-type": type }, body: sample(file) })

/** Until when a refusal asks to wait. */
const until = (behaviour: Behaviour.Behaviour) =>
  Effect.map(ask(behaviour), ({ result }) => (Either.isLeft(result) ? (result.left.until ?? 0) : 0))

describe("unpaywall", () => {
  it.live("names every free copy once, the best first", () =>
    Effect.gen(function* () {
      const { log, result } = yield* ask(answer(200, "oa_pdf.json"))
      expect(Either.getOrThrow(result)).toEqual([
        {
          url: "https://www.nature.com/articles/nature12373.pdf",
          resolver: "unpaywall",
          kind: "pdf",
          version: "publishedVersion",
          host_type: "publisher"
        },
        {
          url: "https://arxiv.org/pdf/1304.1068",
          resolver: "unpaywall",
          kind: "pdf",
          version: "submittedVersion",
          host_type: "repository"
        },
        {
          url: "https://www.ncbi.nlm.nih.gov/pmc/articles/PMC4221854",
          resolver: "unpaywall",
          kind: "landing",
          version: "acceptedVersion",
          host_type: "repository"
        }
      ])
      expect(log.map(({ path }) => path)).toEqual([`/v2/${NATURE}?email=someone%40example.org`])
    })
  )

  it.live.each([
    ["closed.json", 200, "no_open_access", "10.1016/j.neucom.2021.03.091"],
    ["not_found_404.json", 404, "not_found", NATURE],
    ["not_found_404.html", 404, "not_found", NATURE],
    ["bad_email_422.json", 422, "config_error", NATURE],
    ["rate_422.json", 422, "rate_limited", NATURE]
  ] as const)("keeps its refusals apart: %s", ([file, status, outcome, doi]) =>
    Effect.gen(function* () {
      const { result } = yield* ask(answer(status, file), { doi })
      expect(Either.flip(result)).toMatchObject({ right: { outcome } })
    })
  )

  it.live("waits as long as it is asked to, a minute if nobody says", () =>
    Effect.gen(function* () {
      const before = Date.now()
      expect(yield* until(Behaviour.status(429, { "retry-after": "100" }))).toBeGreaterThanOrEqual(
        before + 100_000
      )
      expect(yield* until(Behaviour.status(503, { "retry-after": "100" }))).toBeGreaterThanOrEqual(
        before + 100_000
      )
      expect(yield* until(answer(422, "rate_422.json"))).toBeGreaterThanOrEqual(before + 60_000)
    })
  )

  it.live.each([
    ["not JSON", Behaviour.respond({ body: "<html>" }), false],
    ["JSON of another shape", Behaviour.json({ oa_locations: "none" }), false],
    ["a list", Behaviour.json([]), false],
    ["about another work", answer(200, "closed.json"), false],
    ["far too long", Behaviour.endless(), false],
    ["a redirect", Behaviour.redirect("/elsewhere"), false],
    ["an unknown refusal", Behaviour.json({ message: "no" }, 422), false],
    ["a failing server", Behaviour.status(500), true],
    ["a broken connection", Behaviour.reset(), true]
  ] as const)("fails, and no more than that, on %s", ([, behaviour, passing]) =>
    Effect.gen(function* () {
      const { result } = yield* ask(behaviour)
      expect(Either.flip(result)).toMatchObject({ right: { outcome: "failed", passing } })
    })
  )

  it.live("asks nobody without a mail address, and says how to give one", () =>
    Effect.gen(function* () {
      const { log, result } = yield* ask(answer(200, "oa_pdf.json"), { email: null })
      expect(Either.flip(result)).toMatchObject({ right: { outcome: "config_error" } })
      expect(Either.isLeft(result) && result.left.message).toContain("UNPAYWALL_EMAIL")
      expect(log).toEqual([])
    })
  )

  it.live("puts a DOI into its URL so that nothing of it is lost", () =>
    Effect.gen(function* () {
      const { log } = yield* ask(Behaviour.status(404), { doi: "10.1/a(b)<c>;d?e#f/g%" })
      expect(log.map(({ path }) => path.split("?")[0])).toEqual(["/v2/10.1/a(b)%3Cc%3E%3Bd%3Fe%23f/g%25"])
    })
  )

  it.prop(
    "understands or refuses any answer",
    [FastCheck.oneof(FastCheck.json(), FastCheck.string())],
    ([body]) => {
      const read = Unpaywall.candidates(body, NATURE)
      expect(Either.isLeft(read) || read.right.length > 0).toBe(true)
    }
  )
})
