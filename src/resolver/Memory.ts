/**
 * What is remembered of resolvers, over restarts and for all processes on a queue: their answers, by the cache of HTTP,
 * and that they want to be left alone for long.
 *
 * The lane of a resolver that is away isn't held: jobs that stand there go on to the next resolver.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { Artifact } from "../Artifact.ts"
import type { CacheStoreService } from "../CacheStore.ts"
import type { Candidate } from "./Candidate.ts"
import type * as Members from "./Members.ts"
import { type Known, ResolverFailure } from "./Resolver.ts"

// ---------------------------------------------------------------------------------------------------------------
// Answers
// ---------------------------------------------------------------------------------------------------------------

/** How a question ends that was answered. Such answers count later, too. */
export const ANSWERED = new Set<ResolverFailure["outcome"]>(["not_found", "no_open_access"])

/** What earlier answers tell by themselves; `None`: the service has to be asked. */
export const recalled = (
  member: Members.Member,
  artifact: Artifact,
  known: Known
): Effect.Effect<Option.Option<Either.Either<ReadonlyArray<Candidate>, ResolverFailure>>> =>
  Effect.suspend(() => {
    const { remembers, resolver } = member
    if (!remembers) return Effect.succeedNone
    let asks = false
    const unknown = new ResolverFailure({
      outcome: "failed",
      message: `${resolver.name}: it isn't known`
    })
    const { forget, get } = member.ask(
      Effect.suspend(() => {
        asks = true
        return Effect.fail(unknown)
      })
    )
    return Effect.flatMap(Effect.either(resolver.resolve({ artifact, known, get })), (found) => {
      if (asks) return Effect.succeedNone
      // An answer that isn't understood any more.
      const useless = Either.isLeft(found) && !ANSWERED.has(found.left.outcome)
      return useless ? Effect.as(forget, Option.none()) : Effect.succeedSome(found)
    })
  })

// ---------------------------------------------------------------------------------------------------------------
// Absence
// ---------------------------------------------------------------------------------------------------------------

/** The longest that anyone is thought to be away. */
const LONGEST_AWAY_MS = 52 * 7 * 86_400_000

const awayKey = ({ account }: Members.Member) => `away ${account}`

/** The failure of a resolver that wants to be left alone until then, in milliseconds since the epoch. */
export const away = (until: number, message: string): ResolverFailure =>
  new ResolverFailure({
    outcome: "rate_limited",
    message: `${message}; not before ${new Date(until).toISOString()}, others are asked meanwhile`,
    until,
    away: true
  })

/** Remembers it. */
export const setAway = (
  store: CacheStoreService,
  member: Members.Member,
  until: number
): Effect.Effect<void> => store.put(awayKey(member), String(until), until)

/** Until when the resolver wants to be left alone, if it does. */
export const awayUntil = (
  store: CacheStoreService,
  member: Members.Member
): Effect.Effect<Option.Option<number>> =>
  Effect.zipWith(store.get(awayKey(member)), Clock.currentTimeMillis, (stored, now) =>
    Option.map(stored, Number).pipe(
      // What is damaged is no time.
      Option.filter((until) => until > now && until < now + LONGEST_AWAY_MS)
    )
  )
