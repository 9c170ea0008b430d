/**
 * `queue run --dry-run`: what a run would try for each queued job, in the order they were queued. The services are
 * asked, politely; nothing is downloaded, and the queue stays as it is.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Artifact } from "../Artifact.ts"
import * as Preview from "../download/Preview.ts"
import type { JobDetail } from "../Job.ts"
import { WorkQueue } from "../WorkQueue.ts"
import * as Output from "./Output.ts"
import * as Planning from "./Planning.ts"

/** Works that are asked about at once: each keeps to the services' caps and rates anyway. */
const AT_ONCE = 4

const decode = Schema.decodeUnknownOption(Artifact)

interface Planned {
  readonly job: JobDetail
  /** Left out: the job's payload can't be read. */
  readonly plan?: { readonly artifact: Artifact; readonly preview: Preview.Preview }
}

/** What a run makes of a payload that can't be read. */
const BAD_PAYLOAD = "its payload can't be read: a run ends it in error (bad-payload)"

/** Why nobody has named a source: what may be otherwise in a run before what won't. */
const whyNone = (preview: Preview.Preview): string =>
  (Preview.silent(preview)[0] ?? preview.asked.at(-1))?.message ?? "nobody to ask"

/** A line of the table: a candidate of a job, or the job without any. */
const rowsOf = ({ job, plan }: Planned) => {
  const candidates = plan?.preview.candidates ?? []
  if (candidates.length === 0) {
    const why = plan === undefined ? BAD_PAYLOAD : whyNone(plan.preview)
    return [{ id: job.id, place: 0, kind: "", version: "", resolver: "", url: why }]
  }
  return candidates.map(({ kind, resolver, url, version }, index) => ({
    id: index === 0 ? job.id : "",
    place: index + 1,
    kind: kind ?? "unknown",
    version: version ?? "",
    resolver,
    url
  }))
}

/** Shows the plans of the queued jobs, of at most `limit`. */
export const dryRun = (format: Output.Format, limit: number) =>
  Effect.gen(function* () {
    const queue = yield* WorkQueue
    const { live } = yield* Output.Output
    let jobs = 0
    let without = 0
    let unreadable = 0
    let open = 0
    const plans = queue.details({ state: "queued" }).pipe(
      Stream.take(limit),
      Stream.mapEffect(
        (job) =>
          Option.match(decode(job.payload), {
            onNone: () => Effect.succeed<Planned>({ job }),
            onSome: (artifact) =>
              Effect.map(Preview.preview(artifact), (preview): Planned => ({
                job,
                plan: { artifact, preview }
              }))
          }),
        { concurrency: AT_ONCE }
      ),
      Stream.tap(({ plan }) =>
        Effect.sync(() => {
          jobs += 1
          if (plan === undefined) unreadable += 1
          else if (plan.preview.candidates.length === 0) without += 1
          if (plan !== undefined && Preview.silent(plan.preview).length > 0) open += 1
        }).pipe(Effect.zipRight(Effect.suspend(() => live(`${jobs} looked at`))))
      )
    )
    if (format === "json") {
      return yield* Output.array(plans, ({ job, plan }) => ({
        id: job.id,
        lane: job.lane,
        ...(plan === undefined
          ? { artifact: null, problem: BAD_PAYLOAD, asked: [], candidates: [] }
          : Planning.json(plan.artifact, plan.preview))
      }))
    }
    yield* Output.table(
      Stream.mapConcat(plans, rowsOf),
      [
        { title: "id", value: ({ id }) => id },
        { title: "#", value: ({ place }) => (place === 0 ? "" : place), align: "right" },
        { title: "kind", value: ({ kind }) => kind },
        { title: "version", value: ({ version }) => version },
        { title: "resolver", value: ({ resolver }) => resolver },
        { title: "url", value: ({ url }) => url }
      ],
      "Nothing is queued."
    )
    if (jobs > 0) {
      const { queued } = yield* queue.stats
      yield* Output.note(
        `${jobs}${queued > jobs ? ` of ${queued} queued jobs` : ""} looked at, ${without} without a source${unreadable === 0 ? "" : `, ${unreadable} with a payload that can't be read`}${open === 0 ? "" : `, ${open} for which not every service answered`}. Nothing was downloaded, and the queue is as it was.`
      )
    }
  }).pipe(Effect.ensuring(Effect.flatMap(Output.Output, ({ live }) => live(""))), Planning.withResolvers)
