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

/** Reads the first `limit` bytes of a body; the connection of one that has more is closed. */
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
      return {
        text: Buffer.concat(chunks).subarray(0, limit).toString("utf8"),
        whole: bytes <= limit
      }
    }
    read().then(
      (start) => resume(Effect.succeed(start)),
      (cause: unknown) => resume(Effect.fail(response.bodyError(cause)))
    )
    return Effect.sync(response.abort)
  })
