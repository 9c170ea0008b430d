/**
 * Group commit: transitions that arrive while others are being written wait for the next transaction and share it.
 *
 * The first to come sets the writing off for all that gathered; nobody waits for a timer, so a lone transition is
 * written at once, and under load the batches grow by themselves. Nothing is answered before its transaction is committed.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** Transitions in one transaction at most: it blocks the event loop while it runs. */
const MAX_BATCH = 256

/**
 * Makes a function that answers one item out of a function that answers a batch: as many answers as items, in their
 * order. Two items of the same `key` never
 * stand in one batch. Neither waiting nor writing is interrupted: an item handed in is written.
 */
export const make = <Item, Answer, E>(options: {
  readonly key: (item: Item) => unknown
  readonly write: (batch: ReadonlyArray<Item>) => Effect.Effect<ReadonlyArray<Answer>, E>
}): ((item: Item) => Effect.Effect<Answer, E>) => {
  interface Waiting {
    readonly item: Item
    /** Goes on with the answer, or with writing the next batch. */
    readonly resume: (next: Effect.Effect<Answer, E>) => void
  }
  let waiting: Array<Waiting> = []
  let writing = false

  /** The first that waits, and all others that may share its batch. */
  const gather = (): ReadonlyArray<Waiting> => {
    const keys = new Set<unknown>()
    const batch: Array<Waiting> = []
    const rest: Array<Waiting> = []
    for (const entry of waiting) {
      const key = options.key(entry.item)
      if (batch.length < MAX_BATCH && !keys.has(key)) {
        keys.add(key)
        batch.push(entry)
      } else rest.push(entry)
    }
    waiting = rest
    return batch
  }

  /** Writes the batch of the first that waits, in its fiber, and leaves the next to the one that is first then. */
  const writeNext: Effect.Effect<Answer, E> = Effect.gen(function* () {
    // Fibers that are ready to run get to hand in their items first.
    yield* Effect.yieldNow()
    const batch = gather()
    const written = yield* Effect.exit(options.write(batch.map((entry) => entry.item)))
    const answers = Exit.match(written, {
      onFailure: (cause) => batch.map(() => Exit.failCause(cause)),
      onSuccess: (all): ReadonlyArray<Exit.Exit<Answer, E>> => all.map(Exit.succeed)
    })
    const [own, ...others] = answers
    for (const [{ resume }, answer] of Arr.zip(batch.slice(1), others)) resume(answer)
    const [next] = waiting
    if (next === undefined) writing = false
    else next.resume(writeNext)
    return yield* own ?? Effect.dieMessage("a batch was written without an answer")
  })

  return (item) =>
    Effect.uninterruptible(
      Effect.suspend(() => {
        if (writing) {
          return Effect.async<Answer, E>((resume) => {
            waiting.push({ item, resume })
          })
        }
        writing = true
        // It writes itself, so nothing has to be resumed.
        waiting.push({ item, resume: () => undefined })
        return writeNext
      })
    )
}
