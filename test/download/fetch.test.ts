import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import { downloadedBytes } from "../../src/Telemetry.ts"
import { type Changes, type World, world } from "./Fetching.ts"
import { filesIn } from "./Rig.ts"

/** One URL of one host that behaves so. */
const one = (
  behaviour: Behaviour.Behaviour,
  changes: Changes = {},
  more: Parameters<World["fetch"]>[1] = {}
) =>
  world(
    { "a.test": behaviour },
    ({ fetch, origin, out }) =>
      Effect.gen(function* () {
        const result = yield* Effect.either(fetch(origin.url("a.test", "/paper.pdf"), more))
        expect((yield* filesIn(out)).filter((file) => file.endsWith(".part"))).toEqual([])
        return result
      }),
    changes
  )

const CAPTCHA = '<title>journal.test</title><script src="https://ct.captcha-delivery.com/c.js"></script>'

const page = (status: number, body: string, type = "text/html; charset=utf-8") =>
  Behaviour.respond({ status, headers: { "content-type": type }, body })

/** A check for a human that only its page tells. */
const check = (status: number) => page(status, CAPTCHA)

describe("a candidate", () => {
  it.live("becomes a stored file with a receipt", () =>
    world({ "a.test": Behaviour.files({ size: 700_000 }) }, ({ fetch, origin, out }) =>
      Effect.gen(function* () {
        const url = origin.url("a.test", "/paper.pdf")
        const { sha256, size } = origin.expected("a.test", "/paper.pdf")
        const result = yield* fetch(url)
        expect(result).toMatchObject({
          _tag: "Stored",
          receipt: { url, final_url: url, sha256, bytes: size, content_type: "application/pdf", redirects: 0 }
        })
        const [path = ""] = yield* filesIn(out)
        expect(result).toMatchObject({ receipt: { path } })
        expect(readFileSync(join(out, path)).length).toBe(size)
      })
    )
  )

  it.live("stored again ends in the same file", () =>
    world({ "a.test": Behaviour.files() }, ({ fetch, origin, out }) =>
      Effect.gen(function* () {
        const first = yield* fetch(origin.url("a.test", "/paper.pdf"))
        const second = yield* fetch(origin.url("a.test", "/paper.pdf"))
        expect(second).toEqual(first)
        expect(yield* filesIn(out)).toHaveLength(1)
      })
    )
  )

  it.live.each([
    [203, "Stored", {}],
    [202, "retry", {}],
    [204, "try-next", {}],
    [206, "retry", {}],
    [300, "try-next", {}],
    [302, "try-next", {}],
    [304, "try-next", {}],
    [400, "try-next", {}],
    [401, "try-next", {}],
    [403, "try-next", {}],
    [404, "try-next", {}],
    [408, "retry", {}],
    [410, "try-next", {}],
    [425, "retry", {}],
    [451, "try-next", {}],
    [500, "retry", {}],
    [501, "try-next", {}],
    [502, "retry", {}],
    [503, "retry", {}],
    [504, "retry", {}],
    [520, "retry", {}],
    [429, "Held", {}],
    [429, "Held", { "retry-after": "3" }],
    [503, "Held", { "retry-after": "3" }],
    [403, "Held", { "retry-after": "3" }],
    [403, "Held", { "x-ratelimit-remaining": "0", "x-ratelimit-reset": "3" }],
    [403, "try-next", { "x-ratelimit-remaining": "9", "x-ratelimit-reset": "3" }],
    [403, "try-next", { "x-ratelimit-remaining": "0" }],
    [503, "Held", { "ratelimit-remaining": "0", "ratelimit-reset": "3" }],
    [403, "try-next", { "retry-after": "some day" }]
  ] as const)("answered with %s is %s %j", ([status, expected, headers]) =>
    Effect.gen(function* () {
      const result = yield* one(
        status === 203
          ? Behaviour.respond({ status, body: "%PDF-1.4\n%%EOF\n" })
          : Behaviour.status(status, headers)
      )
      if (expected === "Stored") expect(result).toMatchObject({ right: { _tag: "Stored" } })
      else if (expected === "Held")
        expect(result).toMatchObject({ right: { waits: { reason: `http-${status}` } } })
      else {
        const reason = status === 302 ? "bad-redirect" : `http-${status}`
        expect(result).toMatchObject({ left: { _tag: "FetchFailure", class: expected, reason } })
      }
    })
  )

  it.live("whose host asks to wait waits at least so long, and not much longer", () =>
    Effect.gen(function* () {
      const before = Date.now()
      const wait = (headers: Record<string, string>) =>
        Effect.map(one(Behaviour.status(429, headers)), (result) =>
          result._tag === "Right" && result.right._tag === "Held" ? result.right.waits.until - before : 0
        )
      const [asked, silent, zero] = [
        yield* wait({ "retry-after": "1000" }),
        yield* wait({}),
        yield* wait({ "retry-after": "0" })
      ]
      const slack = Date.now() - before
      expect(asked).toBeGreaterThanOrEqual(1_000_000)
      // Jitter: a tenth, but at most the configured 15 s.
      expect(asked).toBeLessThanOrEqual(1_015_000 + slack)
      expect(silent).toBeGreaterThanOrEqual(60_000)
      expect(silent).toBeLessThanOrEqual(66_000 + slack)
      expect(zero).toBeGreaterThanOrEqual(1000)
    })
  )

  it.live("is told when to come back by a failing server too", () =>
    Effect.gen(function* () {
      const before = Date.now()
      const result = yield* one(Behaviour.status(500, { "retry-after": "100" }))
      expect(result).toMatchObject({ left: { class: "retry", reason: "http-500" } })
      const failure = result._tag === "Left" && result.left._tag === "FetchFailure" ? result.left : undefined
      expect(failure?.notBefore).toBeGreaterThanOrEqual(before + 100_000)
    })
  )

  it.live("is counted by its bytes while they come", () =>
    world({ "a.test": Behaviour.stalled(Behaviour.files({ size: 200_000 })) }, ({ fetch, origin }) =>
      Effect.gen(function* () {
        const before = downloadedBytes.value()
        const fiber = yield* Effect.fork(fetch(origin.url("a.test", "/paper.pdf")))
        yield* Effect.sleep(5).pipe(
          Effect.repeat({ until: () => downloadedBytes.value() - before === 100_000 })
        )
        yield* Fiber.interrupt(fiber)
        expect(downloadedBytes.value() - before).toBe(100_000)
      })
    )
  )

  it.live.each([
    ["a reset", Behaviour.reset(), "retry", "reset"],
    ["half a body", Behaviour.truncated(Behaviour.files({ size: 500_000 })), "retry", "truncated"],
    ["half a body, then silence", Behaviour.stalled(), "retry", "idle-timeout"],
    ["silence", Behaviour.delayed(5000), "retry", "first-byte-timeout"],
    ["a login page", Behaviour.htmlForPdf(), "try-next", "login-page"],
    [
      "a login page that is said to be a PDF",
      Behaviour.htmlForPdf("application/pdf"),
      "try-next",
      "login-page"
    ],
    ["a challenge", Behaviour.status(403, { "cf-mitigated": "challenge" }), "try-next", "challenge"],
    [
      "a challenge by DataDome",
      Behaviour.status(403, { "x-datadome": "protected" }),
      "try-next",
      "challenge"
    ],
    [
      "a challenge by AWS WAF",
      Behaviour.status(202, { "x-amzn-waf-action": "challenge" }),
      "try-next",
      "challenge"
    ],
    [
      "a captcha by AWS WAF",
      Behaviour.status(405, { "x-amzn-waf-action": "captcha" }),
      "try-next",
      "challenge"
    ],
    ...([401, 403, 405, 429, 503] as const).map(
      (status) => [`a challenge as a page with ${status}`, check(status), "try-next", "challenge"] as const
    ),
    ["a challenge on a page that isn't there", check(404), "try-next", "http-404"],
    ["a page that only refuses", page(403, "<title>Forbidden</title><p>No.</p>"), "try-next", "http-403"],
    ["a refusal that only mentions it", page(403, CAPTCHA, "text/plain"), "try-next", "http-403"],
    ["a refusal that breaks off", Behaviour.truncated(page(403, CAPTCHA.repeat(99))), "try-next", "http-403"],
    ["noise", Behaviour.files({ kind: "noise", contentType: "application/pdf" }), "try-next", "not-a-pdf"],
    ["nothing", Behaviour.respond(), "try-next", "empty-body"],
    [
      "a PDF without length and end",
      Behaviour.unsized(Behaviour.respond({ body: `%PDF-1.4${"x".repeat(9000)}` })),
      "retry",
      "truncated"
    ]
  ] as const)("answered with %s is %s", ([, behaviour, failure, reason]) =>
    Effect.gen(function* () {
      expect(yield* one(behaviour)).toMatchObject({ left: { class: failure, reason } })
    })
  )

  it.live("whose host asks to wait waits, though its page checks for a human, too, unless it forbids", () =>
    Effect.gen(function* () {
      for (const status of [429, 503]) {
        const waiting = Behaviour.headed({ "retry-after": "1000" }, check(status))
        expect(yield* one(waiting)).toMatchObject({ right: { _tag: "Held" } })
      }
      const forbidding = Behaviour.headed({ "retry-after": "1000" }, check(403))
      expect(yield* one(forbidding)).toMatchObject({ left: { reason: "challenge" } })
    })
  )

  it.live("is asked for no more when its host checks for a human again and again", () =>
    world(
      { "a.test": check(403) },
      ({ fetch, origin }) =>
        Effect.gen(function* () {
          for (const path of ["/1.pdf", "/2.pdf"]) {
            expect(yield* Effect.flip(fetch(origin.url("a.test", path)))).toMatchObject({
              reason: "challenge"
            })
          }
          expect(yield* fetch(origin.url("a.test", "/3.pdf"))).toMatchObject({ _tag: "Held" })
          expect(yield* origin.log).toHaveLength(2)
        }),
      { http: { breaker_failures: 2 } }
    )
  )

  it.live("of unknown length is taken when its end shows", () =>
    Effect.gen(function* () {
      expect(yield* one(Behaviour.unsized())).toMatchObject({ right: { _tag: "Stored" } })
    })
  )

  it.live("that turns out to be a long page isn't read to its end", () =>
    world(
      { "a.test": Behaviour.respond({ body: `<html>${"x".repeat(20_000_000)}` }) },
      ({ fetch, origin }) =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(fetch(origin.url("a.test", "/x.pdf")))
          expect(error).toMatchObject({ reason: "html-instead-of-pdf" })
          const [seen] = yield* origin.log
          expect(seen?.finished).toBe(false)
        }),
      { maxBytes: 100_000_000 }
    )
  )

  it.live.each([
    ["that says so", Behaviour.files({ size: 300_000 })],
    ["that doesn't", Behaviour.endless()]
  ] as const)("is skipped when it is too large, by a server %s", ([, behaviour]) =>
    Effect.gen(function* () {
      const result = yield* one(behaviour, { maxBytes: 200_000 }, { artifact: { sha256: "0".repeat(64) } })
      expect(result).toMatchObject({ left: { class: "skip", reason: "too-large" } })
    })
  )

  it.live("that only trickles is given up", () =>
    Effect.gen(function* () {
      const result = yield* one(Behaviour.dripped({ bytes: 10, everyMs: 20 }), {
        http: { min_bytes_per_second: 10_000, min_rate_window_seconds: 0.2 }
      })
      expect(result).toMatchObject({ left: { class: "retry", reason: "too-slow" } })
    })
  )

  it.live("of the wrong hash is refused, of the right one taken though it is a page", () =>
    world({ "a.test": Behaviour.respond({ body: "<html>x</html>" }) }, ({ fetch, origin }) =>
      Effect.gen(function* () {
        const url = origin.url("a.test", "/x")
        const wrong = yield* Effect.flip(fetch(url, { artifact: { sha256: "0".repeat(64) } }))
        expect(wrong).toMatchObject({ class: "try-next", reason: "hash-mismatch" })
        const sha256 = createHash("sha256").update("<html>x</html>").digest("hex")
        const right = yield* fetch(url, { artifact: { sha256 }, candidate: { kind: "pdf" } })
        expect(right).toMatchObject({ receipt: { content_type: "text/html" } })
      })
    )
  )

  it.live("interrupted in the middle leaves no part, and closes its connection", () =>
    world(
      { "a.test": Behaviour.dripped({ bytes: 300_000, everyMs: 50 }, Behaviour.files({ size: 50_000_000 })) },
      ({ fetch, origin, out }) =>
        Effect.gen(function* () {
          const fiber = yield* Effect.fork(fetch(origin.url("a.test", "/x.pdf")))
          const begun = yield* Deferred.make<void>()
          yield* filesIn(out).pipe(
            Effect.tap((files) => (files.length > 0 ? Deferred.succeed(begun, undefined) : Effect.void)),
            Effect.delay(10),
            Effect.repeat({ until: (files) => files.length > 0 })
          )
          yield* Deferred.await(begun)
          yield* Fiber.interrupt(fiber)
          expect(yield* filesIn(out)).toEqual([])
          yield* origin.stats.pipe(
            Effect.delay(5),
            Effect.repeat({ until: (stats) => stats["a.test"]?.open === 0 })
          )
        }),
      { maxBytes: 100_000_000 }
    )
  )
})

