/**
 * `resolve`: what would be tried for an artifact, and who says so. Nothing is downloaded, and no page is read.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { fromText } from "../../Artifact.ts"
import * as Preview from "../../download/Preview.ts"
import * as CommandOptions from "../CommandOptions.ts"
import { Exited, ExitCode, orUsage } from "../Exit.ts"
import * as Output from "../Output.ts"
import * as Planning from "../Planning.ts"
import { clean, cut } from "../Text.ts"
import * as Setup from "../Setup.ts"

/** Why there is no candidate: who gave no answer may know one. */
const none = (preview: Preview.Preview): string => {
  const silent = Preview.silent(preview).length
  const { length } = preview.asked
  if (silent === 0) return "Nobody knows where to get it."
  return silent === length
    ? "Nobody who was asked has answered."
    : `Nobody who has answered knows where to get it; ${silent} of ${length} gave no answer.`
}

const table = (preview: Preview.Preview) =>
  Effect.gen(function* () {
    const { asked, candidates } = preview
    if (asked.length > 0) {
      yield* Output.table(
        Stream.fromIterable(asked),
        [
          { title: "resolver", value: ({ resolver }) => resolver },
          { title: "outcome", value: ({ outcome }) => outcome },
          { title: "urls", value: ({ candidates: named }) => named, align: "right" },
          { title: "message", value: ({ message }) => cut(message ?? "", 120) }
        ],
        ""
      )
      yield* Output.line("")
    }
    yield* Output.table(
      Stream.fromIterable(candidates.map((candidate, index) => ({ candidate, place: index + 1 }))),
      [
        { title: "#", value: ({ place }) => place, align: "right" },
        { title: "kind", value: ({ candidate }) => candidate.kind ?? "unknown" },
        { title: "version", value: ({ candidate }) => candidate.version ?? "" },
        { title: "licence", value: ({ candidate }) => cut(candidate.license ?? "", 40) },
        { title: "host", value: ({ candidate }) => candidate.host_type ?? "" },
        { title: "resolver", value: ({ candidate }) => candidate.resolver },
        { title: "url", value: ({ candidate }) => candidate.url }
      ],
      none(preview)
    )
  })

export const resolve = Command.make(
  "resolve",
  {
    id: Args.text({ name: "ID" }).pipe(
      Args.withDescription("A URL, DOI, arXiv id, PMID, PMCID or OpenAlex id.")
    ),
    ...CommandOptions.options
  },
  (args) =>
    Effect.gen(function* () {
      const artifact = yield* orUsage(fromText(args.id))
      const preview = yield* Planning.withResolvers(Preview.preview(artifact))
      if (args.format === "json") yield* Output.value(Planning.json(artifact, preview))
      else {
        yield* Output.note(clean(artifact.id))
        yield* table(preview)
      }
      if (preview.candidates.length === 0) return yield* new Exited({ code: ExitCode.failedJobs })
    }).pipe(Setup.run(args))
).pipe(
  Command.withDescription(
    "Shows where a work would be taken from: who is asked, what each answers, and the order to try. Nothing is downloaded."
  )
)
