/**
 * The contract of `WorkQueue`, as properties and examples that any implementation must pass. They know the service
 * alone; `CONTRACT_RUNS` and `CONTRACT_SEED` set how often a property is tried, and from where.
 */
import { describe } from "@effect/vitest"
import { changesContract } from "./Changes.ts"
import { enqueueContract } from "./Enqueue.ts"
import { fencingContract } from "./Fencing.ts"
import type { MakeLayer } from "./Given.ts"
import { historiesContract } from "./Histories.ts"
import { leasingContract } from "./Leasing.ts"
import { limitsContract } from "./Limits.ts"
import { operatorsContract } from "./Operators.ts"
import { transitionsContract } from "./Transitions.ts"

/** Registers the suites; each test gets an empty queue from `makeLayer`, on the test's clock. */
export const workQueueContract = (name: string, makeLayer: MakeLayer): void => {
  describe(name, () => {
    enqueueContract(makeLayer)
    leasingContract(makeLayer)
    fencingContract(makeLayer)
    transitionsContract(makeLayer)
    operatorsContract(makeLayer)
    limitsContract(makeLayer)
    changesContract(makeLayer)
    historiesContract(makeLayer, 60)
  })
}
