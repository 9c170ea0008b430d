/** A robots.txt that is larger than anybody reads: what stands at its beginning counts, and no more of it is taken. */
import type * as net from "node:net"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Http from "../../src/http/Http.ts"
import * as Robots from "../../src/robots/Robots.ts"
import { settings } from "../download/Rig.ts"
import { flood, head, raw } from "./Raw.ts"

const RULES = "User-agent: *\nDisallow: /closed/\n"
const GIGABYTE = 1024 ** 3
const COMMENTS = `#${"x".repeat(62)}\n`.repeat(1024)

/** Half a megabyte is read; the rest of this is what the system holds of a connection that nobody reads. */
const MOST_TAKEN = 16 * 1024 * 1024

/** What a host says of these paths, whose robots.txt this is; and what it got rid of until the connection was closed. */
const asked = (answer: (socket: net.Socket) => void, ...paths: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const closed: Array<Promise<number>> = []
    const port = yield* raw((socket) => {
      closed.push(
        new Promise((resolve) => {
          socket.once("close", () => resolve(socket.bytesWritten - socket.writableLength))
        })
      )
      answer(socket)
    })
    const http = yield* Http.make({ ...settings("unused").http, idle_timeout_seconds: 5 })
    const robots = Robots.make(
      http,
      { enabled: true, max_crawl_delay_seconds: 60 },
      { userAgent: "contentdownload/1.0 (+x)" }
    )
    const answers = yield* Effect.forEach(paths, (path) => robots(`http://127.0.0.1:${port}${path}`, "list"))
    return {
      verdicts: answers.map(({ verdict }) => verdict._tag),
      taken: yield* Effect.promise(() => Promise.all(closed))
    }
  }).pipe(Effect.scoped, Effect.timeout("20 seconds"))

const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`

const CASES: ReadonlyArray<readonly [what: string, answer: (socket: net.Socket) => void]> = [
  [
    "a gigabyte long, and says so",
    (socket) => {
      socket.write(`${head("content-type: text/plain", `content-length: ${GIGABYTE}`)}${RULES}`)
      flood(socket, COMMENTS)
    }
  ],
  [
    "without an end",
    (socket) => {
      socket.write(`${head("content-type: text/plain")}${RULES}`)
      flood(socket, COMMENTS)
    }
  ],
  [
    "without an end, in chunks",
    (socket) => {
      socket.write(`${head("content-type: text/plain", "transfer-encoding: chunked")}${chunk(RULES)}`)
      flood(socket, chunk(COMMENTS))
    }
  ],
  [
    "one line without an end, after its rules",
    (socket) => {
      socket.write(`${head("content-type: text/plain")}${RULES}Allow: /`)
      flood(socket, "closed/".repeat(10_000))
    }
  ]
]

describe("a robots.txt that is", () => {
  it.live.each(CASES)("%s is read as far as its bound, and its connection closed", ([, answer]) =>
    Effect.gen(function* () {
      const { taken, verdicts } = yield* asked(answer, "/closed/paper.pdf", "/open/paper.pdf")
      expect(verdicts).toEqual(["Disallowed", "Allowed"])
      // It is asked for once.
      expect(taken).toHaveLength(1)
      expect(taken[0]).toBeLessThan(MOST_TAKEN)
    })
  )

  it.live("nothing but one line without an end says nothing", () =>
    Effect.gen(function* () {
      const { taken, verdicts } = yield* asked((socket) => {
        socket.write(`${head("content-type: text/plain")}User-agent: *`)
        flood(socket, "*".repeat(65_536))
      }, "/closed/paper.pdf")
      expect(verdicts).toEqual(["Allowed"])
      expect(taken[0]).toBeLessThan(MOST_TAKEN)
    })
  )
})
