/**
 * Group commit: transitions that arrive while others are being written wait for the next transaction and share it.
 *
 * The first to come sets the writing off for all that gathered, so a lone transition is written at once, and under load
 * the batches grow by themselves. Where transitions come one by one but often, a transaction may be told to come some
 * time after the one before, as long as more are expected. Nothing is answered before its transaction is committed.
 */
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
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
  /** Milliseconds from one write to the next while more are expected. Default 0: none. */
  readonly gapMs?: number | undefined
  /** Whether more items than these are likely to come. Default: no. */
  readonly expectsMore?: ((waiting: number) => boolean) | undefined
}): ((item: Item) => Effect.Effect<Answer, E>) => {
  const { expectsMore = () => false, gapMs = 0 } = options
  interface Waiting {
    readonly item: Item
    /** Goes on with the answer, or with writing the next batch. */
    readonly resume: (next: Effect.Effect<Answer, E>) => void
  }
  let waiting: Array<Waiting> = []
  let writing = false
  let writtenAt = Number.NEGATIVE_INFINITY

  /** Waits out the gap, for the sake of those that come meanwhile. */
  const gap =
    gapMs <= 0
      ? Effect.void
      : Effect.flatMap(Clock.currentTimeMillis, (now) => {
          const left = writtenAt + gapMs - now
          // A clock that was put back says nothing of the gap.
          return left > 0 && left <= gapMs && expectsMore(waiting.length) ? Effect.sleep(left) : Effect.void
        })

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
    yield* gap
    const batch = gather()
    const written = yield* Effect.exit(options.write(batch.map((entry) => entry.item)))
    if (gapMs > 0) writtenAt = yield* Clock.currentTimeMillis
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
