/** Services that answer with what nobody asked for: each question ends soon, in a failure of that service or in harmless finds. */
import { readdirSync } from "node:fs"
import { gzipSync } from "node:zlib"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import { type Name, NAMES } from "../../src/resolver/Registry.ts"
import { ask, sample } from "../resolver/Asking.ts"

/** Work that only this resolver takes. */
const OWN: { readonly [name in Name]?: object } = {
  arxiv: { arxiv: "2101.00001" },
  pmc: { pmcid: "PMC1234567" },
  zenodo: { doi: "10.5281/zenodo.1234" },
  figshare: { doi: "10.6084/m9.figshare.1234" },
  osf: { doi: "10.31235/osf.io/hqb2p" }
}
const artifactOf = (name: Name) => OWN[name] ?? { doi: "10.1371/journal.pone.0000000" }

const KNOWN = {
  failed: ["http://base-url.test/paper.pdf"],
  pages: [{ url: "http://base-url.test/page", resolver: "unpaywall" }]
}

/** Those that ask a service of their own. */
const asking = NAMES.filter((name) => name !== "landing_page")

const answers: ReadonlyArray<readonly [what: string, answer: Behaviour.Behaviour]> = [
  ["JSON a thousand levels deep", `{"results":${"[".repeat(1_000)}${"]".repeat(1_000)}}`],
  ["JSON a hundred thousand levels deep", `{"a":`.repeat(100_000) + "1" + "}".repeat(100_000)],
  [
    "JSON that changes prototypes",
    '{"__proto__":{"url":"http://a.test/x.pdf"},"constructor":{"prototype":{"x":1}}}'
  ],
  ["numbers beyond all numbers", '{"results":[{"id":1e999,"total":-1e999}],"count":99999999999999999999}'],
  ["a list of a hundred thousand nothings", `{"results":[${"null,".repeat(99_999)}null]}`],
  ["nothing at all", ""],
  ["null", "null"],
  ["a lone half of a character", '{"title":"\\ud800","results":["\\udfff"]}'],
  ["control characters", '{"message":"\u001b]0;mine\u0007\u001b[2J","error":"\\u0000\\u009b"}'],
  [
    "bytes that are no text",
    Buffer.concat([Buffer.from('{"title":"'), Buffer.from([0xff, 0xfe, 0xc0, 0x80]), Buffer.from('"}')])
  ],
  ["UTF-16", Buffer.from('\ufeff{"results":[]}', "utf16le")],
  ["compressed although nobody asked for it", gzipSync('{"results":[]}')],
  [
    "XML whose entities grow without end",
    `<?xml version="1.0"?><!DOCTYPE feed [<!ENTITY a "aaaaaaaaaa">${"bcdefghij"
      .split("")
      .map((name, n) => `<!ENTITY ${name} "${`&${"abcdefghij"[n]};`.repeat(10)}">`)
      .join("")}]><feed><entry><id>&j;</id></entry></feed>`
  ],
  [
    "XML with a file of ours in it",
    '<?xml version="1.0"?><!DOCTYPE feed [<!ENTITY x SYSTEM "file:///etc/passwd">]><feed><entry><id>&x;</id></entry></feed>'
  ],
  ["XML a hundred thousand levels deep", `<feed>${"<entry>".repeat(100_000)}`],
  ["a page of elements without an end", `<!DOCTYPE html><html>${"<div>".repeat(200_000)}`],
  ["a page of attributes without an end", `<!DOCTYPE html><html><meta ${'content="x" '.repeat(100_000)}>`],
  [
    "a page that never closes what it opens",
    `<!DOCTYPE html><html><head>${"<!--".repeat(50_000)}${'<meta name="'.repeat(50_000)}`
  ],
  ["a page with a megabyte of title", `<!DOCTYPE html><title>${"\u202egnp.exe ".repeat(100_000)}</title>`]
].map(([what, body]) => [String(what), Behaviour.respond({ body: body ?? "" })])

