/**
 * What can go wrong between asking and the last byte of an answer, as one tagged error with a stable reason.
 *
 * Everything undici and Node report is mapped here, and nowhere else.
 */
import * as Data from "effect/Data"
import { CODING_REFUSED } from "./Coding.ts"

/**
 * - `dns`: the name couldn't be looked up now; `host-not-found`: there is no such name.
 * - `connect`: no connection; `tls`: a connection, but not one to trust.
 * - `reset`: the connection was cut; `truncated`: it was closed before the end of the answer.
 * - `first-byte-timeout`, `idle-timeout`: nothing came for too long; `too-slow`: less than is asked for.
 * - `protocol`: the answer isn't HTTP; `coding`: its content can't be decoded.
 * - `proxy`: the proxy fails, or can't reach the host; `proxy-refused`: it doesn't want to.
 * - `address-refused`: the host's address is one that may not be asked.
 * - `files`: this process has too many files open.
 */
export class HttpError extends Data.TaggedError("HttpError")<{
  readonly reason:
    | "dns"
    | "host-not-found"
    | "connect"
    | "tls"
    | "reset"
    | "truncated"
    | "first-byte-timeout"
    | "idle-timeout"
    | "too-slow"
    | "protocol"
    | "coding"
    | "proxy"
    | "proxy-refused"
    | "address-refused"
    | "files"
  readonly message: string
  readonly cause?: unknown
}> {}

/** The code of the error an address policy refuses a connection with. */
export const ADDRESS_REFUSED = "ADDRESS_REFUSED"

/** A proxy stands in the way. */
class ProxyError extends Error {
  readonly reason: "proxy" | "proxy-refused" | "files"

  constructor(reason: ProxyError["reason"], message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

/** The error for a proxy, by host and port, that couldn't be connected to or hung up. */
export const proxyFailed = (proxy: string, cause: unknown): Error => {
  const { message, reason } = fromCause(cause, `the proxy ${proxy}`, false)
  return new ProxyError(reason === "files" ? reason : "proxy", message, { cause })
}

const WANTS_CREDENTIALS =
  "wants credentials, or other ones (HTTP 407): they stand in its URL, before the host"

/** The error for what a proxy, by host and port, answers instead of opening a tunnel. */
export const proxyRefused = (proxy: string, status: number): Error => {
  if (status === 407) return new ProxyError("proxy-refused", `the proxy ${proxy} ${WANTS_CREDENTIALS}`)
  return status >= 400 && status < 500 && status !== 408 && status !== 429
    ? new ProxyError("proxy-refused", `the proxy ${proxy} refuses to connect to it (HTTP ${status})`)
    : new ProxyError("proxy", `the proxy ${proxy} can't connect to it (HTTP ${status})`)
}

/** How undici tells of a proxy that is sent the request itself, and answers 407. */
const PROXY_AUTHENTICATION = /^Proxy Authentication Required/

const CODES: Readonly<Record<string, readonly [HttpError["reason"], string]>> = {
  EAI_AGAIN: ["dns", "its name can't be looked up at the moment"],
  EAI_FAIL: ["dns", "its name can't be looked up"],
  ETIMEOUT: ["dns", "looking up its name took too long"],
  ENOTFOUND: ["host-not-found", "there is no host of this name"],
  ENODATA: ["host-not-found", "this host has no address"],
  ECONNREFUSED: ["connect", "it refused the connection"],
  EHOSTUNREACH: ["connect", "it can't be reached"],
  ENETUNREACH: ["connect", "its network can't be reached"],
  EADDRNOTAVAIL: ["connect", "no local address is free for a connection to it"],
  ETIMEDOUT: ["connect", "the connection timed out"],
  UND_ERR_CONNECT_TIMEOUT: ["connect", "it didn't accept a connection in time"],
  ECONNRESET: ["reset", "it reset the connection"],
  EPIPE: ["reset", "it closed the connection"],
  ECONNABORTED: ["reset", "the connection was aborted"],
  UND_ERR_HEADERS_TIMEOUT: ["first-byte-timeout", "it didn't begin to answer in time"],
  UND_ERR_BODY_TIMEOUT: ["idle-timeout", "it stopped sending in the middle"],
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: ["truncated", "its answer has another length than announced"],
  Z_BUF_ERROR: ["truncated", "its packed content ends in the middle"],
  UND_ERR_HEADERS_OVERFLOW: ["protocol", "its answer's headers are too long"],
  UND_ERR_INVALID_ARG: ["protocol", "its URL can't be asked for"],
  ERR_ASSERTION: ["protocol", "its answer isn't HTTP"],
  [ADDRESS_REFUSED]: [
    "address-refused",
    "its address is not a public one (http.allow_private_hosts allows the hosts that your own list names, http.resolve any)"
  ],
  EMFILE: ["files", "this process has too many files open"],
  ENFILE: ["files", "this machine has too many files open"]
}

/** OpenSSL's verification errors, as Node names them; those with a common prefix are matched by it. */
const TLS_CODE =
  /^(?:CERT_|CRL_|ERR_TLS|ERR_SSL|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH|PATH_LENGTH)|^EPROTO$/

/** What zlib and Brotli say of what they can't decode. */
const ZLIB_CODE = /^(?:Z_|ERR__ERROR_|ERR_BROTLI_)/

const codeOf = (cause: unknown): string => {
  if (typeof cause !== "object" || cause === null) return ""
  if ("code" in cause && typeof cause.code === "string") return cause.code
  return "cause" in cause ? codeOf(cause.cause) : ""
}

/**
 * The error for what undici or a socket threw. `inBody` says whether the head of the answer had come: a connection
 * closed before it is a reset, one closed after it cut the answer short.
 */
export const fromCause = (cause: unknown, host: string, inBody: boolean): HttpError => {
  if (cause instanceof HttpError) return cause
  if (cause instanceof ProxyError) {
    return new HttpError({ reason: cause.reason, message: `${host}: ${cause.message}`, cause })
  }
  const code = codeOf(cause)
  if (cause instanceof Error && PROXY_AUTHENTICATION.test(cause.message)) {
    return new HttpError({
      reason: "proxy-refused",
      message: `${host}: the proxy ${WANTS_CREDENTIALS}`,
      cause
    })
  }
  const known = CODES[code]
  if (known !== undefined) return new HttpError({ reason: known[0], message: `${host}: ${known[1]}`, cause })
  if (code === "UND_ERR_SOCKET") {
    return inBody
      ? new HttpError({
          reason: "truncated",
          message: `${host}: it closed the connection before the end`,
          cause
        })
      : new HttpError({ reason: "reset", message: `${host}: it closed the connection`, cause })
  }
  const detail =
    cause instanceof Error && cause.message !== "" ? cause.message.split("\n", 1)[0] : String(cause)
  if (code === CODING_REFUSED)
    return new HttpError({ reason: "coding", message: `${host}: ${detail}`, cause })
  if (ZLIB_CODE.test(code)) {
    const message = `${host}: its content isn't in the coding that it says (${detail})`
    return new HttpError({ reason: "coding", message, cause })
  }
  return TLS_CODE.test(code)
    ? new HttpError({ reason: "tls", message: `${host}: no trusted connection: ${detail}`, cause })
    : new HttpError({ reason: "protocol", message: `${host}: ${detail}`, cause })
}
