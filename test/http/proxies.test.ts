/** What is sent through a proxy, how, and what its failures mean. */
import { createServer, type IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Http from "../../src/http/Http.ts"
import * as Proxies from "../../src/http/Proxies.ts"
import { readStart } from "../../src/http/Start.ts"
import * as Robots from "../../src/robots/Robots.ts"
import { settings } from "../download/Rig.ts"
import { listening } from "./Listening.ts"

const PASSWORD = "mark-of-a-password"
const CREDENTIALS = `Basic ${Buffer.from(`me:${PASSWORD}`).toString("base64")}`

type Tunnel = (request: IncomingMessage, socket: Duplex) => void

/** A proxy that answers requests itself, by this status, and does so with tunnels. */
const proxy = (status: number, body: string | Buffer = "here", tunnel?: Tunnel) =>
  Effect.gen(function* () {
    const seen: Array<Record<string, unknown>> = []
    const note = ({ headers, method, url }: IncomingMessage) =>
      seen.push({ what: `${method} ${url}`, host: headers.host, credentials: headers["proxy-authorization"] })
    const server = createServer((request, response) => {
      note(request)
      response.writeHead(status).end(body)
    })
    server.on("connect", (request, socket) => {
      note(request)
      socket.on("error", () => undefined)
      if (tunnel === undefined) socket.end(`HTTP/1.1 ${status} So\r\n\r\n`)
      else tunnel(request, socket)
    })
    const port = yield* listening(server)
    return { seen, port, env: { HTTP_PROXY: `http://me:${PASSWORD}@127.0.0.1:${port}` } }
  })

const ask = (url: string, env: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const http = yield* Http.make(settings("unused").http, { env })
    return (yield* Effect.flatMap(http.get(url), (response) => readStart(response, 100))).text
  }).pipe(Effect.scoped)

describe("a proxy", () => {
  it.scopedLive("is sent what is asked for over http itself, with its credentials", () =>
    Effect.gen(function* () {
      const { env, seen } = yield* proxy(200)
      expect(yield* ask("http://paper.test:8080/far?x=1", env)).toBe("here")
      expect(seen).toEqual([
        { what: "GET http://paper.test:8080/far?x=1", host: "paper.test:8080", credentials: CREDENTIALS }
      ])
    })
  )

  it.scopedLive("opens a tunnel for https", () =>
    Effect.gen(function* () {
      const { env, seen } = yield* proxy(503)
      yield* Effect.flip(ask("https://paper.test/far", env))
      expect(seen).toMatchObject([{ what: "CONNECT paper.test:443", credentials: CREDENTIALS }])
    })
  )

  it.scopedLive.each([
    [407, "proxy-refused", "wants credentials, or other ones (HTTP 407)"],
    [403, "proxy-refused", "refuses to connect to it (HTTP 403)"],
    [429, "proxy", "can't connect to it (HTTP 429)"],
    [502, "proxy", "can't connect to it (HTTP 502)"],
    [503, "proxy", "can't connect to it (HTTP 503)"]
  ] as const)("that answers %s instead of a tunnel", ([status, reason, message]) =>
    Effect.gen(function* () {
      const { env, port } = yield* proxy(status)
      const error = yield* Effect.flip(ask("https://paper.test/far", env))
      expect(error).toMatchObject({
        reason,
        message: expect.stringMatching(`^paper.test: the proxy 127.0.0.1:${port} `)
      })
      expect(error.message).toContain(message)
    })
  )

  it.scopedLive.each(["few", "many"])("that wants credentials says so, in however %s words", (words) =>
    Effect.gen(function* () {
      const { env } = yield* proxy(407, Buffer.alloc(words === "few" ? 10 : 10_000_000))
      const error = yield* Effect.flip(ask("http://paper.test/far", env))
      expect(error).toMatchObject({
        reason: "proxy-refused",
        message: expect.stringMatching(/^paper.test: the proxy wants credentials/)
      })
    })
  )

  it.scopedLive("that hangs up is a proxy that fails", () =>
    Effect.gen(function* () {
      const { env, port } = yield* proxy(200, "", (_, socket) => void socket.destroy())
      expect(yield* Effect.flip(ask("https://paper.test/far", env))).toMatchObject({
        reason: "proxy",
        message: expect.stringContaining(`paper.test: the proxy 127.0.0.1:${port}: it `)
      })
    })
  )

  it.scopedLive.each(["http", "https"])("that isn't there is told apart from the host, over %s", (scheme) =>
    Effect.gen(function* () {
      const port = yield* Effect.scoped(listening(createServer()))
      const env = { HTTP_PROXY: `http://me:${PASSWORD}@127.0.0.1:${port}` }
      const error = yield* Effect.flip(ask(`${scheme}://paper.test/far`, env))
      expect(error).toMatchObject({
        reason: "proxy",
        message: `paper.test: the proxy 127.0.0.1:${port}: it refused the connection`
      })
    })
  )

  it.scopedLive("that fails leaves robots.txt unknown, which allows nothing", () =>
    Effect.gen(function* () {
      for (const status of [407, 503]) {
        const { env } = yield* proxy(status)
        const http = yield* Http.make(settings("unused").http, { env })
        const robots = Robots.make(http, { enabled: true, max_crawl_delay_seconds: 60 }, { userAgent: "x" })
        expect((yield* robots("https://paper.test/x", "list")).verdict).toMatchObject({ _tag: "Unreachable" })
      }
    })
  )
})

const hrefs = (env: Record<string, string>) =>
  Either.map(Proxies.fromEnv(env), (proxies) =>
    proxies === undefined ? [] : [proxies.http?.href, proxies.https?.href, proxies.except]
  )

describe("the environment", () => {
  it.each([
    [{}, []],
    [{ HTTP_PROXY: "", https_proxy: " " }, []],
    [{ HTTP_PROXY: "127.0.0.1:3128" }, ["http://127.0.0.1:3128/", undefined, ""]],
    [{ HTTP_PROXY: "localhost:3128/" }, ["http://localhost:3128/", undefined, ""]],
    [{ HTTP_PROXY: "me:pass%40@proxy" }, ["http://me:pass%40@proxy/", undefined, ""]],
    [{ HTTP_PROXY: "http://a", http_proxy: "http://b/c?d" }, ["http://b/", undefined, ""]],
    [{ HTTP_PROXY: "http://a", http_proxy: "" }, []],
    [{ HTTPS_PROXY: "https://[::1]:1", NO_PROXY: "x,y", no_proxy: "z" }, [undefined, "https://[::1]:1/", "z"]]
  ])("%j names %j", (env, expected) => {
    expect(hrefs(env)).toEqual(Either.right(expected))
  })

  it.each([
    [{ HTTP_PROXY: "::::" }, "HTTP_PROXY"],
    [{ https_proxy: `ftp://me:${PASSWORD}@a` }, "https_proxy"],
    [{ HTTPS_PROXY: `http://me:${PASSWORD}%zz@a` }, "HTTPS_PROXY"],
    [{ HTTP_PROXY: "http://" }, "HTTP_PROXY"]
  ])("%j names no proxy", (env, name) => {
    const message = Either.getOrThrow(Either.flip(hrefs(env)))
    expect(message).toMatch(new RegExp(`^${name} is not the URL of a proxy`))
    expect(message).not.toContain(PASSWORD)
  })

  it.live("that names none sends nothing past it", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(ask("http://127.0.0.1:9/x", { HTTP_PROXY: "::::" }))
      expect(error).toMatchObject({ reason: "proxy-refused", message: expect.stringMatching(/^HTTP_PROXY/) })
    })
  )
})
