/**
 * GET over one shared pool of connections.
 *
 * A response belongs to a scope; when the scope closes or the fiber is interrupted, its connection is closed at once
 * unless the body was read to its end. Redirects are not followed. Bodies are asked for as they are; what comes in a
 * content coding nevertheless is decoded. There is no limit on the total time, only on connecting, on the first byte and on
 * silence.
 */
import { isUtf8 } from "node:buffer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type { Dispatcher } from "undici"
import { isPublic, literal, type NamedBy } from "./Addresses.ts"
import { codingsOf, Decoded } from "./Coding.ts"
import { Exchange, type Head } from "./Exchange.ts"
import { fromCause, HttpError } from "./HttpError.ts"
import * as Pool from "./Pool.ts"
import * as Proxies from "./Proxies.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** The configuration's section `http`, as far as requests need it. */
export interface HttpSettings {
  /** A mail address or URL at which the operators of a host reach whoever runs this. Part of the User-Agent. */
  readonly contact: string | null
  /** Replaces the whole User-Agent. */
  readonly user_agent: string | null
  readonly connect_timeout_seconds: number
  readonly first_byte_timeout_seconds: number
  readonly idle_timeout_seconds: number
  /** Addresses for host names, used instead of looking them up. They may be private ones. */
  readonly resolve: { readonly [host: string]: string }
  /** Whether the user's own list may name hosts of a private network, or this machine. */
  readonly allow_private_hosts: boolean
}

/** An answer, its head read and its body not. */
export interface Response {
  readonly status: number
  /** The value of a header, the first if it came several times. Names in lower case. */
  readonly header: (name: string) => string | undefined
  /** Each value of a header that may come several times. */
  readonly headers: (name: string) => ReadonlyArray<string>
  /** How long the body is, if Content-Length says so: of one that came packed it doesn't. */
  readonly contentLength: number | undefined
  /**
   * Whether the body came in a content coding, and is decoded. Then ranges are of something else, and it proved complete when
   * it has come to its end.
   */
  readonly packed: boolean
  /** May be read once. Throws what `bodyError` understands. */
  readonly body: AsyncIterable<Uint8Array>
  /** Closes the connection; `body` then ends with an error. Harmless after the end. */
  readonly abort: () => void
  readonly bodyError: (cause: unknown) => HttpError
  /** Reads a short rest of the body, so that the connection can serve another request; closes it else. */
  readonly discard: Effect.Effect<void>
}

/** A request to be sent once. */
export interface Opening {
  /** Sends it, and answers when the head of the response is there. Interrupted, it leaves the rest to `close`. */
  readonly answer: Effect.Effect<Response, HttpError>
  /** Leaves the connection to the next request if the body was read to its end, and closes it else. */
  readonly close: Effect.Effect<void>
}

/** What is no setting. */
export interface HttpOptions {
  /** Part of the User-Agent. */
  readonly version?: string | undefined
  /**
   * The environment, for `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, in either case. What isn't the URL of a proxy has every
   * request refused. Default: no proxies.
   */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
}

// ---------------------------------------------------------------------------------------------------------------
// Service
// ---------------------------------------------------------------------------------------------------------------

/** GET over one pool. */
export interface HttpService {
  /**
   * Sends a GET and answers when the head of the response is there. `headers` with names in lower case. `namedBy`
   * decides which addresses may be connected to; default: those of the public internet.
   */
  readonly get: (...asked: Asked) => Effect.Effect<Response, HttpError, Scope.Scope>
  /** `get` without a scope, which costs a small file more than its body: whoever opens has to close, whatever comes. */
  readonly open: (...asked: Asked) => Opening
}

type Asked = [url: string, headers?: Readonly<Record<string, string>>, namedBy?: NamedBy]

/** The pool of a program. */
export class Http extends Context.Tag("contentdownload/Http")<Http, HttpService>() {}

// ---------------------------------------------------------------------------------------------------------------
// Constructors and layers
// ---------------------------------------------------------------------------------------------------------------

/** What of a body is still read for the sake of its connection, and how long that may take. */
const DISCARD_BYTES = 64 * 1024
const DISCARD_MS = 1000

/** `contentdownload/1.2.3 (+mailto:someone@host.org)`. */
export const userAgent = (
  settings: Pick<HttpSettings, "contact" | "user_agent">,
  version = process.env.CONTENTDOWNLOAD_VERSION ?? "0"
): string => {
  if (settings.user_agent !== null) return settings.user_agent
  const { contact } = settings
  if (contact === null) return `contentdownload/${version}`
  return `contentdownload/${version} (+${/^https?:/i.test(contact) ? contact : `mailto:${contact}`})`
}

/** A turn of the event loop later. */
const LATER: Effect.Effect<void> = Effect.async((resume) => {
  setImmediate(() => resume(Effect.void))
})

const first = (value: string | ReadonlyArray<string> | undefined): string | undefined =>
  typeof value === "string" ? value : value?.[0]

const all = (value: string | ReadonlyArray<string> | undefined): ReadonlyArray<string> =>
  value === undefined ? [] : typeof value === "string" ? [value] : value

