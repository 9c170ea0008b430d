/**
 * Reads an artifact file as a stream of lines, in constant memory and at the reader's pace. Every line of the file
 * that isn't blank comes out once, as an artifact or with the reason why it is none; only a file that can't be read
 * at all, or no further, fails the stream, after everything good before that place.
 */
import * as Chunk from "effect/Chunk"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { excerpt } from "./Excerpt.ts"
import * as Format from "./Format.ts"
import { damageReason, type Line, LineSplitter, type Parser, type RawLine, type Refusal } from "./Lines.ts"
import * as Source from "./Source.ts"

export type { Format } from "./Format.ts"
export type { Line } from "./Lines.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

export interface ReadOptions {
  /** The path of a file, or `-` for standard input. Gzip data are recognised by how they begin. */
  readonly source: string
  /** Default: what the file's name tells, or else its first line. */
  readonly format?: Format.Format | undefined
  /** Stop after so many artifact lines, good or bad. Default: no limit. */
  readonly limit?: number | undefined
  /** Told of each piece that is read of the source, by its length in bytes, before anything is expanded. */
  readonly onBytes?: ((bytes: number) => void) | undefined
}

// ---------------------------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------------------------

/** The file can't be read, or is no artifact file. `message` is one line that names the file. */
export class ArtifactFileError extends Data.TaggedError("ArtifactFileError")<{
  readonly path: string
  readonly message: string
  readonly cause?: unknown
}> {}

const refused = (path: string, detail: string, cause?: unknown): ArtifactFileError =>
  new ArtifactFileError({
    path,
    message: `${path === "-" ? "standard input" : excerpt(path).slice(1, -1)}: ${detail}`,
    ...(cause === undefined ? {} : { cause })
  })

const unreadable = (path: string, cause: unknown): ArtifactFileError => {
  const code = typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : "unknown"
  return refused(path, unreadableBecause[code] ?? `can't be read (${code})`, cause)
}

const unreadableBecause: { readonly [code: string]: string } = {
  ENOENT: "no such file",
  ENOTDIR: "no such file",
  EISDIR: "a folder, not a file",
  EACCES: "permission denied",
  EPERM: "permission denied"
}

// ---------------------------------------------------------------------------------------------------------------
// Reading
// ---------------------------------------------------------------------------------------------------------------

/** The lines of an artifact file. Fails when the file can't be read, is damaged gzip data, or has an unusable header. */
export const read = (options: ReadOptions): Stream.Stream<Line, ArtifactFileError> =>
  Stream.unwrapScoped(
    Effect.map(
      Source.make(options.source, (cause) => unreadable(options.source, cause)),
      (pull) => {
        const { onBytes } = options
        if (onBytes === undefined) return lines(pull, options)
        return lines(
          Effect.tap(pull, ({ length }) => Effect.sync(() => onBytes(length))),
          options
        )
      }
    )
  )

/** The lines of bytes from anywhere. `source` is only what they are called in messages and what tells their format. */
export const fromBytes = <E, R>(
  bytes: Stream.Stream<Uint8Array, E, R>,
  options: ReadOptions
): Stream.Stream<Line, E | ArtifactFileError, R> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      const context = yield* Effect.context<R>()
      const pull = Effect.provide(yield* Stream.toPull(bytes), context)
      return lines(oneByOne(pull), options)
    })
  )

const oneByOne = <E>(pull: Effect.Effect<Chunk.Chunk<Uint8Array>, Option.Option<E>>): Source.Pull<E> => {
  let held: Chunk.Chunk<Uint8Array> = Chunk.empty()
  const next: Source.Pull<E> = Effect.suspend(() =>
    Option.match(Chunk.head(held), {
      onSome: (bytes) => {
        held = Chunk.drop(held, 1)
        return Effect.succeed(bytes)
      },
      onNone: () =>
        Effect.flatMap(pull, (more) => {
          held = more
          return next
        })
    })
  )
  return next
}

