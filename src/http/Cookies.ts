/**
 * What hosts set on the way to a file, sent back on the rest of that way: many publishers' sites lead whoever comes back
 * without it in a circle, or to a page that says so. It lives as long as the way, and is sent to nobody else.
 *
 * Who gets a cookie back is told by its domain, path and `Secure`, as in RFC 6265 (5.1.3, 5.1.4, 5.3 and 5.4); undici
 * parses. No cookie is for all of a suffix under which anybody may register, such as `co.uk` or `github.io`.
 */
import { isIP } from "node:net"
import * as Schema from "effect/Schema"
import { getPublicSuffix } from "tldts"
import { parseCookie } from "undici"

/** One that a host has set. */
export const Cookie = Schema.Struct({
  name: Schema.String,
  value: Schema.String,
  domain: Schema.String,
  /** Only for the very host that has set it. */
  hostOnly: Schema.Boolean,
  path: Schema.String,
  secure: Schema.Boolean,
  /** Milliseconds since the epoch; `null`: not before the way is over. */
  expiresAt: Schema.NullOr(Schema.Number)
})
export type Cookie = typeof Cookie.Type

/** As much as browsers take at least of one cookie, and of one host. */
const MAX_BYTES = 4096
const MAX_COOKIES = 50
const LONGEST_SECONDS = 400 * 86_400

const MAX_AGE = /;\s*max-age\s*=\s*(-?\d+)\s*(?:;|$)/i
const EXPIRES = /;\s*expires\s*=([^;]*)/i

/** What is no date, such as `0` or `Session`, says nothing (RFC 6265, 5.2.1); a date has a time. */
const expiryOf = (line: string, now: number): number | null => {
  const seconds = MAX_AGE.exec(line)?.[1]
  if (seconds !== undefined) return now + Math.min(Number(seconds), LONGEST_SECONDS) * 1000
  const date = EXPIRES.exec(line)?.[1] ?? ""
  const at = /\d:\d/.test(date) ? Date.parse(date) : Number.NaN
  return Number.isNaN(at) ? null : at
}

const isUnder = (host: string, domain: string): boolean =>
  host === domain || (host.endsWith(`.${domain}`) && isIP(host) === 0)

/** By the list of publicsuffix.org; what that doesn't have is one if it has no dot. */
const isSuffix = (domain: string): boolean =>
  getPublicSuffix(domain, { allowPrivateDomains: true }) === domain

/** What a cookie without a path is for. */
const folderOf = (path: string): string => path.slice(0, Math.max(1, path.lastIndexOf("/")))

const isForPath = (path: string, cookie: string): boolean =>
  path.startsWith(cookie) &&
  (path.length === cookie.length || cookie.endsWith("/") || path[cookie.length] === "/")

/** The cookie of a `Set-Cookie` in an answer to `url`; `undefined` for what a host may not set. */
const toCookie = (line: string, url: URL, now: number): Cookie | undefined => {
  if (line.length > MAX_BYTES) return undefined
  const parsed = parseCookie(line)
  if (parsed === null || parsed.name === "") return undefined
  const { name, secure = false, value } = parsed
  const { hostname, pathname, protocol } = url
  const domain = (parsed.domain ?? "").replace(/^\./, "").toLowerCase()
  const hostOnly = domain === "" || (domain === hostname && isSuffix(domain))
  if (!hostOnly && (!isUnder(hostname, domain) || isSuffix(domain))) return undefined
  if (secure && protocol !== "https:") return undefined
  return {
    name,
    value,
    domain: hostOnly ? hostname : domain,
    hostOnly,
    path: parsed.path?.startsWith("/") === true ? parsed.path : folderOf(pathname),
    secure,
    expiresAt: expiryOf(line, now)
  }
}

const isFresh = ({ expiresAt }: Cookie, now: number): boolean => expiresAt === null || expiresAt > now

const isSame = (a: Cookie, b: Cookie): boolean =>
  a.name === b.name && a.domain === b.domain && a.path === b.path

/** Those of before, and what an answer to `url` sets: its values of `Set-Cookie`. `now` in milliseconds. */
export const taken = (
  before: ReadonlyArray<Cookie>,
  lines: ReadonlyArray<string>,
  url: string,
  now: number
): ReadonlyArray<Cookie> => {
  let cookies = before
  for (const line of lines) {
    const cookie = toCookie(line, new URL(url), now)
    if (cookie === undefined) continue
    // One that has expired takes its namesake with it.
    cookies = [
      ...cookies.filter((other) => !isSame(other, cookie)),
      ...(isFresh(cookie, now) ? [cookie] : [])
    ]
  }
  return cookies.slice(-MAX_COOKIES)
}

/** The header `Cookie` of a request, the longest paths first; `undefined` if none is for it. */
export const headerFor = (cookies: ReadonlyArray<Cookie>, url: string, now: number): string | undefined => {
  const { hostname, pathname, protocol } = new URL(url)
  const own = cookies.filter(
    (cookie) =>
      isFresh(cookie, now) &&
      (cookie.hostOnly ? hostname === cookie.domain : isUnder(hostname, cookie.domain)) &&
      isForPath(pathname, cookie.path) &&
      (!cookie.secure || protocol === "https:")
  )
  if (own.length === 0) return undefined
  return own
    .toSorted((a, b) => b.path.length - a.path.length)
    .map(({ name, value }) => `${name}=${value}`)
    .join("; ")
}
