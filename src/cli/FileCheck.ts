/**
 * The files of a queue checked against its manifest, one after the other and in constant memory, and mended as far as
 * that goes: what is missing or damaged is put back from the same content in the folder, or its job queued again.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { DeepCheck } from "../download/DeepCheck.ts"
import { type Receipt, receiptOf } from "../download/Manifest.ts"
import { type Condition, Storage } from "../download/Storage.ts"
import { PARTIAL } from "../download/StoredName.ts"
import { Fatal, type Retry } from "../Failure.ts"
import type { JobDetail } from "../Job.ts"
import { WorkQueue } from "../WorkQueue.ts"
import { usage } from "./Exit.ts"
import { duration, number, percent, size } from "./progress/Numbers.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** What is wrong with the file of a job, and what was done about it. */
export interface Problem {
  readonly id: string
  readonly path: string
  /** `missing`, `damaged`, `unreadable`, or the reason for which a run would refuse the document. */
  readonly problem: string
  readonly message: string | null
  /**
   * `queued`: again, or its job was so already. `lost`: its job's latest try was in vain, so there is no other without being
   * asked for. `doubted`: it stays as it is. `none`: nothing could be done, or nothing was to be.
   */
  readonly action: "queued" | "restored" | "lost" | "doubted" | "none"
  /** Where what was damaged is now, relative to the output folder. */
  readonly moved_to: string | null
}

/** What a check has come to so far. */
export interface Tally {
  files: number
  bytes: number
  /** Those that are no files any more, or not the right ones. */
  found: number
  queued: number
  restored: number
  lost: number
  doubted: number
  moved: number
  /** Files that newer ones came after, and that are still there. */
  earlier: number
}

/** How files are checked. */
export interface Options {
  /** Nothing is changed. */
  readonly dryRun: boolean
  /** Opens what has its bytes. */
  readonly deep: Option.Option<DeepCheck>
}

/** Files that are read at once. */
const AT_ONCE = 4

// ---------------------------------------------------------------------------------------------------------------
// Checking
// ---------------------------------------------------------------------------------------------------------------

/** A shortage of open files doesn't pass while nothing else runs. */
const settled = <A, R>(effect: Effect.Effect<A, Fatal | Retry, R>): Effect.Effect<A, Fatal, R> =>
  Effect.catchTag(effect, "Retry", ({ message, reason }) => new Fatal({ reason, message }))

/** The jobs that ended with a file, also those that are tried again or were so in vain. */
const withFile = Stream.unwrap(
  Effect.map(WorkQueue, (queue) =>
    Stream.filterMap(queue.details({ hasResult: true }), (job) =>
      Option.map(receiptOf(job), (receipt) => ({ job, receipt }))
    )
  )
)

/**
 * Refuses a folder that isn't there or is empty, though files should be in it: a wrong name, or a disk that isn't mounted,
 * must not have everything fetched again.
 */
export const refuseWrongFolder = (out: string) =>
  Effect.gen(function* () {
    if (Option.isNone(yield* Stream.runHead(withFile))) return
    const fs = yield* FileSystem.FileSystem
    // What can't be looked at is told by whoever reads the files.
    const there = yield* Effect.orElseSucceed(fs.exists(out), () => true)
    const inside = yield* Effect.orElseSucceed(fs.readDirectory(out), () => [out])
    // Whatever has run meanwhile has made the folder of unfinished files.
    if (there && inside.some((name) => !name.startsWith(PARTIAL))) return
    return yield* usage(
      `${out} ${there ? "is empty" : "isn't there"}, though files should be in it; --out or download.out names the right folder. ` +
        "If all of them are gone, 'contentdownload queue refresh' queues them again"
    )
  })

/** What is wrong with a file, and in which of the ways that can be mended. */
interface Finding {
  readonly problem: string
  readonly message: string | null
  readonly condition: Condition
  /** The same content elsewhere is no better. */
  readonly refused: boolean
}

