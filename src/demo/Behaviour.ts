/**
 * What a host of the local origin does with a request, as data.
 *
 * A behaviour is either an answer (a file, a status, a redirect) or wraps another one and changes it (delays it, cuts
 * it short, refuses the first tries). They nest freely: `delayed(400, resets(1, files()))`. A behaviour holds no
 * state; the origin remembers, for each host apart, what a behaviour has seen.
 */
import type { FileOptions } from "./OriginFile.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

export type Behaviour =
  | Files
  | Respond
  | Redirect
  | Endless
  | Reset
  | Routes
  | Delayed
  | Dripped
  | Cut
  | Unsized
  | Headed
  | Ranged
  | RateLimited
  | Tries

/**
 * A file of its own for every path, with length, type, strong ETag and Last-Modified. Conditions and ranges are
 * answered by RFC 9110.
 */
export interface Files extends FileOptions {
  readonly _tag: "Files"
  readonly contentType: string
}

/** Always this answer. */
export interface Respond {
  readonly _tag: "Respond"
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array
}

/** `to` becomes the Location: `{port}` in it stands for the origin's port, `{path}` for the path asked for. */
export interface Redirect {
  readonly _tag: "Redirect"
  readonly status: 301 | 302 | 303 | 307 | 308
  readonly to: string
}

/** A body without length and without end. */
export interface Endless {
  readonly _tag: "Endless"
}

/** Resets the connection instead of an answer. */
export interface Reset {
  readonly _tag: "Reset"
}

/**
 * A behaviour by path. A key matches the path with its query, else without; a key that ends in `*` matches every
 * path that begins so, the longest such key first. `inner` is for the rest.
 */
export interface Routes {
  readonly _tag: "Routes"
  readonly routes: Readonly<Record<string, Behaviour>>
  readonly inner: Behaviour
}

/** Waits before the first byte. */
export interface Delayed {
  readonly _tag: "Delayed"
  readonly ms: number
  readonly inner: Behaviour
}

/** Sends the body in pieces of `bytes`, one every `everyMs`. */
export interface Dripped {
  readonly _tag: "Dripped"
  readonly bytes: number
  readonly everyMs: number
  readonly inner: Behaviour
}

/**
 * Sends the head as if nothing were wrong, then half of the body, then:
 * - `close`: closes the connection, so that fewer bytes come than were announced;
 * - `reset`: resets it;
 * - `stall`: sends nothing more until the client leaves.
 */
export interface Cut {
  readonly _tag: "Cut"
  readonly how: "close" | "reset" | "stall"
  readonly inner: Behaviour
}

/** Sends no Content-Length: the body comes chunked. */
export interface Unsized {
  readonly _tag: "Unsized"
  readonly inner: Behaviour
}

/** Answers with other headers than meant; `null` takes one away. */
export interface Headed {
  readonly _tag: "Headed"
  readonly headers: Readonly<Record<string, string | null>>
  readonly inner: Behaviour
}

/**
 * What a server does wrong with ranges:
 * - `ignored`: sends the whole with 200;
 * - `refused`: answers 416;
 * - `shifted`: sends from one byte further on than it was asked for, and says so;
 * - `lied`: sends from one byte further on, and says it were what was asked for;
 * - `short`: says that it sends all but the last byte, and does;
 * - `silent`: says no range;
 * - `retagged`: says another ETag;
 * - `spliced`: says nothing is wrong, but sends the rest of another edition.
 */
export interface Ranged {
  readonly _tag: "Ranged"
  readonly how: "ignored" | "refused" | "shifted" | "lied" | "short" | "silent" | "retagged" | "spliced"
  readonly inner: Files
}

/** How a refusal says when to come back: in whole seconds, or as the date that many seconds ahead. */
export interface RetryAfter {
  readonly seconds: number
  readonly form: "seconds" | "date"
}

/**
 * Refuses with `status` the first `first` requests to the host, and every request that would be more than `max` in
 * any `windowMs`. Refused requests don't count into the window.
 */
export interface RateLimited {
  readonly _tag: "RateLimited"
  readonly status: number
  readonly first: number
  readonly max: number
  readonly windowMs: number
  readonly retryAfter: RetryAfter | null
  readonly inner: Behaviour
}

/** `first` for the first `count` tries of each path, then `inner`. */
export interface Tries {
  readonly _tag: "Tries"
  readonly count: number
  readonly first: Behaviour
  readonly inner: Behaviour
}

// ---------------------------------------------------------------------------------------------------------------
// Answers
// ---------------------------------------------------------------------------------------------------------------

/** Files. The content type is that of the kind, unless another is named. */
export const files = (options: FileOptions & { readonly contentType?: string } = {}): Files => ({
  ...options,
  _tag: "Files",
  contentType:
    options.contentType ?? (options.kind === "noise" ? "application/octet-stream" : "application/pdf")
})

