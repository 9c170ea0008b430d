/** A world to fetch from: an origin, an output folder, and what fetches. */
import * as Effect from "effect/Effect"
import type { Artifact } from "../../src/Artifact.ts"
import type * as Behaviour from "../../src/demo/Behaviour.ts"
import * as Origin from "../../src/demo/Origin.ts"
import * as PdfReader from "../../src/pdf/PdfReader.ts"
import * as Fetch from "../../src/download/Fetch.ts"
import type { FetchFailure } from "../../src/download/FetchFailure.ts"
import type { Receipt } from "../../src/download/Manifest.ts"
import type { Hop } from "../../src/download/Plan.ts"
import type { Fatal, Retry } from "../../src/Failure.ts"
import { type Candidate, DIRECT } from "../../src/resolver/Candidate.ts"
import { folder, layer, settings } from "./Rig.ts"

export type Changes = Parameters<typeof settings>[1]

export interface World {
  readonly origin: Origin.OriginService
  readonly out: string
  readonly entered: Array<{ readonly lane: string; readonly hop: Hop | undefined }>
  readonly fetch: (
    url: string,
    more?: {
      readonly artifact?: Partial<Artifact>
      readonly candidate?: Partial<Candidate>
      readonly hop?: Hop
      /** The lease's. Default 1. */
      readonly token?: number
      readonly previous?: Receipt
    }
  ) => Effect.Effect<Fetch.Fetched, FetchFailure | Fatal | Retry>
}

/** Runs a test with an origin and a folder. `admit`: whether a lane has room. */
export const world = <A, E>(
  hosts: Readonly<Record<string, Behaviour.Behaviour>>,
  body: (world: World) => Effect.Effect<A, E>,
  changes: Changes = {},
  admit: (lane: string) => boolean = () => true
) =>
  Effect.gen(function* () {
    const origin = yield* Origin.make({ hosts })
    const out = yield* folder
    const all = settings(out, { ...changes, http: { resolve: origin.resolve, ...changes.http } })
    const entered: World["entered"] = []
    return yield* Effect.gen(function* () {
      const fetch = yield* Fetch.make(all)
      return yield* body({
        origin,
        out,
        entered,
        fetch: (url, { artifact, candidate, hop, previous, token } = {}) =>
          fetch(
            {
              artifact: { id: "paper", urls: [url], ...artifact },
              candidate: { url, resolver: DIRECT, ...candidate },
              owner: { id: "paper", job: 1, token: token ?? 1 },
              hop,
              previous
            },
            (lane, next) =>
              Effect.sync(() => {
                entered.push({ lane, hop: next })
                return admit(lane)
              })
          )
      })
    }).pipe(Effect.provide([layer(all), PdfReader.layer]))
  }).pipe(Effect.scoped)
