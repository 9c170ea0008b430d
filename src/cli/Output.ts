/**
 * Where the program writes: data to stdout, everything else to stderr.
 *
 * A write waits until the stream has taken it, so a slow reader slows the writer instead of filling the memory. A
 * reader that closes the pipe ends the program quietly.
 */
import { stripVTControlCharacters } from "node:util"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import type { createLogUpdate } from "log-update"
import { createColors } from "picocolors"
import { Exited, ExitCode } from "./Exit.ts"
import { type Layout, layOut } from "./Table.ts"
import { clean, cleanLines, json, widthOf as widthOfText } from "./Text.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** What one of the streams can show. */
export interface Terminal {
  /** Whether a person may be watching, on a terminal that can change what it has shown. */
  readonly tty: boolean
  readonly colours: ReturnType<typeof createColors>
  /** The width of a line now, in columns. */
  readonly columns: number
  /** How many lines it shows now. */
  readonly rows: number
}

/** A column of a table. */
export interface Column<A> extends Layout {
  readonly title: string
  readonly value: (row: A) => string | number
}

export type Format = "table" | "json"

// ---------------------------------------------------------------------------------------------------------------
// Service
// ---------------------------------------------------------------------------------------------------------------

export interface OutputService {
  /** Writes to stdout as it is. */
  readonly out: (text: string) => Effect.Effect<void, Exited>
  /** Writes to stderr as it is. */
  readonly err: (text: string) => Effect.Effect<void>
  /** The same from where nothing can wait, such as a logger. */
  readonly unsafeErr: (text: string) => void
  /**
   * Lines that stay at the end of stderr, below everything written later, until they are replaced; an empty text
   * removes them. Does nothing where stderr is no terminal.
   */
  readonly live: (text: string) => Effect.Effect<void>
  readonly stdout: Terminal
  readonly stderr: Terminal
}

export class Output extends Context.Tag("contentdownload/cli/Output")<Output, OutputService>() {}

/** A line, or several, on stdout, made harmless. */
export const line = (text: string): Effect.Effect<void, Exited, Output> =>
  Effect.flatMap(Output, ({ out }) => out(`${cleanLines(text)}\n`))

/** The same on stderr. */
export const note = (text: string): Effect.Effect<void, never, Output> =>
  Effect.flatMap(Output, ({ err }) => err(`${cleanLines(text)}\n`))

/** The columns that texts on stdout are laid out for; where it is no terminal a line is as long as it likes. */
export const width: Effect.Effect<number, never, Output> = Effect.map(
  Output,
  ({ stdout: { columns, tty } }) => (tty ? columns : Number.POSITIVE_INFINITY)
)

/** One JSON value on stdout, indented. */
export const value = (data: unknown): Effect.Effect<void, Exited, Output> =>
  Effect.flatMap(Output, ({ out }) => out(`${json(data, 2)}\n`))

// ---------------------------------------------------------------------------------------------------------------
// Tables and arrays
// ---------------------------------------------------------------------------------------------------------------

/** Rows that are laid out together: the widths of the columns hold for so many. */
const PAGE = 1000

/** A table on stdout, page by page in constant memory. Without rows: `empty` on stderr. */
export const table = <A, E, R>(
  rows: Stream.Stream<A, E, R>,
  columns: ReadonlyArray<Column<A>>,
  empty: string
): Effect.Effect<void, E | Exited, R | Output> =>
  Effect.gen(function* () {
    const { out, stdout } = yield* Output
    const first = yield* Ref.make(true)
    yield* Stream.runForEach(Stream.grouped(rows, PAGE), (page) =>
      Effect.gen(function* () {
        const cells = Array.from(page, (row) => columns.map((column) => clean(String(column.value(row)))))
        const isFirst = yield* Ref.getAndSet(first, false)
        const titles = isFirst ? [columns.map(({ title }) => title)] : []
        const laid = layOut([...titles, ...cells], columns, yield* width)
        const lines = laid.flatMap((row, index) =>
          isFirst && index === 0 ? [stdout.colours.bold(row[0] ?? "")] : row
        )
        yield* out(`${lines.join("\n")}\n`)
      })
    )
    if (yield* Ref.get(first)) yield* note(empty)
  })

/** One JSON array on stdout, element by element in constant memory. */
export const array = <A, E, R>(
  rows: Stream.Stream<A, E, R>,
  toJson: (row: A) => unknown
): Effect.Effect<void, E | Exited, R | Output> =>
  Effect.gen(function* () {
    const { out } = yield* Output
    const first = yield* Ref.make(true)
    yield* Stream.runForEachChunk(rows, (chunk) =>
      Effect.flatMap(Ref.getAndSet(first, false), (isFirst) => {
        const text = Array.from(chunk, (row) => json(toJson(row))).join(",\n  ")
        return out(`${isFirst ? "[\n  " : ",\n  "}${text}`)
      })
    )
    yield* out((yield* Ref.get(first)) ? "[]\n" : "\n]\n")
  })

