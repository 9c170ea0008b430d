/** The jobs a process runs now, by their leases. */
import type * as Fiber from "effect/Fiber"
import type { Lease, LeaseRef } from "../Job.ts"

/** A leased job and the fiber it runs in. */
export interface RunningJob {
  readonly lease: Lease
  /** `undefined` only while it is being started. */
  fiber: Fiber.RuntimeFiber<unknown> | undefined
  /** It was interrupted because its lease is lost. */
  interrupted: boolean
}

/** A job may be leased again while its former lease's fiber still gives way, so the token is part of the key. */
const keyOf = (lease: LeaseRef) => `${lease.job} ${lease.token}`

/** The jobs of one process. */
export class Running {
  readonly #jobs = new Set<RunningJob>()

  get size(): number {
    return this.#jobs.size
  }

  add(lease: Lease): RunningJob {
    const job: RunningJob = { lease, fiber: undefined, interrupted: false }
    this.#jobs.add(job)
    return job
  }

  delete(job: RunningJob): void {
    this.#jobs.delete(job)
  }

  /** The jobs of these leases, as far as they run. */
  of(leases: ReadonlyArray<LeaseRef>): ReadonlyArray<RunningJob> {
    const keys = new Set(leases.map(keyOf))
    return Array.from(this.#jobs).filter(({ lease }) => keys.has(keyOf(lease)))
  }

  leases(): ReadonlyArray<Lease> {
    return Array.from(this.#jobs, ({ lease }) => lease)
  }

  fibers(): ReadonlyArray<Fiber.RuntimeFiber<unknown>> {
    return Array.from(this.#jobs).flatMap(({ fiber }) => (fiber === undefined ? [] : [fiber]))
  }

  /** Those of our leases that aren't among these. */
  missing(ours: ReadonlyArray<Lease>, held: ReadonlyArray<LeaseRef>): ReadonlyArray<Lease> {
    const there = new Set(held.map(keyOf))
    return ours.filter((lease) => !there.has(keyOf(lease)))
  }
}
