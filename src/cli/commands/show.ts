/**
 * `queue show`: everything the queue knows of one job.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { fromText } from "../../Artifact.ts"
import { manifestLine } from "../../download/Manifest.ts"
import type { Attempt, JobDetail } from "../../Job.ts"
import { WorkQueue } from "../../WorkQueue.ts"
import * as CommandOptions from "../CommandOptions.ts"
import { usage } from "../Exit.ts"
import * as Output from "../Output.ts"
import { beside, clean, cut, isoTime, localTime } from "../Text.ts"
import { jobWaiting } from "../Waiting.ts"
import { jobJson } from "./list.ts"
import * as Setup from "../Setup.ts"

/** The job of an id, also as it is typed for enqueue: `10.1000/x` for `doi:10.1000/x`. */
export const find = (id: string) =>
  Effect.gen(function* () {
    const queue = yield* WorkQueue
    const exact = yield* queue.get(id)
    return Option.isSome(exact)
      ? exact
      : yield* Either.match(fromText(id), {
          onLeft: () => Effect.succeedNone,
          onRight: (artifact) => queue.get(artifact.id)
        })
  })

/** The same; an id that the queue doesn't have is refused. */
export const existing = (id: string) =>
  Effect.flatMap(
    find(id),
    Option.match({
      onNone: () => usage(`there is no job ${cut(id, 100)} in the queue`),
      onSome: (job) => Effect.succeed(job)
    })
  )

const attemptJson = (attempt: Attempt) => ({
  started_at: isoTime(attempt.startedAt),
  duration_ms: attempt.durationMs,
  step: attempt.step,
  target: attempt.target,
  class: attempt.class,
  reason: attempt.reason,
  message: attempt.message
})

/** A plan without what hosts have set on the way: whoever sends it is taken for the one it was given to. */
const planJson = (plan: unknown): unknown =>
  JSON.parse(JSON.stringify(plan, (name, value: unknown) => (name === "cookies" ? undefined : value)))

const detailJson = (job: JobDetail, waits: string | null) => {
  const { bytes, content_type, earlier, final_url, path, resolver, sha256, url } = manifestLine(job)
  return {
    ...jobJson(job, waits),
    message: job.message,
    stored: path === null ? null : { path, sha256, bytes, content_type, url, final_url, resolver, earlier },
    artifact: job.payload,
    plan: planJson(job.plan),
    history: job.history.map(attemptJson)
  }
}

const fields = (job: JobDetail, waits: string | null): ReadonlyArray<readonly [string, string]> => {
  const stored = manifestLine(job)
  const all: ReadonlyArray<readonly [string, string | number | null]> = [
    ["id", cut(job.id, 200)],
    ["state", job.state],
    ["reason", job.reason],
    ["message", job.message],
    ["priority", job.priority === 0 ? null : job.priority],
    ["waiting", waits],
    ["lane", job.lane],
    ["tries", job.attempts],
    ["crashes", job.crashes === 0 ? null : job.crashes],
    ["worker", job.worker],
    ["file", stored.path],
    ["sha256", stored.sha256],
    ["bytes", stored.bytes],
    ["type", stored.content_type],
    ["from", stored.final_url ?? stored.url],
    ["resolver", stored.resolver],
    ["earlier", stored.earlier?.join(", ") ?? null],
    ["queued", localTime(job.enqueuedAt)],
    ["ended", job.finishedAt === null ? null : localTime(job.finishedAt)]
  ]
  return all.flatMap(([name, value]) => (value === null ? [] : [[name, clean(String(value))] as const]))
}

const showTable = (job: JobDetail, waits: string | null) =>
  Effect.gen(function* () {
    const columns = yield* Output.width
    const lines = fields(job, waits).flatMap(([name, value]) => beside(name.padEnd(10), value, columns))
    yield* Output.line(lines.join("\n"))
    if (job.history.length === 0) return
    yield* Output.line("")
    yield* Output.table(
      Stream.fromIterable(job.history),
      [
        { title: "when", value: ({ startedAt }) => localTime(startedAt) },
        { title: "ms", value: ({ durationMs }) => durationMs, align: "right" },
        { title: "step", value: ({ step }) => step },
        { title: "outcome", value: (attempt) => attempt.reason ?? attempt.class },
        { title: "target", value: ({ target }) => cut(target ?? "", 1000), below: true },
        { title: "message", value: ({ message }) => cut(message ?? "", 400), below: true }
      ],
      ""
    )
  })

export const show = Command.make(
  "show",
  {
    id: Args.text({ name: "ID" }).pipe(Args.withDescription("The artifact's id, as 'queue list' shows it.")),
    ...CommandOptions.options
  },
  (args) =>
    Effect.gen(function* () {
      const queue = yield* WorkQueue
      const job = yield* existing(args.id)
      const [lane] = yield* queue.laneStats({ limit: 1, lane: job.lane })
      const waits = jobWaiting(job, lane, yield* Clock.currentTimeMillis, yield* queue.paused)
      yield* args.format === "json" ? Output.value(detailJson(job, waits)) : showTable(job, waits)
    }).pipe(Effect.provide(Setup.layerQueue("existing")), Setup.run(args))
).pipe(Command.withDescription("Shows one job: its state, its tries, its file, and why it waits."))
