/**
 * Group commit: transitions that arrive while others are being written wait for the next transaction and share it.
 *
 * The first to come sets the writing off for all that gathered; nobody waits for a timer, so a lone transition is
 * written at once, and under load the batches grow by themselves. Nothing is answered before its transaction is committed.
 */
import * as Arr from "effect/Array"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"

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
    readonly answer: Deferred.Deferred<Answer, E>
  }
  let waiting: Array<Waiting> = []
  let writing = false

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

  const writeAll = Effect.gen(function* () {
    // Fibers that are ready to run get to hand in their items first.
    yield* Effect.yieldNow()
    while (waiting.length > 0) {
      const batch = gather()
      const written = yield* Effect.exit(options.write(batch.map((entry) => entry.item)))
      Exit.match(written, {
        onFailure: (cause) => {
          for (const { answer } of batch) Deferred.unsafeDone(answer, Exit.failCause(cause))
        },
        onSuccess: (answers) => {
          for (const [{ answer }, value] of Arr.zip(batch, answers)) {
            Deferred.unsafeDone(answer, Exit.succeed(value))
          }
        }
      })
    }
    writing = false
  })

  return (item) =>
    Effect.uninterruptible(
      Effect.suspend(() => {
        const answer = Deferred.unsafeMake<Answer, E>(FiberId.none)
        waiting.push({ item, answer })
        if (writing) return Deferred.await(answer)
        writing = true
        // A fiber of its own writes: whoever came first would wait for all that came after.
        return Effect.zipRight(Effect.forkDaemon(writeAll), Deferred.await(answer))
      })
    )
}
