import { createServer } from "node:http"
import * as net from "node:net"
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import * as Origin from "../../src/demo/Origin.ts"
import * as Http from "../../src/http/Http.ts"
import { readStart } from "../../src/http/Start.ts"
import { fromCause } from "../../src/http/HttpError.ts"
import { settings } from "../download/Rig.ts"
import { listening } from "./Listening.ts"

const options = (changes: Partial<Http.HttpSettings> = {}): Http.HttpSettings => ({
  ...settings("unused").http,
  ...changes
})

const reasonOf = (url: string, changes: Partial<Http.HttpSettings> = {}, more?: Http.HttpOptions) =>
  Effect.gen(function* () {
    const http = yield* Http.make(options(changes), more)
    const error = yield* Effect.flip(
      Effect.flatMap(http.get(url, {}, "configuration"), (response) => readStart(response, 1_000_000))
    )
    return error.reason
  }).pipe(Effect.scoped)

describe("a request", () => {
  it.scopedLive("says who asks, wants the bytes as they are, and carries nothing of ours", () =>
    Effect.gen(function* () {
      const seen: Array<Record<string, unknown>> = []
      const port = yield* listening(
        createServer((request, response) => {
          seen.push(request.headers)
          response.end("ok")
        })
      )
      const http = yield* Http.make(options({ contact: "someone@example.org" }), { version: "1.2.3" })
      const text = yield* Effect.scoped(
        Effect.flatMap(http.get(`http://127.0.0.1:${port}/x`, {}, "configuration"), (response) =>
          readStart(response, 10)
        )
      )
      expect(text).toEqual({ text: "ok", whole: true })
      expect(seen).toEqual([
        {
          host: `127.0.0.1:${port}`,
          connection: "keep-alive",
          accept: "*/*",
          "accept-encoding": "identity",
          "user-agent": "contentdownload/1.2.3 (+mailto:someone@example.org)"
        }
      ])
    })
  )

  it.each([
    [{ contact: null, user_agent: null }, "contentdownload/1"],
    [
      { contact: "https://example.org/bot", user_agent: null },
      "contentdownload/1 (+https://example.org/bot)"
    ],
    [{ contact: "a@example.org", user_agent: "mine/2" }, "mine/2"]
  ])("is signed %#", (who, expected) => {
    expect(Http.userAgent(who, "1")).toBe(expected)
  })

  it.scopedLive("isn't held up by answers about an answer that never comes, and waits through a few", () =>
    Effect.gen(function* () {
      const hints = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
      const port = yield* listening(
        net.createServer((socket) => {
          socket.on("error", () => undefined)
          socket.once("data", (request) => {
            if (request.toString().startsWith("GET /few")) {
              socket.end(`${hints.repeat(3)}HTTP/1.1 204 No Content\r\n\r\n`)
              return
            }
            const timer = setInterval(() => socket.write(hints), 5)
            socket.on("close", () => clearInterval(timer))
          })
        })
      )
      expect(yield* reasonOf(`http://127.0.0.1:${port}/ever`)).toBe("first-byte-timeout")
      const http = yield* Http.make(options())
      const { status } = yield* http.get(`http://127.0.0.1:${port}/few`, {}, "configuration")
      expect(status).toBe(204)
    })
  )

  it.scopedLive("to a configured name goes to its address, under its name", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make({ hosts: { "papers.test": Behaviour.respond({ body: "here" }) } })
      const http = yield* Http.make(options({ resolve: origin.resolve }))
      const text = yield* Effect.flatMap(
        http.get(origin.url("papers.test", "/"), {}, "configuration"),
        (response) => readStart(response, 10)
      )
      expect(text).toEqual({ text: "here", whole: true })
    })
  )

  it.scopedLive("doesn't follow redirects", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make({ otherwise: Behaviour.redirect("/elsewhere") })
      const http = yield* Http.make(options())
      const response = yield* http.get(origin.url("127.0.0.1", "/"), {}, "configuration")
      expect(response.status).toBe(302)
      expect(response.header("location")).toBe("/elsewhere")
    })
  )

  it.scopedLive("reads no more of an answer than it was told", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make({ otherwise: Behaviour.endless() })
      const http = yield* Http.make(options())
      const text = yield* Effect.scoped(
        Effect.flatMap(http.get(origin.url("127.0.0.1", "/"), {}, "configuration"), (response) =>
          readStart(response, 100_000)
        )
      )
      expect(text.whole).toBe(false)
      expect(text.text.length).toBeGreaterThan(50_000)
      expect(text.text.length).toBeLessThanOrEqual(100_000)
    })
  )

  it.scopedLive("closes its connection at once when it is interrupted", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const closed = yield* Deferred.make<void>()
      const port = yield* listening(
        createServer((request, response) => {
          request.socket.once("close", () => Deferred.unsafeDone(closed, Exit.void))
          response.write("a beginning")
          Deferred.unsafeDone(begun, Exit.void)
        })
      )
      const http = yield* Http.make(options({ idle_timeout_seconds: 60 }))
      const fiber = yield* Effect.fork(
        Effect.scoped(
          Effect.flatMap(http.get(`http://127.0.0.1:${port}/`, {}, "configuration"), (response) =>
            readStart(response, 100)
          )
        )
      )
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(fiber)
      yield* Deferred.await(closed)
    })
  )

  it.scopedLive("closes its connection when it is interrupted before the answer", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const closed = yield* Deferred.make<void>()
      const port = yield* listening(
        createServer((request) => {
          request.socket.once("close", () => Deferred.unsafeDone(closed, Exit.void))
          Deferred.unsafeDone(begun, Exit.void)
        })
      )
      const http = yield* Http.make(options({ first_byte_timeout_seconds: 60 }))
      const fiber = yield* Effect.fork(
        Effect.scoped(http.get(`http://127.0.0.1:${port}/`, {}, "configuration"))
      )
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(fiber)
      yield* Deferred.await(closed)
    })
  )

  it.scopedLive("leaves its connection to the next one when what it doesn't want is short", () =>
    Effect.gen(function* () {
      const sockets = new Set<unknown>()
      const port = yield* listening(
        createServer((request, response) => {
          sockets.add(request.socket)
          response.writeHead(404).end("not here")
        })
      )
      const http = yield* Http.make(options())
      const refused = Effect.scoped(
        Effect.flatMap(
          http.get(`http://127.0.0.1:${port}/`, {}, "configuration"),
          (response) => response.discard
        )
      )
      yield* Effect.repeatN(refused, 2)
      expect(sockets.size).toBe(1)
    })
  )
})

