/**
 * A body under watch while it comes in: its size and its rate have to stay within the limits, and it ends early when
 * its first bytes show that it is not what was expected. Only a bounded head and tail of it are remembered.
 */
import type { Bandwidth, Turn } from "./Bandwidth.ts"
import type { Response } from "../http/Http.ts"
import * as Telemetry from "../Telemetry.ts"
import { FetchFailure, fromHttp } from "./FetchFailure.ts"
import * as Rate from "./Rate.ts"
import { HEAD_BYTES, PDF_TAIL } from "./Sniff.ts"
import type { Source } from "./Storage.ts"
import { type Expected, hopeless, type Refusal, refusePage } from "./Verify.ts"

const NOTHING = new Uint8Array(0)

const OVER: IteratorResult<Uint8Array, undefined> = { done: true, value: undefined }

/** Most bodies come in one piece, which is not copied. */
const joined = (pieces: ReadonlyArray<Uint8Array>): Uint8Array => {
  const [only] = pieces
  return only !== undefined && pieces.length === 1 ? only : Buffer.concat(pieces)
}

/** How much of a page is read to know which page it is. */
const PAGE_BYTES = 64 * 1024

export interface Rules extends Rate.Rules {
  readonly maxBytes: number
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

const refused = (refusal: Refusal): FetchFailure => new FetchFailure({ ...refusal })

export const tooLarge = (bytes: number, maxBytes: number): FetchFailure =>
  new FetchFailure({
    class: "skip",
    reason: "too-large",
    message: `it has ${bytes > maxBytes ? `${bytes}` : "more"} bytes, at most ${maxBytes} are taken (download.max_bytes)`
  })

/**
 * A body under watch, to be read once. Not a generator: one of each body's own leaves a hidden class in the old space,
 * and with it all that the body was.
 */
export class Watched implements Source<FetchFailure>, AsyncIterableIterator<Uint8Array> {
  readonly #response: Response
  readonly #rules: Rules
  readonly #incoming: AsyncIterator<Uint8Array>
  readonly #before: number
  #begun = false
  #bytes = 0
  #head: Array<Uint8Array> = []
  #headBytes = 0
  #verdict: "open" | "page" | "settled" = "open"
  #tail: Uint8Array = NOTHING
  readonly #rate: Rate.Rate
  #turn: Turn | undefined

  constructor(response: Response, rules: Rules) {
    this.#response = response
    this.#rules = rules
    this.#incoming = response.body[Symbol.asyncIterator]()
    this.#before = rules.before?.bytes ?? 0
    this.#rate = new Rate.Rate(rules)
  }

  // -------------------------------------------------------------------------------------------------------------
  // What is known of it
  // -------------------------------------------------------------------------------------------------------------

  /** Its first bytes. */
  head(): Uint8Array {
    return joined(this.#head)
  }

  /** Its last bytes so far. */
  tail(): Uint8Array {
    return this.#tail
  }

  // -------------------------------------------------------------------------------------------------------------
  // The source
  // -------------------------------------------------------------------------------------------------------------

  get chunks(): this {
    return this
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const { bandwidth, before, maxBytes, now } = this.#rules
    if (!this.#begun) {
      this.#begun = true
      // What is there is judged as if it came just now.
      if (before !== undefined) {
        this.#remember(before.head)
        this.#remember(before.tail)
      }
    }
    const asked = now()
    const step = await this.#incoming.next()
    if (step.done === true) return OVER
    const chunk = step.value
    this.#bytes += chunk.length
    // As they come: a large body takes long, and its rate is looked at meanwhile.
    Telemetry.downloadedBytes.note(chunk.length)
    const bytes = this.#before + this.#bytes
    if (bytes > maxBytes) throw tooLarge(bytes, maxBytes)
    this.#remember(chunk)
    this.#rate.came(chunk.length, now() - asked)
    // Not read on before its turn: the wait goes back to the server through the connection's window.
    this.#turn = bandwidth?.(chunk.length)
    if (this.#turn !== undefined) await this.#turn.come
    return step
  }

  readonly abort = (): void => {
    this.#response.abort()
    this.#turn?.skip()
  }

  passing(error: FetchFailure): boolean {
    return error.class === "retry"
  }

  failed(cause: unknown): FetchFailure {
    return cause instanceof FetchFailure ? cause : fromHttp(this.#response.bodyError(cause))
  }

  // -------------------------------------------------------------------------------------------------------------
  // The rules
  // -------------------------------------------------------------------------------------------------------------

  #remember(chunk: Uint8Array): void {
    this.#tail =
      chunk.length >= PDF_TAIL
        ? chunk.subarray(-PDF_TAIL)
        : Buffer.concat([this.#tail, chunk]).subarray(-PDF_TAIL)
    if (this.#verdict === "settled") return
    const { expected, finalUrl } = this.#rules
    this.#head.push(chunk)
    this.#headBytes += chunk.length
    if (this.#verdict === "open" && this.#headBytes >= HEAD_BYTES) {
      const head = this.head()
      this.#head = [head]
      const seen = hopeless(expected, head)
      if (typeof seen === "object") throw refused(seen)
      this.#verdict = seen === "page" ? "page" : "settled"
    }
    if (this.#verdict === "page" && this.#headBytes >= PAGE_BYTES) {
      throw refused(refusePage(this.head(), finalUrl, expected))
    }
  }
}
