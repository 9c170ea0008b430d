/**
 * What each status of an answer means for the candidate, the job and the host: one table.
 *
 * | status                                 | meaning                                                               |
 * |----------------------------------------|-----------------------------------------------------------------------|
 * | 200, 203                               | a body                                                                |
 * | 301, 302, 303, 307, 308 with Location  | a redirect, to be followed when Retry-After says                      |
 * | any other that checks for a human       | the next candidate; a failure of the host                             |
 * | 429; 403, 503 with Retry-After, or a   | the host waits, at least as long as it asks for                       |
 * | rate limit of which nothing remains    |                                                                       |
 * | 202, 206, 408, 425, other 5xx          | may go well later                                                     |
 * | 501, 505, everything else              | the next candidate                                                    |
 */
import * as Option from "effect/Option"
import type { Response } from "../http/Http.ts"
import * as RetryAfter from "../http/RetryAfter.ts"

/**
 * What an answer's head says. `until`, `notBefore`: milliseconds since the epoch; `until` is `undefined` where the host
 * asks to wait and doesn't say for how long.
 */
export type Meaning =
  | { readonly _tag: "Body" }
  | { readonly _tag: "Redirect"; readonly location: string; readonly notBefore: number | undefined }
  | {
      readonly _tag: "Wait"
      readonly reason: string
      readonly message: string
      readonly until: number | undefined
    }
  | {
      readonly _tag: "Retry"
      readonly reason: string
      readonly message: string
      readonly notBefore: number | undefined
    }
  | { readonly _tag: "TryNext"; readonly reason: string; readonly message: string }

/** The shortest wait, so that a hint of zero doesn't become a loop without a pause. */
export const SHORTEST_WAIT_MS = 1000

const REDIRECTS = new Set([301, 302, 303, 307, 308])
const PASSING = new Set([202, 206, 408, 425])
const LASTING = new Set([501, 505])

const NAMES: Readonly<Record<number, string>> = {
  202: "the file isn't ready yet",
  204: "there is no content",
  206: "only a part came, though all was asked for",
  401: "it asks for credentials",
  402: "it asks to pay",
  403: "it forbids access",
  404: "it isn't there",
  408: "the server waited too long for the request",
  410: "it is gone",
  429: "the server asks for fewer requests",
  451: "it is blocked for legal reasons",
  500: "the server failed",
  502: "the server behind it failed",
  503: "the server is overloaded or down",
  504: "the server behind it didn't answer in time"
}

/**
 * Whether the services that stand before hosts say that they check for a human instead of answering: Cloudflare, AWS
 * WAF, and DataDome, which signs what it lets through, too.
 */
const checksForHuman = ({ header, status }: Pick<Response, "status" | "header">): boolean =>
  header("cf-mitigated")?.trim().toLowerCase() === "challenge" ||
  /^\s*(?:challenge|captcha)\s*$/i.test(header("x-amzn-waf-action") ?? "") ||
  (status === 403 && header("x-datadome") !== undefined)

/** What such an answer means. */
export const challenge = (status: number): Extract<Meaning, { readonly _tag: "TryNext" }> => ({
  _tag: "TryNext",
  reason: "challenge",
  message: `the server checks for a human (HTTP ${status})`
})

/** Whether nothing remains of the rate that is allowed: some say so with 403 instead of 429. */
const isUsedUp = (header: Response["header"]): boolean =>
  /^\s*0+\s*$/.test(header("ratelimit-remaining") ?? header("x-ratelimit-remaining") ?? "")

/** Reads the head of an answer. `maxSeconds` bounds what a server may ask to wait. */
export const meaning = (
  response: Pick<Response, "status" | "header">,
  now: number,
  maxSeconds: number
): Meaning => {
  const { header, status } = response
  const reason = `http-${status}`
  const message = `${NAMES[status] ?? "no file came"} (HTTP ${status})`
  const retryAfter = () =>
    Option.fromNullable(header("retry-after")).pipe(
      Option.flatMap((value) => RetryAfter.parse(value, now, maxSeconds, RetryAfter.serverNow(header, now)))
    )
  const wait = (until: number | undefined): Meaning => ({
    _tag: "Wait",
    reason,
    message,
    until: until === undefined ? undefined : Math.max(until, now + SHORTEST_WAIT_MS)
  })

  if (status === 200 || status === 203) return { _tag: "Body" }
  if (REDIRECTS.has(status)) {
    const location = header("location")?.trim() ?? ""
    if (location === "") {
      return {
        _tag: "TryNext",
        reason: "bad-redirect",
        message: `a redirect without a target (HTTP ${status})`
      }
    }
    const notBefore = Option.getOrUndefined(Option.filter(retryAfter(), (at) => at > now))
    return { _tag: "Redirect", location, notBefore }
  }
  if (checksForHuman(response)) return challenge(status)
  if (status === 429) {
    return wait(Option.getOrUndefined(RetryAfter.hint(header, now, maxSeconds)))
  }
  const asked = retryAfter()
  if (status === 403 || status === 503) {
    const until = isUsedUp(header) ? RetryAfter.hint(header, now, maxSeconds) : asked
    if (Option.isSome(until)) return wait(until.value)
  }
  if (PASSING.has(status) || (status >= 500 && !LASTING.has(status))) {
    return { _tag: "Retry", reason, message, notBefore: Option.getOrUndefined(asked) }
  }
  return { _tag: "TryNext", reason, message }
}
