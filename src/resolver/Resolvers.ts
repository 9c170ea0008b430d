/**
 * The configured resolvers, in order, behind one door: whoever asks one through it keeps its cap and its rate.
 *
 * A resolver that refuses whoever runs this is switched off for the run, and that is logged once. Waiting for a rate
 * takes a moment at most; a longer wait is an answer of its own, for the queue to do.
 */
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { Artifact } from "../Artifact.ts"
import { Http } from "../http/Http.ts"
import { KeyedLimiter } from "../KeyedLimiter.ts"
import { resolverLane } from "../Lane.ts"
import { TokenBucket } from "../TokenBucket.ts"
import * as Arxiv from "./Arxiv.ts"
import { type Candidate, rank } from "./Candidate.ts"
import { type Resolver, ResolverFailure } from "./Resolver.ts"
import * as Unpaywall from "./Unpaywall.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

interface Member {
  readonly enabled: boolean
  readonly base_url: string
  readonly timeout_seconds: number
}

/** The configuration's sections, as far as resolving needs them. */
export interface ResolversSettings {
  readonly http: { readonly contact: string | null; readonly max_retry_after_seconds: number }
  readonly resolvers: {
    /** The order to ask them in. One that isn't named here is never asked. */
    readonly order: ReadonlyArray<string>
    readonly arxiv: Member
    /** Without `email`: the environment's UNPAYWALL_EMAIL, else `http.contact` if that is a mail address. */
    readonly unpaywall: Member & { readonly email: string | null }
  }
}

// ---------------------------------------------------------------------------------------------------------------
// Service
// ---------------------------------------------------------------------------------------------------------------

/** The resolvers of a run. */
export interface ResolversService {
  /** The names of the resolvers that take this artifact, in the order to ask them. */
  readonly applicable: (artifact: Artifact) => ReadonlyArray<string>
  /** The lane in which a job waits before this resolver is asked; `None` if it asks nobody. */
  readonly lane: (name: string) => Option.Option<string>
  /** The candidates worth a request that this resolver knows, best first; at least one. */
  readonly ask: (name: string, artifact: Artifact) => Effect.Effect<ReadonlyArray<Candidate>, ResolverFailure>
}

/** The resolvers of a program. */
export class Resolvers extends Context.Tag("contentdownload/Resolvers")<Resolvers, ResolversService>() {}

// ---------------------------------------------------------------------------------------------------------------
// Constructors and layers
// ---------------------------------------------------------------------------------------------------------------

/** The longest wait for a rate that is slept instead of handed back. */
const MOMENT_MS = 1000

/** The names in `order` that are enabled: what a job's first lane is chosen from. */
export const enabledOrder = (settings: Pick<ResolversSettings, "resolvers">): ReadonlyArray<string> =>
  settings.resolvers.order.filter((name) => {
    if (name === Arxiv.NAME) return settings.resolvers.arxiv.enabled
    return name === Unpaywall.NAME && settings.resolvers.unpaywall.enabled
  })

/** A resolver, and how long it may take for an answer. */
export interface MemberResolver {
  readonly resolver: Resolver
  readonly timeoutMs: number
}

const answer = ({ resolver, timeoutMs }: MemberResolver, artifact: Artifact) =>
  resolver.resolve(artifact).pipe(
    Effect.timeoutFail({
      duration: timeoutMs,
      onTimeout: () =>
        new ResolverFailure({
          outcome: "failed",
          message: `${resolver.name}: no answer within ${timeoutMs / 1000} s`,
          passing: true
        })
    })
  )

