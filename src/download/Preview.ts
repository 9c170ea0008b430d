/**
 * The plan of an artifact as it would be if nothing it names worked: every resolver is asked, in the order and with
 * the limits of a run, and nothing is downloaded.
 *
 * What depends on a download doesn't happen: no page is opened for its links, and nobody is asked about what failed. There is
 * no queue to wait in for a service's rate, so that is waited for here, if it isn't long.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Artifact } from "../Artifact.ts"
import type { Candidate } from "../resolver/Candidate.ts"
import type { Known, ResolverFailure } from "../resolver/Resolver.ts"
import { type Found, Resolvers } from "../resolver/Resolvers.ts"
import * as Plan from "./Plan.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** What a resolver has answered. */
export interface Asked {
  readonly resolver: string
  readonly outcome: ResolverFailure["outcome"] | "found"
  /** How many URLs it named, pages included. */
  readonly candidates: number
  readonly message: string | null
  /** It wants to be left alone until then, in milliseconds since the epoch. */
  readonly until: number | null
}

export interface Preview {
  /** In the order of asking. */
  readonly asked: ReadonlyArray<Asked>
  /** In the order in which they would be tried. */
  readonly candidates: ReadonlyArray<Candidate>
}

/** Those that gave no answer now, and may know more. */
export const silent = ({ asked }: Preview): ReadonlyArray<Asked> =>
  asked.filter(({ outcome }) => outcome === "rate_limited" || outcome === "failed")

// ---------------------------------------------------------------------------------------------------------------
// Preview
// ---------------------------------------------------------------------------------------------------------------

const AS_TRIED = { class: "try-next", reason: "", message: "" } as const

/** The longest that is waited at a time for a service's rate. */
const LONGEST_PACE_MS = 30_000

/** Asks a resolver, when its rate lets it be asked. */
const ask = (
  name: string,
  artifact: Artifact,
  known: Known
): Effect.Effect<Found, ResolverFailure, Resolvers> =>
  Effect.gen(function* () {
    const { ask: once } = yield* Resolvers
    const answer = yield* Effect.either(once(name, artifact, known))
    if (Either.isRight(answer)) return answer.right
    const { away, paced, until = 0 } = answer.left
    const waitMs = until - (yield* Clock.currentTimeMillis)
    if (paced !== true || away === true || waitMs > LONGEST_PACE_MS) return yield* answer.left
    yield* Effect.sleep(Math.max(waitMs, 1))
    return yield* ask(name, artifact, known)
  })

/** Asks for an artifact. */
export const preview = (artifact: Artifact): Effect.Effect<Preview, never, Resolvers> =>
  Effect.gen(function* () {
    const resolvers = yield* Resolvers
    const asked: Array<Asked> = []
    let plan = Plan.start(artifact.urls)
    for (;;) {
      // Nothing has failed, since nothing is tried: what is known is the pages.
      const known = { failed: [], pages: Plan.known(plan).pages }
      const applicable = yield* resolvers.applicable(artifact, known)
      const resolver = applicable.find((name) => !plan.asked.includes(name))
      if (resolver === undefined) return { asked, candidates: plan.candidates }
      const answer = yield* Effect.either(ask(resolver, artifact, known))
      if (Either.isRight(answer)) {
        const { candidates, pages } = answer.right
        asked.push({
          resolver,
          outcome: "found",
          candidates: candidates.length + pages.length,
          message: null,
          until: null
        })
        plan = Plan.resolved(plan, resolver, candidates, pages)
      } else {
        const { message, outcome, until } = answer.left
        asked.push({ resolver, outcome, candidates: 0, message, until: until ?? null })
        plan = Plan.unresolved(plan, resolver, AS_TRIED)
      }
    }
  })
