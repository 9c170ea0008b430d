/**
 * `queue export`: the manifest, one line for each job.
 */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type ManifestLine, manifestLine } from "../../download/Manifest.ts"
import type { JobDetail } from "../../Job.ts"
import { WorkQueue } from "../../WorkQueue.ts"
import * as Common from "../Common.ts"
import { Output } from "../Output.ts"
import { json } from "../Text.ts"

/** The fields of a manifest line, in the order they are written. */
const FIELDS = [
  "id",
  "state",
  "reason",
  "url",
  "final_url",
  "path",
  "sha256",
  "bytes",
  "content_type",
  "resolver",
  "attempts",
  "finished_at"
] as const satisfies ReadonlyArray<keyof ManifestLine>

const toJsonLine = (job: JobDetail): string => {
  const line = manifestLine(job)
  return json(Object.fromEntries(FIELDS.map((field) => [field, line[field]])))
}

/** A field as RFC 4180 has it: quoted where it needs to be. */
const csvField = (value: string | number | null): string => {
  const text = value === null ? "" : String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

const toCsvLine = (job: JobDetail): string => {
  const line = manifestLine(job)
  return FIELDS.map((field) => csvField(line[field])).join(",")
}

export const exportManifest = Command.make(
  "export",
  {
    as: Options.choice("as", ["jsonl", "csv"]).pipe(
      Options.withDescription("One JSON object a line, or CSV with a header. Default: jsonl."),
      Options.withDefault("jsonl" as const)
    ),
    state: Common.state,
    lane: Common.lane,
    ...Common.options
  },
  (args) =>
    Effect.gen(function* () {
      const queue = yield* WorkQueue
      const { out } = yield* Output
      const jobs = queue.details({
        state: Option.getOrUndefined(args.state),
        lane: Option.getOrUndefined(args.lane)
      })
      if (args.as === "csv") yield* out(`${FIELDS.join(",")}\n`)
      const toLine = args.as === "csv" ? toCsvLine : toJsonLine
      yield* Stream.runForEachChunk(jobs, (chunk) =>
        out(Array.from(chunk, (job) => `${toLine(job)}\n`).join(""))
      )
    }).pipe(Effect.provide(Common.layerQueue("existing")), Common.run(args))
).pipe(Command.withDescription("Writes the manifest to stdout: every job with its outcome and its file."))
