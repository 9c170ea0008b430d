/** What says who asks goes to the service that needs it, and nowhere else. */
import { describe, expect, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import { Settings } from "../../src/config/Settings.ts"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import * as Origin from "../../src/demo/Origin.ts"
import * as Http from "../../src/http/Http.ts"
import * as KeyedLimiter from "../../src/KeyedLimiter.ts"
import { type Name, REGISTRY } from "../../src/resolver/Registry.ts"
import * as Resolvers from "../../src/resolver/Resolvers.ts"
import * as TokenBucket from "../../src/TokenBucket.ts"
import { ask, recording } from "./Asking.ts"

const SECRET = "s3cret-of-mine"
const MAIL = "private.person@example.org"
const artifact = {
  id: "x",
  urls: [],
  doi: "10.5281/zenodo.1",
  pmid: "41744547"
}
const withKey = REGISTRY.flatMap(({ credential, name }) =>
  credential === undefined ? [] : [[name, credential.env] as const]
)

const artifactOf = (name: Name) => {
  if (name === "figshare") return { doi: "10.6084/m9.figshare.1" }
  if (name === "osf") return { doi: "10.31235/osf.io/hqb2p" }
  return { doi: artifact.doi }
}

describe("a credential", () => {
  it.live.each(withKey)("of %s travels in a header, to its service only", ([name, env]) =>
    Effect.gen(function* () {
      for (const behaviour of [
        Behaviour.status(404),
        Behaviour.redirect("http://elsewhere.test:{port}/x"),
        Behaviour.redirect("/x", 301)
      ]) {
        const { member, result, sent } = yield* ask(name, behaviour, {
          artifact: artifactOf(name),
          env: { [env]: SECRET }
        })
        expect(sent.length).toBeGreaterThan(0)
        for (const { headers, url } of sent) {
          expect(new URL(url).hostname).toBe("base-url.test")
          expect(url).not.toContain(SECRET)
          expect(Object.values(headers).some((value) => value.includes(SECRET))).toBe(true)
        }
        expect(JSON.stringify(result)).not.toContain(SECRET)
        expect(JSON.stringify(member)).not.toContain(SECRET)
      }
    })
  )

  it.live("isn't sent to a second host of the same service", () =>
    Effect.gen(function* () {
      const { sent } = yield* ask("pmc", Behaviour.status(404), {
        artifact: { pmcid: "PMC1" },
        env: { NCBI_EMAIL: MAIL }
      })
      expect(sent.map(({ url }) => new URL(url).hostname)).toEqual(["bucket-url.test"])
      expect(JSON.stringify(sent)).not.toContain(encodeURIComponent(MAIL))
    })
  )

  it.live("that can't be sent in a header isn't there", () =>
    Effect.gen(function* () {
      const { member, sent } = yield* ask("core", Behaviour.status(404), {
        artifact: { doi: "10.1/x" },
        env: { CORE_API_KEY: "two\r\nlines" }
      })
      expect(member.lacks).toMatchObject({
        outcome: "config_error",
        message: "core: it needs a key; set CORE_API_KEY"
      })
      expect(JSON.stringify(sent)).not.toContain("lines")
    })
  )
})

/** The service over one origin that answers everything so, with a log that is kept. */
const world = (
  names: ReadonlyArray<Name>,
  behaviour: Behaviour.Behaviour,
  given: { readonly contact: string | null; readonly env: Readonly<Record<string, string>> }
) =>
  Effect.gen(function* () {
    const origin = yield* Origin.make({ hosts: { "api.test": behaviour, "elsewhere.test": behaviour } })
    const settings = Schema.decodeUnknownSync(Settings)({
      http: { contact: given.contact, resolve: origin.resolve },
      resolvers: {
        order: names,
        pmc: { bucket_url: origin.url("api.test", ""), convert_dois: true },
        ...Object.fromEntries(
          names.map((name) => [
            name,
            {
              base_url: origin.url("api.test", ""),
              ...(name === "pmc" ? { bucket_url: origin.url("api.test", ""), convert_dois: true } : {})
            }
          ])
        )
      }
    })
    const { sent, service } = recording(yield* Http.make(settings.http))
    const lines: Array<string> = []
    const logger = Logger.replace(
      Logger.defaultLogger,
      Logger.make(({ message }) => void lines.push(JSON.stringify(message)))
    )
    const outcomes = yield* Effect.gen(function* () {
      const resolvers = yield* Resolvers.make(settings)
      const applicable = yield* resolvers.applicable(artifact)
      const results = yield* Effect.forEach(names, (name) =>
        Effect.either(resolvers.ask(name, artifact, { failed: ["https://example.org/x.pdf"], pages: [] }))
      )
      return { applicable, results, later: yield* resolvers.applicable(artifact) }
    }).pipe(
      Effect.provideService(Http.Http, service),
      Effect.provide(
        Layer.mergeAll(
          KeyedLimiter.layer({ cap: 1 }),
          TokenBucket.layerMemory({ limits: () => ({ capacity: 100, refillPerSecond: 100 }) }),
          logger
        )
      ),
      Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(given.env))))
    )
    return { ...outcomes, sent, lines }
  }).pipe(Effect.scoped)

const all = REGISTRY.map(({ name }) => name).filter((name) => name !== "landing_page")
const everything = Object.fromEntries(withKey.map(([, env]) => [env, SECRET]))

