/**
 * The rules of one robots.txt, read by robots-parser; what it misses of RFC 9309 is put right before it sees it.
 *
 * `%62` and `b` are one letter (2.2.2): in rules and URLs alike, octets that needn't be encoded are decoded first.
 */
import * as Option from "effect/Option"
import robotsParser from "robots-parser"

interface Parsed {
  readonly isAllowed: (url: string, agent: string) => boolean | undefined
  readonly getMatchingLineNumber: (url: string, agent: string) => number
  readonly getCrawlDelay: (agent: string) => number | undefined
}

/** The package is CommonJS and typed as if it were not: what is imported is the function itself. */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
const parse = robotsParser as unknown as (url: string, text: string) => Parsed

/** What a file says to one product. */
export interface Rules {
  /** The line that refuses this URL. */
  readonly refuses: (url: string) => Option.Option<number>
  /** 0 where there is none. */
  readonly crawlDelaySeconds: number
}

const UNRESERVED = /%(?:2D|2E|5F|7E|3[0-9]|[46][1-9A-F]|[57][0-9A])/gi

/** Decodes what stands encoded for no reason (RFC 3986, 2.3). */
export const decodeUnreserved = (text: string): string =>
  text.replaceAll(UNRESERVED, (octet) => String.fromCharCode(Number.parseInt(octet.slice(1), 16)))

/** The rules of the file of an origin, for a product's name. */
export const rulesOf = (origin: string, text: string, agent: string): Rules => {
  const robots = parse(`${origin}/robots.txt`, decodeUnreserved(text))
  const delay = robots.getCrawlDelay(agent) ?? 0
  return {
    refuses: (url) => {
      const asked = decodeUnreserved(url)
      return new URL(url).pathname !== "/robots.txt" && robots.isAllowed(asked, agent) === false
        ? Option.some(robots.getMatchingLineNumber(asked, agent))
        : Option.none()
    },
    crawlDelaySeconds: Number.isFinite(delay) && delay > 0 ? delay : 0
  }
}
