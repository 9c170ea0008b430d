/** Random histories: whatever can happen to a queue, by three workers and a person, in any order. */
import * as FastCheck from "effect/FastCheck"
import type { LanePolicy } from "../../src/Lane.ts"
import { policy, TTL } from "./Given.ts"

export const LANES = ["host:a", "host:b", "host:c", "resolver:r"] as const
export const WORKERS = ["w1", "w2", "w3"] as const
export const MAX_CRASHES = 3

// ---------------------------------------------------------------------------------------------------------------
// Policies
// ---------------------------------------------------------------------------------------------------------------

/** Caps, paces and pools of each kind. */
export const limits: LanePolicy = policy(
  {
    "host:a": { cap: 2, pool: "hosts" },
    "host:b": { cap: 1, pool: "hosts", gapMs: 3_000 },
    "host:c": { cap: 3, pool: "hosts", gapMs: 1_000, burst: 2 },
    "resolver:r": { cap: 2, pool: "resolver:r" }
  },
  { hosts: 5, "resolver:r": 1 }
)

/** What `applyPolicy` chooses from. */
export const POLICIES: ReadonlyArray<LanePolicy> = [
  limits,
  // Everything lower and slower.
  policy(
    {
      "host:a": { cap: 1, pool: "hosts", gapMs: 2_000 },
      "host:b": { cap: 1, pool: "hosts", gapMs: 9_000 },
      "host:c": { cap: 1, pool: "hosts", gapMs: 1_000 },
      "resolver:r": { cap: 1, pool: "resolver:r" }
    },
    { hosts: 2, "resolver:r": 1 }
  ),
  // Other pools, higher caps, and no pace.
  policy(
    {
      "host:a": { cap: 3, pool: "own" },
      "host:b": { cap: 3, pool: "hosts" },
      "host:c": { cap: 3, pool: "own", burst: 4 },
      "resolver:r": { cap: 3, pool: "hosts" }
    },
    { own: 2, hosts: 5 }
  ),
  // Larger bursts.
  policy(
    {
      "host:a": { cap: 9, gapMs: 500, burst: 3 },
      "host:b": { cap: 9, gapMs: 4_000, burst: 2 },
      "host:c": { cap: 9, gapMs: 4_000, burst: 5 },
      "resolver:r": { cap: 9 }
    },
    { all: 6 }
  )
]

// ---------------------------------------------------------------------------------------------------------------
// Operations
// ---------------------------------------------------------------------------------------------------------------

/** A job to queue; ids repeat, so that duplicates and namesakes of pruned jobs come up. */
const newJob = FastCheck.record({
  id: FastCheck.nat(30),
  lane: FastCheck.constantFrom(...LANES),
  priority: FastCheck.nat(2),
  delay: FastCheck.constantFrom(0, 0, 0, 2_000, 5_000)
})
export type GivenJob = typeof newJob extends FastCheck.Arbitrary<infer A> ? A : never

export const lane = FastCheck.constantFrom(...LANES)
/** Which of the leases handed out, counted from the latest: most are live, some are long lost. */
const pick = FastCheck.nat(7)
const ttl = FastCheck.constantFrom(5_000, TTL)
const plan = FastCheck.constantFrom(undefined, null, "plan", { cursor: 1 })

const weighted = <A>(weight: number, arbitrary: FastCheck.Arbitrary<A>) => ({ weight, arbitrary })
const kind = <K extends string>(name: K) => FastCheck.constant(name)

