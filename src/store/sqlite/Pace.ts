/**
 * A lane's pace: the generic cell rate algorithm (ITU-T I.371) on one integer, the theoretical arrival time. It
 * survives a restart as that integer and, kept in the queue, holds over processes.
 */

/** The earliest time a lane with this theoretical arrival time starts the next job, in milliseconds. */
export const opensAt = (tat: number, gapMs: number, burst: number): number =>
  // A lane that gave its pace up keeps the time of its last one.
  gapMs === 0 ? 0 : tat - (burst - 1) * gapMs

/**
 * What counts as the theoretical arrival time of a lane that is awake. Its time had come; if its pace says otherwise, the
 * clock was put back since, and the lane would be met by every lease and give nothing.
 */
export const awake = (tat: number, gapMs: number, burst: number, now: number): number =>
  gapMs === 0 ? tat : Math.min(tat, now + (burst - 1) * gapMs)

/** The theoretical arrival time after a start at `now`; `undefined` when nothing may start yet. */
export const admit = (tat: number, gapMs: number, burst: number, now: number): number | undefined =>
  gapMs === 0 ? tat : now < opensAt(tat, gapMs, burst) ? undefined : Math.max(tat, now) + gapMs
