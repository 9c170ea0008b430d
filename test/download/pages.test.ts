/** A page about the work is a step of the plan like any other, and the archive is asked last. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Artifact } from "../../src/Artifact.ts"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import * as Origin from "../../src/demo/Origin.ts"
import { firstLane } from "../../src/download/Route.ts"
import { Handler } from "../../src/Handler.ts"
import type { Name } from "../../src/resolver/Registry.ts"
import type { RerouteVerdict } from "../../src/WorkQueue.ts"
import { folder, job, layer, type Recorded, settings } from "./Rig.ts"

const html = (head: string, body = "") =>
  Behaviour.respond({
    headers: { "content-type": "text/html; charset=utf-8" },
    body: `<!doctype html><html><head>${head}</head><body>${body}</body></html>`
  })

const artifact: Artifact = { id: "paper", urls: [], doi: "10.1234/paper" }
const order: ReadonlyArray<Name> = ["unpaywall", "doi_redirect", "landing_page", "wayback"]

interface LeaseOptions {
  readonly lane?: string
  readonly plan?: unknown
  readonly verdict?: (lane: string) => RerouteVerdict
  readonly wanted?: Artifact
}

/** One lease in a world of these hosts; `api.test` is Unpaywall, `doi.test` doi.org, `archive.test` the archive. */
const world = <A, E>(
  hosts: Readonly<Record<string, Behaviour.Behaviour>>,
  body: (
    lease: (options?: LeaseOptions) => Effect.Effect<Recorded & { readonly end: unknown }>,
    origin: Origin.OriginService
  ) => Effect.Effect<A, E>
) =>
  Effect.gen(function* () {
    const origin = yield* Origin.make({
      hosts: {
        "api.test": Behaviour.status(404),
        "doi.test": Behaviour.status(404),
        "archive.test": Behaviour.status(404),
        ...hosts
      }
    })
    const base = settings(yield* folder, {
      order,
      http: { resolve: origin.resolve },
      unpaywall: { base_url: origin.url("api.test", "") }
    })
    const { doi_redirect, wayback } = base.resolvers
    const all = {
      ...base,
      resolvers: {
        ...base.resolvers,
        doi_redirect: { ...doi_redirect, base_url: origin.url("doi.test", "") },
        wayback: { ...wayback, base_url: origin.url("archive.test", "") }
      }
    }
    return yield* Effect.gen(function* () {
      const { handle } = yield* Handler
      return yield* body(({ wanted = artifact, ...options } = {}) => {
        const recorded = job(wanted, { ...options, lane: options.lane ?? firstLane(wanted, order) })
        return Effect.map(Effect.merge(handle(recorded.job)), (end) => ({ ...recorded, end }))
      }, origin)
    }).pipe(Effect.provide(layer(all)))
  }).pipe(Effect.scoped)

const toPage = Behaviour.redirect("http://journal.test:{port}/article/1")
const steps = ({ notes }: Recorded) => notes.map((note) => [note.step, note.target, note.class, note.reason])
const pathOf = (url: string | null) => (url === null ? "" : new URL(url).pathname)

/** An artifact that names a URL beside its DOI. */
const naming = (origin: Origin.OriginService, host: string) => (path: string) => ({
  wanted: { id: "paper", doi: "10.1234/paper", urls: [origin.url(host, path)] }
})