const urlOf = (behaviour: Behaviour.Behaviour) =>
  Effect.map(Origin.make({ otherwise: behaviour }), ({ url }) => url("127.0.0.1", "/x"))

describe("a failing request", () => {
  it.scopedLive.each([
    ["reset", Behaviour.reset()],
    ["truncated", Behaviour.truncated(Behaviour.files({ size: 500_000 }))],
    ["idle-timeout", Behaviour.stalled()],
    ["first-byte-timeout", Behaviour.delayed(5000)]
  ] as const)("is a %s: %#", ([reason, behaviour]) =>
    Effect.gen(function* () {
      expect(yield* reasonOf(yield* urlOf(behaviour))).toBe(reason)
    })
  )

  it.scopedLive("is cut short by a reset in the body", () =>
    Effect.gen(function* () {
      // Which of the two depends on whether the reset overtakes what was sent before it.
      const url = yield* urlOf(Behaviour.resetInBody(Behaviour.files({ size: 500_000 })))
      expect(["reset", "truncated"]).toContain(yield* reasonOf(url))
    })
  )

  it.scopedLive("has no connection where nobody listens", () =>
    Effect.gen(function* () {
      const port = yield* Effect.scoped(listening(net.createServer()))
      expect(yield* reasonOf(`http://127.0.0.1:${port}/`)).toBe("connect")
    })
  )

  it.scopedLive("is no HTTP", () =>
    Effect.gen(function* () {
      const port = yield* listening(net.createServer((socket) => void socket.end("SSH-2.0-OpenSSH\r\n")))
      expect(yield* reasonOf(`http://127.0.0.1:${port}/`)).toBe("protocol")
    })
  )

  it.scopedLive("has no TLS to trust", () =>
    Effect.gen(function* () {
      const port = yield* listening(net.createServer((socket) => void socket.end("HTTP/1.1 200 OK\r\n\r\n")))
      expect(yield* reasonOf(`https://127.0.0.1:${port}/`)).toBe("tls")
    })
  )

  it.each([
    ["EAI_AGAIN", "dns"],
    ["ENOTFOUND", "host-not-found"],
    ["EMFILE", "files"],
    ["CERT_HAS_EXPIRED", "tls"],
    ["DEPTH_ZERO_SELF_SIGNED_CERT", "tls"],
    ["ERR_TLS_CERT_ALTNAME_INVALID", "tls"],
    ["UND_ERR_CONNECT_TIMEOUT", "connect"],
    ["HPE_INVALID_CONSTANT", "protocol"]
  ])("with code %s is of kind %s", (code, reason) => {
    const error = fromCause(Object.assign(new Error("a\nb"), { code }), "a.test", false)
    expect(error.reason).toBe(reason)
    expect(error.message).toMatch(/^a\.test: .+$/)
  })
})
