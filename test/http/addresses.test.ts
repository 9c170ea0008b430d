/** Which addresses may be connected to, and through which proxy. */
import { createServer } from "node:http"
import * as net from "node:net"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import { onlineFindings } from "../../src/cli/doctor/ResolverChecks.ts"
import { Settings } from "../../src/config/Settings.ts"
import { isPublic, type NamedBy } from "../../src/http/Addresses.ts"
import * as Http from "../../src/http/Http.ts"
import { readStart } from "../../src/http/Start.ts"
import { settings } from "../download/Rig.ts"
import { listening } from "./Listening.ts"

/** A server on loopback that answers every request with its line and host, until the scope ends. */
const echo = Effect.acquireRelease(
  Effect.async<{ readonly port: number; readonly seen: Array<string>; readonly close: () => void }>(
    (resume) => {
      const seen: Array<string> = []
      const server = createServer((request, response) => {
        seen.push(`${request.method} ${request.url}`)
        response.end("here")
      })
      server.on("connect", (request, socket) => {
        seen.push(`CONNECT ${request.url}`)
        // Whoever is wanted, it is us who answer.
        const address = server.address()
        const through = net.connect(
          typeof address === "object" && address !== null ? address.port : 0,
          "127.0.0.1",
          () => {
            socket.write("HTTP/1.1 200 OK\r\n\r\n")
            through.pipe(socket)
            socket.pipe(through)
          }
        )
        for (const end of [socket, through]) end.on("error", () => through.destroy())
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(
          typeof address === "object" && address !== null
            ? Effect.succeed({
                port: address.port,
                seen,
                close: () => {
                  server.close()
                  server.closeAllConnections()
                }
              })
            : Effect.die(address)
        )
      })
    }
  ),
  ({ close }) => Effect.sync(close)
)

const ask = (
  url: string,
  namedBy: NamedBy,
  changes: Partial<Http.HttpSettings> = {},
  env: Readonly<Record<string, string>> = {}
) =>
  Effect.gen(function* () {
    const http = yield* Http.make(
      { ...settings("unused").http, allow_private_hosts: false, ...changes },
      { env }
    )
    const response = yield* http.get(url, {}, namedBy)
    return (yield* readStart(response, 100)).text
  }).pipe(
    Effect.scoped,
    Effect.catchAll(({ reason }) => Effect.succeed(reason))
  )

describe("an address", () => {
  const refused = [
    "127.0.0.1",
    "127.255.0.3",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "240.0.0.1",
    "::",
    "::1",
    "fe80::1",
    "fc00::1",
    "fd12:3456::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "not an address",
    ""
  ]
  it.each(refused)("%s is not public", (address) => expect(isPublic(address)).toBe(false))

  it.each(["8.8.8.8", "151.101.1.6", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])(
    "%s is public",
    (address) => expect(isPublic(address)).toBe(true)
  )

  it.prop(
    "of a private network is none, however it is written",
    [FastCheck.nat(255), FastCheck.nat(255)],
    ([a, b]) => {
      expect(isPublic(`192.168.${a}.${b}`)).toBe(false)
      expect(isPublic(`::ffff:192.168.${a}.${b}`)).toBe(false)
      expect(isPublic(`::ffff:c0a8:${((a << 8) | b).toString(16)}`)).toBe(false)
    }
  )
})

