/** The rules of RFC 9309, by its own examples and by what parsers get wrong. */
import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import { decodeUnreserved, rulesOf } from "../../src/robots/Rules.ts"

const ORIGIN = "https://papers.test"

const allows = (text: string, path: string, agent = "contentdownload") =>
  Option.isNone(rulesOf(ORIGIN, text, agent).refuses(`${ORIGIN}${path}`))

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
    ["other line ends", "User-agent: *\r\nDisallow: /x\r\n", "/x", false]
  ]
  it.each(cases)("%s", (_, text, path, allowed) => expect(allows(text, path)).toBe(allowed))

  it("names a Crawl-delay, of the group that counts", () => {
    const text = "User-agent: *\nCrawl-delay: 7\n\nUser-agent: contentdownload\nCrawl-delay: 2.5\n"
    expect(rulesOf(ORIGIN, text, "contentdownload").crawlDelaySeconds).toBe(2.5)
    expect(rulesOf(ORIGIN, text, "otherbot").crawlDelaySeconds).toBe(7)
    expect(rulesOf(ORIGIN, "User-agent: *\nCrawl-delay: soon", "contentdownload").crawlDelaySeconds).toBe(0)
  })

  it.prop(
    "can be anything",
    [FastCheck.fullUnicodeString({ maxLength: 400 }), FastCheck.webPath()],
    ([text, path]) => {
      expect(typeof allows(text, path === "" ? "/" : path)).toBe("boolean")
    }
  )
})

describe("octets encoded for no reason", () => {
  it.prop("are decoded once and for all, and no others", [FastCheck.webPath()], ([path]) => {
    expect(decodeUnreserved(decodeUnreserved(path))).toBe(decodeUnreserved(path))
    expect(decodeUnreserved("%2F%25%3f%20")).toBe("%2F%25%3f%20")
  })
})