describe("a landing page", () => {
  it.live("beside a DOI in the list is read; without files of use the resolvers are asked", () =>
    world(
      {
        "journal.test": Behaviour.routes({
          "/article/1": html('<meta name="citation_pdf_url" content="/files/1.pdf">'),
          "/article/2": html("", "<p>Nothing</p>"),
          "/files/1.pdf": Behaviour.files()
        })
      },
      (lease, origin) => {
        const at = naming(origin, "journal.test")
        return Effect.gen(function* () {
          const named = yield* lease(at("/article/1"))
          expect(named.end).toMatchObject({
            _tag: "Done",
            result: { resolver: "landing_page", content_type: "application/pdf" }
          })
          const none = yield* lease(at("/article/2"))
          expect(none.notes[0]).toMatchObject({ step: "fetch", reason: "no-open-access" })
          expect(none.notes.map(({ step }) => step)).toContain("resolve")
        })
      }
    )
  )

  it.live("at a private address of the list's leads to files there, and to no other private address", () =>
    world(
      {
        "127.0.0.1": Behaviour.routes({
          "/article/1": html('<meta name="citation_pdf_url" content="/files/1.pdf">'),
          "/article/2": html('<meta name="citation_pdf_url" content="http://127.0.0.2/files/1.pdf">'),
          "/files/1.pdf": Behaviour.files()
        })
      },
      (lease, origin) => {
        const at = naming(origin, "127.0.0.1")
        return Effect.gen(function* () {
          const own = yield* lease(at("/article/1"))
          expect(own.end).toMatchObject({ _tag: "Done", result: { content_type: "application/pdf" } })
          const other = yield* lease(at("/article/2"))
          expect(other.notes.map(({ reason }) => reason)).toContain("address-refused")
        })
      }
    )
  )

  it.live("is read in its host's lane, and the file it names is taken", () =>
    world(
      {
        "doi.test": toPage,
        "journal.test": Behaviour.routes({
          "/article/1": html('<meta name="citation_pdf_url" content="/files/1.pdf">'),
          "/files/1.pdf": Behaviour.files()
        })
      },
      (lease) =>
        Effect.gen(function* () {
          const done = yield* lease()
          expect(done.end).toMatchObject({ _tag: "Done", result: { resolver: "landing_page" } })
          expect(done.reroutes.map(({ lane }) => lane)).toEqual([
            "resolver:doi_redirect",
            "host:journal.test",
            "host:journal.test"
          ])
          expect(
            done.notes.map(({ reason, target }) => [
              target?.startsWith("http") === true ? pathOf(target) : target,
              reason
            ])
          ).toEqual([
            ["unpaywall", "not-found"],
            ["doi_redirect", null],
            ["landing_page", null],
            ["/article/1", "page"],
            ["/files/1.pdf", null]
          ])
        })
    )
  )

  it.live("waits in the queue where its host has no room, and is read from there", () =>
    world(
      {
        "doi.test": toPage,
        "journal.test": Behaviour.routes({
          "/article/1": html('<meta name="citation_pdf_url" content="/files/1.pdf">'),
          "/files/1.pdf": Behaviour.files()
        })
      },
      (lease, origin) =>
        Effect.gen(function* () {
          const first = yield* lease({
            verdict: (lane) => (lane === "host:journal.test" ? "queued" : "granted")
          })
          expect(first.end).toEqual({ _tag: "Moved" })
          expect((yield* origin.stats)["journal.test"]).toBeUndefined()
          const plan: unknown = JSON.parse(JSON.stringify(first.reroutes.at(-1)?.plan))
          const second = yield* lease({ lane: "host:journal.test", plan })
          expect(second.end).toMatchObject({ _tag: "Done" })
          // Nobody was asked again.
          expect((yield* origin.stats)["doi.test"]).toMatchObject({ requests: 1 })
        })
    )
  )

  it.live("may redirect, in HTML too, and lead straight to the file", () =>
    world(
      {
        "doi.test": toPage,
        "journal.test": html('<meta http-equiv="refresh" content="0; url=/away">'),
        "other.test": Behaviour.files()
      },
      (lease, origin) =>
        Effect.gen(function* () {
          const moved = yield* lease()
          expect(moved.end).toMatchObject({ _tag: "Permanent" })
          expect(
            (yield* origin.log).filter(({ host }) => host === "journal.test").map(({ path }) => path)
          ).toEqual(["/article/1", "/away"])
        })
    )
  )

  it.live("that is the file itself is taken as it is", () =>
    world({ "doi.test": toPage, "journal.test": Behaviour.files() }, (lease) =>
      Effect.map(lease(), ({ end }) => expect(end).toMatchObject({ _tag: "Done" }))
    )
  )

  it.live.each([
    ["names nothing", html("<title>Closed</title>"), "no-open-access"],
    ["is about another work", html('<meta name="citation_doi" content="10.1234/other">'), "wrong-page"],
    ["is about a longer DOI", html('<meta name="citation_doi" content="10.1234/paper.vet">'), "wrong-page"],
    ["checks for a human", html("<title>Just a moment...</title>"), "challenge"],
    ["asks to log in", html("", '<input type="password">'), "login-page"],
    ["is no page and no PDF", Behaviour.json({}), "not-a-pdf"],
    ["names only itself", html('<meta name="citation_pdf_url" content="/article/1">'), "no-open-access"]
  ] as const)("that %s leads to nothing", ([, behaviour, reason]) =>
    world({ "doi.test": toPage, "journal.test": behaviour }, (lease) =>
      Effect.gen(function* () {
        const ended = yield* lease()
        expect(ended.end).toMatchObject({ _tag: "Permanent", reason })
        // It isn't a file that could be in the archive.
        expect(steps(ended).map(([, target]) => target)).not.toContain("wayback")
      })
    )
  )

  it.live.each([
    "DOI 10.1234/paper",
    "DOI: 10.1234/PAPER.",
    "https://doi.org/10.1234%2Fpaper",
    "10.1234/\u00adpaper",
    "10.1234/paper.v2",
    "10.1234/paper/v1"
  ])("that says it is about %j is about the wanted work", (doi) =>
    world(
      {
        "doi.test": toPage,
        "journal.test": Behaviour.routes({
          "/article/1": html(
            `<meta name="citation_doi" content="${doi}"><meta name="citation_pdf_url" content="/files/1.pdf">`
          ),
          "/files/1.pdf": Behaviour.files()
        })
      },
      (lease) => Effect.map(lease(), ({ end }) => expect(end).toMatchObject({ _tag: "Done" }))
    )
  )

  it.live("without end is read for its first two megabytes", () =>
    world(
      {
        "doi.test": toPage,
        "journal.test": Behaviour.respond({
          headers: { "content-type": "text/html" },
          body: "<p>x</p>".repeat(1_000_000)
        })
      },
      (lease) => Effect.map(lease(), ({ end }) => expect(end).toMatchObject({ reason: "no-open-access" }))
    )
  )

  it.live("whose host asks for fewer requests is read later, from where the plan stands", () =>
    world({ "doi.test": toPage, "journal.test": Behaviour.status(429, { "retry-after": "60" }) }, (lease) =>
      Effect.map(lease(), ({ end }) => expect(end).toMatchObject({ _tag: "WaitLane", reason: "http-429" }))
    )
  )
})

