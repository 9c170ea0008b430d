/**
 * Named moments of a job's life at which a test can kill the process: what is kept then is what a crash would keep.
 *
 * `CONTENTDOWNLOAD_FAILPOINT=NAME:N` kills it, as `kill -9` does, when it comes to the point NAME for the Nth time. Without
 * the variable a point is a call of a function that does nothing.
 */

/** Every point, in the order a job comes to them. */
export const POINTS = [
  /** Jobs were leased, and none has started. */
  "leased",
  /** A resolver or a page has changed a job's plan, and nobody else knows. */
  "planned",
  /** A part of a body is written. */
  "written",
  /** The whole of a file is synced, under the name of its part. */
  "synced",
  /** It stands under its hash, and has no name yet. With `storage.layout: content`. */
  "linked",
  /** It has its name, and its folder isn't synced. */
  "renamed",
  /** It has its place, and the queue doesn't know. */
  "stored",
  /** Transitions are written, and not committed. */
  "before-commit",
  /** They are committed, and nobody was told. */
  "after-commit"
] as const

/** The name of a point. */
export type Point = (typeof POINTS)[number]

const [wanted = "", count = "1"] = (process.env["CONTENTDOWNLOAD_FAILPOINT"] ?? "").split(":")

let left = Number(count)

/** A process comes to a point. */
export const reach: (point: Point) => void =
  wanted === ""
    ? () => undefined
    : (point) => {
        if (point !== wanted) return
        left -= 1
        if (left === 0) process.kill(process.pid, "SIGKILL")
      }
