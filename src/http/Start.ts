/** The beginning of a body: for answers that are read into memory, and for those that it tells how to read. */
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

/** A body from its beginning, of which some pieces were taken already. */
async function* resumed(
  taken: ReadonlyArray<Uint8Array>,
  rest: AsyncIterator<Uint8Array>
): AsyncGenerator<Uint8Array, void> {
  yield* taken
  for (let step = await rest.next(); step.done !== true; step = await rest.next()) yield step.value
}

/** The first bytes of a body, at least `least` if there are as many, and the response with all of its body. */
export const peek = (
  response: Response,
  least: number
): Effect.Effect<{ readonly head: Uint8Array; readonly response: Response }, HttpError> =>
  Effect.async((resume) => {
    const rest = response.body[Symbol.asyncIterator]()
    const read = async () => {
      const taken: Array<Uint8Array> = []
      let bytes = 0
      while (bytes < least) {
        const step = await rest.next()
        if (step.done === true) break
        taken.push(step.value)
        bytes += step.value.length
      }
      return { head: Buffer.concat(taken), response: { ...response, body: resumed(taken, rest) } }
    }
    read().then(
      (peeked) => resume(Effect.succeed(peeked)),
      (cause: unknown) => resume(Effect.fail(response.bodyError(cause)))
    )
    return Effect.sync(response.abort)
  })
