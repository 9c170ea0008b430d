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
   * text and the metadata out.
   */
  readonly read: (path: string, pages: number) => Effect.Effect<PdfFacts, PdfUnreadable>
}

/** The PDF reader of a program. */
export class PdfReader extends Context.Tag("contentdownload/PdfReader")<PdfReader, PdfReaderService>() {}

// ---------------------------------------------------------------------------------------------------------------
// Threads
// ---------------------------------------------------------------------------------------------------------------

/** How long a file may take; those of real works take a few hundredths of a second. */
const PATIENCE = Duration.seconds(20)

/** Memory of one thread, in MiB: a parser holds a file and what it makes of it. */
const MEMORY_MB = 768

/** A thread that nobody asked anything for so long is ended. */
const IDLE = Duration.seconds(60)

const gaveUp = (message: string) => new PdfUnreadable({ reason: "gave-up", message })

const thread: Effect.Effect<Worker, PdfUnreadable, Scope.Scope> = Effect.acquireRelease(
  Effect.try({
    try: () => {
      const worker = new Worker(fileURLToPath(new URL("./PdfWorker.mjs", import.meta.url)), {
        resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB },
        // What the parser has to say goes nowhere.
        stdout: true,
        stderr: true
      })
      // It is ended with its scope; until then it must not keep a process alive that has nothing else to do.
      worker.unref()
      // A thread that breaks while nobody asks is met by the next to ask.
      worker.on("error", () => undefined)
      return worker
    },
    catch: (cause) => gaveUp(`no thread for the parser: ${String(cause)}`)
  }),
  (worker) => Effect.promise(() => worker.terminate())
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

/** A reader with threads of its own; they start when they are first needed and end with the scope. */
export const make: Effect.Effect<PdfReaderService, never, Scope.Scope> = Effect.gen(function* () {
  const pool = yield* Pool.makeWithTTL({
    acquire: thread,
    min: 0,
    max: Math.max(1, availableParallelism() - 1),
    timeToLive: IDLE
  })
  return {
    read: (path, pages) =>
      Effect.gen(function* () {
        const worker = yield* pool.get
        return yield* ask(worker, path, pages).pipe(
          Effect.timeoutFail({
            duration: PATIENCE,
            onTimeout: () => gaveUp(`the parser took longer than ${Duration.toSeconds(PATIENCE)} seconds`)
          }),
          // Whoever is interrupted or gave up leaves a thread behind that is still busy.
          Effect.onExit((exit) =>
            exit._tag === "Success" || isVerdict(exit.cause) ? Effect.void : pool.invalidate(worker)
          )
        )
      }).pipe(Effect.scoped)
  }
})

const isVerdict = (cause: Cause.Cause<PdfUnreadable>): boolean =>
  Option.exists(Cause.failureOption(cause), ({ reason }) => reason !== "gave-up")

/** `make` as a layer. */
export const layer: Layer.Layer<PdfReader> = Layer.scoped(PdfReader, make)
