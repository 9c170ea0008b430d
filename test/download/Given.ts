/** Jobs as the queue tells of them. */
import type { JobDetail } from "../../src/Job.ts"

/** A job that is done. */
export const detail = (id: string, payload: unknown, result: unknown = null): JobDetail => ({
  job: 1,
  id,
  state: "done",
  lane: "host:a.test",
  priority: 0,
  availableAt: null,
  attempts: 1,
  crashes: 0,
  reason: null,
  worker: null,
  leaseExpiresAt: null,
  enqueuedAt: 0,
  finishedAt: 0,
  payload,
  plan: null,
  result,
  message: null,
  history: []
})
