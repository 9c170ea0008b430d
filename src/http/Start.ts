/** The beginning of a body, for answers that are read into memory. */
import * as Effect from "effect/Effect"
import type { Response } from "./Http.ts"
import type { HttpError } from "./HttpError.ts"

/** The beginning of a body as text. */
export interface Start {
  readonly text: string
  /** Whether that is all there is. */
  readonly whole: boolean
}

/** Some servers begin UTF-8 with it. It says how to read, and isn't part of what is read. */
const BYTE_ORDER_MARK = "\uFEFF"

/** Reads the first `limit` bytes of a body as UTF-8; the connection of one that has more is closed. */
export const readStart = (response: Response, limit: number): Effect.Effect<Start, HttpError> =>
  Effect.async((resume) => {
    const read = async () => {
      const chunks: Array<Uint8Array> = []
      let bytes = 0
      for await (const chunk of response.body) {
        chunks.push(chunk)
        bytes += chunk.length
        if (bytes > limit) break
      }
      const text = Buffer.concat(chunks).subarray(0, limit).toString("utf8")
      return { text: text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text, whole: bytes <= limit }
    }
    read().then(
      (start) => resume(Effect.succeed(start)),
      (cause: unknown) => resume(Effect.fail(response.bodyError(cause)))
    )
    return Effect.sync(response.abort)
  })
