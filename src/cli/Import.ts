/**
 * From the lines of an artifact file to jobs: bad lines are told on stderr and counted, good ones become jobs.
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import type { ArtifactFileError, Line } from "../artifact/ArtifactFile.ts"
import { type JobOptions, toNewJob } from "../download/Route.ts"
import type { NewJob } from "../Job.ts"
import type { EnqueueSummary } from "../WorkQueue.ts"
import * as Output from "./Output.ts"
import { clean, count } from "./Text.ts"

export type Lines = Stream.Stream<Line, ArtifactFileError, FileSystem.FileSystem>

/**
 * The jobs of the good lines. `name`: what the file is called in messages.
 */
export const accepted = (
  lines: Lines,
  options: JobOptions & {
    readonly name: string
    readonly rejected: Ref.Ref<number>
    /** Counts the lines that were read, the bad ones too. */
    readonly read?: Ref.Ref<number>
  }
): Stream.Stream<NewJob, ArtifactFileError, FileSystem.FileSystem | Output.Output> =>
  Stream.mapChunksEffect(lines, (chunk) => {
    const good: Array<NewJob> = []
    const bad: Array<string> = []
    for (const { line, result } of chunk) {
      if (Either.isRight(result)) good.push(toNewJob(result.right, options))
      else bad.push(clean(`${options.name}:${line}: ${result.left}`))
    }
    const jobs = Chunk.unsafeFromArray(good)
    const counted =
      options.read === undefined
        ? Effect.void
        : Ref.update(options.read, (before) => before + good.length + bad.length)
    if (bad.length === 0) return Effect.as(counted, jobs)
    return Effect.zipRight(
      counted,
      Ref.update(options.rejected, (before) => before + bad.length)
    ).pipe(Effect.zipRight(Output.note(bad.join("\n"))), Effect.as(jobs))
  })

/** Tells what became of the lines. */
export const report = (summary: EnqueueSummary & { readonly rejected: number }, format: Output.Format) => {
  const { duplicate, new: added, rejected } = summary
  const total = added + duplicate + rejected
  return format === "json"
    ? Output.value({ new: added, duplicate, rejected, total })
    : Output.line(
        `${count(added, "new", "new")}, ${count(duplicate, "duplicate")}, ${count(rejected, "rejected", "rejected")}`
      )
}
