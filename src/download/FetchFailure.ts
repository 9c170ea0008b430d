/**
 * How one candidate ends when it doesn't end with a file: a class that says what happens next, and a stable reason.
 */
import * as Data from "effect/Data"
import type { HttpError } from "../http/HttpError.ts"

/**
 * - `retry`: it may go well later. `notBefore`: not before this time.
 * - `wait`: it may go well at `notBefore`, and no try is counted.
 * - `try-next`: this candidate is no use.
 * - `skip`: it isn't wanted.
 */
export class FetchFailure extends Data.TaggedError("FetchFailure")<{
  readonly class: "retry" | "wait" | "try-next" | "skip"
  readonly reason: string
  readonly message: string
  readonly notBefore?: number | undefined
}> {}

/** The host asks not to be asked before `until`, in milliseconds since the epoch. Says nothing about the candidate. */
export class HostWaits extends Data.TaggedError("HostWaits")<{
  readonly reason: string
  readonly message: string
  readonly until: number
  /** The milliseconds it wants between two requests. */
  readonly gapMs?: number | undefined
  /** What it says of the candidate after all: that is over for now, though the host waits. */
  readonly over?: FetchFailure | undefined
}> {}

/** What each failure of a connection means for the candidate. */
const CLASSES: Readonly<Record<HttpError["reason"], "retry" | "try-next">> = {
  dns: "retry",
  "host-not-found": "try-next",
  connect: "retry",
  tls: "try-next",
  reset: "retry",
  truncated: "retry",
  "first-byte-timeout": "retry",
  "idle-timeout": "retry",
  "too-slow": "retry",
  protocol: "try-next",
  coding: "try-next",
  proxy: "retry",
  "proxy-refused": "try-next",
  "address-refused": "try-next",
  files: "retry"
}

export const fromHttp = (error: HttpError): FetchFailure =>
  new FetchFailure({
    class: CLASSES[error.reason],
    reason: error.reason === "files" ? "too-many-open-files" : error.reason,
    message: error.message
  })