const behaviours: typeof answers = [
  ...answers,
  ["a body without an end", Behaviour.endless()],
  ["a wait of a century", Behaviour.status(429, { "retry-after": "3153600000" })],
  [
    "a wait until a year that doesn't exist",
    Behaviour.status(503, { "retry-after": "Fri, 99 Foo 99999 99:99:99 GMT" })
  ],
  ["a redirect to a file", Behaviour.redirect("file:///etc/passwd")],
  ["a redirect to the metadata of a cloud", Behaviour.redirect("http://169.254.169.254/latest/")],
  ["a redirect in a circle", Behaviour.redirect("{path}")],
  ["a redirect to nowhere", Behaviour.respond({ status: 302, body: "" })]
]

/** What a terminal or a log would stumble over. */
const checkText = (text: string): void => {
  // oxlint-disable-next-line no-control-regex -- what a terminal would obey
  expect(text).not.toMatch(/[\x00-\x1f\x7f-\x9f]|root:/)
  expect(text.length).toBeLessThan(500)
}

const checkUrl = (url: string): void => {
  expect(url).toMatch(/^https?:\/\/[!-~]+$/)
  const { password, username } = new URL(url)
  expect({ password, username }).toEqual({ password: "", username: "" })
}

describe("a service that answers with", () => {
  it.live.each(behaviours)("%s ends its question, whichever it is", ([, behaviour]) =>
    Effect.gen(function* () {
      const results = yield* Effect.forEach(
        asking,
        (name) =>
          ask(name, behaviour, { artifact: artifactOf(name), known: KNOWN, env: { CORE_API_KEY: "key" } }),
        { concurrency: 4 }
      )
      const week = Date.now() + 8 * 86_400_000
      for (const { result, sent } of results) {
        for (const { url } of sent) expect(new URL(url).hostname).toMatch(/\.test$/)
        if (Either.isRight(result)) for (const { url } of result.right) checkUrl(url)
        else {
          checkText(result.left.message)
          // A century is more than anybody waits.
          expect(result.left.until ?? 0).toBeLessThan(week)
        }
      }
    }).pipe(Effect.timeout("30 seconds"))
  )

  const addresses = [
    "file:///etc/passwd",
    "javascript:alert(1)",
    "data:application/pdf;base64,JVBERi0=",
    "http://user:secret@papers.test/x.pdf",
    "http://papers.test/\\u001b[2J.pdf",
    "http://papers.test/\\u0000/../../x.pdf",
    "//papers.test/x.pdf",
    "http://",
    "http://[::1",
    `http://papers.test/${"x".repeat(70_000)}`,
    "http://papers.test:99999/x.pdf",
    "http://pa\\u202epers.test/x.pdf"
  ]
  const samples = asking.flatMap((name) =>
    readdirSync(new URL(`../fixtures/samples/${name}/`, import.meta.url))
      .filter((file) =>
        /oa_pdf|record_pdf|article_pdf|preprint_pdf|entry|fulltext|available|idconv_found/.test(file)
      )
      .map((file) => [name, `${name}/${file}`] as const)
  )

  it.live.each(samples)(
    "strange addresses in the place of its own names none of them: %s %s",
    ([name, file]) =>
      Effect.gen(function* () {
        const text = sample(file)
        yield* Effect.forEach(
          addresses,
          (address) =>
            Effect.gen(function* () {
              const body = text.replaceAll(/https?:(?:\\?\/){2}[^"<>\s]+/g, () => address)
              const { result } = yield* ask(name, Behaviour.respond({ body }), {
                artifact: artifactOf(name),
                known: KNOWN,
                env: { CORE_API_KEY: "key" }
              })
              if (Either.isRight(result)) for (const { url } of result.right) checkUrl(url)
              else checkText(result.left.message)
            }),
          { concurrency: 4, discard: true }
        )
      }).pipe(Effect.timeout("30 seconds"))
  )
})
