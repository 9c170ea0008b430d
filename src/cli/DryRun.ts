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
  readonly artifact: Artifact
  readonly preview: Preview.Preview
}

/** A line of the table: a candidate of a job, or the job without any. */
const rowsOf = ({ job, preview: { asked, candidates } }: Planned) =>
  candidates.length === 0
    ? [
        {
          id: job.id,
          place: 0,
          kind: "",
          version: "",
          resolver: "",
          url: asked.at(-1)?.message ?? "nobody to ask"
        }
      ]
    : candidates.map(({ kind, resolver, url, version }, index) => ({
        id: index === 0 ? job.id : "",
        place: index + 1,
        kind: kind ?? "unknown",
        version: version ?? "",
        resolver,
        url
      }))

/** Shows the plans of the queued jobs, of at most `limit`. */
export const dryRun = (format: Output.Format, limit: number) =>
  Effect.gen(function* () {
    const queue = yield* WorkQueue
    let jobs = 0
    let without = 0
    const plans = queue.details({ state: "queued" }).pipe(
      Stream.take(limit),
      Stream.filterMap((job) => Option.map(decode(job.payload), (artifact) => ({ job, artifact }))),
      Stream.mapEffect(
        ({ artifact, job }) =>
          Effect.map(Preview.preview(artifact), (preview): Planned => ({ artifact, job, preview })),
        { concurrency: AT_ONCE }
      ),
      Stream.tap(({ preview }) =>
        Effect.sync(() => {
          jobs += 1
          if (preview.candidates.length === 0) without += 1
        })
      )
    )
    if (format === "json") {
      return yield* Output.array(plans, ({ artifact, job, preview }) => ({
        id: job.id,
        lane: job.lane,
        ...Planning.json(artifact, preview)
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
      yield* Output.note(
        `${jobs} looked at, ${without} without a source. Nothing was downloaded, and the queue is as it was.`
      )
    }
  }).pipe(Planning.withResolvers)
