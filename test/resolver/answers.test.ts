/** What a service may answer otherwise: refusals, nonsense, nothing. Always a failure of that resolver, never more. */
import { readdirSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import { Candidate } from "../../src/resolver/Candidate.ts"
import * as Page from "../../src/resolver/Page.ts"
import { isName, type Name, REGISTRY } from "../../src/resolver/Registry.ts"
import { type Answer, NOTHING, type Question, ResolverFailure } from "../../src/resolver/Resolver.ts"
import { Settings } from "../../src/config/Settings.ts"
import * as Schema from "effect/Schema"
import { sameDoi } from "../../src/resolver/Decode.ts"
import { ask, type Options, sample } from "./Asking.ts"

const NATURE = "10.1038/nature12373"

/** An artifact each resolver asks its service about. */
const asked: Readonly<Record<Name, Options>> = {
  arxiv: { artifact: { arxiv: "1605.08386" }, section: { check: true } },
  pmc: { artifact: { pmcid: "PMC7759461" } },
  unpaywall: { artifact: { doi: NATURE } },
  openalex: { artifact: { doi: NATURE } },
  europe_pmc: { artifact: { pmid: "41744547" } },
  crossref: { artifact: { doi: NATURE } },
  semantic_scholar: { artifact: { doi: NATURE } },
  zenodo: { artifact: { doi: "10.5281/zenodo.1" } },
  figshare: { artifact: { doi: "10.6084/m9.figshare.1" } },
  osf: { artifact: { doi: "10.31235/osf.io/hqb2p" } },
  hal: { artifact: { doi: NATURE } },
  doaj: { artifact: { doi: NATURE } },
  core: { artifact: { doi: NATURE }, env: { CORE_API_KEY: "key-of-core" } },
  openaire: { artifact: { doi: NATURE } },
  doi_redirect: { artifact: { doi: NATURE }, section: { method: "handle" } },
  landing_page: {},
  wayback: { known: { failed: ["https://example.org/x.pdf"] } }
}
const remote = REGISTRY.map(({ name }) => name).filter((name) => name !== "landing_page")

const outcomeOf = (name: Name, behaviour: Behaviour.Behaviour) =>
  Effect.map(ask(name, behaviour, asked[name]), ({ result }) =>
    Either.isLeft(result) ? result.left : undefined
  )

/** Leads elsewhere, in so many seconds. */
const redirecting = (seconds: string) =>
  Behaviour.tries(
    1,
    Behaviour.respond({
      status: 307,
      headers: { location: "/v1/works/elsewhere", "retry-after": seconds }
    }),
    Behaviour.json({ message: { DOI: NATURE } })
  )

describe("a refusal", () => {
  it.live.each(remote)("of %s for the rate parks its lane for as long as it asks", (name) =>
    Effect.gen(function* () {
      const before = Date.now()
      for (const behaviour of [
        Behaviour.status(429, { "retry-after": "1000" }),
        Behaviour.status(503, { "retry-after": "1000" }),
        Behaviour.status(429, { "ratelimit-reset": "1000" }),
        Behaviour.status(429, { "x-ratelimit-reset": String(Math.ceil(before / 1000) + 1000) }),
        Behaviour.status(429, { "x-ratelimit-retry-after": new Date(before + 1_000_000).toISOString() })
      ]) {
        const failure = yield* outcomeOf(name, behaviour)
        expect(failure).toMatchObject({ outcome: "rate_limited" })
        expect(failure?.until).toBeGreaterThanOrEqual(before + 999_000)
      }
      expect((yield* outcomeOf(name, Behaviour.status(429)))?.until).toBeGreaterThanOrEqual(before + 60_000)
    })
  )

  it.live.each(remote)("of %s may pass if its server failed, and says so", (name) =>
    Effect.gen(function* () {
      for (const behaviour of [Behaviour.status(500), Behaviour.status(502), Behaviour.status(408)]) {
        expect(yield* outcomeOf(name, behaviour)).toMatchObject({ outcome: "failed", passing: true })
      }
      expect(yield* outcomeOf(name, Behaviour.status(418))).toMatchObject({
        outcome: "failed",
        passing: false
      })
      expect(yield* outcomeOf(name, Behaviour.status(404))).toMatchObject({ outcome: "not_found" })
      expect(yield* outcomeOf(name, Behaviour.status(401))).toMatchObject({ outcome: "config_error" })
    })
  )

  it.live(
    "by 403 is one of this request, of whoever asks with a key, or for the rate if it says for how long",
    () =>
      Effect.gen(function* () {
        const without = yield* outcomeOf("crossref", Behaviour.status(403))
        expect(without).toMatchObject({ outcome: "failed", forbidden: true, passing: false })
        expect(yield* outcomeOf("core", Behaviour.status(403))).toMatchObject({ outcome: "config_error" })
        for (const name of ["crossref", "core"] as const) {
          const before = Date.now()
          const limited = yield* outcomeOf(name, Behaviour.status(403, { "retry-after": "1000" }))
          expect(limited).toMatchObject({ outcome: "rate_limited" })
          expect(limited?.until).toBeGreaterThanOrEqual(before + 1_000_000)
        }
      })
  )

  it.live("to go on before a time is heeded", () =>
    Effect.gen(function* () {
      const before = Date.now()
      const soon = yield* ask("crossref", redirecting("1"), asked.crossref)
      expect(Date.now()).toBeGreaterThanOrEqual(before + 1000)
      expect(soon.paths.map((path) => path.split("?")[0])).toContain("/v1/works/elsewhere")
      const late = yield* ask("crossref", redirecting("1000"), asked.crossref)
      expect(late.paths).toHaveLength(1)
      expect(Either.getOrThrow(Either.flip(late.result))).toMatchObject({ outcome: "rate_limited" })
    })
  )

  it.live("by a closed connection is a refusal for the rate at the archive, and a failure elsewhere", () =>
    Effect.gen(function* () {
      expect(yield* outcomeOf("crossref", Behaviour.reset())).toMatchObject({
        outcome: "failed",
        passing: true
      })
      expect(yield* outcomeOf("wayback", Behaviour.reset())).toMatchObject({ outcome: "rate_limited" })
    })
  )
})

describe("nonsense", () => {
  const nonsense: ReadonlyArray<readonly [string, Behaviour.Behaviour]> = [
    ["a page", Behaviour.respond({ body: "<html><title>Maintenance</title></html>" })],
    ["nothing", Behaviour.respond({ body: "" })],
    ["another shape", Behaviour.json({ oa_locations: 1, message: [], results: "x", hits: 7, data: null })],
    ["a number", Behaviour.json(7)],
    ["null", Behaviour.json(null)],
    ["deep nesting", Behaviour.respond({ body: "[".repeat(100_000) })],
    ["deep nesting that ends", Behaviour.respond({ body: "[".repeat(50_000) + "]".repeat(50_000) })],
    ["too much", Behaviour.endless()],
    ["a circle", Behaviour.redirect("{path}")]
  ]

  it.live.each(remote.filter((name) => name !== "doi_redirect"))(
    "from %s is a failure, and no more",
    (name) =>
      Effect.gen(function* () {
        for (const [what, behaviour] of nonsense) {
          const failure = yield* outcomeOf(name, behaviour)
          expect(failure, what).toBeInstanceOf(ResolverFailure)
          expect(["failed", "not_found"], what).toContain(failure?.outcome)
          expect(failure?.message, what).toMatch(new RegExp(`^${name}: `))
          expect(failure?.message, what).not.toContain("\n")
        }
      })
  )
})

describe("a DOI", () => {
  it("is the same one in all its spellings, and text without one only itself", () => {
    for (const spelling of [
      "DOI 10.1/x",
      `DOI ${NATURE}.`,
      "https://doi.org/10.1038%2FNATURE12373",
      `doi=${NATURE}`
    ]) {
      expect([spelling, sameDoi(spelling, NATURE)]).toEqual([spelling, spelling !== "DOI 10.1/x"])
    }
    expect([sameDoi("none", "NONE "), sameDoi("none", NATURE)]).toEqual([true, false])
  })

  it.live.each([
    ["unpaywall", "/v2/10.1/a(b)%3Cc%3E%3Bd%3Fe%23f/g%25"],
    ["openalex", "/works/doi:10.1/a(b)%3Cc%3E%3Bd%3Fe%23f/g%25"],
    ["crossref", "/v1/works/10.1%2Fa(b)%3Cc%3E%3Bd%3Fe%23f%2Fg%25"]
  ] as const)("is in the URL of %s with nothing of it lost", ([name, path]) =>
    Effect.gen(function* () {
      const { paths } = yield* ask(name, Behaviour.status(404), {
        artifact: { doi: "10.1/a(b)<c>;d?e#f/g%" }
      })
      expect(paths.map((each) => each.split("?")[0])).toEqual([path])
    })
  )
})

describe("an answer about another work", () => {
  it.live.each([
    ["unpaywall", "unpaywall/closed.json"],
    ["crossref", "crossref/oa_pdf.json"],
    ["openalex", "openalex/closed.json"],
    ["semantic_scholar", "semantic_scholar/oa_pdf.json"],
    ["europe_pmc", "europe_pmc/no_open_copy.json"],
    ["doaj", "doaj/oa_pdf.json"],
    ["hal", "hal/oa_pdf.json"],
    ["core", "core/oa_pdf.json"],
    ["openaire", "openaire/oa_pdf.json"],
    ["zenodo", "zenodo/record_pdf.json"],
    ["figshare", "figshare/article_pdf.json"]
  ] as const)("of %s isn't taken", ([name, file]) =>
    Effect.gen(function* () {
      const failure = yield* outcomeOf(name, Behaviour.respond({ body: sample(file) }))
      expect(["failed", "not_found"]).toContain(failure?.outcome)
    })
  )
})

// ---------------------------------------------------------------------------------------------------------------
// Mutated samples: without a network, so that there can be many
// ---------------------------------------------------------------------------------------------------------------

const files = readdirSync(new URL("../fixtures/samples", import.meta.url), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .flatMap(({ name }) =>
    readdirSync(new URL(`../fixtures/samples/${name}`, import.meta.url)).map((file) => `${name}/${file}`)
  )

const junk = FastCheck.oneof(
  FastCheck.jsonValue(),
  FastCheck.constantFrom("", "http://", "%", "x:y", -1, 1e308)
)

const isNode = (value: unknown): value is { [key: string]: unknown } =>
  typeof value === "object" && value !== null

/** Puts something else into one place of a JSON value. */
const changed = (value: unknown, path: ReadonlyArray<number>, instead: unknown): unknown => {
  const [step, ...rest] = path
  if (!isNode(value) || step === undefined) return instead
  const keys = Object.keys(value)
  const key = keys[step % Math.max(1, keys.length)]
  if (key === undefined) return instead
  const inner = changed(value[key], rest, instead)
  return Array.isArray(value)
    ? value.map((each: unknown, index) => (String(index) === key ? inner : each))
    : { ...value, [key]: inner }
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const mutated = FastCheck.record({
  file: FastCheck.constantFrom(...files),
  path: FastCheck.array(FastCheck.nat(40), { maxLength: 8 }),
  instead: junk,
  cut: FastCheck.option(FastCheck.double({ min: 0, max: 1, noNaN: true }), { freq: 3 })
}).map(({ cut, file, instead, path }) => {
  const text = sample(file)
  const value = parse(text)
  const whole = value === undefined ? text : JSON.stringify(changed(value, path, instead))
  return cut === null ? whole : whole.slice(0, Math.floor(whole.length * cut))
})

const defaults = Schema.decodeSync(Settings)({
  resolvers: {
    arxiv: { check: true },
    pmc: { email: "a@example.org", convert_dois: true },
    zenodo: { search: true },
    figshare: { search: true }
  }
})
const isCandidate = Schema.is(Schema.Array(Candidate))

describe("a mutated sample", () => {
  const status = FastCheck.constantFrom(200, 200, 200, 302, 404, 422, 503)

  it.effect.prop(
    "is understood or refused by every resolver, and never crashes one",
    [mutated, status],
    ([text, code]) =>
      Effect.gen(function* () {
        for (const definition of REGISTRY) {
          const answer: Answer = {
            status: code,
            text,
            header: (name) => (name === "location" ? text : undefined)
          }
          const question: Question = {
            artifact: { id: "x", urls: [], ...asked[definition.name].artifact },
            known: { ...NOTHING, ...asked[definition.name].known },
            get: () => Effect.succeed(answer)
          }
          const result = yield* Effect.either(definition.build(defaults.resolvers).resolve(question))
          if (Either.isLeft(result)) continue
          expect(result.right.length).toBeGreaterThan(0)
          expect(isCandidate(result.right)).toBe(true)
          for (const { url } of result.right) expect(url).toMatch(/^https?:\/\//)
        }
      }),
    { fastCheck: { numRuns: 300 } }
  )

  it.prop(
    "is read as a page without harm, in whatever pieces it comes",
    [mutated, FastCheck.integer({ min: 1, max: 200 })],
    ([text, size]) => {
      const bytes = Buffer.from(text)
      const read = (step: number) => {
        const page = Page.collector()
        for (let from = 0; from < bytes.length; from += step) page.write(bytes.subarray(from, from + step))
        return Page.read(page.end(), { url: "https://a.test/1", resolver: "r", linkHeader: text })
      }
      expect(read(size)).toEqual(read(bytes.length + 1))
    },
    { fastCheck: { numRuns: 200 } }
  )
})

describe("the table of resolvers", () => {
  it("has each name once", () => {
    for (const { name } of REGISTRY) expect(isName(name)).toBe(true)
    expect(new Set(REGISTRY.map(({ name }) => name)).size).toBe(REGISTRY.length)
  })
})
