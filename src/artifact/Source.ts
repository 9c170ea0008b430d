/**
 * The bytes of a file, a pipe or standard input, and what gzip data in them expand to. Both are pulled: nothing is
 * read before it is asked for, and the stream under them is destroyed when the scope closes.
 */
import { createGunzip } from "node:zlib"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { openStream } from "../Input.ts"

/** The next bytes; fails with `None` at the end. */
export type Pull<E> = Effect.Effect<Uint8Array, Option.Option<E>>

// Compressed bytes are fed in pieces of this size: it bounds what one piece can expand to (a thousandfold), and what
// is lost before the place where damage shows.
const SLICE_BYTES = 4096

// Nobody waits for the stream.
const asleep = (): void => {}

/**
 * The bytes of the file at `path`, or of standard input for `-`. A named pipe or `/dev/fd/N` will do. `failed` makes
 * the error from what Node says.
 */
export const make = <E>(
  path: string,
  failed: (cause: unknown) => E
): Effect.Effect<Pull<E>, E, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.try({
        try: () => openStream(path),
        catch: failed
      }),
      (stream) => Effect.sync(() => stream.destroy())
    ),
    (stream) => {
      let failure: { readonly cause: unknown } | undefined
      let wake: () => void = asleep
      // The listener for errors stays: one that comes after the release must not become an uncaught exception.
      stream.on("error", (cause) => {
        failure ??= { cause }
        wake()
      })
      for (const event of ["readable", "end", "close"]) {
        stream.on(event, () => wake())
      }
      const attempt = () => {
        const chunk: unknown = stream.read()
        if (chunk instanceof Uint8Array) {
          return Effect.succeed(chunk)
        }
        if (failure !== undefined) {
          return Effect.fail(Option.some(failed(failure.cause)))
        }
        return stream.readableEnded || stream.destroyed ? Effect.fail(Option.none()) : undefined
      }
      return Effect.async<Uint8Array, Option.Option<E>>((resume) => {
        wake = () => {
          const outcome = attempt()
          if (outcome !== undefined) {
            wake = asleep
            resume(outcome)
          }
        }
        wake()
        return Effect.sync(() => {
          wake = asleep
        })
      })
    }
  )

/**
 * What the gzip data of `pull` expand to, several members one after the other too. Where they are damaged or cut
 * off, everything before that place comes first, then `damaged`.
 */
export const gunzip = <E>(
  pull: Pull<E>,
  damaged: (detail: string) => E
): Effect.Effect<Pull<E>, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => createGunzip({ chunkSize: 65_536 })),
      (stream) => Effect.sync(() => stream.destroy())
    ),
    (stream) => {
      const expanded: Array<Uint8Array> = []
      let failure: Error | undefined
      let isOver = false
      let input: Uint8Array = new Uint8Array(0)
      let wake: () => void = asleep
      stream.on("data", (bytes: Buffer) => expanded.push(bytes))
      stream.on("error", (error) => {
        failure ??= error
        wake()
      })
      // Comes before all input is taken if something follows the gzip data that isn't gzip.
      stream.on("end", () => {
        isOver = true
        wake()
      })

      // Resolves when zlib has taken the slice and given out what it expands to.
      const feed = (slice: Uint8Array | undefined) =>
        Effect.async<void>((resume) => {
          wake = () => {
            wake = asleep
            resume(Effect.void)
          }
          if (slice === undefined) {
            stream.end()
          } else {
            stream.write(slice, () => wake())
          }
          return Effect.sync(() => {
            wake = asleep
          })
        })

      const next: Pull<E> = Effect.suspend(() => {
        const bytes = expanded.shift()
        if (bytes !== undefined) {
          return Effect.succeed(bytes)
        }
        if (failure !== undefined) {
          return Effect.fail(Option.some(damaged(failure.message)))
        }
        if (isOver) {
          return Effect.fail(Option.none())
        }
        if (input.length > 0) {
          const slice = input.subarray(0, SLICE_BYTES)
          input = input.subarray(SLICE_BYTES)
          return Effect.zipRight(feed(slice), next)
        }
        return Effect.matchEffect(pull, {
          onSuccess: (more) => {
            input = more
            return next
          },
          onFailure: Option.match({
            onNone: () => Effect.zipRight(feed(undefined), next),
            onSome: (error) => Effect.fail(Option.some(error))
          })
        })
      })
      return next
    }
  )
