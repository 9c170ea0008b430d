/** Whatever is done to a queue, in whatever order: it answers like the model, and the invariants hold. */
import { describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { limits, history, MAX_CRASHES } from "./History.ts"
import { type MakeLayer, onQueue, runs } from "./Given.ts"
import { play } from "./Playing.ts"

export const historiesContract = (makeLayer: MakeLayer, numRuns: number) =>
  describe("whatever is done to it", () => {
    it.scoped.prop(
      "answers like the model, keeps caps, paces and turns, and loses nothing",
      // What fails without is tried closely next, which tells more.
      { operations: history(60), closely: FastCheck.nat(2).map((n) => n === 0) },
      ({ closely, operations }) =>
        onQueue(makeLayer({ policy: limits, maxCrashes: MAX_CRASHES }), (queue) =>
          play([queue], operations, closely)
        ),
      runs(numRuns)
    )
  })