describe("the archive", () => {
  const rows = [
    ["urlkey", "timestamp", "original", "mimetype", "statuscode", "digest", "length"],
    ["x", "20220118125249", "http://papers.example.org/x.pdf", "application/pdf", "200", "A", "1"]
  ]

  it.live("is asked last, about public URLs that failed", () =>
    world(
      {
        "papers.example.org": Behaviour.status(404),
        "archive.test": Behaviour.routes({ "/cdx/*": Behaviour.json(rows), "/web/*": Behaviour.files() })
      },
      (lease, origin) =>
        Effect.gen(function* () {
          const done = yield* lease({
            wanted: { id: "x", urls: [origin.url("papers.example.org", "/x.pdf")] }
          })
          expect(done.end).toMatchObject({ _tag: "Done", result: { resolver: "wayback" } })
          const asked = (yield* origin.log)
            .filter(({ host }) => host === "archive.test")
            .map(({ path }) => path)
          expect(asked[1]).toBe("/web/20220118125249id_/http://papers.example.org/x.pdf")
        })
    )
  )

  it.live("isn't asked about hosts nobody else can see", () =>
    world({ "papers.test": Behaviour.status(404) }, (lease, origin) =>
      Effect.gen(function* () {
        const ended = yield* lease({ wanted: { id: "x", urls: [origin.url("papers.test", "/x.pdf")] } })
        expect(ended.end).toMatchObject({ _tag: "Permanent", reason: "http-404" })
        expect((yield* origin.stats)["archive.test"]).toBeUndefined()
      })
    )
  )
})
