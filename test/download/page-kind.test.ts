/** Pages that stand where a document should, as they are met: each has its reason, and none is taken for the document. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import { DOCUMENT_TEXT, obstacle, pageKind } from "../../src/download/PageKind.ts"
import { HEAD_BYTES, HTML, PDF, sniff } from "../../src/download/Sniff.ts"
import type { Candidate } from "../../src/resolver/Candidate.ts"
import { pdf } from "../fixtures/Pdf.ts"
import { world } from "./Fetching.ts"
import { filesIn } from "./Rig.ts"

const page = (head: string, body = "") =>
  `<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">${head}</head><body>${body}</body></html>`

interface Sample {
  readonly what: string
  readonly reason: string
  readonly body: string
}

const samples: ReadonlyArray<Sample> = [
  {
    what: "a check by Cloudflare",
    reason: "challenge",
    body: page(
      "<title>Just a moment...</title>",
      '<script>window._cf_chl_opt={cvId:"3"}</script><form id="challenge-form" action="/?__cf_chl_f_tk=x"></form>'
    )
  },
  {
    what: "a ban by Cloudflare",
    reason: "challenge",
    body: page("<title>Attention Required! | Cloudflare</title>", "<h1>Sorry, you have been blocked</h1>")
  },
  {
    what: "a check by Imperva",
    reason: "challenge",
    body: page(
      "",
      '<iframe src="/_Incapsula_Resource?CWUDNSAI=23">Request unsuccessful. Incapsula incident ID: 1</iframe>'
    )
  },
  {
    what: "a check by DataDome",
    reason: "challenge",
    body: page("<title>journal.test</title>", '<script src="https://ct.captcha-delivery.com/c.js"></script>')
  },
  {
    what: "a check by PerimeterX",
    reason: "challenge",
    body: page("<title>Access to this page has been denied.</title>", '<div id="px-captcha"></div>')
  },
  {
    what: "a proof of work",
    reason: "challenge",
    body: page("<title>Preparing to download ...</title>", "<script>cloudpmc-viewer-pow</script>")
  },
  {
    what: "a login",
    reason: "login-page",
    body: page(
      "<title>Sign in | Journal</title>",
      '<form action="/login"><input name="user"><input type="password"><div class="g-recaptcha"></div></form>'
    )
  },
  {
    what: "a login of an institution",
    reason: "login-page",
    body: page(
      "<title>Redirecting</title>",
      '<form method="post" action="https://idp.test/sso"><input type="hidden" name="SAMLRequest" value="x"></form>'
    )
  },
  {
    what: "a wall before a paper",
    reason: "login-page",
    body: page(
      "<title>Orbits | Journal</title>",
      "<h2>Access options</h2><a>Buy article</a><a>Rent this article</a>"
    )
  },
  {
    what: "a question about cookies",
    reason: "consent-page",
    body: page("<title>Before you continue</title>", "<button>Accept all</button><button>Reject all</button>")
  },
  {
    what: "a server that needs cookies",
    reason: "consent-page",
    body: page("<title>Journal</title>", "<p>Cookies must be enabled in your browser to read this.</p>")
  },
  {
    what: "terms to agree to",
    reason: "consent-page",
    body: page("<title>Repository</title>", "<p>To download the file you have to accept the terms.</p>")
  },
  {
    what: "nothing, with status 200",
    reason: "not-found-page",
    body: page("<title>404 - Page not found</title>", '<a href="/login">Log in</a><input type="password">')
  },
  {
    what: "nothing, in a heading",
    reason: "not-found-page",
    body: page("<title>Repository</title>", "<h1>The page you are looking for does not exist</h1>")
  },
  {
    what: "nothing, in another language",
    reason: "not-found-page",
    body: page("<title>Seite nicht gefunden</title>")
  }
]

const fetched = (body: string | Uint8Array, type: string, path: string, candidate: Partial<Candidate> = {}) =>
  world(
    { "a.test": Behaviour.respond({ headers: { "content-type": type }, body }) },
    ({ fetch, origin, out }) =>
      Effect.gen(function* () {
        const end = yield* Effect.either(fetch(origin.url("a.test", path), { candidate }))
        const reason = end._tag === "Left" ? end.left.reason : end.right._tag
        return { reason, files: yield* filesIn(out) }
      })
  )

const wide = (text: string, mark = "") => Buffer.from(mark + text, "utf16le")

describe("a page", () => {
  it.live.each(samples)("of $what has its reason, whatever it is called", ({ body, reason }) =>
    Effect.gen(function* () {
      // Where a PDF is expected, said to be one, and where anything may come.
      for (const [type, path] of [
        ["text/html; charset=utf-8", "/paper.pdf"],
        ["application/pdf", "/paper"],
        ["text/html", "/paper"]
      ] as const) {
        expect(yield* fetched(body, type, path), `${type} ${path}`).toEqual({ reason, files: [] })
      }
    })
  )

  it.live(
    "of no such kind is mislabelled where its server calls it a PDF, and itself where it was asked for",
    () =>
      Effect.gen(function* () {
        const body = page("<title>Orbits</title>", "<p>About orbits.</p>")
        expect((yield* fetched(body, "application/pdf", "/paper")).reason).toBe("mislabelled-page")
        expect((yield* fetched(body, "text/html", "/paper.pdf")).reason).toBe("html-instead-of-pdf")
        expect((yield* fetched(body, "text/html", "/paper")).reason).toBe("Stored")
      })
  )

  it.live("that is an article beside a form to log in is a document", () =>
    Effect.gen(function* () {
      const text = "Orbits are ellipses, and this is how we know. ".repeat(DOCUMENT_TEXT / 40)
      const body = page(
        "<title>Orbits</title>",
        `<form><input type="password"></form><article>${text}</article>`
      )
      expect((yield* fetched(body, "text/html", "/paper")).reason).toBe("Stored")
    })
  )

  const other = "Orbits, tides and how they are measured, in twelve chapters. ".repeat(80)

  it.live.each([
    "<body><button><svg><title>Sign in</title></svg></button>",
    "<!-- <title>404 Not Found</title> --><title>Orbits</title>",
    `<script>page = "<title>Log in</title>"</script><title>Orbits</title>`
  ])("is no page to log in for a title that isn't its own: %s", (head) =>
    Effect.gen(function* () {
      expect((yield* fetched(page(head, other), "text/html", "/paper")).reason).toBe("Stored")
    })
  )

  /** Pages that came for a bare URL, or where a page was asked for: nothing but what they are tells them from one. */
  const login = page("<title>Journal</title>", '<form><input type="password"></form>')
  const obstacles: ReadonlyArray<readonly [what: string, body: string | Uint8Array, reason: string]> = [
    ["in UTF-16", wide(login, "\uFEFF"), "login-page"],
    ["in UTF-16 the other way round", wide(login, "\uFEFF").swap16(), "login-page"],
    ["in UTF-16 without a mark", wide(login), "login-page"],
    ["in UTF-16 the other way round without a mark", wide(`\n${login}`).swap16(), "login-page"],
    ["to log in, with much other text", page("<title>Sign in to continue</title>", other), "login-page"],
    ["to log in, of a journal", page("<title>Journal of Orbits &#8211; Log in</title>", other), "login-page"],
    [
      "of nothing, with much other text",
      page("<title>Page not found | Journal</title>", other),
      "not-found-page"
    ],
    [
      "to log in, behind a long program",
      page(`<title>Journal</title><script>${"x = 1;".repeat(50_000)}</script>`, '<input type="password">'),
      "login-page"
    ],
    ["of Anubis", page("<title>Making sure you&#39;re not a bot!</title>", "<p>Loading…</p>"), "challenge"],
    [
      "of Anubis, with much other text",
      page("<title>Making sure you’re not a bot!</title>", other),
      "challenge"
    ],
    [
      "of maintenance",
      page("<title>Site maintenance</title>", "<p>We will be back.</p>"),
      "maintenance-page"
    ],
    [
      "of maintenance in a heading",
      page("<title>Journal</title>", "<h1>Down for scheduled maintenance</h1>"),
      "maintenance-page"
    ],
    [
      "of maintenance that ends",
      page("<title>We'll be back soon!</title>", "<p>So long.</p>"),
      "maintenance-page"
    ],
    ["of a refusal", page("<title>403 Forbidden</title>", "<h1>403 Forbidden</h1><hr>nginx"), "error-page"],
    ["of a refusal in a heading", page("", "<h1>Too many requests</h1><p>Slow down.</p>"), "error-page"],
    ["of a firewall", page("<title>Request Rejected</title>", "<p>Your support ID is: 1</p>"), "error-page"],
    ["of a failure", page("<title>502 Bad Gateway | Journal</title>", other), "error-page"],
    [
      "of what isn't there",
      page("<title>Journal</title>", "<p>The article you requested could not be found.</p>"),
      "not-found-page"
    ],
    [
      "to choose an institution",
      page("<title>Select your institution</title>", "<ul><li>University of A</ul>"),
      "login-page"
    ],
    [
      "of a preview",
      page("<title>Orbits</title>", "<p>This is a preview of subscription content.</p>"),
      "login-page"
    ],
    [
      "that shows a file",
      page("<title>Orbits</title>", '<embed src="/file" type="application/pdf">'),
      "redirect-page"
    ],
    ["that shows a file in a frame", page("", '<iframe src="/a/paper.pdf?x=1"></iframe>'), "redirect-page"],
    ["of nothing at all", "<html></html>", "empty-page"],
    [
      "of a program alone",
      page(
        "<title>Journal</title>",
        "<div id=root></div><noscript>Enable it</noscript><script>run()</script>"
      ),
      "empty-page"
    ],
    [
      "of a redirect",
      page("", '<p>One moment.</p><script>window.location.href = "/next"</script>'),
      "redirect-page"
    ],
    [
      "of a redirect by a call",
      page("", "<p>One moment.</p><script>location.replace(next)</script>"),
      "redirect-page"
    ],
    [
      "of a redirect in its head",
      page('<meta http-equiv="refresh" content="0; URL=/next">', "<p>One moment.</p>"),
      "redirect-page"
    ],
    [
      "of XHTML behind a long comment",
      `<?xml version="1.0"?>\n<!-- ${"x".repeat(1200)} -->\n<html xmlns="http://www.w3.org/1999/xhtml"><head><title>Journal</title></head><body><form><input type="password"/></form></body></html>`,
      "login-page"
    ]
  ]
  it.live.each(obstacles)("%s is no document, whether or not a page was asked for", ([, body, reason]) =>
    Effect.gen(function* () {
      for (const candidate of [{}, { kind: "html" }] as const) {
        expect(yield* fetched(body, "text/html", "/paper", candidate)).toEqual({ reason, files: [] })
      }
    })
  )

  it.live("of XHTML is known behind a comment that comes in pieces, too", () =>
    Effect.gen(function* () {
      const body = `<?xml version="1.0"?><!--${"x".repeat(3000)}--><html><body><input type="password"/></body></html>`
      const xml = Behaviour.respond({ headers: { "content-type": "application/xml" }, body })
      yield* world({ "a.test": Behaviour.dripped({ bytes: 1100, everyMs: 20 }, xml) }, ({ fetch, origin }) =>
        Effect.gen(function* () {
          const url = origin.url("a.test", "/paper")
          expect(yield* Effect.flip(fetch(url, { candidate: { kind: "xml" } }))).toMatchObject({
            reason: "login-page"
          })
        })
      )
    })
  )

  it.live("is none that is XML, in UTF-16 too", () =>
    Effect.gen(function* () {
      const body =
        '<?xml version="1.0" encoding="UTF-16"?>\n<!-- x -->\n<article><title>軌道</title></article>'
      for (const bytes of [wide(body, "\uFEFF"), wide(body).swap16()]) {
        const { files, reason } = yield* fetched(bytes, "application/xml", "/paper", { kind: "xml" })
        expect({ files, reason }).toEqual({ files: [expect.stringMatching(/\.xml$/)], reason: "Stored" })
      }
    })
  )

  const paragraph = "<p>They were measured with care, and the result was not what anybody had thought.</p>"
  const articles: ReadonlyArray<readonly [what: string, body: string | Uint8Array]> = [
    ["about maintenance", page("<title>Maintenance of telomeres | Journal</title>", paragraph)],
    [
      "about site maintenance",
      page("<title>Site maintenance costs of bridges</title>", paragraph.repeat(60))
    ],
    [
      "about bots",
      page("<title>How a robot learns that it is not a bot: a study</title>", paragraph.repeat(60))
    ],
    ["about logging in", page("<title>Sign in with your face: a survey</title>", paragraph.repeat(60))],
    [
      "about what wasn't found",
      page("<title>Higgs boson not found at 404 GeV</title>", paragraph.repeat(60))
    ],
    [
      "with a form to log in, behind a long program",
      page(
        `<title>Orbits</title><script>${"x = 1;".repeat(50_000)}</script>`,
        `<form><input type="password"></form>${paragraph.repeat(60)}`
      )
    ],
    [
      "with a program that leads on",
      page("<title>Orbits</title>", `${paragraph.repeat(5)}<script>location.href = "/x"</script>`)
    ],
    [
      "with a program that keeps it out of frames",
      page("", `${paragraph}<script>top.location = self.location</script>`)
    ],
    ["of pictures", page("<title>Orbits</title>", '<img src="1.png"><img src="2.png">')],
    ["in UTF-16", wide(page("<title>Orbits</title>", paragraph), "\uFEFF")],
    ["about requests", page("<title>Too many requests: a history of queues</title>", paragraph.repeat(60))],
    ["about a number", page("<title>500 days of orbits | Journal</title>", paragraph)],
    [
      "beside a file that it shows",
      page("<title>Orbits</title>", `${paragraph.repeat(6)}<iframe src="a.pdf">`)
    ],
    ["in Japanese", page("<title>軌道</title>", "<p>軌道について</p>")]
  ]
  it.live.each(articles)("that is an article %s is a document", ([, body]) =>
    Effect.gen(function* () {
      const { files, reason } = yield* fetched(body, "text/html", "/paper", { kind: "html" })
      expect(reason).toBe("Stored")
      expect(files).toEqual([expect.stringMatching(/\.html$/)])
    })
  )

  it("looks at no page for long, whatever it is made of", () => {
    // What tries every way at each place takes minutes for these.
    for (const piece of [
      "<",
      "<!--",
      "<script",
      "<style>",
      "<title ",
      "<meta ",
      "location",
      "location = ",
      "&nbsp",
      "<h1>a"
    ]) {
      const body = Buffer.from(piece.repeat(Math.ceil((1024 * 1024) / piece.length)))
      expect(obstacle(body, "http://a.test/x", true)).toBeTypeOf("string")
    }
  })

  it.live.each(["", " \r\n\t", "\0\0\0\0"])("that is nothing (%j) is an empty body", (body) =>
    Effect.gen(function* () {
      for (const path of ["/paper.pdf", "/paper"]) {
        expect(yield* fetched(body, "application/pdf", path)).toEqual({ reason: "empty-body", files: [] })
      }
    })
  )

  it("is told by where its redirects ended, too", () => {
    const body = Buffer.from(page("<title>Journal</title>"))
    const kind = (url: string) => pageKind(body, url)
    expect(kind("http://a.test/sso/login?x")).toBe("login")
    expect(kind("http://a.test/action/cookieAbsent")).toBe("consent")
    expect(kind("http://a.test/404.html")).toBe("missing")
    expect(kind("http://a.test/papers/login-systems-of-the-world")).toBe("page")
  })

  it("of the samples that name a file is no kind of obstacle", () => {
    const folder = new URL("../fixtures/samples/landing_page/", import.meta.url)
    expect(existsSync(folder)).toBe(true)
    const kinds = readdirSync(folder)
      .filter((name) => name.endsWith(".html"))
      .map((name) => [name, pageKind(readFileSync(new URL(name, folder)), "http://a.test/article/1")])
    expect(Object.fromEntries(kinds)).toMatchObject({
      "challenge_403.html": "challenge",
      "login_instead_of_pdf.html": "login",
      "highwire.html": "page",
      "json_ld.html": "page",
      "eprints_dc.html": "page",
      "body_links.html": "page",
      "link_alternate.html": "page"
    })
  })
})

