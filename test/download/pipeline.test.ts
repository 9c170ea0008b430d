import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Artifact } from "../../src/Artifact.ts"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import * as Origin from "../../src/demo/Origin.ts"
import * as Plan from "../../src/download/Plan.ts"
import { firstLane } from "../../src/download/Route.ts"
import { Handler, type HandlerError, type Outcome } from "../../src/Handler.ts"
import type { RerouteVerdict } from "../../src/WorkQueue.ts"
import { filesIn, folder, job, layer, type Recorded, settings } from "./Rig.ts"

interface Run {
  readonly origin: Origin.OriginService
  readonly out: string
  /** Runs one lease of a job. */
  readonly lease: (
    artifact: Artifact,
    options?: {
      readonly lane?: string
      readonly plan?: unknown
      readonly verdict?: (lane: string) => RerouteVerdict
    }
  ) => Effect.Effect<Recorded & { readonly end: Outcome | HandlerError }>
}

const world = <A, E>(
  hosts: Readonly<Record<string, Behaviour.Behaviour>>,
  body: (run: Run) => Effect.Effect<A, E>,
  changes: Parameters<typeof settings>[1] = {}
) =>
  Effect.gen(function* () {
    const origin = yield* Origin.make({ hosts: { "api.test": Behaviour.status(404), ...hosts } })
    const out = yield* folder
    const all = settings(out, {
      ...changes,
      http: { resolve: origin.resolve, ...changes.http },
      unpaywall: { base_url: origin.url("api.test", ""), ...changes.unpaywall },
      arxiv: { base_url: origin.url("arxiv.test", ""), ...changes.arxiv }
    })
    return yield* Effect.gen(function* () {
      const { handle } = yield* Handler
      return yield* body({
        origin,
        out,
        lease: (artifact, options = {}) => {
          const recorded = job(artifact, {
            ...options,
            lane: options.lane ?? firstLane(artifact, all.resolvers.order)
          })
          return Effect.flatMap(Effect.merge(handle(recorded.job)), (end) =>
            end === undefined
              ? Effect.dieMessage("the pipeline said nothing")
              : Effect.succeed({ ...recorded, end })
          )
        }
      })
    }).pipe(Effect.provide(layer(all)))
  }).pipe(Effect.scoped)

const artifact = (...urls: ReadonlyArray<string>): Artifact => ({ id: "paper", urls })
const doi = (name: string): Artifact => ({ id: name, urls: [], doi: `10.1234/${name}` })

/** An answer of Unpaywall with these PDFs. */
const copies = (...urls: ReadonlyArray<string>) =>
  Behaviour.json({ is_oa: true, oa_locations: urls.map((url) => ({ url_for_pdf: url })) })

/** What a job that goes on later was told. */
const deferral = ({ end }: { readonly end: Outcome | HandlerError }) => ({
  plan: "plan" in end ? end.plan : undefined,
  until: "until" in end ? end.until : 0
})

const reasons = ({ notes }: Recorded) => notes.map((note) => [note.step, note.class, note.reason])