/** The service over any resolvers. */
export const makeWith = (
  members: ReadonlyArray<MemberResolver>
): Effect.Effect<ResolversService, never, KeyedLimiter | TokenBucket> =>
  Effect.gen(function* () {
    const limiter = yield* KeyedLimiter
    const bucket = yield* TokenBucket
    const byName = new Map(members.map((member) => [member.resolver.name, member]))
    /** The resolvers switched off for this run, and why. */
    const off = new Map<string, ResolverFailure>()

    /** Takes a token, after a moment if need be. Others take tokens too, so one wait may follow another. */
    const takeToken = (key: string, waited = 0): Effect.Effect<void, ResolverFailure> =>
      Effect.flatMap(bucket.tryTake(key), (wait) => {
        if (wait === 0) return Effect.void
        if (waited + wait <= MOMENT_MS)
          return Effect.zipRight(Effect.sleep(wait), takeToken(key, waited + wait))
        const message = `${key}: its rate is used up`
        return Effect.flatMap(Clock.currentTimeMillis, (now) =>
          Effect.fail(new ResolverFailure({ outcome: "rate_limited", message, until: now + wait }))
        )
      })

    const switchOff = (failure: ResolverFailure, name: string) => {
      if (off.has(name)) return Effect.void
      off.set(name, failure)
      return Effect.logWarning(`${name} isn't asked in this run: ${failure.message}`)
    }

    /** Under the resolver's cap and rate. Waiting for either doesn't count into the time for the answer. */
    const politely = (key: string, member: MemberResolver, artifact: Artifact) =>
      takeToken(key).pipe(
        Effect.zipRight(
          Effect.tapError(answer(member, artifact), ({ outcome, until }) =>
            outcome === "rate_limited" && until !== undefined ? bucket.penalise(key, until) : Effect.void
          )
        ),
        limiter.withPermit(key)
      )

    const ask = Effect.fn("Resolvers.ask")(function* (name: string, artifact: Artifact) {
      const member = byName.get(name)
      if (member === undefined) {
        return yield* new ResolverFailure({
          outcome: "config_error",
          message: `${name} is not an enabled resolver`
        })
      }
      const refused = off.get(name)
      if (refused !== undefined) return yield* refused
      const found = yield* (
        member.resolver.remote ? politely(resolverLane(name), member, artifact) : answer(member, artifact)
      ).pipe(
        Effect.tapError((failure) =>
          failure.outcome === "config_error" ? switchOff(failure, name) : Effect.void
        )
      )
      const ranked = rank(found)
      if (ranked.length === 0) {
        return yield* new ResolverFailure({
          outcome: "no_open_access",
          message: `${name}: it knows landing pages only, such as ${found[0]?.url ?? "none"}`
        })
      }
      return ranked
    })

    return {
      applicable: (artifact) =>
        members.filter(({ resolver }) => resolver.accepts(artifact)).map(({ resolver }) => resolver.name),
      lane: (name) =>
        byName.get(name)?.resolver.remote === true ? Option.some(resolverLane(name)) : Option.none(),
      ask
    }
  })

const isMail = (text: string | null): text is string => text !== null && /^[^\s@/]+@[^\s@/]+$/.test(text)

/** The configured ones, by the settings. */
export const make = (
  settings: ResolversSettings
): Effect.Effect<ResolversService, never, Http | KeyedLimiter | TokenBucket> =>
  Effect.gen(function* () {
    const http = yield* Http
    const { arxiv, unpaywall } = settings.resolvers
    const { contact, max_retry_after_seconds } = settings.http
    const environment = Option.getOrNull(yield* Effect.option(Config.nonEmptyString("UNPAYWALL_EMAIL")))
    const email = unpaywall.email ?? environment ?? (isMail(contact) ? contact : null)
    const members: Readonly<Record<string, MemberResolver>> = {
      [Arxiv.NAME]: { resolver: Arxiv.make(arxiv), timeoutMs: arxiv.timeout_seconds * 1000 },
      [Unpaywall.NAME]: {
        resolver: Unpaywall.make({ base_url: unpaywall.base_url, email, max_retry_after_seconds }, http),
        timeoutMs: unpaywall.timeout_seconds * 1000
      }
    }
    return yield* makeWith(
      enabledOrder(settings).flatMap((name) => {
        const member = members[name]
        return member === undefined ? [] : [member]
      })
    )
  })

/** `make` as a layer. */
export const layer = (
  settings: ResolversSettings
): Layer.Layer<Resolvers, never, Http | KeyedLimiter | TokenBucket> => Layer.effect(Resolvers, make(settings))