export const operation = FastCheck.oneof(
  weighted(5, FastCheck.record({ kind: kind("enqueue"), job: newJob })),
  weighted(
    2,
    FastCheck.record({ kind: kind("enqueueAll"), jobs: FastCheck.array(newJob, { maxLength: 8 }) })
  ),
  weighted(
    8,
    FastCheck.record({
      kind: kind("lease"),
      worker: FastCheck.constantFrom(...WORKERS),
      limit: FastCheck.constantFrom(0, 1, 1, 2, 3, 6),
      ttl
    })
  ),
  weighted(
    4,
    FastCheck.record({
      kind: kind("turn"),
      ends: FastCheck.array(
        FastCheck.record({
          pick,
          end: FastCheck.constantFrom("ack" as const, "failAndRetry" as const, "release" as const),
          delay: FastCheck.constantFrom(null, 0, 2_000)
        }),
        { maxLength: 6 }
      ),
      request: FastCheck.option(
        FastCheck.record({ worker: FastCheck.constantFrom(...WORKERS), limit: FastCheck.nat(4), ttl }),
        { nil: undefined }
      )
    })
  ),
  weighted(
    2,
    FastCheck.record({ kind: kind("heartbeat"), picks: FastCheck.array(pick, { maxLength: 4 }), ttl })
  ),
  weighted(
    3,
    FastCheck.record({
      kind: kind("ack"),
      pick,
      state: FastCheck.constantFrom("done" as const, "skipped" as const),
      result: FastCheck.constantFrom(undefined, null, "same")
    })
  ),
  weighted(
    3,
    FastCheck.record({
      kind: kind("failAndRetry"),
      pick,
      delay: FastCheck.constantFrom(null, 0, 2_000, 6_000),
      plan,
      result: FastCheck.constantFrom(undefined, "tried")
    })
  ),
  weighted(
    2,
    FastCheck.record({
      kind: kind("release"),
      pick,
      plan,
      later: FastCheck.constantFrom(null, null, 0, 3_000)
    })
  ),
  weighted(
    2,
    FastCheck.record({ kind: kind("hold"), pick, ms: FastCheck.constantFrom(-1, 0, 1_000, 4_000) })
  ),
  weighted(3, FastCheck.record({ kind: kind("reroute"), pick, lane, plan })),
  weighted(1, FastCheck.record({ kind: kind("cancel"), id: FastCheck.nat(30) })),
  weighted(
    1,
    FastCheck.record({
      kind: FastCheck.constantFrom("pause" as const, "resume" as const),
      lane: FastCheck.constantFrom(undefined, ...LANES)
    })
  ),
  // Resumes more often than pauses, or most of a history would pass in silence.
  weighted(1, FastCheck.record({ kind: kind("resume"), lane: FastCheck.constantFrom(undefined, ...LANES) })),
  weighted(
    1,
    FastCheck.record({
      kind: kind("retryFailed"),
      lane: FastCheck.constantFrom(undefined, ...LANES),
      reason: FastCheck.constantFrom(undefined, "http-500", "crashed"),
      dryRun: FastCheck.boolean()
    })
  ),
  weighted(
    1,
    FastCheck.record({
      kind: kind("refresh"),
      state: FastCheck.constantFrom("done" as const, "skipped" as const, "error" as const),
      lane: FastCheck.constantFrom(undefined, ...LANES),
      dryRun: FastCheck.boolean()
    })
  ),
  weighted(
    1,
    FastCheck.record({
      kind: kind("prune"),
      age: FastCheck.constantFrom(0, 3_000),
      state: FastCheck.constantFrom(...([undefined, "done", "skipped", "error", "queued"] as const))
    })
  ),
  weighted(
    1,
    FastCheck.record({ kind: kind("reclaim"), workers: FastCheck.subarray([...WORKERS, "unknown"]) })
  ),
  weighted(1, FastCheck.record({ kind: kind("applyPolicy"), to: FastCheck.nat(POLICIES.length - 1) })),
  weighted(
    1,
    FastCheck.record({
      kind: kind("setLane"),
      lane,
      overrides: FastCheck.constantFrom(
        null,
        { cap: 1 },
        { cap: 4 },
        { gapMs: 0 },
        { gapMs: 5_000 },
        { gapMs: 700, burst: 3 },
        { cap: 2, gapMs: 2_000, burst: 1 }
      )
    })
  ),
  weighted(
    4,
    FastCheck.record({ kind: kind("pass"), ms: FastCheck.constantFrom(1, 500, 1_000, 3_000, 5_000, TTL) })
  )
)

export type Operation = typeof operation extends FastCheck.Arbitrary<infer A> ? A : never

/** Starts with work for every lane: most of what can go wrong takes more jobs than a lane may run at once. */
export const history = (maxLength: number) =>
  FastCheck.tuple(
    FastCheck.record({
      kind: kind("enqueueAll"),
      jobs: FastCheck.array(newJob, { minLength: 8, maxLength: 16, size: "max" })
    }),
    FastCheck.array(operation, { minLength: 10, maxLength, size: "max" })
  ).map(([first, others]): ReadonlyArray<Operation> => [first, ...others])