/** Whether a job that has ended was looked at again without a file coming of it: the one it has is from before. */
const inVain = ({ reason, state }: JobDetail): boolean =>
  state === "error" || (state === "skipped" && reason !== "not-modified")

/** The problems found, as they are found. */
export const problems = (options: Options, tally: Tally) => {
  const findingOf = (job: JobDetail, receipt: Receipt) =>
    Effect.gen(function* () {
      const storage = yield* Storage
      const condition = yield* settled(storage.examine(receipt))
      if (condition !== "whole") {
        return Option.some<Finding>({ problem: condition, message: null, condition, refused: false })
      }
      if (Option.isNone(options.deep)) return Option.none<Finding>()
      const doubt = yield* settled(options.deep.value(job, receipt))
      return Option.map(doubt, ({ message, reason, refused }): Finding => ({
        problem: reason,
        message,
        condition: refused ? "damaged" : "whole",
        refused
      }))
    })

  const actOn = (job: JobDetail, receipt: Receipt, { condition, message, problem, refused }: Finding) =>
    Effect.gen(function* () {
      const told = { id: job.id, path: receipt.path, problem, message }
      if (condition === "whole") {
        tally.doubted += 1
        return { ...told, action: "doubted", moved_to: null } satisfies Problem
      }
      tally.found += 1
      if (options.dryRun || condition === "unreadable") {
        return { ...told, action: "none", moved_to: null } satisfies Problem
      }
      const { reason, state } = job
      // Its file comes again without us, and may be coming just now: then what is there is no longer ours to move.
      if (state === "queued" || state === "in_progress") {
        tally.queued += 1
        return { ...told, action: "queued", moved_to: null } satisfies Problem
      }
      const storage = yield* Storage
      const queue = yield* WorkQueue
      // Out of the way before its successor can come.
      const { moved, restored } = yield* settled(storage.mend(receipt, condition, { restore: !refused }))
      if (moved !== undefined) tally.moved += 1
      const mended = { ...told, moved_to: moved ?? null }
      if (restored) {
        tally.restored += 1
        return { ...mended, action: "restored" } satisfies Problem
      }
      if (inVain(job)) {
        tally.lost += 1
        const why = `lost: its latest try ended in ${state}, ${reason}`
        return {
          ...mended,
          message: message === null ? why : `${message}; ${why}`,
          action: "lost"
        } satisfies Problem
      }
      const queued = yield* queue.refresh({ id: job.id, state, ...(reason === null ? {} : { reason }) })
      tally.queued += queued
      return { ...mended, action: queued > 0 ? "queued" : "none" } satisfies Problem
    }).pipe(Effect.uninterruptible)

  return withFile.pipe(
    Stream.mapEffect(
      ({ job, receipt }) => Effect.map(findingOf(job, receipt), (finding) => ({ finding, job, receipt })),
      { concurrency: AT_ONCE }
    ),
    Stream.tap(({ receipt }) =>
      Effect.gen(function* () {
        tally.files += 1
        tally.bytes += receipt.bytes
        if (receipt.earlier === undefined) return
        const storage = yield* Storage
        tally.earlier += (yield* settled(Effect.filter(receipt.earlier, storage.isThere))).length
      })
    ),
    Stream.filterMapEffect(({ finding, job, receipt }) =>
      Option.map(finding, (found) => actOn(job, receipt, found))
    )
  )
}

// ---------------------------------------------------------------------------------------------------------------
// Progress
// ---------------------------------------------------------------------------------------------------------------

/** How far a check has come, as a line: of so many jobs that may have a file. */
export const headline = (tally: Tally, startedAt: number, total: number): Effect.Effect<string> =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    const of = total > tally.files ? ` of ${number(total)} (${percent(tally.files, total)})` : ""
    const passed = Math.max(1, now - startedAt)
    const rate = `${size((tally.bytes * 1000) / passed)}/s`
    return `${number(tally.files)}${of} files checked, ${size(tally.bytes)} in ${duration(passed)}, ${rate}; ${number(tally.found)} missing or damaged`
  })