describe("redirects", () => {
  it.live("on one host take a start of its lane each", () =>
    world(
      {
        "a.test": Behaviour.routes(
          { "/1": Behaviour.redirect("2"), "/2": Behaviour.redirect("/3.pdf", 308) },
          Behaviour.files()
        )
      },
      ({ entered, fetch, origin }) =>
        Effect.gen(function* () {
          const result = yield* fetch(origin.url("a.test", "/1"))
          expect(result).toMatchObject({
            receipt: {
              url: origin.url("a.test", "/1"),
              final_url: origin.url("a.test", "/3.pdf"),
              redirects: 2
            }
          })
          const [first, second, third] = ["/1", "/2", "/3.pdf"].map((path) => origin.url("a.test", path))
          expect(entered).toEqual([
            { lane: "host:a.test", hop: { url: second, count: 1, from: first } },
            { lane: "host:a.test", hop: { url: third, count: 2, from: second } }
          ])
        })
    )
  )

  const away = {
    "a.test": Behaviour.redirect("http://someone:secret@B.test:{port}/x.pdf#page=2"),
    "b.test": Behaviour.files()
  }

  it.live("to another host ask for its lane first, and drop credentials and fragment", () =>
    world(away, ({ entered, fetch, origin }) =>
      Effect.gen(function* () {
        const from = origin.url("a.test", "/1")
        const url = origin.url("b.test", "/x.pdf")
        expect(yield* fetch(from)).toMatchObject({ receipt: { final_url: url } })
        expect(entered).toEqual([{ lane: "host:b.test", hop: { url, count: 1, from } }])
      })
    )
  )

  it.live("to a host without room leave the job there", () =>
    world(
      away,
      ({ fetch, origin }) =>
        Effect.gen(function* () {
          expect(yield* fetch(origin.url("a.test", "/1"))).toEqual({ _tag: "Moved" })
          expect(yield* origin.stats).not.toHaveProperty("b.test")
        }),
      {},
      () => false
    )
  )

  it.live("go on from a stored hop, without asking the first host again", () =>
    world(away, ({ entered, fetch, origin }) =>
      Effect.gen(function* () {
        const hop = { url: origin.url("b.test", "/x.pdf"), count: 1, from: origin.url("a.test", "/1") }
        const result = yield* fetch(origin.url("a.test", "/1"), { hop })
        expect(result).toMatchObject({ receipt: { final_url: hop.url, redirects: 1 } })
        expect(entered).toEqual([])
        expect(yield* origin.stats).not.toHaveProperty("a.test")
      })
    )
  )

  it.live("start over when a stored hop has gone stale", () =>
    world(
      {
        "a.test": Behaviour.redirect("http://b.test:{port}/fresh.pdf"),
        "b.test": Behaviour.routes({ "/fresh.pdf": Behaviour.files() }, Behaviour.status(403))
      },
      ({ entered, fetch, origin }) =>
        Effect.gen(function* () {
          const hop = { url: origin.url("b.test", "/stale.pdf"), count: 1, from: origin.url("a.test", "/1") }
          const result = yield* fetch(origin.url("a.test", "/1"), { hop })
          expect(result).toMatchObject({ receipt: { final_url: origin.url("b.test", "/fresh.pdf") } })
          expect(entered.map(({ lane }) => lane)).toEqual(["host:a.test", "host:b.test"])
        })
    )
  )

  it.live("are followed when they say, and only the one that waits", () =>
    world(
      {
        "a.test": Behaviour.headed(
          { "retry-after": "100" },
          Behaviour.redirect("http://b.test:{port}/x", 303)
        ),
        "b.test": Behaviour.files()
      },
      ({ entered, fetch, origin }) =>
        Effect.gen(function* () {
          const before = Date.now()
          const waits = yield* fetch(origin.url("a.test", "/1"))
          const hop = { url: origin.url("b.test", "/x"), count: 1, from: origin.url("a.test", "/1") }
          expect(waits).toMatchObject({ _tag: "Later", hop })
          expect(waits._tag === "Later" ? waits.until : 0).toBeGreaterThanOrEqual(before + 100_000)
          expect(entered).toEqual([])
          expect(yield* origin.stats).not.toHaveProperty(["b.test"])
          expect(yield* fetch(origin.url("a.test", "/1"), { hop })).toMatchObject({ _tag: "Stored" })
        })
    )
  )

  it.live("that say to come at once are followed at once", () =>
    world(
      {
        "a.test": Behaviour.headed({ "retry-after": "0" }, Behaviour.redirect("http://b.test:{port}/x")),
        "b.test": Behaviour.files()
      },
      ({ fetch, origin }) =>
        Effect.gen(function* () {
          expect(yield* fetch(origin.url("a.test", "/1"))).toMatchObject({ _tag: "Stored" })
        })
    )
  )

  it.live("to a host that asks to wait are gone on with there", () =>
    world(
      { "a.test": Behaviour.redirect("http://b.test:{port}/x"), "b.test": Behaviour.status(429) },
      ({ fetch, origin }) =>
        Effect.gen(function* () {
          expect(yield* fetch(origin.url("a.test", "/1"))).toMatchObject({
            _tag: "Held",
            hop: { url: origin.url("b.test", "/x"), count: 1 }
          })
        })
    )
  )

  it.live.each([
    ["in a circle", Behaviour.redirect("{path}"), "redirect-loop"],
    ["to another scheme", Behaviour.redirect("ftp://a.test/x"), "bad-redirect"],
    ["to no URL", Behaviour.redirect("http://[/"), "bad-redirect"]
  ] as const)("%s are refused", ([, behaviour, reason]) =>
    Effect.gen(function* () {
      expect(yield* one(behaviour)).toMatchObject({ left: { class: "try-next", reason } })
    })
  )

  it.live("are limited in number", () =>
    world(
      {
        "a.test": Behaviour.routes(
          Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`/${n}`, Behaviour.redirect(`/${n + 1}`)])),
          Behaviour.files()
        )
      },
      ({ fetch, origin }) =>
        Effect.gen(function* () {
          expect(yield* Effect.flip(fetch(origin.url("a.test", "/0")))).toMatchObject({
            reason: "too-many-redirects"
          })
          expect(yield* fetch(origin.url("a.test", "/4"))).toMatchObject({ receipt: { redirects: 5 } })
        })
    )
  )
})

