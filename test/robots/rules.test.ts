/** The rules of RFC 9309, by its own examples and by what parsers get wrong. */
import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import robotsParser from "robots-parser"
import { decodeUnreserved, rulesOf } from "../../src/robots/Rules.ts"

const ORIGIN = "https://papers.test"

const allows = (text: string, path: string, agent = "contentdownload") =>
  Option.isNone(rulesOf(text, agent).refuses(`${ORIGIN}${path}`))

interface Parsed {
  readonly isAllowed: (url: string, agent: string) => boolean | undefined
  readonly getMatchingLineNumber: (url: string, agent: string) => number
  readonly getCrawlDelay: (agent: string) => number | undefined
}

/** The package is CommonJS and typed as if it were not: what is imported is the function itself. */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
const parse = robotsParser as unknown as (url: string, text: string) => Parsed

describe("robots.txt", () => {
  const cases: ReadonlyArray<readonly [what: string, text: string, path: string, allowed: boolean]> = [
    ["empty", "", "/x", true],
    ["refuses all", "User-agent: *\nDisallow: /", "/x", false],
    ["refuses nothing", "User-agent: *\nDisallow:", "/x", true],
    [
      "a group of our own before the general one",
      "User-agent: *\nDisallow: /\n\nUser-agent: contentdownload\nAllow: /",
      "/x",
      true
    ],
    ["a group of our own, in other letters", "User-agent: ContentDownload\nDisallow: /x", "/x", false],
    ["a group of somebody else", "User-agent: otherbot\nDisallow: /", "/x", true],
    [
      "several agents in a group",
      "User-agent: otherbot\nUser-agent: contentdownload\nDisallow: /x",
      "/x",
      false
    ],
    ["the longest rule wins", "User-agent: *\nDisallow: /a\nAllow: /a/b", "/a/b/c", true],
    ["allow wins over an equal one", "User-agent: *\nDisallow: /a\nAllow: /a", "/a", true],
    ["a star", "User-agent: *\nDisallow: /*.pdf", "/x/y.pdf", false],
    ["an end", "User-agent: *\nDisallow: /*.pdf$", "/x/y.pdf?z", true],
    ["paths differ by case", "User-agent: *\nDisallow: /Papers", "/papers", true],
    ["an octet encoded for no reason, in the rule", "User-agent: *\nDisallow: /foo/%62ar", "/foo/bar", false],
    ["an octet encoded for no reason, in the URL", "User-agent: *\nDisallow: /foo/bar", "/foo/b%61r", false],
    ["robots.txt itself", "User-agent: *\nDisallow: /", "/robots.txt", true],
    ["comments, and no order", "# hello\nUser-agent: * # all\nDisallow: /x # this\n", "/x", false],
    ["a file that is a page", "<!DOCTYPE html><html><body>Disallow: /</body></html>", "/x", true],
    ["other line ends", "User-agent: *\r\nDisallow: /x\r\n", "/x", false],
    ["a mark of its encoding", "\uFEFFUser-agent: *\nDisallow: /x", "/x", false],
    [
      "a line of another kind between two agents",
      "User-agent: contentdownload\nSitemap: https://papers.test/map.xml\nUser-agent: otherbot\nDisallow: /",
      "/x",
      false
    ],
    [
      "lines of other kinds between the rules of a group",
      "User-agent: contentdownload\nHost: papers.test\nClean-param: s\nDisallow: /x",
      "/x",
      false
    ],
    ["an agent's version", "User-agent: contentdownload/2.0 (any)\nDisallow: /x", "/x", false],
    ["brackets, a bar, an accent", "User-agent: *\nDisallow: /a[1]|b^.pdf", "/a[1]|b^.pdf", false],
    ["brackets encoded in the URL", "User-agent: *\nDisallow: /a[1]", "/a%5b1%5D", false],
    ["brackets encoded in the rule", "User-agent: *\nDisallow: /a%5B1%5d", "/a[1]", false],
    ["a quote in a query", "User-agent: *\nDisallow: /a?b='c'", "/a?b='c'", false],
    ["other letters", "User-agent: *\nDisallow: /bücher/", "/b%c3%bccher/1", false],
    ["a star that is encoded, for one", "User-agent: *\nDisallow: /a-%2A.html", "/a-*.html", false],
    ["a star that is encoded, for no other", "User-agent: *\nDisallow: /a-%2A.html", "/a-b.html", true],
    ["a dollar that is encoded", "User-agent: *\nDisallow: /a-%24", "/a-$b", false],
    ["a dollar that is no end", "User-agent: *\nDisallow: /a$b", "/a$bc", false],
    ["a star before the end", "User-agent: *\nDisallow: /a*$", "/abc", false],
    ["an end that stands earlier, too", "User-agent: *\nDisallow: /*a$", "/aba", false],
    ["an end that is a part already", "User-agent: *\nDisallow: /*ab*b$", "/xab", true]
  ]
  it.each(cases)("%s", (_, text, path, allowed) => expect(allows(text, path)).toBe(allowed))

  it("says the line of the rule that decided, whatever else stands in the file", () => {
    const text = "# hello\nSitemap: x\n\nUser-agent: *\nHost: x\nDisallow: /a\n\nDisallow: /a/*b\n"
    const line = (path: string) => Option.getOrNull(rulesOf(text, "x").refuses(ORIGIN + path))
    expect([line("/ac"), line("/a/cb"), line("/")]).toEqual([6, 8, null])
  })

  it("names a Crawl-delay, of the group that counts", () => {
    const text = "User-agent: *\nCrawl-delay: 7\n\nUser-agent: contentdownload\nCrawl-delay: 2.5\n"
    expect(rulesOf(text, "contentdownload").crawlDelaySeconds).toBe(2.5)
    expect(rulesOf(text, "otherbot").crawlDelaySeconds).toBe(7)
    expect(rulesOf("User-agent: *\nCrawl-delay: soon", "contentdownload").crawlDelaySeconds).toBe(0)
  })

  it.prop(
    "says what another reader of it says, where that one keeps to the standard",
    {
      lines: FastCheck.array(
        FastCheck.oneof(
          FastCheck.constantFrom("User-agent: *", "user-agent: other", "User-Agent:ContentDownload/1.0", ""),
          FastCheck.constantFrom(
            "Crawl-delay: 3",
            "crawl-delay: soon",
            "# a: comment",
            "Allow:",
            "Disallow: "
          ),
          FastCheck.tuple(
            FastCheck.constantFrom("Allow", "disallow"),
            FastCheck.stringMatching(/^\/(?:[ab/.?]|\*[ab]){0,6}\$?$/)
          ).map(([kind, pattern]) => `${kind}: ${pattern} # why`)
        ),
        { maxLength: 30 }
      ),
      path: FastCheck.stringMatching(/^\/[ab/.?]{0,8}$/)
    },
    ({ lines, path }) => {
      const text = lines.join("\n")
      const url = ORIGIN + path
      const other = parse(`${ORIGIN}/robots.txt`, text)
      const { crawlDelaySeconds, refuses } = rulesOf(text, "contentdownload")
      const refused = other.isAllowed(url, "contentdownload") === false
      expect(Option.getOrNull(refuses(url))).toBe(
        refused ? other.getMatchingLineNumber(url, "contentdownload") : null
      )
      expect(crawlDelaySeconds).toBe(other.getCrawlDelay("contentdownload") ?? 0)
    },
    { fastCheck: { numRuns: 1000 } }
  )

  it.prop(
    "can be anything",
    [FastCheck.fullUnicodeString({ maxLength: 400 }), FastCheck.webPath()],
    ([text, path]) => {
      expect(typeof allows(text, path === "" ? "/" : path)).toBe("boolean")
    }
  )
})

