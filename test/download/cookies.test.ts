import { createServer, type RequestListener } from "node:http"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import * as Cookies from "../../src/http/Cookies.ts"
import * as OriginFile from "../../src/demo/OriginFile.ts"
import { world } from "./Fetching.ts"

const NOW = 1_800_000_000_000

const after = (line: string, url: string) => Cookies.taken([], [line], url, NOW)

const sentTo = (line: string, from: string, to: string, now = NOW) =>
  Cookies.headerFor(after(line, from), to, now)

/** Listens on loopback until the scope closes; answers its port. */
const serving = (listener: RequestListener) =>
  Effect.acquireRelease(
    Effect.async<{ readonly port: number; readonly close: () => void }>((resume) => {
      const server = createServer(listener)
      const close = () => {
        server.close()
        server.closeAllConnections()
      }
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" ? (address?.port ?? 0) : 0
        resume(Effect.succeed({ port, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

describe("what a host has set", () => {
  const label = FastCheck.stringMatching(/^[a-z][a-z0-9]{0,6}$/)
  const host = FastCheck.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join("."))
  const attribute = FastCheck.oneof(
    host.map((domain) => `Domain=${domain}`),
    FastCheck.constantFrom(
      "Path=/",
      "Path=/a",
      "Secure",
      "HttpOnly",
      "Max-Age=60",
      "Max-Age=0",
      "Domain=",
      "x"
    ),
    FastCheck.string({ maxLength: 10 })
  )
  const lines = FastCheck.array(
    FastCheck.tuple(label, label, FastCheck.array(attribute, { maxLength: 4 })).map(
      ([name, value, attributes]) => [`${name}=${value}`, ...attributes].join("; ")
    ),
    { maxLength: 5 }
  )

  it.prop(
    "goes to that host and those it is a part of, and to nobody else",
    [lines, host, host],
    ([set, from, to]) => {
      const cookies = Cookies.taken([], set, `https://${from}/a/b`, NOW)
      const sent = Cookies.headerFor(cookies, `https://${to}/a/b`, NOW)
      const common = from.split(".").slice(-2).join(".")
      const areAkin = from === to || (common.includes(".") && (to === common || to.endsWith(`.${common}`)))
      expect(sent === undefined || areAkin).toBe(true)
    }
  )

  it.prop("is kept with the job as it is", [lines, host], ([set, from]) => {
    const cookies = Cookies.taken([], set, `https://${from}/`, NOW)
    const kept = Schema.encodeSync(Schema.parseJson(Schema.Array(Cookies.Cookie)))(cookies)
    expect(Schema.decodeSync(Schema.parseJson(Schema.Array(Cookies.Cookie)))(kept)).toEqual(cookies)
  })

  it("is sent where its path leads", () => {
    expect(sentTo("s=1", "http://a.test/doi/pdf/x", "http://a.test/doi/pdf/y")).toBe("s=1")
    expect(sentTo("s=1", "http://a.test/doi/pdf/x", "http://a.test/other")).toBeUndefined()
    expect(sentTo("s=1; Path=/doi", "http://a.test/", "http://a.test/doi/x")).toBe("s=1")
    expect(sentTo("s=1; Path=/doi", "http://a.test/", "http://a.test/doing")).toBeUndefined()
    expect(sentTo("s=1; Path=/", "http://a.test/deep/er", "http://a.test/")).toBe("s=1")
  })

  it("is sent to the hosts of its domain, if that is one its host is in", () => {
    const from = "https://www.journals.test/"
    expect(sentTo("s=1; Domain=.journals.test", from, "https://pdf.journals.test/x")).toBe("s=1")
    expect(sentTo("s=1", from, "https://pdf.journals.test/x")).toBeUndefined()
    expect(sentTo("s=1; Domain=other.test", from, from)).toBeUndefined()
    expect(sentTo("s=1; Domain=test", from, "https://evil.test/")).toBeUndefined()
    expect(sentTo("s=1; Domain=0.0.1", "http://127.0.0.1/", "http://127.0.0.1/")).toBeUndefined()
    // Its own name, too, is the name of a domain (RFC 6265, 5.3).
    expect(sentTo("s=1; Domain=www.journals.test", from, "https://a.www.journals.test/")).toBe("s=1")
    expect(sentTo("s=1; Domain=[::1]", "http://[::1]/", "http://[::1]/")).toBe("s=1")
  })

  it("is never for all of a suffix under which anybody may register", () => {
    for (const suffix of ["uk", "co.uk", "github.io", "test"]) {
      const from = `https://a.${suffix}/`
      expect(after(`s=1; Domain=${suffix}`, from), suffix).toEqual([])
      expect(after(`s=1; Domain=.${suffix.toUpperCase()}`, from), suffix).toEqual([])
      expect(sentTo(`s=1; Domain=a.${suffix}`, from, `https://b.a.${suffix}/`), suffix).toBe("s=1")
      // A host that is one itself has its own alone.
      const own = `https://${suffix}/`
      expect(sentTo(`s=1; Domain=${suffix}`, own, own), suffix).toBe("s=1")
      expect(sentTo(`s=1; Domain=${suffix}`, own, from), suffix).toBeUndefined()
    }
  })

  it("is sent in the clear only if it may be", () => {
    expect(sentTo("s=1; Secure", "https://a.test/", "https://a.test/")).toBe("s=1")
    expect(sentTo("s=1; Secure", "https://a.test/", "http://a.test/")).toBeUndefined()
    expect(sentTo("s=1; Secure", "http://a.test/", "https://a.test/")).toBeUndefined()
  })

  it("is over in its time, and takes its namesake with it", () => {
    const url = "http://a.test/"
    expect(sentTo("s=1; Max-Age=60", url, url, NOW + 59_000)).toBe("s=1")
    expect(sentTo("s=1; Max-Age=60", url, url, NOW + 60_000)).toBeUndefined()
    // What is no date says nothing.
    for (const word of ["Session", "0", "-1", "never"]) {
      expect(sentTo(`s=1; Expires=${word}`, url, url)).toBe("s=1")
    }
    const before = Cookies.taken([], ["s=1", "t=2"], url, NOW)
    expect(Cookies.headerFor(Cookies.taken(before, ["s=; Max-Age=-1"], url, NOW), url, NOW)).toBe("t=2")
    const gone = Cookies.taken(before, ["s=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], url, NOW)
    expect(Cookies.headerFor(gone, url, NOW)).toBe("t=2")
    expect(Cookies.headerFor(Cookies.taken(before, ["s=3"], url, NOW), url, NOW)).toBe("t=2; s=3")
  })

  it("is bounded", () => {
    const url = "http://a.test/"
    expect(after(`s=${"x".repeat(5000)}`, url)).toEqual([])
    const many = Array.from({ length: 200 }, (_, n) => `c${n}=1`)
    expect(Cookies.taken([], many, url, NOW)).toHaveLength(50)
  })
})

describe("the way to a file", () => {
  const content = Buffer.from(OriginFile.fileBytes("c.test", "/paper.pdf"))

  const hosts = { resolve: { "c.test": "127.0.0.1", "d.test": "127.0.0.1" } }

  it.scopedLive("leads through a host that wants back what it has set", () =>
    Effect.gen(function* () {
      const seen: Array<string | undefined> = []
      const { port } = yield* serving((request, response) => {
        seen.push(request.headers.cookie)
        if (request.headers.cookie === "visited=yes; seen=1") {
          response.writeHead(200, { "content-type": "application/pdf", "content-length": content.length })
          response.end(content)
        } else {
          response.writeHead(302, {
            location: request.url,
            "set-cookie": ["visited=yes; Path=/", "seen=1; Path=/"]
          })
          response.end()
        }
      })
      const url = `http://c.test:${port}/paper.pdf`
      yield* world(
        {},
        ({ entered, fetch }) =>
          Effect.gen(function* () {
            expect(yield* fetch(url)).toMatchObject({ _tag: "Stored" })
            expect(seen).toEqual([undefined, "visited=yes; seen=1"])
            // A later lease goes on with what the job keeps, and another file begins without it.
            const hop = entered[0]?.hop ?? { url, count: 1, from: url }
            expect(hop.cookies).toHaveLength(2)
            expect(yield* fetch(url, { hop, token: 2 })).toMatchObject({ _tag: "Stored" })
            expect(yield* fetch(url, { token: 3 })).toMatchObject({ _tag: "Stored" })
            expect(seen.slice(2)).toEqual(["visited=yes; seen=1", undefined, "visited=yes; seen=1"])
          }),
        { http: hosts }
      )
    })
  )

  it.scopedLive("ends where a host sets the same again and again", () =>
    Effect.gen(function* () {
      const { port } = yield* serving((request, response) => {
        response.writeHead(302, { location: request.url, "set-cookie": "visited=yes" })
        response.end()
      })
      yield* world(
        {},
        ({ fetch }) =>
          Effect.map(Effect.flip(fetch(`http://c.test:${port}/paper.pdf`)), (failure) => {
            expect(failure).toMatchObject({ reason: "redirect-loop" })
          }),
        { http: hosts }
      )
    })
  )

  it.scopedLive("takes nothing along to another host", () =>
    Effect.gen(function* () {
      const seen: Array<string | undefined> = []
      const { port } = yield* serving((request, response) => {
        if (request.headers.host?.startsWith("c.test") === true) {
          response.writeHead(302, {
            location: `http://d.test:${port}/paper.pdf`,
            "set-cookie": "s=1; Path=/"
          })
          response.end()
          return
        }
        seen.push(request.headers.cookie)
        response.writeHead(200, { "content-type": "application/pdf", "content-length": content.length })
        response.end(content)
      })
      yield* world(
        {},
        ({ fetch }) =>
          Effect.map(fetch(`http://c.test:${port}/paper.pdf`), (fetched) => {
            expect(fetched).toMatchObject({ _tag: "Stored" })
            expect(seen).toEqual([undefined])
          }),
        { http: hosts }
      )
    })
  )
})
