/**
 * Fifty-one URLs with everything that goes wrong between a server and a file, each on a host of its own: some have a
 * right file in the end, for whoever tries again and goes on carefully; the others have none, only what looks like one.
 */
import * as Behaviour from "./Behaviour.ts"
import * as OriginFile from "./OriginFile.ts"
import { fileOptions } from "./Reply.ts"

/** A URL, and what there is to be had at it. */
export interface Fault {
  readonly name: string
  readonly host: string
  readonly path: string
  /** The right file; `null`: nothing that comes from there may be kept. */
  readonly right: OriginFile.Expected | null
}

/** The faults of an origin. */
export interface Faults {
  readonly faults: ReadonlyArray<Fault>
  /** For the origin. */
  readonly hosts: Readonly<Record<string, Behaviour.Behaviour>>
}

const PATH = "/paper.pdf"
const SIZE = 60_000
/** Large enough that going on is better than coming again. */
const LARGE = 3_000_000

const small = Behaviour.files({ size: SIZE })
const large = Behaviour.files({ size: LARGE })
const ranged = (how: Behaviour.Ranged["how"]) => Behaviour.ranged(how, large)
const once = (first: Behaviour.Behaviour, then: Behaviour.Behaviour = small) =>
  Behaviour.tries(1, first, then)

const html = (title: string, body: string, contentType = "text/html; charset=utf-8", status = 200) =>
  Behaviour.respond({
    status,
    headers: { "content-type": contentType },
    body: `<!DOCTYPE html>\n<html><head><title>${title}</title></head><body>${body}</body></html>\n`
  })

const CHALLENGE = '<form id="challenge-form" action="/?__cf_chl_f_tk=1" method="POST"></form>'

/** The first half of a PDF, sent as if it were all. */
const half = (headers: Readonly<Record<string, string>> = { "content-type": "application/pdf" }) => {
  const whole = OriginFile.fileBytes("half", PATH, { size: SIZE })
  return Behaviour.respond({ headers, body: whole.subarray(0, whole.length / 2) })
}

/** What is right in the end. A redirect leads to the right file at another host, or at another path. */
const RIGHT: Readonly<Record<string, (elsewhere: (path: string) => string) => Behaviour.Behaviour>> = {
  "a plain file": () => small,
  "a large file": () => large,
  "no length": () => Behaviour.unsized(small),
  "bytes of no known type": () => Behaviour.headed({ "content-type": "application/octet-stream" }, small),
  "no type": () => Behaviour.headed({ "content-type": null }, small),
  "a file that calls itself a page": () => Behaviour.headed({ "content-type": "text/html" }, small),
  "a late answer": () => Behaviour.delayed(400, small),
  "a slow body": () => Behaviour.dripped({ bytes: 6000, everyMs: 40 }, small),
  "a redirect for good": (to) => Behaviour.redirect(to("/moved.pdf"), 301),
  "a redirect for now": (to) => Behaviour.redirect(to("/found.pdf"), 302),
  "a redirect that keeps the method": (to) => Behaviour.redirect(to("/same.pdf"), 307),
  "a redirect without a host": () => Behaviour.routes({ [PATH]: Behaviour.redirect("/here.pdf") }, small),
  "five redirects": () =>
    Behaviour.routes(
      Object.fromEntries(
        [PATH, "/1", "/2", "/3", "/4"].map((path, n) => [
          path,
          Behaviour.redirect(`/${n === 4 ? "here.pdf" : n + 1}`)
        ])
      ),
      small
    ),
  "a reset before the answer": () => Behaviour.resets(1, small),
  "two resets before the answer": () => Behaviour.resets(2, small),
  "a reset in the body": () => Behaviour.resets(1, small, "body"),
  "a reset in a large body": () => Behaviour.resets(1, large, "body"),
  "a reset, and no ranges after it": () => once(Behaviour.resetInBody(large), ranged("ignored")),
  "a reset, and the wrong range after it": () => once(Behaviour.resetInBody(large), ranged("lied")),
  "a reset, and another edition after it": () =>
    once(Behaviour.resetInBody(large), Behaviour.files({ size: LARGE, edition: 2 })),
  "a body cut short of its length": () => once(Behaviour.truncated(small)),
  "a body cut short without a length": () => once(Behaviour.truncated(Behaviour.unsized(small))),
  "a body that stalls": () => once(Behaviour.stalled(small)),
  "429 with seconds": () => once(Behaviour.status(429, { "retry-after": "1" })),
  "503 with seconds": () => once(Behaviour.status(503, { "retry-after": "1" })),
  "503 without a word": () => Behaviour.flaky5xx(1, small),
  "500, then 502": () => once(Behaviour.status(500), once(Behaviour.status(502)))
}

