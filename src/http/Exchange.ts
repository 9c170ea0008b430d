/**
 * One request over a pool: its head, then its body piece by piece, as undici's parser hands them over. A stream between
 * them would cost more than all the rest of a small body.
 *
 * At most a little of the body waits here: a reader that is slow stops the parser, and with it the server. Whoever
 * leaves early closes the connection.
 */
import { type Dispatcher, errors } from "undici"

/** Bytes that may wait for the reader before no more is taken from the connection. */
const WAITING_BYTES = 64 * 1024

/** Answers about an answer that is still to come: each of them begins the time for the first byte anew. */
const MOST_INTERIM = 20

/** What an answer says before its body. Names in lower case. */
export interface Head {
  readonly status: number
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
}

type Step = IteratorResult<Uint8Array, undefined>

const OVER: Step = { done: true, value: undefined }

/** The reader, which waits for the next piece. */
interface Reader {
  readonly resolve: (step: Step) => void
  readonly reject: (cause: unknown) => void
}

/** To be dispatched once. The body may be read once, by one reader. */
export class Exchange implements Dispatcher.DispatchHandler, AsyncIterableIterator<Uint8Array> {
  readonly #onHead: (head: Head) => void
  readonly #onFailure: (cause: unknown) => void
  #controller: Dispatcher.DispatchController | undefined
  #headCame = false
  #interim = 0
  /** What came and wasn't read. */
  #pieces: Array<Uint8Array> = []
  #waitingBytes = 0
  #reader: Reader | undefined
  #ended = false
  #over = false
  #failure: { readonly cause: unknown } | undefined

  /** One of the two is called, once: `onFailure` only for what fails before the head. */
  constructor(onHead: (head: Head) => void, onFailure: (cause: unknown) => void) {
    this.#onHead = onHead
    this.#onFailure = onFailure
  }

  // -------------------------------------------------------------------------------------------------------------
  // What the parser calls
  // -------------------------------------------------------------------------------------------------------------

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    // Nobody wants it any more: it waited for a connection.
    if (this.#failure !== undefined) controller.abort(new errors.RequestAbortedError())
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: Head["headers"]): void {
    // Those are about an answer that is still to come (RFC 9110, 15.2).
    if (status < 200) {
      this.#interim += 1
      if (this.#interim <= MOST_INTERIM) return
      const cause = new errors.HeadersTimeoutError()
      this.#fail(cause)
      controller.abort(cause)
      return
    }
    this.#headCame = true
    this.#onHead({ status, headers })
  }

  onResponseData(controller: Dispatcher.DispatchController, piece: Uint8Array): void {
    const reader = this.#reader
    if (reader !== undefined) {
      this.#reader = undefined
      reader.resolve({ done: false, value: piece })
      return
    }
    // Of an answer that counts as none: a proxy's 407.
    if (this.#failure !== undefined) return controller.abort(new errors.RequestAbortedError())
    this.#pieces.push(piece)
    this.#waitingBytes += piece.length
    if (this.#waitingBytes >= WAITING_BYTES) controller.pause()
  }

  /**
   * The reader is told a turn of the event loop later, as the pool learns only now that the connection is free: whoever goes
   * on before that would open a further one to the host.
   */
  onResponseEnd(): void {
    this.#ended = true
    // After what the pool puts off itself when this returns.
    queueMicrotask(() => setImmediate(this.#tellEnd))
  }

  onResponseError(_: Dispatcher.DispatchController | undefined, cause: unknown): void {
    if (!this.#ended) this.#fail(cause)
  }

  // -------------------------------------------------------------------------------------------------------------
  // What the reader calls
  // -------------------------------------------------------------------------------------------------------------

  /** The reader may have all of it, and the pool has the connection again. */
  get over(): boolean {
    return this.#over
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<Step> {
    const piece = this.#pieces.shift()
    if (piece !== undefined) {
      this.#waitingBytes -= piece.length
      if (this.#pieces.length === 0 && this.#controller?.paused === true) this.#controller.resume()
      return Promise.resolve({ done: false, value: piece })
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure.cause)
    if (this.#over) return Promise.resolve(OVER)
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject }
    })
  }

  return(): Promise<Step> {
    this.abort()
    return Promise.resolve(OVER)
  }

  /** Closes the connection; what wasn't read is gone, and who reads is told so. Harmless after the end. */
  abort(): void {
    // What is missing must not look like the end.
    const whole = this.#ended && this.#pieces.length === 0
    this.#pieces = []
    if (whole || this.#failure !== undefined) return
    const cause = new errors.RequestAbortedError()
    this.#fail(cause)
    if (!this.#ended) this.#controller?.abort(cause)
  }

  /** Reads the rest for the sake of the connection: so many bytes and milliseconds at most, else it is closed. */
  async dump(limit: number, ms: number): Promise<void> {
    let left = limit
    const timer = this.#ended ? undefined : setTimeout(() => this.abort(), ms)
    try {
      for await (const piece of this) {
        left -= piece.length
        if (left < 0) break
      }
    } catch {
      // Whatever broke it: nobody waits for it.
    } finally {
      clearTimeout(timer)
    }
  }

  readonly #tellEnd = (): void => {
    this.#over = true
    this.#reader?.resolve(OVER)
    this.#reader = undefined
  }

  #fail(cause: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = { cause }
    const reader = this.#reader
    this.#reader = undefined
    reader?.reject(cause)
    if (!this.#headCame) this.#onFailure(cause)
  }
}