const lines = <E>(source: Source.Pull<E>, options: ReadOptions): Stream.Stream<Line, E | ArtifactFileError> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      const pull = yield* expanded<E | ArtifactFileError>(source, (detail) =>
        refused(options.source, `damaged gzip data (${detail})`)
      )
      const reader = new Reader(options.format ?? Format.ofName(options.source), options.limit)
      const next: Effect.Effect<Chunk.Chunk<Line>, Option.Option<E | ArtifactFileError>> = Effect.suspend(
        () => {
          if (reader.refusal !== undefined) {
            return Effect.fail(Option.some(refused(options.source, reader.refusal)))
          }
          if (reader.isOver) {
            return Effect.fail(Option.none())
          }
          return pull.pipe(
            Effect.map((bytes) => reader.push(bytes)),
            Effect.catchAll((end) =>
              Option.isNone(end) ? Effect.sync(() => reader.end()) : Effect.fail(end)
            ),
            Effect.flatMap((found) =>
              found.length === 0 ? next : Effect.succeed(Chunk.unsafeFromArray(found))
            )
          )
        }
      )
      return Stream.repeatEffectChunkOption(next)
    })
  )

/** The bytes as they are, or what they expand to if they begin like gzip data. */
const expanded = <E>(
  source: Source.Pull<E>,
  damaged: (detail: string) => E
): Effect.Effect<Source.Pull<E>, E, Scope.Scope> =>
  Effect.gen(function* () {
    let head: Uint8Array = new Uint8Array(0)
    while (head.length < 2) {
      const more: Option.Option<Uint8Array> = yield* Effect.catchAll(
        Effect.asSome(source),
        Option.match({ onNone: () => Effect.succeedNone, onSome: Effect.fail })
      )
      if (Option.isNone(more)) {
        break
      }
      head = Buffer.concat([head, more.value])
    }
    const isGzip = head[0] === 0x1f && head[1] === 0x8b
    let begin: Uint8Array | undefined = head
    const whole = Effect.suspend(() => {
      const bytes = begin
      begin = undefined
      return bytes === undefined ? source : Effect.succeed(bytes)
    })
    return isGzip ? yield* Source.gunzip(whole, damaged) : whole
  })

/** Bytes to artifact lines. Mutable; for one file. */
class Reader {
  /** Why the file can't be read any further; the lines before that place are good. */
  refusal: string | undefined
  /** Nothing more comes out. */
  isOver: boolean
  readonly #splitter = new LineSplitter()
  readonly #limit: number
  #parser: Parser | undefined
  #count = 0
  #found: Array<Line> = []

  constructor(format: Format.Format | undefined, limit: number | undefined) {
    this.#parser = format === undefined ? undefined : Format.parser(format)
    this.#limit = limit ?? Infinity
    this.isOver = this.#limit <= 0
  }

  push(bytes: Uint8Array): ReadonlyArray<Line> {
    this.#splitter.push(bytes, this.#take)
    return this.#taken()
  }

  end(): ReadonlyArray<Line> {
    this.#splitter.end(this.#take)
    if (!this.isOver && this.refusal === undefined) {
      this.#keep(this.#parser?.end())
    }
    this.isOver = true
    return this.#taken()
  }

  #taken(): ReadonlyArray<Line> {
    const found = this.#found
    this.#found = []
    return found
  }

  // Answers whether more is wanted.
  readonly #take = (raw: RawLine): boolean => {
    if (raw.damage === "utf-16") {
      this.refusal = damageReason(raw.damage)
      return false
    }
    // A blank or a damaged line tells no format: the one is skipped in any, the other is bad in any.
    if (this.#parser === undefined && raw.damage === undefined && raw.text.trim() !== "") {
      this.#parser = Format.parser(Format.ofFirstLine(raw.text))
    }
    return this.#keep((this.#parser ?? Format.parser("list")).line(raw))
  }

  #keep(parsed: Line | Refusal | undefined): boolean {
    if (parsed === undefined) {
      return true
    }
    if ("refusal" in parsed) {
      this.refusal = parsed.refusal
      return false
    }
    this.#found.push(parsed)
    this.#count++
    this.isOver = this.#count >= this.#limit
    return !this.isOver
  }
}
