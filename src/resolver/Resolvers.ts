/**
 * The configured resolvers, in order, behind one door: whoever asks one through it keeps its cap and its rate.
 *
 * A resolver that refuses whoever runs this, or lacks what it needs to be asked, is switched off for the run, and that
 * is logged once. Waiting for a rate takes a moment at most; a longer wait is an answer of its own, for the queue to
 * do. What says who asks is in nothing that comes out of this door.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { Artifact } from "../Artifact.ts"
import { CacheStore } from "../CacheStore.ts"
import { Http } from "../http/Http.ts"
import { KeyedLimiter } from "../KeyedLimiter.ts"
import { resolverLane } from "../Lane.ts"
import * as Telemetry from "../Telemetry.ts"
import { TokenBucket } from "../TokenBucket.ts"
import type { Candidate } from "./Candidate.ts"
import * as Members from "./Members.ts"
import * as Memory from "./Memory.ts"
import * as Ranking from "./Ranking.ts"
import { type Known, NOTHING, type Resolver, ResolverFailure } from "./Resolver.ts"
import * as Standing from "./Standing.ts"
import * as Switched from "./Switched.ts"

export { enabledOrder, type Member, plain, type ResolversSettings } from "./Members.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** What a resolver has named: at least one of either. */
export interface Found {
  /** The URLs worth a request, best first. */
  readonly candidates: ReadonlyArray<Candidate>
  /** Pages about the work, to be read for links when it is their turn; best first. */
  readonly pages: ReadonlyArray<Candidate>
}

// ---------------------------------------------------------------------------------------------------------------
// Service
// ---------------------------------------------------------------------------------------------------------------

/** The resolvers of a run. */
export interface ResolversService {
  /**
   * The names of the resolvers that take this artifact, in the order to ask them. Those that are switched off are left
   * out, unless there are no others: then they say why.
   */
  readonly applicable: (artifact: Artifact, known?: Known) => Effect.Effect<ReadonlyArray<string>>
  /** The lane in which a job waits before this resolver is asked; `None` if it asks nobody. */
  readonly lane: (name: string) => Option.Option<string>
  /**
   * What this resolver knows. `before` runs when its service has to be asked, and not when earlier answers of it tell:
   * the place to wait for its lane.
   */
  readonly ask: <E = never>(
    name: string,
    artifact: Artifact,
    known?: Known,
    before?: Effect.Effect<void, E>
  ) => Effect.Effect<Found, ResolverFailure | E>
}

/** The resolvers of a program. */
export class Resolvers extends Context.Tag("contentdownload/Resolvers")<Resolvers, ResolversService>() {}

// ---------------------------------------------------------------------------------------------------------------
// Constructors and layers
// ---------------------------------------------------------------------------------------------------------------

/** The longest wait for a rate that is slept instead of handed back. */
const MOMENT_MS = 1000
/** The same within a question that was begun: giving it up would waste what was asked already. */
const FOLLOW_UP_MS = 10_000

/** The lane a resolver's questions stand in. */
const laneOf = ({ lane, name }: Resolver): string => lane ?? resolverLane(name)

/** Waits that are left to the queue; see `resolvers.max_wait_seconds`. */
const LONGEST_WAIT_MS = 900_000

/** Without anything that says who asks. A service may well repeat what it was sent. */
const discreet = ({ confidential, resolver }: Members.Member, failure: ResolverFailure) => {
  const { away, forbidden, outcome, paced, partial, passing, until } = failure
  const message = confidential.hide(failure.message) || resolver.name
  return message === failure.message
    ? failure
    : new ResolverFailure({ outcome, message, passing, until, away, paced, partial, forbidden })
}

/** How they are asked. */
export interface ResolversOptions {
  /** A resolver that asks for a longer wait is `away`. Default: a quarter of an hour. */
  readonly maxWaitMs?: number | undefined
}

