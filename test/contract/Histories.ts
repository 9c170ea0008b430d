/** Whatever is done to a queue, in whatever order: it answers like the model, and the invariants hold. */
import { describe, it } from "@effect/vitest"
import { limits, history, MAX_CRASHES } from "./History.ts"
import { type MakeLayer, onQueue, runs } from "./Given.ts"
import { play } from "./Playing.ts"

export const historiesContract = (makeLayer: MakeLayer, numRuns: number) =>
  describe("whatever is done to it", () => {
    it.scoped.prop(
      "answers like the model, keeps caps, paces and turns, and loses nothing",
      { operations: history(60) },
      ({ operations }) =>
        onQueue(makeLayer({ policy: limits, maxCrashes: MAX_CRASHES }), (queue) => play([queue], operations)),
      runs(numRuns)
    )
  })
