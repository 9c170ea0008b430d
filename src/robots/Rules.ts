/**
 * The rules of one robots.txt as RFC 9309 reads them: groups of records, the longest pattern that matches decides, and
 * of equally long ones the one that allows.
 *
 * The file is whatever its server sends, so what it costs is bounded: reading it takes one pass, and a URL is compared
 * with its patterns in time that grows with their length and its own, up to a limit for all of them together.
 */
import * as Option from "effect/Option"

/** What a file says to one product. */
export interface Rules {
  /** The line that refuses this URL. */
  readonly refuses: (url: string) => Option.Option<number>
  /** 0 where there is none. */
  readonly crawlDelaySeconds: number
}

// ---------------------------------------------------------------------------------------------------------------
// Patterns
// ---------------------------------------------------------------------------------------------------------------

const UNRESERVED = /%(?:2D|2E|5F|7E|3[0-9]|[46][1-9A-F]|[57][0-9A])/gi

/** Decodes what stands encoded for no reason (RFC 3986, 2.3). */
export const decodeUnreserved = (text: string): string =>
  text.replaceAll(UNRESERVED, (octet) => String.fromCharCode(Number.parseInt(octet.slice(1), 16)))

const octets = (text: string): string =>
  Array.from(Buffer.from(text), (octet) => `%${octet.toString(16).toUpperCase().padStart(2, "0")}`).join("")

/**
 * One spelling for all that mean the same path (RFC 9309, 2.2.2): URLs leave `[`, `|` and others as they are in one
 * place and encode them in another, so here they are always encoded; so are `*` and `$`, which a pattern names that way.
 */
const normal = (path: string): string =>
  decodeUnreserved(path)
    .replaceAll(/%[0-9a-f]{2}/gi, (octet) => octet.toUpperCase())
    .replaceAll(/[^\w\-.~!&()+,;=:@/?%]+/g, octets)

interface Rule {
  readonly allow: boolean
  readonly line: number
  /** What stands before, between and behind the stars. */
  readonly parts: ReadonlyArray<string>
  /** Whether the path has to end where the pattern does. */
  readonly ends: boolean
  readonly length: number
}

const ruleOf = (pattern: string, allow: boolean, line: number): Rule => {
  const ends = pattern.endsWith("$")
  const stars = (ends ? pattern.slice(0, -1) : pattern).replaceAll(/\*+/g, "*")
  const parts = stars.split("*").map(normal)
  const length = parts.reduce((sum, part) => sum + part.length, parts.length - 1) + (ends ? 1 : 0)
  return { allow, line, parts, ends, length }
}

/**
 * Characters of a path that may be looked through for the parts behind stars, of all rules together: a thousand such
 * rules and the longest URL that servers take. Where a part is long, each may be compared with some of its own.
 */
const MOST_SEARCHED = 16_000_000

/** Whether the rule matches; `undefined` where the search would take more than `left`. Each part is taken where it first stands. */
const matches = ({ ends, parts }: Rule, path: string, left: { searched: number }): boolean | undefined => {
  const [first = "", ...others] = parts
  if (!path.startsWith(first)) return false
  const last = others.pop()
  if (last === undefined) return !ends || path.length === first.length
  let at = first.length
  const find = (part: string): boolean => {
    const found = path.indexOf(part, at)
    const range = 1 + (found < 0 ? path.length : found) - at
    left.searched -= range * (1 + (part.length >> 4))
    at = found + part.length
    return found >= 0
  }
  for (const part of others) {
    if (left.searched < 0) return undefined
    if (!find(part)) return false
  }
  if (ends) return path.length - last.length >= at && path.endsWith(last)
  return left.searched < 0 ? undefined : find(last)
}

// ---------------------------------------------------------------------------------------------------------------
// Groups
// ---------------------------------------------------------------------------------------------------------------

/** What the groups for one name say, which count as one (RFC 9309, 2.2.1). */
interface Group {
  readonly rules: Array<Rule>
  crawlDelay: number
}

const productOf = (agent: string): string => agent.split(/[\s/]/, 1)[0]?.toLowerCase() ?? ""

/** The records of a line that says something; others, such as `Sitemap`, don't interfere with the groups (2.2.4). */
const RECORD = /^\s*(user-agent|allow|disallow|crawl-delay)\s*:([^#]*)/i

/** The group for a product, or else the one for all. */
const groupOf = (text: string, product: string): Group | undefined => {
  const groups = new Map<string, Group>()
  /** Of the names of the group that is being read, those that matter here. */
  const names = new Set<string>()
  let naming = false
  for (const [index, line] of text
    .replace(/^\uFEFF/, "")
    .split(/\r\n|\r|\n/)
    .entries()) {
    const [, key = "", said = ""] = RECORD.exec(line) ?? []
    const kind = key.toLowerCase()
    const value = said.trim()
    if (kind === "") continue
    if (kind === "user-agent") {
      if (!naming) names.clear()
      naming = true
      const name = productOf(value)
      if (name === product || name === "*") names.add(name)
      continue
    }
    naming = false
    for (const name of names) {
      const group = groups.get(name) ?? { rules: [], crawlDelay: 0 }
      groups.set(name, group)
      if (kind !== "crawl-delay") {
        if (value !== "") group.rules.push(ruleOf(value, kind === "allow", index + 1))
      } else if (!Number.isNaN(Number(value))) group.crawlDelay = Number(value)
    }
  }
  return groups.get(product) ?? groups.get("*")
}

/** The first that matches decides. */
const byPrecedence = (one: Rule, other: Rule): number =>
  other.length - one.length || Number(other.allow) - Number(one.allow)

/** The rules of a file, for a product's name. What can't be compared with all of them in time is refused. */
export const rulesOf = (text: string, agent: string): Rules => {
  const { crawlDelay, rules } = groupOf(text, productOf(agent)) ?? { rules: [], crawlDelay: 0 }
  const sorted = rules.toSorted(byPrecedence)
  return {
    refuses: (url) => {
      const { pathname, search } = new URL(url)
      if (pathname === "/robots.txt") return Option.none()
      const path = normal(pathname + search)
      const left = { searched: MOST_SEARCHED }
      for (const rule of sorted) {
        const matching = matches(rule, path, left)
        if (matching === false) continue
        return matching === true && rule.allow ? Option.none() : Option.some(rule.line)
      }
      return Option.none()
    },
    crawlDelaySeconds: Number.isFinite(crawlDelay) && crawlDelay > 0 ? crawlDelay : 0
  }
}