/** Ways a page begins, and what may stand in it. */
const start = FastCheck.constantFrom(
  "<!DOCTYPE html>",
  "<!doctype HTML PUBLIC '-//W3C//DTD HTML 4.01//EN'>",
  "<html>",
  "<HTML lang=en>",
  "<head>",
  "<body class=x>",
  "<script>",
  "<div>",
  "<p>",
  "<h1>",
  "<table>",
  "<form>",
  "<a href=x>",
  '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml">',
  "<!-- a comment --><html>",
  "Sorry.<html>"
)
const blanks = FastCheck.stringMatching(/^[ \t\r\n]{0,20}$/)
const words = FastCheck.array(
  FastCheck.oneof(
    FastCheck.constantFrom(
      "%PDF-1.7",
      "\n%PDF-1.4\n",
      "%%EOF",
      "<p>",
      "</p>",
      "<!--",
      "-->",
      "startxref",
      "\n",
      "obj"
    ),
    FastCheck.lorem({ maxCount: 5 })
  ),
  { maxLength: 20 }
)

describe("no page", () => {
  it.prop(
    "is taken for a PDF, however it begins and whatever it quotes",
    [FastCheck.constantFrom("", "\u00ef\u00bb\u00bf"), blanks, start, words],
    ([mark, before, begin, rest]) => {
      const bytes = Buffer.from(`${mark}${before}${begin}${rest.join(" ")}`, "latin1")
      const type = sniff(bytes.subarray(0, HEAD_BYTES))
      expect(type).not.toBe(PDF)
      if (begin.startsWith("<")) expect(type).toBe(HTML)
    },
    { fastCheck: { numRuns: 500 } }
  )

  it.live.prop(
    "gets a PDF's name, whatever its server says, with documents opened or not",
    {
      begin: start,
      rest: words,
      type: FastCheck.constantFrom("application/pdf", "text/html", "application/octet-stream"),
      path: FastCheck.constantFrom("/paper.pdf", "/paper", "/paper.PDF?x=1")
    },
    ({ begin, path, rest, type }) =>
      Effect.gen(function* () {
        const { files } = yield* fetched(`${begin}${rest.join(" ")}`, type, path)
        expect(files.filter((name) => name.endsWith(".pdf"))).toEqual([])
      }),
    { fastCheck: { numRuns: 40 } }
  )

  it("keeps a PDF from being one that stands behind a program's warnings", () => {
    const warning = "<br />\n<b>Warning</b>: something in <b>/srv/export.php</b> on line <b>12</b><br />\n"
    expect(sniff(Buffer.concat([Buffer.from(warning), pdf()]))).toBe(PDF)
    expect(sniff(Buffer.from(`${warning}%PDF-1.4 is what I wanted`))).toBe(HTML)
  })
})
