/**
 * Which resolvers are switched off for a run, and why. Each is told of once, the first time that it matters.
 */
import * as Effect from "effect/Effect"
import type * as Members from "./Members.ts"
import type { ResolverFailure } from "./Resolver.ts"

/** What is switched off among the resolvers of a run. */
export interface Switched {
  /** Why this resolver isn't asked; `undefined` if it is. */
  readonly off: (name: string) => ResolverFailure | undefined
  /** Says why a resolver isn't asked, the first time that matters. */
  readonly sayOnce: (name: string) => Effect.Effect<void>
  /** Takes in a refusal of whoever asks. One of some questions only is told of, too, and switches nothing off. */
  readonly refused: (name: string, failure: ResolverFailure) => Effect.Effect<void>
}

/** Those that lack what they need are off from the start. */
export const make = (members: ReadonlyArray<Members.Member>): Switched => {
  const off = new Map<string, ResolverFailure>()
  const said = new Set<string>()
  for (const { lacks, resolver } of members) {
    if (lacks !== undefined) off.set(resolver.name, lacks)
  }

  const say = (name: string, text: string) =>
    Effect.suspend(() => {
      if (said.has(name)) return Effect.void
      said.add(name)
      return Effect.logWarning(text)
    })

  const sayOnce = (name: string) => {
    const failure = off.get(name)
    return failure === undefined
      ? Effect.void
      : say(name, `${name} isn't asked in this run: ${failure.message}`)
  }

  return {
    off: (name) => off.get(name),
    sayOnce: (name) => Effect.suspend(() => sayOnce(name)),
    refused: (name, failure) =>
      Effect.suspend(() => {
        if (failure.partial === true) return say(`${name} for some`, failure.message)
        if (!off.has(name)) off.set(name, failure)
        return sayOnce(name)
      })
  }
}
