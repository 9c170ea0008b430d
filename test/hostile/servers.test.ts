/** Servers that lie, stall, flood and lead astray: each ends in one recorded reason, with nothing left behind. */
import { readdirSync } from "node:fs"
import type * as net from "node:net"
import { gzipSync } from "node:zlib"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fetch from "../../src/download/Fetch.ts"
import type { FetchFailure } from "../../src/download/FetchFailure.ts"
import type { Fatal, Retry } from "../../src/Failure.ts"
import * as PdfReader from "../../src/pdf/PdfReader.ts"
import { DIRECT } from "../../src/resolver/Candidate.ts"
import { folder, layer, settings } from "../download/Rig.ts"
import { pdf } from "../fixtures/Pdf.ts"
import { flood, head, raw } from "./Raw.ts"

const LIMIT = 1_000_000

/** What becomes of a file that this server is asked for, and every file that is left then. */
const asked = (answer: (socket: net.Socket, request: string) => void, path = "/paper.pdf") =>
  Effect.gen(function* () {
    const port = yield* raw(answer)
    const out = yield* folder
    const all = settings(out, {
      maxBytes: LIMIT,
      structure: true,
      identity: "warn",
      http: { min_bytes_per_second: 2000, min_rate_window_seconds: 0.3 }
    })
    const url = `http://127.0.0.1:${port}${path}`
    const end = yield* Effect.gen(function* () {
      const fetch = yield* Fetch.make(all)
      return yield* fetch(
        {
          artifact: { id: "paper", urls: [url] },
          candidate: { url, resolver: DIRECT, kind: "pdf" },
          owner: { id: "paper", job: 1, token: 1 },
          hop: undefined
        },
        () => Effect.succeed(true)
      )
    }).pipe(Effect.provide([layer(all), PdfReader.layer]), Effect.scoped, Effect.either)
    const files = readdirSync(out, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    return { end, files: files.map(({ name }) => name) }
  }).pipe(Effect.scoped, Effect.timeout("20 seconds"))

const reasonOf = (failure: FetchFailure | Fatal | Retry): string => failure.reason

const PDF_HEAD = "content-type: application/pdf"
const paper = pdf({ pages: [["A paper"], ["more of it"]] })
const redirect = (to: string) => (socket: net.Socket) =>
  void socket.end(`HTTP/1.1 302 Found\r\nlocation: ${to}\r\ncontent-length: 0\r\n\r\n`)

type Case = readonly [what: string, reason: RegExp, answer: (socket: net.Socket, request: string) => void]

const cases: ReadonlyArray<Case> = [
  ["headers without an end", /^protocol$/, (socket) => flood(socket, `x: ${"y".repeat(1000)}\r\n`)],
  [
    "endless headers after a good start",
    /^protocol$/,
    (socket) => {
      socket.write("HTTP/1.1 200 OK\r\n")
      flood(socket, `set-cookie: ${"z".repeat(500)}\r\n`)
    }
  ],
  [
    "a body without an end",
    /^too-large$/,
    (socket) => {
      socket.write(`${head(PDF_HEAD)}%PDF-1.7\n`)
      flood(socket, Buffer.alloc(65_536, 120))
    }
  ],
  [
    "chunks without an end",
    /^too-large$/,
    (socket) => {
      socket.write(`${head(PDF_HEAD, "transfer-encoding: chunked")}a\r\n%PDF-1.7\nx\r\n`)
      flood(socket, `10000\r\n${"x".repeat(0x10000)}\r\n`)
    }
  ],
  [
    "a length beyond all bounds",
    /^too-large$/,
    (socket) => void socket.write(head(PDF_HEAD, "content-length: 99999999999999"))
  ],
  [
    "a length that is no number",
    /^protocol$/,
    (socket) => void socket.end(head(PDF_HEAD, "content-length: many"))
  ],
  ["a negative length", /^protocol$/, (socket) => void socket.end(head(PDF_HEAD, "content-length: -5"))],
  [
    "two lengths",
    /^(?:protocol|truncated)$/,
    (socket) => void socket.end(`${head(PDF_HEAD, "content-length: 5", "content-length: 9")}%PDF-`)
  ],
  [
    "less than was announced",
    /^truncated$/,
    (socket) => void socket.end(`${head(PDF_HEAD, "content-length: 5000")}%PDF-1.7\n`)
  ],
  [
    "a broken chunk",
    /^(?:protocol|truncated)$/,
    (socket) => void socket.end(`${head(PDF_HEAD, "transfer-encoding: chunked")}zz\r\n%PDF\r\n`)
  ],
  [
    "a byte now and then",
    /^(?:too-slow|idle-timeout)$/,
    (socket) => {
      socket.write(`${head(PDF_HEAD, "content-length: 5000")}%PDF-1.7\n`)
      const timer = setInterval(() => (socket.destroyed ? clearInterval(timer) : socket.write("x")), 50)
      socket.on("close", () => clearInterval(timer))
    }
  ],
  ["silence after the connection", /^first-byte-timeout$/, () => undefined],
  [
    "silence in the middle",
    /^idle-timeout$/,
    (socket) => void socket.write(`${head(PDF_HEAD, "content-length: 5000")}%PDF-1.7\n`)
  ],
  ["another protocol", /^protocol$/, (socket) => void socket.end("220 mail.example.org ESMTP\r\n")],
  ["nothing but a line end", /^(?:protocol|reset)$/, (socket) => void socket.end("\r\n")],
  [
    "a status of its own making",
    /^(?:protocol|http-\d+)$/,
    (socket) => void socket.end("HTTP/1.1 999 Whatever\r\ncontent-length: 0\r\n\r\n")
  ],
  [
    "compressed, though it says so and isn't",
    /^coding$/,
    (socket) => {
      socket.write(head(PDF_HEAD, "content-encoding: gzip", `content-length: ${paper.length}`))
      socket.end(paper)
    }
  ],
  [
    "a bomb in gzip",
    /^(?:not-a-pdf|too-large|encoded)/,
    (socket) => {
      const body = gzipSync(Buffer.alloc(50_000_000))
      socket.write(head(PDF_HEAD, "content-encoding: gzip", `content-length: ${body.length}`))
      socket.end(body)
    }
  ],
  ["a redirect to a file", /^bad-redirect$/, redirect("file:///etc/passwd")],
  ["a redirect to a script", /^bad-redirect$/, redirect("javascript:alert(1)")],
  ["a redirect to data", /^bad-redirect$/, redirect("data:application/pdf;base64,JVBERi0=")],
  ["a redirect to another protocol", /^bad-redirect$/, redirect("gopher://127.0.0.1/")],
  [
    "a redirect to the metadata of a cloud",
    /^address-refused$/,
    redirect("http://169.254.169.254/latest/meta-data/")
  ],
  ["a redirect to another address of this machine", /^address-refused$/, redirect("http://127.0.0.2:1/")],
  ["a redirect to this machine by its name", /^address-refused$/, redirect("http://localhost:9/")],
  ["a redirect to this machine in IPv6", /^address-refused$/, redirect("http://[::1]:9/")],
  ["a redirect to this machine in other numbers", /^address-refused$/, redirect("http://0x7f000002/")],
  ["a redirect to a private network", /^address-refused$/, redirect("http://10.0.0.1/")],
  [
    "a redirect without a target",
    /^bad-redirect$/,
    (socket) => void socket.end("HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n")
  ],
  ["a redirect to something that is no URL", /^bad-redirect$/, redirect("http://[")],
  ["a redirect in a circle", /^redirect-loop$/, redirect("/paper.pdf")],
  [
    "redirects without an end",
    /^too-many-redirects$/,
    (socket, request) => {
      const n = Number(/\/(\d+)/.exec(request)?.[1] ?? 0)
      redirect(`/${n + 1}.pdf`)(socket)
    }
  ],
  [
    "headers smuggled into a redirect",
    /^(?:bad-redirect|protocol|address-refused|http-\d+|html-instead-of-pdf)$/,
    redirect("http://10.0.0.1/%0d%0aHost:%20evil")
  ],
  [
    "a page that checks for a human, as a PDF",
    /^challenge$/,
    (socket) => {
      const body =
        "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body id=challenge-form></body></html>"
      socket.end(`${head(PDF_HEAD, `content-length: ${body.length}`)}${body}`)
    }
  ],
  [
    "a page deep enough to make a parser work for minutes",
    /^html-instead-of-pdf$/,
    (socket) => {
      const body = `<!DOCTYPE html><html>${"<div>".repeat(100_000)}`
      socket.end(`${head("content-type: text/html", `content-length: ${body.length}`)}${body}`)
    }
  ],
  [
    "a PDF that is nothing but its ends",
    /^damaged-pdf$/,
    (socket) => void socket.end(`${head(PDF_HEAD)}%PDF-1.7\n%%EOF\n`)
  ],
  [
    "a PDF whose tables point nowhere",
    /^damaged-pdf$/,
    (socket) => {
      const body = `%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 9 0 R >>\nendobj\nxref\n0 1\n0000000000 65535 f \ntrailer\n<< /Root 1 0 R /Prev 0 >>\nstartxref\n55\n%%EOF\n`
      socket.end(`${head(PDF_HEAD, `content-length: ${body.length}`)}${body}`)
    }
  ],
  [
    "a PDF whose pages are their own parents",
    /^damaged-pdf$/,
    (socket) => {
      const body =
        "%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n2 0 obj\n<< /Type /Pages /Kids [2 0 R] /Count 1 >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"
      socket.end(`${head(PDF_HEAD, `content-length: ${body.length}`)}${body}`)
    }
  ],
  [
    "Retry-After of a century",
    /^http-429$/,
    (socket) => void socket.end("HTTP/1.1 429 Slow\r\nretry-after: 3153600000\r\ncontent-length: 0\r\n\r\n")
  ],
  [
    "Retry-After of nonsense",
    /^http-503$/,
    (socket) => void socket.end("HTTP/1.1 503 Down\r\nretry-after: \u00ff\u00fe\r\ncontent-length: 0\r\n\r\n")
  ]
]

describe("a server that sends", () => {
  it.live.each(cases)("%s ends in a reason, and leaves nothing", ([, reason, answer]) =>
    Effect.gen(function* () {
      const { end, files } = yield* asked(answer)
      const found =
        end._tag === "Left"
          ? reasonOf(end.left)
          : end.right._tag === "Held"
            ? end.right.waits.reason
            : end.right._tag
      expect(found).toMatch(reason)
      expect(files).toEqual([])
      if (end._tag === "Left") {
        // oxlint-disable-next-line no-control-regex -- what a terminal would obey
        expect(end.left.message).not.toMatch(/[\x00-\x1f\x7f]/)
        expect(end.left.message.length).toBeLessThan(500)
      }
      if (end._tag === "Right" && end.right._tag === "Held") {
        // A century is more than anybody waits.
        expect(end.right.waits.until).toBeLessThan(Date.now() + 9 * 86_400_000)
      }
    })
  )

  it.live("a good file compressed, although nobody asked for that, gets it stored", () =>
    Effect.gen(function* () {
      const { end, files } = yield* asked((socket) => {
        const body = gzipSync(paper)
        socket.write(head(PDF_HEAD, "content-encoding: gzip", `content-length: ${body.length}`))
        socket.end(body)
      })
      expect(end).toMatchObject({ right: { _tag: "Stored", receipt: { bytes: paper.length } } })
      expect(files).toHaveLength(1)
    })
  )

  it.live("cookies by the thousand, or strange headers, and a good file gets it stored", () =>
    Effect.gen(function* () {
      const cookies = Array.from({ length: 60 }, (_, n) => `set-cookie: c${n}=${"v".repeat(100)}`)
      const { end, files } = yield* asked((socket) => {
        socket.write(
          head(
            PDF_HEAD,
            ...cookies,
            "x-odd: \u00ff\u00fe",
            'etag: "\u00e9"',
            `content-length: ${paper.length}`
          )
        )
        socket.end(paper)
      })
      expect(end).toMatchObject({ right: { _tag: "Stored" } })
      expect(files).toHaveLength(1)
    })
  )
})