describe("a host's permit", () => {
  it.live("is held while a connection to it is in use", () =>
    world({ "a.test": Behaviour.delayed(30) }, ({ fetch, origin }) =>
      Effect.gen(function* () {
        const urls = ["/1.pdf", "/2.pdf", "/3.pdf"].map((path) => origin.url("a.test", path))
        yield* Effect.forEach(urls, (url, n) => fetch(url, { token: n + 1 }), { concurrency: "unbounded" })
        expect(yield* origin.stats).toMatchObject({ "a.test": { requests: 3, maxConcurrent: 1 } })
      })
    )
  )

  it.live("is not held while waiting for another host", () =>
    world(
      {
        "a.test": Behaviour.redirect("http://b.test:{port}/x.pdf"),
        "b.test": Behaviour.redirect("http://a.test:{port}/y.pdf")
      },
      ({ fetch, origin }) =>
        // With one permit each, two that held one while waiting for the other's would wait for ever.
        Effect.forEach(["a.test", "b.test"], (host) => Effect.flip(fetch(origin.url(host, "/z.pdf"))), {
          concurrency: 2
        }).pipe(
          Effect.map((failures) => {
            expect(failures).toMatchObject([{ reason: "redirect-loop" }, { reason: "redirect-loop" }])
          })
        )
    )
  )
})
