/**
 * What a PDF says of itself, read by a real parser in threads of its own: a file made to keep a parser busy, or to
 * fill its memory, costs a thread and never the process.
 */
import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { Worker } from "node:worker_threads"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Pool from "effect/Pool"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as KeyedLimiter from "../KeyedLimiter.ts"
import * as Telemetry from "../Telemetry.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

const Facts = Schema.Struct({
  pages: Schema.Int,
  text: Schema.String,
  title: Schema.String,
  about: Schema.String
})

/**
 * A PDF that opened. `text`: that of the pages asked for, at most 50,000 characters, empty where there is no text
 * layer. `title` and `about`: its metadata's title, and all that its metadata say.
 */
export type PdfFacts = typeof Facts.Type

const Answer = Schema.Union(
  Schema.Struct({ facts: Facts }),
  Schema.Struct({
    name: Schema.String,
    message: Schema.String,
    code: Schema.optionalWith(Schema.String, { exact: true })
  })
)
const decodeAnswer = Schema.decodeUnknownSync(Answer)

/**
 * It didn't open. `damaged`: it is no whole PDF. `encrypted`: it asks for a password. `gave-up`: the parser took too
 * long or too much memory, so nothing is known of the file. `file`: the file system didn't give it, with a `code` such
 * as `EIO`.
 */
export class PdfUnreadable extends Data.TaggedError("PdfUnreadable")<{
  readonly reason: "damaged" | "encrypted" | "gave-up" | "file"
  readonly message: string
  readonly code?: string
}> {}

// ---------------------------------------------------------------------------------------------------------------
// Service
// ---------------------------------------------------------------------------------------------------------------

/** Opens PDFs. */
export interface PdfReaderService {
  /**
   * Opens the file and its first page. `pages`: from how many of the first pages the text is wanted; 0 leaves the
   * text and the metadata out. `source`: who has sent it, so that files of others don't wait for those of one that takes
   * long.
   */
  readonly read: (path: string, pages: number, source?: string) => Effect.Effect<PdfFacts, PdfUnreadable>
}

/** The PDF reader of a program. */
export class PdfReader extends Context.Tag("contentdownload/PdfReader")<PdfReader, PdfReaderService>() {}

// ---------------------------------------------------------------------------------------------------------------
// Threads
// ---------------------------------------------------------------------------------------------------------------

/** How long a file may take. */
export interface Patience {
  /** Beside those of all others; real works take a few hundredths of a second. */
  readonly quick: Duration.Duration
  /** Alone, after that. For a source whose file took longer than this it is halved each time, down to `quick`. */
  readonly slow: Duration.Duration
}

const PATIENCE: Patience = { quick: Duration.seconds(2), slow: Duration.seconds(20) }

/** How long the files of a source that took long are read apart from those of others, and of how many that is known. */
const APART_MS = 10 * 60_000
const MOST_SOURCES = 1000

/** Memory of one thread, in MiB: a parser holds a file and what it makes of it. */
const MEMORY_MB = 768

/** A thread that nobody asked anything for so long is ended. */
const IDLE = Duration.seconds(60)

const gaveUp = (message: string) => new PdfUnreadable({ reason: "gave-up", message })

/** Answers when the thread has loaded the parser. */
const started = (worker: Worker) =>
  Effect.async<void, PdfUnreadable>((resume) => {
    const end = (next: Effect.Effect<void, PdfUnreadable>) => {
      worker.off("message", ready).off("error", broken).off("exit", ended)
      resume(next)
    }
    const ready = () => end(Effect.void)
    const broken = (cause: Error) => end(gaveUp(`no thread for the parser: ${cause.message}`))
    const ended = () => end(gaveUp("no thread for the parser: it ended"))
    worker.on("message", ready).on("error", broken).on("exit", ended)
  })

const thread: Effect.Effect<Worker, PdfUnreadable, Scope.Scope> = Effect.acquireRelease(
  Effect.try({
    try: () => {
      const worker = new Worker(fileURLToPath(new URL("./PdfWorker.mjs", import.meta.url)), {
        resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB },
        // What the parser has to say goes nowhere.
        stdout: true,
        stderr: true
      })
      // A thread that breaks while nobody asks is met by the next to ask.
      worker.on("error", () => undefined)
      return worker
    },
    catch: (cause) => gaveUp(`no thread for the parser: ${String(cause)}`)
  }),
  (worker) => Effect.promise(() => worker.terminate())
).pipe(
  Effect.tap(started),
  // It is ended with its scope; until then it must not keep a process alive that has nothing else to do.
  Effect.tap((worker) => Effect.sync(() => worker.unref()))
)

const toFacts = (message: unknown): Effect.Effect<PdfFacts, PdfUnreadable> => {
  const answer = decodeAnswer(message)
  if ("facts" in answer) return Effect.succeed(answer.facts)
  if (answer.code !== undefined) {
    return Effect.fail(new PdfUnreadable({ reason: "file", message: answer.message, code: answer.code }))
  }
  // There is no memory for it, which says nothing about the file.
  if (answer.name === "RangeError") return Effect.fail(gaveUp(answer.message))
  return Effect.fail(
    answer.name === "PasswordException"
      ? new PdfUnreadable({ reason: "encrypted", message: "the PDF asks for a password" })
      : new PdfUnreadable({ reason: "damaged", message: `the PDF doesn't open: ${answer.message}` })
  )
}

