/**
 * How a service stands to those who ask it: how often in a row it has refused, for the rate or as forbidden.
 *
 * Each refusal for the rate that follows a wait doubles the wait; what the service itself asks for is a lower bound. After
 * a few in a row it is away: others are asked meanwhile. Refusals for the rate are counted over restarts and for all
 * processes on a queue. A request that is forbidden may be refused for itself; several in a row are not.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { CacheStoreService } from "../CacheStore.ts"
import { refusedAgain, type Row } from "../http/Refusals.ts"
import { ResolverFailure } from "./Resolver.ts"

/** How one service stands. */
export interface Standing {
  /** Asks it, and fails with what a failure means after those before it. */
  readonly judged: <A>(asked: Effect.Effect<A, ResolverFailure>) => Effect.Effect<A, ResolverFailure>
}

/** The refusal in a row, each after a wait, that makes it away, however short the waits. */
const AWAY_AT = 3
/** The forbidden request in a row that means whoever asks. */
const FORBIDDEN_AT = 5
/** How long a row of refusals is remembered after its last wait. */
const REMEMBERED_MS = 86_400_000

const Stored = Schema.parseJson(Schema.Struct({ count: Schema.Int, ms: Schema.Number, until: Schema.Number }))
const decode = Schema.decodeUnknownOption(Stored)

/** Of a service that nothing is known of but what the store has under this account. */
export const make = (store: CacheStoreService, account: string): Standing => {
  const key = `refused ${account}`
  let row: Row | undefined
  /** Whether the store may have a row. */
  let stored = true
  let forbidden = 0

  /** The row that was added to last: another process may have asked meanwhile. */
  const latest = Effect.map(store.get(key), (text) =>
    Option.match(Option.flatMap(text, decode), {
      onNone: () => row,
      onSome: (kept) => (row === undefined || kept.until > row.until ? kept : row)
    })
  )

  const over = Effect.suspend(() => {
    row = undefined
    if (!stored) return Effect.void
    stored = false
    return store.remove(key)
  })

  const refused = (failure: ResolverFailure, asked: number) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const next = refusedAgain(yield* latest, now, asked - now, asked)
      row = next
      stored = true
      yield* store.put(key, JSON.stringify(next), next.until + REMEMBERED_MS)
      const { message, outcome } = failure
      return new ResolverFailure({ outcome, message, until: next.until, away: next.count >= AWAY_AT })
    })

  const failed = (failure: ResolverFailure): Effect.Effect<ResolverFailure> => {
    if (failure.outcome === "rate_limited") {
      // The wait for our own rate is no refusal.
      return failure.until === undefined || failure.paced === true
        ? Effect.succeed(failure)
        : refused(failure, failure.until)
    }
    forbidden = failure.forbidden === true ? forbidden + 1 : 0
    const message = `${failure.message}, ${forbidden} times in a row`
    return Effect.as(
      over,
      forbidden < FORBIDDEN_AT ? failure : new ResolverFailure({ outcome: "config_error", message })
    )
  }

  const answered = Effect.suspend(() => {
    forbidden = 0
    return over
  })

  return {
    judged: (asked) =>
      asked.pipe(
        Effect.tap(answered),
        Effect.catchAll((failure) => Effect.flatMap(failed(failure), Effect.fail))
      )
  }
}
