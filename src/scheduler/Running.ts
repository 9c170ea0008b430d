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
  /** Where it stands among the jobs of its process. */
  at: number
}

/** A job may be leased again while its former lease's fiber still gives way, so the token is part of the key. */
const keyOf = (lease: LeaseRef) => `${lease.job} ${lease.token}`

/**
 * The jobs of one process.
 *
 * They stand in a list, and the last one takes the place of one that leaves: a `Set` that is filled and emptied all the
 * time hangs together with its former tables, and through them with all jobs that left, until a full collection.
 */
export class Running {
  readonly #jobs: Array<RunningJob> = []

  get size(): number {
    return this.#jobs.length
  }

  add(lease: Lease): RunningJob {
    const job: RunningJob = { lease, fiber: undefined, interrupted: false, at: this.#jobs.length }
    this.#jobs.push(job)
    return job
  }

  delete(job: RunningJob): void {
    if (this.#jobs[job.at] !== job) return
    const last = this.#jobs.pop()
    if (last === undefined || last === job) return
    last.at = job.at
    this.#jobs[job.at] = last
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
