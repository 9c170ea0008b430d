/** Encryption that can't be trusted, or is none: no byte of such a host is taken, and the reason is `tls`. */
import { readFileSync } from "node:fs"
import * as net from "node:net"
import * as tls from "node:tls"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Http from "../../src/http/Http.ts"
import { readStart } from "../../src/http/Start.ts"
import { settings } from "../download/Rig.ts"
import { listen } from "../run/Ports.ts"

const pem = (name: string): Buffer => readFileSync(new URL(`../fixtures/tls/${name}.pem`, import.meta.url))

/** What was sent to whom it should never have been sent. */
let received = ""

const secured = (name: string, options: tls.TlsOptions = {}): net.Server =>
  tls.createServer({ key: pem(name), cert: pem(name), ...options }, (socket) => {
    socket.on("data", (data) => (received += data.toString("latin1")))
    socket.on("error", () => undefined)
    socket.end("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
  })

const raw = (answer: (socket: net.Socket) => void): net.Server =>
  net.createServer((socket) => {
    socket.on("error", () => undefined)
    socket.once("data", () => answer(socket))
  })

const servers: ReadonlyArray<readonly [what: string, make: () => net.Server, reason: RegExp]> = [
  ["a certificate that nobody has signed", () => secured("self-signed"), /^tls$/],
  ["a certificate that ran out years ago", () => secured("expired"), /^tls$/],
  [
    "a protocol of old",
    () => secured("self-signed", { minVersion: "TLSv1", maxVersion: "TLSv1.1" }),
    /^tls$/
  ],
  [
    "no encryption at all",
    () => raw((socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")),
    /^tls$/
  ],
  ["noise", () => raw((socket) => socket.end(Buffer.alloc(4096, 0xa5))), /^tls$/],
  ["an alert", () => raw((socket) => socket.end(Buffer.from("15030300020228", "hex"))), /^tls$/],
  [
    "an end in the middle of the handshake",
    () => raw((socket) => socket.end(Buffer.from("1603030004", "hex"))),
    /^(?:tls|reset)$/
  ],
  ["a reset", () => raw((socket) => socket.resetAndDestroy()), /^(?:tls|reset)$/],
  ["silence", () => raw(() => undefined), /^(?:connect|first-byte-timeout)$/]
]

describe("a host that has", () => {
  it.scopedLive.each(servers)("%s is asked for nothing", ([, make, reason]) =>
    Effect.gen(function* () {
      received = ""
      const sockets = new Set<net.Socket>()
      const server = yield* Effect.acquireRelease(Effect.sync(make), (made) =>
        Effect.sync(() => {
          made.close()
          for (const socket of sockets) socket.destroy()
        })
      )
      server.on("connection", (socket: net.Socket) => sockets.add(socket))
      const port = yield* Effect.promise(() => listen(server))
      const http = yield* Http.make({ ...settings("unused").http, connect_timeout_seconds: 0.5 })
      const failed = yield* Effect.flip(
        Effect.scoped(
          Effect.flatMap(http.get(`https://127.0.0.1:${port}/paper.pdf`, {}, "list"), (response) =>
            readStart(response, 1000)
          )
        )
      )
      expect(failed.reason).toMatch(reason)
      // oxlint-disable-next-line no-control-regex -- what a terminal would obey
      expect(failed.message).not.toMatch(/[\x00-\x1f\x7f]/)
      expect(received).toBe("")
    })
  )
})