/** Rules up to a length. */
const filled = (line: (n: number) => string, bytes = 500 * 1024) => {
  const lines = ["User-agent: *"]
  for (let length = 0, n = 0; length < bytes; n += 1) {
    lines.push(line(n))
    length += (lines.at(-1)?.length ?? 0) + 1
  }
  return lines.join("\n")
}
const letters = (n: number) => n.toString(36)
const LONG = 12 * 1024

describe("a file made to be costly", () => {
  /** In steps of the search where it is refused: never by the clock. A reader that tries all ways takes hours. */
  it.each([
    ["of stars alone", `User-agent: *\nDisallow: ${"*".repeat(500 * 1024)}b`, true],
    ["of stars and letters", `User-agent: *\nDisallow: /${"*a".repeat(250 * 1024)}`, true],
    [
      "of long parts that nearly stand everywhere",
      `User-agent: *\n${`Disallow: /*aab${"a".repeat(1000)}*i\n`.repeat(500)}`,
      false
    ],
    ["of stars and letters that end", `User-agent: *\nDisallow: /${"*a".repeat(6000)}*b$`, true],
    ["of many rules that nearly match", filled((n) => `Allow: /*aaa${letters(n)}z`), false],
    ["of many agents", filled((n) => `User-agent: ${n % 2 === 0 ? "*" : letters(n)}`), true]
  ])("%s is judged all the same", (_, text, allowed) => {
    const { refuses } = rulesOf(text, "contentdownload")
    expect(Option.isNone(refuses(`${ORIGIN}/${"a".repeat(LONG)}`))).toBe(allowed)
  })

  it("but no real one is refused for its length", () => {
    const { refuses } = rulesOf(
      filled((n) => `Disallow: /*/${letters(n)}/*.pdf$`, 30_000),
      "x"
    )
    expect(Option.isNone(refuses(`${ORIGIN}/${"papers/".repeat(250)}x.pdf`))).toBe(true)
  })
})

describe("octets encoded for no reason", () => {
  it.prop("are decoded once and for all, and no others", [FastCheck.webPath()], ([path]) => {
    expect(decodeUnreserved(decodeUnreserved(path))).toBe(decodeUnreserved(path))
    expect(decodeUnreserved("%2F%25%3f%20")).toBe("%2F%25%3f%20")
  })
})