/** Headers come byte by byte as Latin-1, but URLs that aren't escaped are meant as UTF-8 where they can be. */
const asUtf8 = (value: string): string => {
  // oxlint-disable-next-line no-control-regex -- all of ASCII
  if (/^[\x00-\x7f]*$/.test(value)) return value
  const bytes = Buffer.from(value, "latin1")
  return isUtf8(bytes) ? bytes.toString("utf8") : value
}

/** Closes the connection, unless the body was read to its end; the pool learns of it a turn of the event loop later. */
const closing = (exchange: Exchange, response: Response | undefined): Effect.Effect<void> => {
  ;(response ?? exchange).abort()
  return exchange.over ? Effect.void : LATER
}

const refused = (reason: HttpError["reason"], message: string): Opening => ({
  answer: Effect.fail(new HttpError({ reason, message })),
  close: Effect.void
})

const NO_URL = refused("protocol", "this is no URL")

const toResponse = (host: string, { headers, status }: Head, exchange: Exchange): Response => {
  const length = first(headers["content-length"])
  const codings = codingsOf(headers)
  const decoded = codings.length === 0 ? undefined : new Decoded(exchange, codings)
  const abort = () => {
    exchange.abort()
    decoded?.close()
  }
  return {
    status,
    header: (name) => {
      const value = first(headers[name])
      return value !== undefined && (name === "location" || name === "link") ? asUtf8(value) : value
    },
    headers: (name) => all(headers[name]),
    contentLength:
      decoded === undefined && length !== undefined && /^\d+$/.test(length) ? Number(length) : undefined,
    packed: decoded !== undefined,
    body: decoded ?? exchange,
    abort,
    bodyError: (cause) => fromCause(cause, host, true),
    discard: Effect.promise(() => exchange.dump(DISCARD_BYTES, DISCARD_MS))
  }
}

/** `get` by what opens. */
export const scoped =
  (open: HttpService["open"]): HttpService["get"] =>
  (...asked) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.scope, (scope) => {
        const { answer, close } = open(...asked)
        // Straight to the scope: `Effect.addFinalizer` would keep the fiber's state for it, too.
        return Effect.zipRight(Scope.addFinalizer(scope, close), restore(answer))
      })
    )

/** Nothing is sent past a proxy that can't be told. */
const refusing = (why: string): HttpService => {
  const open = () => refused("proxy-refused", why)
  return { open, get: scoped(open) }
}

/** A pool of its own, which closes every connection with the scope. */
export const make = (
  settings: HttpSettings,
  options: HttpOptions = {}
): Effect.Effect<HttpService, never, Scope.Scope> =>
  Effect.gen(function* () {
    const proxies = Proxies.fromEnv(options.env ?? {})
    if (Either.isLeft(proxies)) return refusing(proxies.left)
    const pool = (anywhere: boolean) =>
      Effect.acquireRelease(
        Effect.sync(() => Pool.make(settings, anywhere, proxies.right)),
        (dispatcher) => Effect.promise(() => dispatcher.destroy())
      )
    // Apart from each other, so that nothing a server named goes over a connection that it couldn't have opened.
    const [toPublic, toAny] = [yield* pool(false), yield* pool(true)]
    const mayGoAnywhere = (namedBy: NamedBy) =>
      namedBy === "configuration" || (namedBy === "list" && settings.allow_private_hosts)
    const agentName = userAgent(settings, options.version)

    const request = (url: URL, headers: Readonly<Record<string, string>>, namedBy: NamedBy): Opening => {
      let exchange: Exchange | undefined
      let response: Response | undefined
      // Without a canceler, which would cost ten steps: whoever opens closes.
      const answer = Effect.async<Response, HttpError>((resume) => {
        const anywhere = mayGoAnywhere(namedBy)
        const { host } = url
        const address = literal(url)
        // Also where a proxy would connect.
        if (!anywhere && address !== undefined && !isPublic(address)) {
          return resume(Effect.fail(fromCause(Pool.refusal(), host, false)))
        }
        const own = new Exchange(
          (head) => {
            response = toResponse(host, head, own)
            resume(Effect.succeed(response))
          },
          (cause) => resume(Effect.fail(fromCause(cause, host, false)))
        )
        exchange = own
        const asked: Dispatcher.DispatchOptions = {
          origin: url.origin,
          path: `${url.pathname}${url.search}`,
          method: "GET",
          headers: { "user-agent": agentName, accept: "*/*", "accept-encoding": "identity", ...headers }
        }
        try {
          ;(anywhere ? toAny : toPublic).dispatch(asked, own)
        } catch (cause) {
          own.onResponseError(undefined, cause)
        }
      })
      const close = Effect.suspend(() => (exchange === undefined ? Effect.void : closing(exchange, response)))
      return { answer, close }
    }

    const open: HttpService["open"] = (target, headers = {}, namedBy = "server") =>
      URL.canParse(target) ? request(new URL(target), headers, namedBy) : NO_URL

    return { open, get: scoped(open) }
  })

/** `make` as a layer. */
export const layer = (settings: HttpSettings, options?: HttpOptions): Layer.Layer<Http> =>
  Layer.scoped(Http, make(settings, options))