/** What is never right. */
const WRONG: Readonly<Record<string, (elsewhere: (path: string) => string) => Behaviour.Behaviour>> = {
  "404": () => Behaviour.status(404),
  "410": () => Behaviour.status(410),
  "403": () => Behaviour.status(403),
  "401": () => Behaviour.status(401, { "www-authenticate": "Basic" }),
  "500 for ever": () => Behaviour.status(500),
  "resets for ever": () => Behaviour.reset(),
  "resets in the body for ever": () => Behaviour.resetInBody(small),
  "cut short of its length for ever": () => Behaviour.truncated(small),
  "cut short without a length for ever": () => Behaviour.truncated(Behaviour.unsized(small)),
  "half a file as if it were all": () => half(),
  "half a file without a length": () => Behaviour.unsized(half()),
  "half a file of no known type": () => half({ "content-type": "application/octet-stream" }),
  "an empty body": () => Behaviour.respond({ headers: { "content-type": "application/pdf" } }),
  "an empty body without a length": () =>
    Behaviour.unsized(Behaviour.respond({ headers: { "content-type": "application/pdf" } })),
  "no content": () => Behaviour.status(204),
  "a login page": () => Behaviour.htmlForPdf(),
  "a login page that calls itself a PDF": () => Behaviour.htmlForPdf("application/pdf"),
  "a redirect to a login page": () =>
    Behaviour.routes({ [PATH]: Behaviour.redirect("/login?back=paper.pdf") }, Behaviour.htmlForPdf()),
  "a challenge": () => html("Just a moment...", CHALLENGE, "text/html", 403),
  "a challenge that calls itself a PDF": () => html("Just a moment...", CHALLENGE, "application/pdf"),
  "a page that says 404 with 200": () => html("Page not found", "<h1>We can't find this page</h1>"),
  "an error as JSON that calls itself a PDF": () =>
    Behaviour.headed({ "content-type": "application/pdf" }, Behaviour.json({ error: "not available" })),
  "a redirect in a circle": () => Behaviour.redirect("{path}"),
  "redirects without an end": () => Behaviour.redirect("{path}x")
}

/** The faults; `hostOf` names the host of a key. */
export const make = (hostOf: (key: string) => string): Faults => {
  const second = hostOf("elsewhere")
  const elsewhere = (path: string) => `http://${second}:{port}${path}`
  const hosts: Record<string, Behaviour.Behaviour> = { [second]: small }
  const put = (name: string, behaviour: Behaviour.Behaviour): string => {
    const host = hostOf(name)
    hosts[host] = behaviour
    return host
  }
  /** A redirect's file has the bytes of where it is. */
  const rightOf = (host: string, behaviour: Behaviour.Behaviour): OriginFile.Expected => {
    if (behaviour._tag === "Redirect") {
      return OriginFile.expected(second, new URL(behaviour.to.replace(":{port}", "")).pathname, small)
    }
    if (behaviour._tag === "Routes") return OriginFile.expected(host, "/here.pdf", small)
    return OriginFile.expected(host, PATH, fileOptions(behaviour, PATH))
  }
  return {
    faults: [
      ...Object.entries(RIGHT).map(([name, behave]): Fault => {
        const behaviour = behave(elsewhere)
        const host = put(name, behaviour)
        return { name, host, path: PATH, right: rightOf(host, behaviour) }
      }),
      ...Object.entries(WRONG).map(([name, behave]): Fault => {
        return { name, host: put(name, behave(elsewhere)), path: PATH, right: null }
      })
    ],
    hosts
  }
}
