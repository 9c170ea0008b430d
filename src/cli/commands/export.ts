/**
 * `queue export`: the manifest, one line for each job.
 */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { bibtexEntry } from "../../download/Bibliography.ts"
import { csvHeader, csvLine, manifestLine } from "../../download/Manifest.ts"
import type { JobDetail } from "../../Job.ts"
import { WorkQueue } from "../../WorkQueue.ts"
import * as CommandOptions from "../CommandOptions.ts"
import { Output } from "../Output.ts"
import { json } from "../Text.ts"
import * as Setup from "../Setup.ts"

const FORMATS = {
  jsonl: (job: JobDetail): string => `${json(manifestLine(job))}\n`,
  csv: (job: JobDetail): string => csvLine(manifestLine(job)),
  bibtex: (job: JobDetail): string => Option.getOrElse(bibtexEntry(job), () => "")
}

export const exportManifest = Command.make(
  "export",
  {
    as: Options.choice("as", ["jsonl", "csv", "bibtex"]).pipe(
      Options.withDescription(
        "One JSON object a line, CSV with a header, or BibTeX of what has a file. In CSV, text that a spreadsheet would carry out has an apostrophe before it, and control characters are spaces. Default: jsonl."
      ),
      Options.withDefault("jsonl" as const)
    ),
    state: CommandOptions.state,
    lane: CommandOptions.lane,
    ...CommandOptions.options
  },
  (args) =>
    Effect.gen(function* () {
      const queue = yield* WorkQueue
      const { out } = yield* Output
      const jobs = queue.details({
        state: Option.getOrUndefined(args.state),
        lane: Option.getOrUndefined(args.lane)
      })
      if (args.as === "csv") yield* out(csvHeader)
      const toText = FORMATS[args.as]
      yield* Stream.runForEachChunk(jobs, (chunk) => out(Array.from(chunk, toText).join("")))
    }).pipe(Effect.provide(Setup.layerQueue("existing")), Setup.run(args))
).pipe(Command.withDescription("Writes the manifest to stdout: every job with its outcome and its file."))