/** The service over any resolvers. */
export const makeWith = (
  members: ReadonlyArray<Members.Member>,
  preferences: Ranking.Preferences = Ranking.DEFAULTS,
  { maxWaitMs = LONGEST_WAIT_MS }: ResolversOptions = {}
): Effect.Effect<ResolversService, never, KeyedLimiter | TokenBucket> =>
  Effect.gen(function* () {
    const limiter = yield* KeyedLimiter
    const bucket = yield* TokenBucket
    const store = yield* CacheStore
    const byName = new Map(members.map((member) => [member.resolver.name, member]))
    const standings = new Map<string, Standing.Standing>()
    const standingOf = ({ account }: Members.Member): Standing.Standing => {
      const standing = standings.get(account) ?? Standing.make(store, account)
      standings.set(account, standing)
      return standing
    }
    const opensPages = members.some(({ resolver }) => resolver.opensPages === true)
    const switched = Switched.make(members)

    /** Takes a token, after a short wait if need be. Others take tokens too, so one wait may follow another. */
    const takeToken = (key: string, longest: number, waited = 0): Effect.Effect<void, ResolverFailure> =>
      Effect.flatMap(bucket.tryTake(key), (wait) => {
        if (wait === 0) return Effect.void
        if (waited + wait <= longest) {
          Telemetry.waits.note(wait / 1000, "rate")
          const sleeping = Telemetry.step("wait", () => ({ "contentdownload.wait.cause": "rate" }))(
            Effect.sleep(wait)
          )
          return Effect.zipRight(sleeping, takeToken(key, longest, waited + wait))
        }
        const message = `${key}: its rate is used up`
        return Effect.flatMap(Clock.currentTimeMillis, (now) =>
          Effect.fail(
            new ResolverFailure({ outcome: "rate_limited", message, until: now + wait, paced: true })
          )
        )
      })

    /** The first request was waited for by who asks. */
    const answer = (member: Members.Member, artifact: Artifact, known: Known) =>
      Effect.suspend(() => {
        const { resolver, timeoutMs } = member
        let requests = 0
        const { get, keep } = member.ask(
          Effect.suspend(() =>
            requests++ === 0 ? Effect.void : takeToken(resolverLane(resolver.name), FOLLOW_UP_MS)
          )
        )
        return resolver.resolve({ artifact, known, get }).pipe(
          Effect.timeoutFail({
            duration: timeoutMs,
            onTimeout: () =>
              new ResolverFailure({
                outcome: "failed",
                message: `${resolver.name}: no answer within ${timeoutMs / 1000} s`,
                passing: true
              })
          }),
          Effect.tapBoth({
            onSuccess: () => keep,
            onFailure: ({ outcome }) => (Memory.ANSWERED.has(outcome) ? keep : Effect.void)
          })
        )
      })

    /** Under the resolver's cap and rate. Waiting for either doesn't count into the time for the answer. */
    const politely = (member: Members.Member, artifact: Artifact, known: Known) => {
      const key = resolverLane(member.resolver.name)
      return takeToken(key, MOMENT_MS).pipe(
        Effect.zipRight(
          Effect.tapError(standingOf(member).judged(answer(member, artifact, known)), ({ outcome, until }) =>
            outcome === "rate_limited" && until !== undefined ? bucket.penalise(key, until) : Effect.void
          )
        ),
        limiter.withPermit(laneOf(member.resolver))
      )
    }

    /** Candidates to try apart from pages to put aside. */
    const sorted = (member: Members.Member, artifact: Artifact, found: ReadonlyArray<Candidate>): Found => {
      const improved = found
        .filter(({ url }) => !member.confidential.hides(url))
        .map((candidate) => members.reduce((better, { improve }) => improve(better, artifact), candidate))
      const ranked = Ranking.rank(improved, preferences)
      if (member.resolver.opensPages === true) return { candidates: ranked, pages: [] }
      return {
        candidates: ranked.filter(({ kind }) => kind !== "landing"),
        pages: ranked.filter(({ kind }) => kind === "landing")
      }
    }

    /** Fails if the resolver is away; nobody is asked for that. */
    const isThere = (member: Members.Member) =>
      Effect.flatMap(
        Memory.awayUntil(store, member),
        Option.match({
          onNone: () => Effect.void,
          onSome: (until) =>
            Effect.zipRight(
              bucket.penalise(resolverLane(member.resolver.name), until),
              Memory.away(until, `${member.resolver.name}: it has asked to be left alone`)
            )
        })
      )

    const found = (member: Members.Member, artifact: Artifact, known: Known) => {
      const { name, remote } = member.resolver
      return (remote ? politely(member, artifact, known) : answer(member, artifact, known)).pipe(
        Effect.mapError((failure) => discreet(member, failure)),
        Effect.catchAll((failure) =>
          Effect.gen(function* () {
            const { away, message, outcome, until } = failure
            if (outcome === "config_error") yield* switched.refused(name, failure)
            if (outcome !== "rate_limited" || until === undefined) return yield* failure
            const now = yield* Clock.currentTimeMillis
            if (until - now <= maxWaitMs && away !== true) return yield* failure
            const gone = Memory.away(until, message)
            yield* Memory.setAway(store, member, until)
            yield* Effect.logWarning(gone.message)
            return yield* gone
          })
        )
      )
    }

    const ask: ResolversService["ask"] = Effect.fnUntraced(function* <E = never>(
      name: string,
      artifact: Artifact,
      known: Known = NOTHING,
      before: Effect.Effect<void, E> = Effect.void
    ) {
      const member = byName.get(name)
      if (member === undefined) {
        return yield* new ResolverFailure({
          outcome: "config_error",
          message: `${name} is not an enabled resolver`
        })
      }
      const refused = switched.off(name)
      if (refused !== undefined) return yield* Effect.zipRight(switched.sayOnce(name), refused)
      const memory = member.resolver.remote ? yield* Memory.recalled(member, artifact, known) : Option.none()
      const all = Option.isSome(memory)
        ? yield* memory.value
        : yield* (member.resolver.remote ? isThere(member) : Effect.void).pipe(
            Effect.zipRight(before),
            Effect.zipRight(found(member, artifact, known))
          )
      const { candidates, pages } = sorted(member, artifact, all)
      const [page] = pages
      if (candidates.length > 0 || (page !== undefined && opensPages)) return { candidates, pages }
      const why =
        page !== undefined
          ? `it knows landing pages only, such as ${page.url}`
          : all.some(({ url }) => !member.confidential.hides(url))
            ? "it knows nothing of a kind that is wanted (download.kinds)"
            : "it names only URLs with your key or address in them"
      return yield* new ResolverFailure({ outcome: "no_open_access", message: `${name}: ${why}` })
    })

    return {
      applicable: (artifact, known = NOTHING) =>
        Effect.suspend(() => {
          const takers = members
            .filter(({ resolver }) => resolver.accepts(artifact, known))
            .map(({ resolver }) => resolver.name)
          const open = takers.filter((name) => switched.off(name) === undefined)
          return Effect.as(
            Effect.forEach(takers, switched.sayOnce, { discard: true }),
            open.length > 0 ? open : takers
          )
        }),
      lane: (name) =>
        Option.fromNullable(byName.get(name)?.resolver).pipe(
          Option.filter(({ remote }) => remote && switched.off(name) === undefined),
          Option.map(laneOf)
        ),
      ask
    }
  })

/** The configured ones, by the settings. */
export const make = (
  settings: Members.ResolversSettings
): Effect.Effect<ResolversService, never, Http | KeyedLimiter | TokenBucket> =>
  Effect.flatMap(
    Effect.flatMap(Http, (http) => Members.make(settings, http)),
    (members) =>
      makeWith(
        members,
        { kinds: settings.download.kinds, prefer: settings.resolvers.prefer },
        { maxWaitMs: settings.resolvers.max_wait_seconds * 1000 }
      )
  )

/** `make` as a layer. */
export const layer = (
  settings: Members.ResolversSettings
): Layer.Layer<Resolvers, never, Http | KeyedLimiter | TokenBucket> => Layer.effect(Resolvers, make(settings))