/** One fixed answer. Defaults: 200, no headers, no body. Content-Length is added. */
export const respond = (answer: Partial<Omit<Respond, "_tag">> = {}): Respond => ({
  _tag: "Respond",
  status: answer.status ?? 200,
  headers: answer.headers ?? {},
  body: answer.body ?? ""
})

/** Always this status, with a line of text. */
export const status = (code: number, headers: Readonly<Record<string, string>> = {}): Respond =>
  respond({
    status: code,
    headers: { "content-type": "text/plain; charset=utf-8", ...headers },
    body: code === 204 || code === 304 ? "" : `${code}\n`
  })

/** JSON, as a resolver's service answers. */
export const json = (value: unknown, code = 200): Respond =>
  respond({
    status: code,
    headers: { "content-type": "application/json; charset=utf-8" },
    body: JSON.stringify(value)
  })

/** 200 with an HTML login page, whatever was asked for; `contentType` may call it a PDF. Default `text/html`. */
export const htmlForPdf = (contentType = "text/html; charset=utf-8"): Respond =>
  respond({
    headers: { "content-type": contentType },
    body:
      '<!DOCTYPE html>\n<html lang="en">\n<head><title>Sign in</title></head>\n<body>\n<h1>Sign in to read this</h1>\n' +
      '<form method="post" action="/login"><input name="user"><input name="password" type="password"></form>\n' +
      "</body>\n</html>\n"
  })

/** See `Redirect`. Default 302. `redirect("{path}")` is a loop. */
export const redirect = (to: string, code: Redirect["status"] = 302): Redirect => ({
  _tag: "Redirect",
  to,
  status: code
})

export const endless = (): Endless => ({ _tag: "Endless" })

export const reset = (): Reset => ({ _tag: "Reset" })

// ---------------------------------------------------------------------------------------------------------------
// Changes to answers
// ---------------------------------------------------------------------------------------------------------------

/** See `Routes`. Default for the rest: 404. */
export const routes = (
  byPath: Readonly<Record<string, Behaviour>>,
  inner: Behaviour = status(404)
): Routes => ({ _tag: "Routes", routes: byPath, inner })

export const delayed = (ms: number, inner: Behaviour = files()): Delayed => ({ _tag: "Delayed", ms, inner })

export const dripped = (
  pieces: { readonly bytes: number; readonly everyMs: number },
  inner: Behaviour = files()
): Dripped => ({ _tag: "Dripped", ...pieces, inner })

/** Content-Length says more than is sent. */
export const truncated = (inner: Behaviour = files()): Cut => ({ _tag: "Cut", how: "close", inner })

/** Half of the body, then nothing until the client leaves. */
export const stalled = (inner: Behaviour = files()): Cut => ({ _tag: "Cut", how: "stall", inner })

/** Half of the body, then a reset connection. */
export const resetInBody = (inner: Behaviour = files()): Cut => ({ _tag: "Cut", how: "reset", inner })

export const unsized = (inner: Behaviour = files()): Unsized => ({ _tag: "Unsized", inner })

/** See `Headed`. Names in lower case. */
export const headed = (headers: Headed["headers"], inner: Behaviour = files()): Headed => ({
  _tag: "Headed",
  headers,
  inner
})

/** See `Ranged`. */
export const ranged = (how: Ranged["how"], inner: Files = files()): Ranged => ({ _tag: "Ranged", how, inner })

/** `first` for the first `count` tries of each path, then `inner`. */
export const tries = (count: number, first: Behaviour, inner: Behaviour = files()): Tries => ({
  _tag: "Tries",
  count,
  first,
  inner
})

/** Resets the first `count` tries of each path, before the head or in the middle of the body. */
export const resets = (count: number, inner: Behaviour = files(), at: "head" | "body" = "head"): Tries =>
  tries(count, at === "head" ? reset() : resetInBody(inner), inner)

/** 503 for the first `count` tries of each path, with Retry-After if seconds are given. */
export const flaky5xx = (count: number, inner: Behaviour = files(), retryAfterSeconds?: number): Tries =>
  tries(
    count,
    status(503, retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) }),
    inner
  )

/** See `RateLimited`. Defaults: 429, nothing refused, no window, Retry-After of one second. */
export const rateLimited = (
  limit: {
    readonly status?: number
    readonly first?: number
    readonly max?: number
    readonly windowMs?: number
    readonly retryAfter?: number | RetryAfter | null
  },
  inner: Behaviour = files()
): RateLimited => ({
  _tag: "RateLimited",
  status: limit.status ?? 429,
  first: limit.first ?? 0,
  max: limit.max ?? Number.POSITIVE_INFINITY,
  windowMs: limit.windowMs ?? 1000,
  retryAfter:
    limit.retryAfter === undefined
      ? { seconds: 1, form: "seconds" }
      : typeof limit.retryAfter === "number"
        ? { seconds: limit.retryAfter, form: "seconds" }
        : limit.retryAfter,
  inner
})