describe("what says who asks", () => {
  const echo = JSON.stringify({
    doi: `${SECRET} ${MAIL}`,
    is_oa: true,
    oa_locations: [
      { url_for_pdf: `https://a.test/x.pdf?api_key=${SECRET}` },
      { url_for_pdf: `https://a.test/y.pdf?email=${encodeURIComponent(MAIL)}` }
    ],
    message: `email ${SECRET} ${MAIL}`
  })

  it.live.each([
    ["refuses", Behaviour.respond({ status: 422, body: echo })],
    ["fails", Behaviour.respond({ status: 500, body: echo })],
    ["forbids", Behaviour.respond({ status: 401, body: echo })],
    ["answers", Behaviour.respond({ body: echo })],
    ["redirects", Behaviour.redirect(`http://elsewhere.test:{port}/?key=${SECRET}&email=${MAIL}`)],
    ["hangs up", Behaviour.reset()]
  ] as const)("is in no message, log or candidate when a service %s", ([, behaviour]) =>
    Effect.gen(function* () {
      const { lines, results, sent } = yield* world(all, behaviour, { contact: MAIL, env: everything })
      expect(results).toHaveLength(all.length)
      for (const text of [SECRET, MAIL, encodeURIComponent(MAIL)]) {
        expect(JSON.stringify(results)).not.toContain(text)
        expect(lines.join("\n")).not.toContain(text)
      }
      expect(sent.map(({ url }) => new URL(url).hostname)).not.toContain("elsewhere.test")
    })
  )

  it.live("is told to be in what a service names, where that is why nothing is left of it", () =>
    Effect.gen(function* () {
      const page = Behaviour.redirect(`http://elsewhere.test:{port}/?email=${MAIL}`)
      const { results } = yield* world(["doi_redirect"], page, {
        contact: MAIL,
        env: { CROSSREF_MAILTO: MAIL }
      })
      expect(results).toMatchObject([
        { left: { message: "doi_redirect: it names only URLs with your key or address in them" } }
      ])
    })
  )

  it.live("is asked for once, by the name of its setting, and nobody is asked without", () =>
    Effect.gen(function* () {
      const names: ReadonlyArray<Name> = ["unpaywall", "crossref", "pmc", "core"]
      const { applicable, later, lines, results, sent } = yield* world(names, Behaviour.status(404), {
        contact: null,
        env: {}
      })
      expect(results.map((result) => (Either.isLeft(result) ? result.left.outcome : "found"))).toEqual(
        names.map(() => "config_error")
      )
      expect(sent).toEqual([])
      // What it can be asked without goes on being asked.
      expect([applicable, later]).toEqual([["pmc"], ["pmc"]])
      for (const [name, setting] of [
        ["unpaywall isn't asked", "set resolvers.unpaywall.email, UNPAYWALL_EMAIL or http.contact"],
        ["crossref isn't asked", "set resolvers.crossref.mailto, CROSSREF_MAILTO or http.contact"],
        ["pmc: its converter", "set resolvers.pmc.email, NCBI_EMAIL or http.contact"],
        ["core isn't asked", "set CORE_API_KEY"]
      ] as const) {
        expect(lines.filter((line) => line.includes(name) && line.includes(setting))).toHaveLength(1)
      }
    })
  )

  it.live("and is no address or no key is told of once, and not shown", () =>
    Effect.gen(function* () {
      const { lines } = yield* world(["unpaywall", "core", "semantic_scholar"], Behaviour.status(404), {
        contact: MAIL,
        env: {
          UNPAYWALL_EMAIL: "mailto:someone@example.org",
          CORE_API_KEY: `Bearer ${SECRET}`,
          S2_API_KEY: SECRET
        }
      })
      expect(lines.filter((line) => line.includes("it isn't used"))).toEqual([
        expect.stringContaining("UNPAYWALL_EMAIL is no mail address"),
        expect.stringContaining("CORE_API_KEY is no key")
      ])
      expect(lines.join()).not.toMatch(/someone|s3cret/)
    })
  )

  it.live.each([
    ["unpaywall", "resolvers.unpaywall.email, UNPAYWALL_EMAIL or http.contact", {}],
    ["core", "CORE_API_KEY", { CORE_API_KEY: SECRET }],
    ["semantic_scholar", "S2_API_KEY", {}]
  ] as const)("is named by where it is from when %s refuses it", ([name, from, env]) =>
    Effect.gen(function* () {
      const { result } = yield* ask(name, Behaviour.status(401), { artifact: artifactOf(name), env })
      expect(result).toMatchObject({
        left: { message: `${name}: it refuses whoever asks; check ${from} (HTTP 401)` }
      })
    })
  )

  it.live("is lacked by a question that needs it, not by others to the same service", () =>
    Effect.gen(function* () {
      const { result } = yield* ask("pmc", Behaviour.status(404), { artifact: { pmid: "1" }, contact: null })
      expect(result).toMatchObject({ left: { outcome: "config_error", partial: true } })
    })
  )

  it.live("may come from the environment or the contact", () =>
    Effect.gen(function* () {
      const names: ReadonlyArray<Name> = ["unpaywall", "crossref"]
      const { sent } = yield* world(names, Behaviour.status(404), {
        contact: MAIL,
        env: { UNPAYWALL_EMAIL: "other@example.org" }
      })
      expect(sent.map(({ url }) => new URL(url).search)).toEqual([
        "?email=other%40example.org",
        `?mailto=${encodeURIComponent(MAIL)}`
      ])
    })
  )
})