describe("the pipeline", () => {
  it.live("ends with the first candidate that works", () =>
    world(
      { "a.test": Behaviour.status(404), "b.test": Behaviour.htmlForPdf(), "c.test": Behaviour.files() },
      ({ lease, origin }) =>
        Effect.gen(function* () {
          const urls = ["a.test", "b.test", "c.test", "d.test"].map((host) => origin.url(host, "/x.pdf"))
          const done = yield* lease(artifact(...urls))
          expect(done.end).toMatchObject({ _tag: "Done", result: { url: urls[2], resolver: "direct" } })
          expect(reasons(done)).toEqual([
            ["fetch", "try-next", "http-404"],
            ["fetch", "try-next", "login-page"],
            ["fetch", "ok", null]
          ])
          expect(done.reroutes.map(({ lane }) => lane)).toEqual(["host:b.test", "host:c.test"])
        })
    )
  )

  it.live("asks for a start before each further request, also on the same host", () =>
    world({ "a.test": Behaviour.status(404) }, ({ lease, origin }) =>
      Effect.gen(function* () {
        const { reroutes } = yield* lease(artifact(origin.url("a.test", "/1"), origin.url("a.test", "/2")))
        expect(reroutes.map(({ lane }) => lane)).toEqual(["host:a.test"])
      })
    )
  )

  it.live("moves on with its plan where the next host has no room, and goes on from there", () =>
    world({ "a.test": Behaviour.status(404), "b.test": Behaviour.files() }, ({ lease, origin }) =>
      Effect.gen(function* () {
        const wanted = artifact(origin.url("a.test", "/x.pdf"), origin.url("b.test", "/x.pdf"))
        const first = yield* lease(wanted, { verdict: () => "queued" })
        expect(first.end).toEqual({ _tag: "Moved" })
        const [moved] = first.reroutes
        const second = yield* lease(wanted, {
          lane: "host:b.test",
          plan: JSON.parse(JSON.stringify(moved?.plan))
        })
        expect(second.end).toMatchObject({ _tag: "Done" })
        expect(second.reroutes).toEqual([])
        expect(yield* origin.stats).toMatchObject({ "a.test": { requests: 1 }, "b.test": { requests: 1 } })
      })
    )
  )

  it.live("first goes to the lane of its next step, wherever the job stands", () =>
    world({ "a.test": Behaviour.files() }, ({ lease, origin }) =>
      Effect.gen(function* () {
        const moved = yield* lease(artifact(origin.url("a.test", "/x")), {
          lane: "host:old.test",
          verdict: () => "queued"
        })
        expect(moved.end).toEqual({ _tag: "Moved" })
        expect(moved.reroutes).toMatchObject([{ lane: "host:a.test" }])
        expect(yield* origin.log).toEqual([])
      })
    )
  )

  it.live("waits where a redirect leads to a host without room, and goes on from the redirect's target", () =>
    world(
      { "a.test": Behaviour.redirect("http://b.test:{port}/x.pdf"), "b.test": Behaviour.files() },
      ({ lease, origin }) =>
        Effect.gen(function* () {
          const wanted = artifact(origin.url("a.test", "/x"))
          const first = yield* lease(wanted, { verdict: () => "queued" })
          expect(first.end).toEqual({ _tag: "Moved" })
          expect(reasons(first)).toEqual([["fetch", "ok", "redirect"]])
          const second = yield* lease(wanted, { lane: "host:b.test", plan: first.reroutes[0]?.plan })
          expect(second.end).toMatchObject({
            _tag: "Done",
            result: { url: wanted.urls[0], final_url: origin.url("b.test", "/x.pdf"), redirects: 1 }
          })
          expect(yield* origin.stats).toMatchObject({ "a.test": { requests: 1 }, "b.test": { requests: 1 } })
        })
    )
  )

  it.live("holds the lane when its host asks to wait, and uses up nothing", () =>
    world({ "a.test": Behaviour.rateLimited({ first: 1, retryAfter: 3 }) }, ({ lease, origin }) =>
      Effect.gen(function* () {
        const before = Date.now()
        const wanted = artifact(origin.url("a.test", "/x.pdf"))
        const waits = yield* lease(wanted)
        expect(waits.end).toMatchObject({ _tag: "WaitLane", reason: "http-429" })
        const { plan, until } = deferral(waits)
        expect(until).toBeGreaterThanOrEqual(before + 3000)
        expect(reasons(waits)).toEqual([["fetch", "wait", "http-429"]])
        expect((yield* lease(wanted, { plan })).end).toMatchObject({ _tag: "Done" })
      })
    )
  )

  it.live("waits by itself for a redirect that is to be followed later, and goes on with that", () =>
    world(
      {
        "a.test": Behaviour.headed({ "retry-after": "1" }, Behaviour.redirect("http://b.test:{port}/x.pdf")),
        "b.test": Behaviour.files()
      },
      ({ lease, origin }) =>
        Effect.gen(function* () {
          const wanted = artifact(origin.url("a.test", "/x"))
          const waits = yield* lease(wanted)
          expect(waits.end).toMatchObject({ _tag: "Later", reason: "redirect-later" })
          expect(reasons(waits)).toEqual([["fetch", "wait", "redirect-later"]])
          const { plan } = deferral(waits)
          expect((yield* lease(wanted, { plan })).end).toMatchObject({ _tag: "Done" })
          expect(yield* origin.stats).toMatchObject({ "a.test": { requests: 1 }, "b.test": { requests: 1 } })
        })
    )
  )

  it.live("comes to an end where a redirect is to be followed later and leads to nothing", () =>
    world(
      {
        "a.test": Behaviour.routes(
          {
            "/x.pdf": Behaviour.headed(
              { "retry-after": "1" },
              Behaviour.redirect("http://a.test:{port}/gone.pdf")
            )
          },
          Behaviour.status(404)
        )
      },
      ({ lease, origin }) =>
        Effect.gen(function* () {
          const wanted = artifact(origin.url("a.test", "/x.pdf"))
          let { end } = yield* lease(wanted)
          for (let leases = 0; end._tag === "Later" && leases < 20; leases++) {
            end = (yield* lease(wanted, { plan: end.plan })).end
          }
          expect(end).toMatchObject({ reason: "http-404" })
        })
    )
  )

  it.live("goes on to the next candidate where a host that was waited for forbids again", () =>
    world(
      { "a.test": Behaviour.status(403, { "retry-after": "1" }), "b.test": Behaviour.files() },
      ({ lease, origin }) =>
        Effect.gen(function* () {
          const wanted = artifact(origin.url("a.test", "/x.pdf"), origin.url("b.test", "/x.pdf"))
          const first = yield* lease(wanted)
          expect(first.end).toMatchObject({ _tag: "WaitLane", reason: "http-403" })
          // Of a request that was under way nothing more is known.
          const beside = yield* lease(wanted, deferral(first))
          expect(deferral(beside).plan).toMatchObject({ cursor: 0 })
          yield* Effect.sleep(deferral(beside).until - Date.now())
          const second = yield* lease(wanted, deferral(beside))
          expect(second.end).toMatchObject({ _tag: "WaitLane", reason: "http-403" })
          expect(deferral(second).plan).toMatchObject({ cursor: 1, tried: [{ reason: "http-403" }] })
          expect((yield* lease(wanted, deferral(second))).end).toMatchObject({
            _tag: "Done",
            result: { url: wanted.urls[1] }
          })
        })
    )
  )

  it.live(
    "waits only once for a file that a host forbids for a while, whatever else it answers in between",
    () =>
      world(
        {
          "a.test": Behaviour.routes(
            { "/forbidden.pdf": Behaviour.status(403, { "retry-after": "1" }) },
            Behaviour.files()
          )
        },
        ({ lease, origin }) =>
          Effect.gen(function* () {
            const wanted = artifact(origin.url("a.test", "/forbidden.pdf"))
            const first = deferral(yield* lease(wanted))
            yield* Effect.sleep(first.until - Date.now())
            expect((yield* lease(artifact(origin.url("a.test", "/x.pdf")))).end).toMatchObject({
              _tag: "Done"
            })
            const second = yield* lease(wanted, { plan: first.plan })
            expect(second.end).toMatchObject({ _tag: "WaitLane", plan: { cursor: 1 } })
          })
      )
  )

  it.live(
    "goes on to the next candidate where a file is refused for ever, and comes back if that is none",
    () =>
      world(
        {
          "a.test": Behaviour.tries(4, Behaviour.status(429), Behaviour.files()),
          "b.test": Behaviour.status(404)
        },
        ({ lease, origin }) =>
          Effect.gen(function* () {
            const wanted = artifact(origin.url("a.test", "/x.pdf"), origin.url("b.test", "/x.pdf"))
            let plan: unknown
            let last = yield* lease(wanted)
            const ends: Array<string> = [last.end._tag]
            while (last.end._tag === "WaitLane" || last.end._tag === "Later") {
              const { until } = last.end
              plan = last.end.plan
              yield* Effect.sleep(Math.max(0, until - Date.now()))
              last = yield* lease(wanted, { plan })
              ends.push(last.end._tag)
            }
            // Three refusals; then the other one isn't there. A fourth, and it is set aside at once.
            expect(ends).toEqual(["WaitLane", "WaitLane", "WaitLane", "Later", "WaitLane", "Later", "Done"])
            expect(last.end).toMatchObject({ result: { url: wanted.urls[0] } })
            const { "b.test": other } = yield* origin.stats
            expect(other).toMatchObject({ requests: 1 })
          }),
        { http: { refusal_wait_seconds: 0.02 } }
      )
  )

  it.live("tries the other candidates before it tries one again, and then only that", () =>
    world({ "a.test": Behaviour.flaky5xx(1), "b.test": Behaviour.status(404) }, ({ lease, origin }) =>
      Effect.gen(function* () {
        const wanted = artifact(origin.url("a.test", "/x.pdf"), origin.url("b.test", "/x.pdf"))
        const first = yield* lease(wanted)
        expect(first.end).toMatchObject({ _tag: "Retry", reason: "http-503" })
        const { plan } = deferral(first)
        const second = yield* lease(wanted, { lane: "host:a.test", plan })
        expect(second.end).toMatchObject({ _tag: "Done" })
        expect(yield* origin.stats).toMatchObject({ "a.test": { requests: 2 }, "b.test": { requests: 1 } })
      })
    )
  )

  it.live("skips what every candidate gives a reason to skip", () =>
    world(
      { "a.test": Behaviour.files({ size: 20_000 }), "b.test": Behaviour.status(404) },
      ({ lease, origin }) =>
        Effect.gen(function* () {
          const large = origin.url("a.test", "/x")
          expect((yield* lease(artifact(large))).end).toMatchObject({ _tag: "Skip", reason: "too-large" })
          const both = yield* lease(artifact(large, origin.url("b.test", "/x")))
          expect(both.end).toMatchObject({ _tag: "Permanent", reason: "all-candidates-failed" })
        }),
      { maxBytes: 10_000 }
    )
  )

  it.live("ends in the single candidate's reason", () =>
    world({ "a.test": Behaviour.status(404) }, ({ lease, origin }) =>
      Effect.gen(function* () {
        const { end } = yield* lease(artifact(origin.url("a.test", "/x")))
        expect(end).toMatchObject({
          _tag: "Permanent",
          reason: "http-404",
          result: { tried: [{ reason: "http-404" }] }
        })
      })
    )
  )

  it.live("passes over a URL that can't be asked for", () =>
    world({ "a.test": Behaviour.files() }, ({ lease, origin }) =>
      Effect.gen(function* () {
        const { end } = yield* lease(artifact("http://[", origin.url("a.test", "/x")), {
          lane: "host:a.test"
        })
        expect(end).toMatchObject({ _tag: "Done" })
      })
    )
  )

  it.live("refuses a payload that is no artifact", () =>
    world({}, ({ lease }) =>
      Effect.gen(function* () {
        const { end } = yield* lease({ id: "", urls: ["ftp://a.test/x"] }, { lane: "host:a.test" })
        expect(end).toMatchObject({ _tag: "Permanent", reason: "bad-payload" })
      })
    )
  )

  it.live("leaves one file behind, however often it runs", () =>
    world({ "a.test": Behaviour.files() }, ({ lease, origin, out }) =>
      Effect.gen(function* () {
        const wanted = artifact(origin.url("a.test", "/x.pdf"))
        const first = yield* lease(wanted)
        const second = yield* lease(wanted)
        expect(second.end).toEqual(first.end)
        expect(yield* filesIn(out)).toHaveLength(1)
      })
    )
  )
})