/** One question to a thread that has nothing else to do. */
const ask = (worker: Worker, path: string, pages: number) =>
  Effect.async<PdfFacts, PdfUnreadable>((resume) => {
    const answered = (message: unknown) => end(toFacts(message))
    const broken = (cause: Error) => end(Effect.fail(gaveUp(`the parser broke: ${cause.message}`)))
    const ended = () => end(Effect.fail(gaveUp("the parser ended")))
    const leave = () => {
      worker.off("message", answered).off("error", broken).off("exit", ended).unref()
    }
    const end = (next: Effect.Effect<PdfFacts, PdfUnreadable>) => {
      leave()
      resume(next)
    }
    worker.on("message", answered).on("error", broken).on("exit", ended).ref()
    worker.postMessage({ path, pages })
    return Effect.sync(leave)
  })

/** Threads that a file may take so long of; no time at all where `patience` is zero. */
interface Threads {
  readonly read: (
    path: string,
    pages: number,
    patience: () => Duration.Duration
  ) => Effect.Effect<PdfFacts, PdfUnreadable | TookLong>
}

/** The file was not done within its time. */
class TookLong extends Data.TaggedError("TookLong")<{ readonly patience: Duration.Duration }> {}

const threads = (max: number): Effect.Effect<Threads, never, Scope.Scope> =>
  Effect.gen(function* () {
    const pool = yield* Pool.makeWithTTL({ acquire: thread, min: 0, max, timeToLive: IDLE })
    // The pool wakes all who wait whenever a thread comes free; so nobody waits there.
    const inTurn = (yield* KeyedLimiter.make({ cap: max, cause: "parser" })).withPermit("parser")
    const read: Threads["read"] = (path, pages, patience) =>
      Effect.gen(function* () {
        const worker = yield* pool.get
        // Asked for now: another file of the source may have taken long meanwhile.
        const duration = patience()
        if (Duration.equals(duration, Duration.zero)) return yield* new TookLong({ patience: duration })
        return yield* ask(worker, path, pages).pipe(
          Effect.timeoutFail({ duration, onTimeout: () => new TookLong({ patience: duration }) }),
          // Whoever is interrupted or gave up leaves a thread behind that is still busy.
          Effect.onExit((exit) =>
            exit._tag === "Success" || isVerdict(exit.cause) ? Effect.void : pool.invalidate(worker)
          )
        )
      }).pipe(Effect.scoped, inTurn)
    return { read }
  })

/**
 * A reader with threads of its own; they start when they are first needed and end with the scope.
 *
 * What takes longer than a moment is begun again in a thread apart, and so is what the same source sends from then on:
 * files made to keep a parser busy keep those of others waiting for that moment only.
 */
export const makeWith = (patience: Patience): Effect.Effect<PdfReaderService, never, Scope.Scope> =>
  Effect.gen(function* () {
    const quick = yield* threads(Math.max(1, availableParallelism() - 1))
    const slow = yield* threads(1)
    const clock = yield* Effect.clock
    /** Sources whose files took long: until when they are read apart, and how long one may take. */
    const apart = new Map<string, { readonly until: number; readonly patience: Duration.Duration }>()

    const setApart = (source: string, next: Duration.Duration) => {
      // Of nobody's file nothing follows for the next one.
      if (source === "") return
      apart.delete(source)
      const [oldest] = apart.keys()
      if (apart.size >= MOST_SOURCES && oldest !== undefined) apart.delete(oldest)
      apart.set(source, { until: clock.unsafeCurrentTimeMillis() + APART_MS, patience: next })
    }
    const isApart = (source: string) => (apart.get(source)?.until ?? 0) > clock.unsafeCurrentTimeMillis()

    const readApart = (path: string, pages: number, source: string) =>
      slow
        .read(path, pages, () => apart.get(source)?.patience ?? patience.slow)
        .pipe(
          Effect.catchTag("TookLong", ({ patience: had }) => {
            setApart(source, Duration.max(patience.quick, Duration.times(had, 0.5)))
            return gaveUp(`the parser took longer than ${Duration.toSeconds(had)} seconds`)
          })
        )

    const read = (path: string, pages: number, source: string) =>
      isApart(source)
        ? readApart(path, pages, source)
        : quick
            .read(path, pages, () => (isApart(source) ? Duration.zero : patience.quick))
            .pipe(
              Effect.catchTag("TookLong", () => {
                if (!isApart(source)) setApart(source, patience.slow)
                return readApart(path, pages, source)
              })
            )

    return {
      read: (path, pages, source = "") =>
        Effect.acquireUseRelease(
          Effect.sync(() => Telemetry.openingDocuments.note(1)),
          () => read(path, pages, source),
          () => Effect.sync(() => Telemetry.openingDocuments.note(-1))
        )
    }
  })

/** `makeWith` the times of the program: 2 seconds beside others, 20 alone. */
export const make: Effect.Effect<PdfReaderService, never, Scope.Scope> = makeWith(PATIENCE)

const isVerdict = (cause: Cause.Cause<PdfUnreadable | TookLong>): boolean =>
  Option.exists(
    Cause.failureOption(cause),
    (error) => error._tag === "PdfUnreadable" && error.reason !== "gave-up"
  )

/** `make` as a layer. */
export const layer: Layer.Layer<PdfReader> = Layer.scoped(PdfReader, make)
