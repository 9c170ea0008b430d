/**
 * A body under watch while it comes in: its size and its rate have to stay within the limits, and it ends early when
 * its first bytes show that it is not what was expected. Only a bounded head and tail of it are remembered.
 */
import type { Bandwidth, Turn } from "./Bandwidth.ts"
import type { Response } from "../http/Http.ts"
import * as Telemetry from "../Telemetry.ts"
import { FetchFailure, fromHttp } from "./FetchFailure.ts"
import { HEAD_BYTES, PDF_TAIL } from "./Sniff.ts"
import type { Source } from "./Storage.ts"
import { type Expected, hopeless, type Refusal, refusePage } from "./Verify.ts"

/** How much of a page is read to know which page it is. */
const PAGE_BYTES = 64 * 1024

export interface Rules {
  readonly maxBytes: number
  /** 0: as slow as it likes. */
  readonly minBytesPerSecond: number
  /** The time over which the rate is taken. */
  readonly rateWindowMs: number
  readonly expected: Expected
  readonly finalUrl: string
  /** Milliseconds. */
  readonly now: () => number
  /** What of the file is there already, if the body is only the rest of it. */
  readonly before?:
    | { readonly bytes: number; readonly head: Uint8Array; readonly tail: Uint8Array }
    | undefined
  /** Asked for each piece of the body: what all downloads may receive together. */
  readonly bandwidth?: Bandwidth | undefined
}

export interface Watched {
  readonly source: Source<FetchFailure>
  readonly head: () => Uint8Array
  readonly tail: () => Uint8Array
}

const refused = (refusal: Refusal): FetchFailure => new FetchFailure({ ...refusal })

export const tooLarge = (bytes: number, maxBytes: number): FetchFailure =>
  new FetchFailure({
    class: "skip",
    reason: "too-large",
    message: `it has ${bytes > maxBytes ? `${bytes}` : "more"} bytes, at most ${maxBytes} are taken (download.max_bytes)`
  })

export const watch = (response: Response, rules: Rules): Watched => {
  let bytes = 0
  let head: Array<Uint8Array> = []
  let headBytes = 0
  let verdict: "open" | "page" | "settled" = "open"
  let tail: Uint8Array = new Uint8Array(0)

  const remember = (chunk: Uint8Array) => {
    tail =
      chunk.length >= PDF_TAIL ? chunk.subarray(-PDF_TAIL) : Buffer.concat([tail, chunk]).subarray(-PDF_TAIL)
    if (verdict === "settled") return
    head.push(chunk)
    headBytes += chunk.length
    if (verdict === "open" && headBytes >= HEAD_BYTES) {
      head = [Buffer.concat(head)]
      const seen = hopeless(rules.expected, head[0] ?? chunk)
      if (typeof seen === "object") throw refused(seen)
      verdict = seen === "page" ? "page" : "settled"
    }
    if (verdict === "page" && headBytes >= PAGE_BYTES)
      throw refused(refusePage(Buffer.concat(head), rules.finalUrl, rules.expected))
  }

  /** The rate while waiting for the server alone: time the disk takes isn't the server's. */
  const window = { ms: 0, bytes: 0 }
  const pace = (waitedMs: number, chunkBytes: number) => {
    if (rules.minBytesPerSecond === 0) return
    window.ms += waitedMs
    window.bytes += chunkBytes
    if (window.ms < rules.rateWindowMs) return
    const rate = (window.bytes * 1000) / window.ms
    if (rate < rules.minBytesPerSecond) {
      throw new FetchFailure({
        class: "retry",
        reason: "too-slow",
        message: `it sends ${Math.round(rate)} bytes a second, at least ${rules.minBytesPerSecond} are asked for`
      })
    }
    window.ms = 0
    window.bytes = 0
  }

  const before = rules.before?.bytes ?? 0
  let turn: Turn | undefined
  async function* chunks(): AsyncGenerator<Uint8Array, void> {
    // What is there is judged as if it came just now.
    if (rules.before !== undefined) {
      remember(rules.before.head)
      remember(rules.before.tail)
    }
    const incoming = response.body[Symbol.asyncIterator]()
    for (;;) {
      const asked = rules.now()
      const step = await incoming.next()
      if (step.done === true) return
      const chunk = step.value
      bytes += chunk.length
      // As they come: a large body takes long, and its rate is looked at meanwhile.
      Telemetry.downloadedBytes.note(chunk.length)
      if (before + bytes > rules.maxBytes) throw tooLarge(before + bytes, rules.maxBytes)
      remember(chunk)
      pace(rules.now() - asked, chunk.length)
      // Not read on before its turn: the wait goes back to the server through the connection's window.
      turn = rules.bandwidth?.(chunk.length)
      if (turn !== undefined) await turn.come
      yield chunk
    }
  }

  return {
    source: {
      chunks: chunks(),
      abort: () => {
        response.abort()
        turn?.skip()
      },
      passing: (error) => error.class === "retry",
      failed: (cause) => (cause instanceof FetchFailure ? cause : fromHttp(response.bodyError(cause)))
    },
    head: () => Buffer.concat(head),
    tail: () => tail
  }
}
