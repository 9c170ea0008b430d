/**
 * What a failing file system does to a job and to the run: one table.
 *
 * Nothing a disk refuses gets better with the next job, so all of it stops the run, with a line that says what to do;
 * only a shortage of open files passes by itself.
 */
import { Fatal, Retry } from "../Failure.ts"

const REASONS: Readonly<Record<string, readonly [string, string]>> = {
  ENOSPC: ["disk-full", "no space is left on its disk"],
  EDQUOT: ["disk-full", "the disk quota is used up"],
  EROFS: ["output-unwritable", "its file system is read-only"],
  EACCES: ["output-unwritable", "this user may not write there"],
  EPERM: ["output-unwritable", "this user may not write there"],
  ENOTDIR: ["output-unwritable", "a part of this path is a file, not a folder"],
  EEXIST: ["output-unwritable", "it is a file, not a folder"],
  ENOENT: ["output-unwritable", "the folder is gone"],
  ELOOP: ["output-unwritable", "its links lead in a circle"],
  ENAMETOOLONG: ["output-unwritable", "its path is too long for the file system"],
  EFBIG: [
    "disk-error",
    "a file would be larger than its file system, or the limit of this process (ulimit -f), lets it be"
  ],
  EIO: ["disk-error", "the disk reports an input or output error"]
}

/** The code for a part that somebody removed while it was written. */
const PART_REMOVED = "PART_REMOVED"

/** What is thrown for such a part. */
export const partRemoved = (part: string): Error =>
  Object.assign(new Error(`${part} was removed`), { code: PART_REMOVED })

/** The code for a link below the output folder, or a path, that leads out of it. */
export const LEADS_OUTSIDE = "LEADS_OUTSIDE"

/** The system's code of what was thrown; empty if it has none. */
export const codeOf = (cause: unknown): string =>
  typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string"
    ? cause.code
    : ""

/** Whether the disk has lost what was to be read: no use to anybody, but no reason to end a run. */
export const isUnreadable = (cause: unknown): boolean => codeOf(cause) === "EIO"

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** The failure for what the file system threw while working in the output folder. */
export const fromCause = (cause: unknown, out: string): Fatal | Retry => {
  const code = codeOf(cause)
  if (code === "EMFILE" || code === "ENFILE") {
    return new Retry({
      reason: "too-many-open-files",
      message: "too many files are open; fewer workers, or a higher limit (ulimit -n), would help"
    })
  }
  if (code === PART_REMOVED) {
    return new Retry({
      reason: "part-removed",
      message: "the unfinished file was removed while it was written"
    })
  }
  if (code === LEADS_OUTSIDE) {
    return new Fatal({
      reason: "output-unwritable",
      message: `can't write to the output folder ${out}: ${messageOf(cause)}`
    })
  }
  const known = REASONS[code]
  return known === undefined
    ? new Fatal({
        reason: "disk-error",
        message: `can't write to the output folder ${out}: ${messageOf(cause)}`
      })
    : new Fatal({
        reason: known[0],
        message: `can't write to the output folder ${out}: ${known[1]} (${code})`
      })
}
