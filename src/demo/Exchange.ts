/**
 * Sends a reply through a socket, also one that breaks off.
 *
 * What is recorded of an answer is what the system took, not what was meant. A body goes out piece by piece, the next
 * once the system took the one before, so a client that doesn't read costs no memory.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import * as Effect from "effect/Effect"
import type { Reply } from "./Reply.ts"
import type * as Traffic from "./Traffic.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** A request, the answer to it, and where both are recorded. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly entry: Traffic.Entry
  readonly traffic: Traffic.Traffic
}

// ---------------------------------------------------------------------------------------------------------------
// Sending
// ---------------------------------------------------------------------------------------------------------------

/** Bodies up to this size go out in one write. */
const ONE_WRITE = 256 * 1024
const NOTHING = new Uint8Array()

/** Sends a reply. A stalled one never ends: it has to be interrupted when the client leaves. */
export const serve = (reply: Reply, exchange: Exchange): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { body, cut, delayMs, drip, head } = reply
    const { entry, request, response } = exchange
    if (delayMs > 0) yield* Effect.sleep(delayMs)
    if (head === null) {
      request.socket.resetAndDestroy()
      return
    }
    entry.status = head.status
    response.writeHead(head.status, head.headers)
    if (request.method === "HEAD") {
      yield* finish(exchange, NOTHING)
    } else if (cut === null && drip === null && body.size <= ONE_WRITE) {
      yield* finish(exchange, Buffer.concat([...body.chunks()]))
    } else {
      for (const piece of pieces(body.chunks(), cut?.after ?? body.size, drip?.bytes)) {
        if (!(yield* write(response, piece))) return
        entry.bytes += piece.length
        if (drip !== null) yield* Effect.sleep(drip.everyMs)
      }
      yield* cut === null ? finish(exchange, NOTHING) : breakOff(cut.how, request)
    }
  })

const finish = ({ entry, response, traffic }: Exchange, last: Uint8Array) =>
  Effect.async<void>((resume) => {
    response.end(last, () => {
      entry.bytes += last.length
      traffic.finish(entry)
      resume(Effect.void)
    })
  })

const breakOff = (how: "close" | "reset" | "stall", { socket }: IncomingMessage): Effect.Effect<void> =>
  how === "stall"
    ? Effect.never
    : Effect.sync(() => {
        if (how === "reset") socket.resetAndDestroy()
        else socket.destroy()
      })

/** Answers once the system took the piece: false if the client is gone. */
const write = (response: ServerResponse, piece: Uint8Array) =>
  Effect.async<boolean>((resume) => {
    response.write(piece, (error) => resume(Effect.succeed(error === null || error === undefined)))
  })

/** The first `total` bytes of the chunks, in pieces of at most `most` bytes. */
const pieces = function* (
  chunks: Iterable<Uint8Array>,
  total: number,
  most = Number.POSITIVE_INFINITY
): Generator<Uint8Array> {
  let left = total
  for (const chunk of chunks) {
    for (let from = 0; from < chunk.length;) {
      if (left <= 0) return
      const length = Math.min(chunk.length - from, left, most)
      yield chunk.subarray(from, from + length)
      from += length
      left -= length
    }
  }
}
