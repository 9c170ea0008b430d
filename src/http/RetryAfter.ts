/**
 * How long a server asks us to stay away: `Retry-After` in seconds or as an HTTP date, else the reset time of its
 * rate limit, in the form of today's draft (`RateLimit: "default";r=0;t=20`) or in an older one.
 *
 * Times of the day are by the server's clock, which may be another than ours; its answer's `Date` says what that shows. What
 * can't be read, is negative or lies in the past is no hint. A hint is a lower bound; it is cut only at the
 * configured maximum, so that a broken server can't park a host for years.
 */
import * as Option from "effect/Option"

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
const TIME = "(\\d{2}):(\\d{2}):(\\d{2})"
/** `Sun, 06 Nov 1994 08:49:37 GMT`, the one format servers should send (RFC 9110, 5.6.7). */
const IMF_FIXDATE = new RegExp(`^[a-z]{3}, (\\d{2}) ([a-z]{3}) (\\d{4}) ${TIME} GMT$`, "i")
/** `Sunday, 06-Nov-94 08:49:37 GMT`, obsolete. */
const RFC_850 = new RegExp(`^[a-z]{6,9}, (\\d{2})-([a-z]{3})-(\\d{2}) ${TIME} GMT$`, "i")
/** `Sun Nov  6 08:49:37 1994`, obsolete. */
const ASCTIME = new RegExp(`^[a-z]{3} ([a-z]{3}) ([ \\d]\\d) ${TIME} (\\d{4})$`, "i")

/** Milliseconds since the epoch, unless a field is out of range. */
const utc = (
  year: number,
  month: string,
  day: string,
  time: readonly [string, string, string]
): number | undefined => {
  const index = MONTHS.indexOf(month.toLowerCase())
  const [hour, minute, second] = [Number(time[0]), Number(time[1]), Number(time[2])]
  const at = Date.UTC(year, index, Number(day), hour, minute, second)
  const valid =
    index >= 0 &&
    new Date(at).getUTCDate() === Number(day) &&
    hour < 24 &&
    minute < 60 &&
    // A leap second is a legal time.
    second <= 60
  return valid ? at : undefined
}

/** An HTTP date in any of its three formats, as milliseconds since the epoch. `now` settles a two-digit year. */
export const parseHttpDate = (text: string, now: number): Option.Option<number> => {
  const imf = IMF_FIXDATE.exec(text)
  if (imf !== null) {
    const [, day = "", month = "", year = "", h = "", m = "", s = ""] = imf
    return Option.fromNullable(utc(Number(year), month, day, [h, m, s]))
  }
  const rfc850 = RFC_850.exec(text)
  if (rfc850 !== null) {
    const [, day = "", month = "", short = "", h = "", m = "", s = ""] = rfc850
    const thisYear = new Date(now).getUTCFullYear()
    const year = Math.floor(thisYear / 100) * 100 + Number(short)
    // A year that seems more than 50 years ahead is the most recent one with these digits (RFC 9110, 5.6.7).
    return Option.fromNullable(utc(year > thisYear + 50 ? year - 100 : year, month, day, [h, m, s]))
  }
  const asctime = ASCTIME.exec(text)
  if (asctime !== null) {
    const [, month = "", day = "", h = "", m = "", s = "", year = ""] = asctime
    return Option.fromNullable(utc(Number(year), month, day, [h, m, s]))
  }
  return Option.none()
}

/** The zone of a date that isn't in one of HTTP's formats, but says when all the same. */
const ZONED = /\d:\d{2}.*(?:Z|UTC|[+-]\d{2}:?\d{2})$/i

/** An HTTP date, or another one that servers send by mistake: with `+0000`, or as ISO 8601 has it. */
const parseDate = (text: string, now: number): Option.Option<number> =>
  Option.orElse(parseHttpDate(text, now), () =>
    Option.filter(Option.some(Date.parse(ZONED.test(text) ? text : "")), (at) => !Number.isNaN(at))
  )

type Header = (name: string) => string | undefined

/** What a server's clock shows at `now`, by what it says of its answer; `now` where it doesn't. */
export const serverNow = (header: Header, now: number): number =>
  Option.getOrElse(parseHttpDate(header("date")?.trim() ?? "", now), () => now)