describe("the pipeline with resolvers", () => {
  it.live("asks them in order when there is no URL, then goes to the host's lane", () =>
    Effect.gen(function* () {
      yield* world(
        { "a.test": Behaviour.files(), "api.test": copies("http://a.test/none") },
        ({ lease, origin }) =>
          Effect.gen(function* () {
            const found = yield* lease(doi("x"), {
              verdict: (lane) => (lane === "host:a.test" ? "queued" : "granted")
            })
            expect(found.end).toEqual({ _tag: "Moved" })
            expect(found.reroutes).toMatchObject([
              {
                lane: "host:a.test",
                plan: { candidates: [{ resolver: "unpaywall", kind: "pdf" }], asked: ["unpaywall"] }
              }
            ])
            expect(yield* origin.stats).toMatchObject({ "api.test": { requests: 1 } })
          })
      )
    })
  )

  it.live("downloads an arXiv paper without asking anybody where it is", () =>
    world({ "arxiv.test": Behaviour.files() }, ({ lease, origin }) =>
      Effect.gen(function* () {
        const done = yield* lease({ id: "x", urls: [], arxiv: "astro-ph/0601001v1" })
        expect(done.end).toMatchObject({
          _tag: "Done",
          result: {
            url: origin.url("arxiv.test", "/pdf/astro-ph/0601001v1"),
            resolver: "arxiv",
            version: "submittedVersion"
          }
        })
        expect(done.reroutes.map(({ lane }) => lane)).toEqual(["host:arxiv.test"])
      })
    )
  )

  it.live("asks a resolver only when the artifact's own URLs have failed, and in its lane", () =>
    world({ "a.test": Behaviour.status(404), "api.test": Behaviour.status(404) }, ({ lease, origin }) =>
      Effect.gen(function* () {
        const failed = yield* lease({ id: "x", urls: [origin.url("a.test", "/x")], doi: "10.1234/x" })
        expect(reasons(failed)).toEqual([
          ["fetch", "try-next", "http-404"],
          ["resolve", "try-next", "not-found"]
        ])
        expect(failed.reroutes.map(({ lane }) => lane)).toEqual(["resolver:unpaywall"])
        expect(failed.end).toMatchObject({ _tag: "Permanent", reason: "http-404" })
      })
    )
  )

  it.live("waits in the resolver's lane when the service asks for it", () =>
    world({ "api.test": Behaviour.status(429, { "retry-after": "100" }) }, ({ lease }) =>
      Effect.gen(function* () {
        const before = Date.now()
        const { end } = yield* lease(doi("x"))
        expect(end).toMatchObject({ _tag: "WaitLane", reason: "resolver-rate" })
        expect(deferral({ end }).until).toBeGreaterThanOrEqual(before + 100_000)
      })
    )
  )

  it.live(
    "goes on to the next resolver when the service asks for a long wait, and comes back to it later",
    () =>
      world({ "api.test": Behaviour.status(429, { "retry-after": "7200" }) }, ({ lease }) =>
        Effect.gen(function* () {
          const before = Date.now()
          const { end, notes } = yield* lease(doi("x"))
          expect(notes).toMatchObject([{ step: "resolve", class: "wait", reason: "resolver-rate" }])
          expect(end).toMatchObject({
            _tag: "Later",
            reason: "resolver-rate",
            message: expect.stringContaining("not before 20"),
            plan: { asked: [] }
          })
          expect(deferral({ end }).until).toBeGreaterThanOrEqual(before + 7_200_000)
        })
      )
  )

  it.live("tries again later when a service has no answer now", () =>
    world({ "api.test": Behaviour.status(500) }, ({ lease }) =>
      Effect.gen(function* () {
        const { end } = yield* lease(doi("x"))
        expect(end).toMatchObject({ _tag: "Retry", reason: "resolver-failed", plan: Plan.start([]) })
      })
    )
  )

  it.live("says so when nobody can be asked", () =>
    world({}, ({ lease }) =>
      Effect.gen(function* () {
        const { end } = yield* lease({ id: "x", urls: [], title: "A title" })
        expect(end).toMatchObject({ _tag: "Permanent", reason: "no-candidates" })
      })
    )
  )
})