// ---------------------------------------------------------------------------------------------------------------
// Layers
// ---------------------------------------------------------------------------------------------------------------

/** Whether lines that were shown can be changed: not where stderr is a file or a pipe, and not on a `dumb` terminal. */
export const canRepaint = (env: { readonly [name: string]: string | undefined }, tty: boolean): boolean =>
  tty && env["TERM"] !== "dumb"

/**
 * Whether to colour a stream. `NO_COLOR`, not empty, says no to all; `FORCE_COLOR` says yes, `0` and `false` no;
 * else only a terminal that isn't `dumb` gets colours.
 */
export const wantsColours = (env: { readonly [name: string]: string | undefined }, tty: boolean): boolean => {
  const force = env["FORCE_COLOR"]
  if (env["NO_COLOR"] !== undefined && env["NO_COLOR"] !== "") return false
  if (force !== undefined) return force !== "0" && force !== "false"
  return canRepaint(env, tty)
}

/** The lines a painted text takes where it is shown in `columns`, each of its own lines being wrapped. */
export const wrappedRows = (text: string, columns: number): number =>
  text
    .split("\n")
    .reduce(
      (rows, each) => rows + Math.max(1, Math.ceil(widthOfText(stripVTControlCharacters(each)) / columns)),
      0
    )

/** The living lines of a terminal; whatever is written goes above them. */
const makeLive = (stream: NodeJS.WriteStream) => {
  let paint: ReturnType<typeof createLogUpdate> | undefined
  let shown = ""
  let columns = 0

  /**
   * A terminal that has become narrower wraps what was painted for more columns, so it takes more lines than the
   * library wrote and would erase: the further ones are erased first.
   */
  const unwrap = (): void => {
    const now = stream.columns || 80
    if (shown !== "" && now < columns) {
      const further = wrappedRows(shown, now) - wrappedRows(shown, columns)
      // Up a line and erase it, so often.
      if (further > 0) stream.write("\u001B[1A\u001B[2K".repeat(further))
    }
    columns = now
  }

  return {
    above: (write: () => void): void => {
      if (paint === undefined || shown === "") return write()
      unwrap()
      paint.clear()
      write()
      paint(shown)
    },
    // The library is loaded by whoever shows something: most commands don't. It must not hide the cursor: a process
    // that is killed could not bring it back.
    show: (text: string): Effect.Effect<void> =>
      Effect.map(
        Effect.promise(() => import("log-update")),
        (library) => {
          paint ??= library.createLogUpdate(stream, { showCursor: true })
          unwrap()
          shown = text
          if (text === "") paint.clear()
          else paint(text)
        }
      )
  }
}

const terminal = (
  stream: { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number },
  env: { readonly [name: string]: string | undefined }
): Terminal => ({
  tty: canRepaint(env, stream.isTTY === true),
  colours: createColors(wantsColours(env, stream.isTTY === true)),
  get columns() {
    // A terminal of which nothing is known says 0.
    return stream.columns || 80
  },
  get rows() {
    return stream.rows || 24
  }
})

type Live = ReturnType<typeof makeLive>

const write = (
  stream: NodeJS.WriteStream,
  live: Live,
  text: string
): Effect.Effect<void, NodeJS.ErrnoException> =>
  Effect.async((resume) => {
    live.above(() => {
      stream.write(text, (error) => resume(error ? Effect.fail(error) : Effect.void))
    })
  })

/** Whether nobody reads the stream any more: the pipe is closed, or the terminal is. */
const isGone = (error: NodeJS.ErrnoException, stream: NodeJS.WriteStream): boolean =>
  error.code === "EPIPE" || (error.code === "EIO" && stream.isTTY)

/** The streams of this process. */
export const layer: Layer.Layer<Output> = Layer.sync(Output, () => {
  const stderr = terminal(process.stderr, process.env)
  const live = makeLive(process.stderr)
  return {
    out: (text) =>
      Effect.catchAll(write(process.stdout, live, text), (error) =>
        isGone(error, process.stdout)
          ? new Exited({ code: ExitCode.ok })
          : new Exited({
              code: ExitCode.fatal,
              message: `standard output can't be written: ${error.message}`
            })
      ),
    // There is nowhere left to say that stderr can't be written.
    err: (text) => Effect.ignore(write(process.stderr, live, text)),
    unsafeErr: (text) => {
      live.above(() => process.stderr.write(text))
    },
    live: (text) => (stderr.tty ? live.show(text) : Effect.void),
    stdout: terminal(process.stdout, process.env),
    stderr
  }
})
