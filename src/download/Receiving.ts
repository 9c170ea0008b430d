/**
 * Bytes on their way into the output folder: where they come from, whose they are, and what they are once they are in.
 */
import * as Effect from "effect/Effect"
import type { Fatal, Retry } from "../Failure.ts"
import type { LeaseRef } from "../Job.ts"
import { type PartFile, SourceFailed } from "./PartFile.ts"
import type { Identity } from "./PartLog.ts"

/** Bytes on their way in. */
export interface Source<E> {
  readonly chunks: AsyncIterable<Uint8Array>
  /** Makes `chunks` end soon. Called when its part is closed before its end, which then is waited for. */
  readonly abort: () => void
  /** The error for what `chunks` threw. */
  readonly failed: (cause: unknown) => E
  /** Whether what came before this error is worth keeping for another try. Default: no. */
  readonly passing?: (error: E) => boolean
}

/** The beginning of a body that an earlier try left. It is left again when its fetch is over, unless it was used. */
export interface Beginning {
  readonly identity: Omit<Identity, "id">
  readonly bytes: number
  /** Its first and last bytes, as much as is needed to judge content by. */
  readonly head: Uint8Array
  readonly tail: Uint8Array
  readonly file: PartFile
  /** It is of no use: removes it. */
  readonly discard: Effect.Effect<void>
}

/** How a source is received. */
export interface Receiving {
  readonly md5?: boolean
  /** Bytes that are still to come. */
  readonly expectedBytes?: number | undefined
  /** What the bytes are a part of. Left out: they are of no use to another try. */
  readonly identity?: Omit<Identity, "id"> | undefined
  /** What the source goes on with. */
  readonly onto?: Beginning | undefined
}

/** Whose file it is: the artifact, and the lease it is written under. */
export interface Owner extends Pick<LeaseRef, "job" | "token"> {
  readonly id: string
}

/** A body that came in whole. It is removed when its fetch is over, unless it was kept. */
export interface Part {
  readonly bytes: number
  readonly sha256: string
  /** Only if it was asked for. */
  readonly md5: string | undefined
  /**
   * Has `read` look into the file, in which all of its bytes are until it has its place. What `read` throws is the
   * file system's failure.
   */
  readonly inspect: <A>(read: (path: string) => Promise<A>) => Effect.Effect<A, Fatal | Retry>
  /**
   * Gives it its place and makes it durable. `extension` with its dot, or empty. Answers the path relative to the
   * output folder, with `/` on every system.
   */
  readonly keep: (extension: string) => Effect.Effect<string, Fatal | Retry>
}

/**
 * Reads a source to its end into a part. `refused`: the failure for what the file system threw. Interrupted, it goes on
 * until the part is closed, which aborts the source.
 */
export const fill = <E>(
  part: PartFile,
  source: Source<E>,
  refused: (cause: unknown) => Fatal | Retry
): Effect.Effect<void, E | Fatal | Retry> =>
  // Without a canceler, which would cost ten steps: what is a part is closed.
  Effect.async((resumeWith) => {
    /** Nobody hears it who was interrupted: then the part stays as it is. */
    const fail = (error: E | Fatal | Retry, left: boolean) =>
      resumeWith(
        Effect.suspend(() => {
          part.left = left
          return Effect.fail(error)
        })
      )
    part.fill(source).then(
      () => resumeWith(Effect.void),
      (cause: unknown) => {
        source.abort()
        if (!(cause instanceof SourceFailed)) return fail(refused(cause), false)
        const error = source.failed(cause.cause)
        fail(error, source.passing?.(error) === true)
      }
    )
  })