describe("a host of this machine", () => {
  it.scopedLive("is asked only where whoever runs this has named it", () =>
    Effect.gen(function* () {
      const { port, seen } = yield* echo
      const url = `http://127.0.0.1:${port}/x`
      expect(yield* ask(url, "server")).toBe("address-refused")
      expect(yield* ask(url, "list")).toBe("address-refused")
      expect(yield* ask(url, "server", { allow_private_hosts: true })).toBe("address-refused")
      expect(seen).toEqual([])
      expect(yield* ask(url, "list", { allow_private_hosts: true })).toBe("here")
      expect(yield* ask(url, "configuration")).toBe("here")
    })
  )

  it.scopedLive("isn't even knocked at by its name", () =>
    Effect.gen(function* () {
      let knocks = 0
      const port = yield* listening(
        net.createServer((socket) => {
          knocks += 1
          socket.destroy()
        })
      )
      // Neither is there a difference to be seen between a port that is open and one that isn't.
      for (const url of [`http://localhost:${port}/`, `https://localhost:${port}/`, "http://localhost:1/"]) {
        expect(yield* ask(url, "server"), url).toBe("address-refused")
      }
      expect(knocks).toBe(0)
    })
  )

  it.scopedLive("is recognised by the address connected to, whatever its name says", () =>
    Effect.gen(function* () {
      const { port, seen } = yield* echo
      expect(yield* ask(`http://localhost:${port}/x`, "server")).toBe("address-refused")
      expect(yield* ask(`http://[::ffff:127.0.0.1]:${port}/x`, "server")).toBe("address-refused")
      expect(yield* ask(`http://0x7f.1:${port}/x`, "server")).toBe("address-refused")
      expect(yield* ask(`http://2130706433:${port}/x`, "server")).toBe("address-refused")
      expect(seen).toEqual([])
    })
  )

  it.scopedLive("is asked under the name that the settings give its address to", () =>
    Effect.gen(function* () {
      const { port } = yield* echo
      const resolve = { "paper.test": "127.0.0.1" }
      expect(yield* ask(`http://paper.test:${port}/x`, "server", { resolve })).toBe("here")
      expect(yield* ask(`http://127.0.0.1:${port}/x`, "server", { resolve })).toBe("address-refused")
    })
  )

  it.scopedLive.each([
    ["DOT.test", "dot.test."],
    ["dot.test.", "DOT.test"],
    ["bücher.test", "xn--bcher-kva.test"],
    ["xn--bcher-kva.test", "BÜCHER.test."]
  ] as const)("is given to %s, and so to %s", ([name, host]) =>
    Effect.gen(function* () {
      const { port } = yield* echo
      expect(yield* ask(`http://${host}:${port}/x`, "server", { resolve: { [name]: "127.0.0.1" } })).toBe(
        "here"
      )
    })
  )

  it.scopedLive("isn't reached over a connection that another has opened", () =>
    Effect.gen(function* () {
      const { port } = yield* echo
      const url = `http://127.0.0.1:${port}/x`
      const http = yield* Http.make({ ...settings("unused").http, allow_private_hosts: true })
      yield* Effect.scoped(Effect.flatMap(http.get(url, {}, "list"), (response) => readStart(response, 100)))
      const second = yield* Effect.flip(Effect.scoped(http.get(url, {}, "server")))
      expect(second.reason).toBe("address-refused")
    })
  )
})

describe("a proxy of the environment", () => {
  it.scopedLive("is asked, except for hosts that go without", () =>
    Effect.gen(function* () {
      const { port, seen } = yield* echo
      const env = { http_proxy: `http://127.0.0.1:${port}`, no_proxy: "direct.test" }
      expect(yield* ask("http://paper.test/far", "server", {}, env)).toBe("here")
      expect(seen.join("\n")).toMatch(/paper\.test|\/far/)
      seen.length = 0
      const resolve = { "direct.test": "127.0.0.1" }
      expect(yield* ask(`http://direct.test:${port}/near`, "server", { resolve }, env)).toBe("here")
      expect(seen).toEqual(["GET /near"])
    })
  )

  it.scopedLive("isn't asked for an address that may not be", () =>
    Effect.gen(function* () {
      const { port, seen } = yield* echo
      const env = { HTTP_PROXY: `http://127.0.0.1:${port}` }
      expect(yield* ask("http://169.254.169.254/latest/meta-data", "server", {}, env)).toBe("address-refused")
      expect(seen).toEqual([])
    })
  )

  it.scopedLive("is asked when the services are looked for, too", () =>
    Effect.gen(function* () {
      const { port, seen } = yield* echo
      const all = Schema.decodeUnknownSync(Settings)({
        resolvers: { order: ["hal"], hal: { base_url: "http://hal.test" } }
      })
      const found = yield* onlineFindings(all, { http_proxy: `http://127.0.0.1:${port}` })
      expect(found).toMatchObject([{ level: "ok", message: "hal answers" }])
      expect(seen.join("\n")).toContain("hal.test")
    })
  )
})