/**
 * The time a `Retry-After` value names, as milliseconds since the epoch, at most `maxSeconds` from `now`. Dates are meant by
 * the server's clock, which shows `theirs`. `None`: garbage, negative, or a date that has passed.
 */
export const parse = (
  value: string,
  now: number,
  maxSeconds: number,
  theirs = now
): Option.Option<number> => {
  const text = value.trim()
  const latest = now + maxSeconds * 1000
  if (/^\d+(?:\.\d+)?$/.test(text)) return Option.some(Math.min(now + Math.ceil(Number(text) * 1000), latest))
  return parseDate(text, now).pipe(
    Option.filter((at) => at > theirs),
    Option.map((at) => Math.min(now + at - theirs, latest))
  )
}

/** Below this a reset is a number of seconds to wait, above it a Unix time. */
const SMALLEST_EPOCH_SECONDS = 1_000_000_000
/** Above this a Unix time is in milliseconds. */
const SMALLEST_EPOCH_MILLIS = 100_000_000_000

/** The time a `RateLimit-Reset` or `X-RateLimit-Reset` value names; seconds to wait, a Unix time, or a date. */
export const parseReset = (
  value: string,
  now: number,
  maxSeconds: number,
  theirs = now
): Option.Option<number> => {
  const text = value.trim()
  if (!/^\d+(?:\.\d+)?$/.test(text)) return parse(text, now, maxSeconds, theirs)
  const number = Number(text)
  const at =
    number >= SMALLEST_EPOCH_MILLIS
      ? now + number - theirs
      : number >= SMALLEST_EPOCH_SECONDS
        ? now + number * 1000 - theirs
        : now + number * 1000
  return at < now ? Option.none() : Option.some(Math.min(Math.ceil(at), now + maxSeconds * 1000))
}

/** As much of a value is read: it is the server's, and looked through more than once. */
const MOST_READ = 2048

const QUOTED = /"(?:[^"\\]|\\.)*"/g
const USED_UP = /;\s*r=0+\s*(?:;|$)/
const RESET = /;\s*t=(\d+)\s*(?:;|$)/
const USED_UP_BEFORE = /(?:^|,)\s*remaining=0+\s*(?:,|$)/
const RESET_BEFORE = /(?:^|,)\s*reset=(\d+)\s*(?:,|$)/

/**
 * The time a `RateLimit` value names (draft-ietf-httpapi-ratelimit-headers): the latest at which a policy of which
 * nothing remains has something again. Of drafts before the eighth, whose policies were one: `remaining=0, reset=20`.
 */
export const parseRateLimit = (value: string, now: number, maxSeconds: number): Option.Option<number> => {
  // The name of a policy is a string, and may hold anything.
  const text = value.slice(0, MOST_READ).replaceAll(QUOTED, "")
  const resets = text
    .split(",")
    .flatMap((policy) => (USED_UP.test(policy) ? (RESET.exec(policy)?.[1] ?? []) : []))
  const before = USED_UP_BEFORE.test(text) ? (RESET_BEFORE.exec(text)?.[1] ?? []) : []
  const seconds = [...resets, ...[before].flat()].map(Number)
  return seconds.length === 0
    ? Option.none()
    : Option.some(now + Math.min(Math.max(...seconds), maxSeconds) * 1000)
}

/** The hint of an answer that refuses a request for its rate: `Retry-After` first, then the resets. */
export const hint = (header: Header, now: number, maxSeconds: number): Option.Option<number> => {
  const theirs = serverNow(header, now)
  return Option.fromNullable(header("retry-after")).pipe(
    Option.flatMap((value) => parse(value, now, maxSeconds, theirs)),
    Option.orElse(() =>
      Option.fromNullable(header("ratelimit")).pipe(
        Option.flatMap((value) => parseRateLimit(value, now, maxSeconds))
      )
    ),
    Option.orElse(() =>
      Option.fromNullable(header("ratelimit-reset") ?? header("x-ratelimit-reset")).pipe(
        Option.flatMap((value) => parseReset(value, now, maxSeconds, theirs))
      )
    )
  )
}
