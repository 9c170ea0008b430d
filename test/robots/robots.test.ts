/** Fetching robots.txt, and what its answers mean for the files. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import * as Origin from "../../src/demo/Origin.ts"
import * as Http from "../../src/http/Http.ts"
import * as Robots from "../../src/robots/Robots.ts"
import { type Changes, world } from "../download/Fetching.ts"
import { settings } from "../download/Rig.ts"

const text = (body: string) => Behaviour.respond({ headers: { "content-type": "text/plain" }, body })

const host = (robots: Behaviour.Behaviour): Behaviour.Behaviour =>
  Behaviour.routes({ "/robots.txt": robots }, Behaviour.files())

const REFUSES = text("User-agent: *\nDisallow: /closed/\nCrawl-delay: 2\n")

/** What a host with this robots.txt says of a path, asked for so many times at once. */
const asked = (robots: Behaviour.Behaviour, path = "/closed/x", times = 1) =>
  Effect.gen(function* () {
    const origin = yield* Origin.make({ hosts: { "a.test": host(robots), "b.test": host(REFUSES) } })
    const http = yield* Http.make({ ...settings("unused").http, resolve: origin.resolve })
    const ask = Robots.make(
      http,
      { enabled: true, max_crawl_delay_seconds: 60 },
      {
        userAgent: "contentdownload/1.0 (+x)"
      }
    )
    const answers = yield* Effect.forEach(
      Array.from({ length: times }, () => origin.url("a.test", path)),
      (url) => ask(url, "list"),
      { concurrency: "unbounded" }
    )
    return { answers, tags: answers.map(({ verdict }) => verdict._tag), stats: yield* origin.stats }
  }).pipe(Effect.scoped)

describe("robots.txt", () => {
  it.live("is fetched once, however many wait for it", () =>
    Effect.gen(function* () {
      const { answers, stats, tags } = yield* asked(Behaviour.delayed(30, REFUSES), "/open/x", 50)
      expect(new Set(tags)).toEqual(new Set(["Allowed"]))
      expect(answers.filter(({ fresh }) => fresh)).toHaveLength(1)
      expect(answers[7]).toMatchObject({ verdict: { crawlDelayMs: 2000 } })
      expect(stats["a.test"]).toMatchObject({ requests: 1 })
    })
  )

  const meanings: ReadonlyArray<readonly [string, Behaviour.Behaviour, string]> = [
    ["that refuses", REFUSES, "Disallowed"],
    ["that isn't there allows", Behaviour.status(404), "Allowed"],
    ["that may not be seen allows", Behaviour.status(403), "Allowed"],
    ["of a server that fails postpones", Behaviour.status(503), "Unreachable"],
    ["of a server that is asked too much postpones", Behaviour.status(429), "Unreachable"],
    ["of a server that hangs up postpones", Behaviour.reset(), "Unreachable"],
    ["of a server that doesn't answer postpones", Behaviour.delayed(2000), "Unreachable"],
    ["somewhere else counts", Behaviour.redirect("http://b.test:{port}/robots.txt"), "Disallowed"],
    ["that leads to itself is none", Behaviour.redirect("http://a.test:{port}/robots.txt"), "Allowed"],
    ["that leads to a file of this machine is none", Behaviour.redirect("file:///etc/passwd"), "Allowed"],
    ["that never ends counts as far as its limit", Behaviour.endless(), "Allowed"]
  ]
  it.live.each(meanings)("%s", ([, behaviour, tag]) =>
    Effect.gen(function* () {
      expect((yield* asked(behaviour)).tags).toEqual([tag])
    })
  )
})

describe("a file", () => {
  const on: Changes = { robots: true }

  it.live("that is refused is not asked for", () =>
    world(
      { "a.test": host(REFUSES) },
      ({ fetch, origin }) =>
        Effect.gen(function* () {
          // Who had to ask for robots.txt comes again.
          expect(yield* fetch(origin.url("a.test", "/closed/x.pdf")).pipe(Effect.flip)).toMatchObject({
            reason: "robots-disallowed",
            message: expect.stringContaining("line 2")
          })
          expect(yield* origin.stats).toMatchObject({ "a.test": { requests: 1 } })
        }),
      on
    )
  )

  it.live("waits for another start after robots.txt, and for its pause", () =>
    world(
      { "a.test": host(REFUSES) },
      ({ fetch, origin }) =>
        Effect.gen(function* () {
          const url = origin.url("a.test", "/open/x.pdf")
          const first = yield* fetch(url)
          expect(first).toMatchObject({ _tag: "Held", waits: { reason: "robots-txt", gapMs: 2000 } })
          const second = yield* fetch(url)
          expect(second).toMatchObject({ _tag: "Held", waits: { reason: "crawl-delay" } })
        }),
      on
    )
  )

  it.live("is asked for right after where there is no robots.txt", () =>
    world(
      { "a.test": host(Behaviour.status(404)) },
      ({ fetch, origin }) =>
        Effect.gen(function* () {
          const url = origin.url("a.test", "/open/x.pdf")
          expect(yield* fetch(url)).toMatchObject({ _tag: "Held" })
          expect(yield* fetch(url)).toMatchObject({ _tag: "Stored" })
          expect(yield* fetch(url)).toMatchObject({ _tag: "Stored" })
          expect(yield* origin.stats).toMatchObject({ "a.test": { requests: 3 } })
        }),
      on
    )
  )

  it.live.each([
    [503, { "retry-after": "7200" }, 7200],
    [429, { "retry-after": "7200" }, 7200],
    [429, {}, 60]
  ] as const)(
    "waits with its lane where robots.txt asks for it (%s, %j), no try is counted",
    ([status, headers, seconds]) =>
      world(
        { "a.test": host(Behaviour.status(status, headers)) },
        ({ fetch, origin }) =>
          Effect.gen(function* () {
            const url = origin.url("a.test", "/x.pdf")
            const soonest = Date.now() + (seconds - 10) * 1000
            const first = yield* fetch(url)
            expect(first).toMatchObject({
              _tag: "Held",
              waits: { reason: "robots-unreachable", over: { class: "wait", reason: "robots-unreachable" } }
            })
            expect(first._tag === "Held" && first.waits.until).toBeGreaterThan(soonest)
            // The others of this process have other candidates, maybe.
            expect(yield* Effect.flip(fetch(url))).toMatchObject({
              class: "wait",
              reason: "robots-unreachable"
            })
            expect(yield* origin.stats).toMatchObject({ "a.test": { requests: 1 } })
          }),
        on
      )
  )

  it.live("of a host whose robots.txt can't be had is tried later", () =>
    world(
      { "a.test": host(Behaviour.status(500)) },
      ({ fetch, origin }) =>
        Effect.gen(function* () {
          expect(yield* Effect.flip(fetch(origin.url("a.test", "/x.pdf")))).toMatchObject({
            class: "retry",
            reason: "robots-unreachable"
          })
        }),
      on
    )
  )
})
