/**
 * `queue cancel`: ends jobs that aren't wanted any more. A running one is interrupted in whatever process runs it.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { WorkQueue } from "../../WorkQueue.ts"
import * as CommandOptions from "../CommandOptions.ts"
import { usage } from "../Exit.ts"
import * as Output from "../Output.ts"
import { cut } from "../Text.ts"
import { find } from "./show.ts"
import * as Setup from "../Setup.ts"

/** What became of one id: `cancelled`, `ended` before, or `unknown`. `state` is the job's afterwards. */
const cancelOne = (text: string) =>
  Effect.gen(function* () {
    const queue = yield* WorkQueue
    const found = yield* find(text)
    if (Option.isNone(found)) return { id: text, result: "unknown", state: null } as const
    const { id } = found.value
    if (yield* queue.cancel(id)) return { id, result: "cancelled", state: "skipped" } as const
    const now = yield* queue.get(id)
    return { id, result: "ended", state: Option.isSome(now) ? now.value.state : null } as const
  })

export const cancel = Command.make(
  "cancel",
  {
    ids: Args.text({ name: "ID" }).pipe(
      Args.withDescription("The artifacts' ids, as 'queue list' shows them."),
      Args.atLeast(1)
    ),
    ...CommandOptions.options
  },
  (args) =>
    Effect.gen(function* () {
      const results = yield* Effect.forEach(args.ids, cancelOne)
      const unknown = results.filter(({ result }) => result === "unknown")
      if (args.format === "json") yield* Output.array(Stream.fromIterable(results), (one) => one)
      else {
        for (const { id, result, state } of results) {
          if (result === "cancelled") yield* Output.line(`cancelled: ${cut(id, 200)}`)
          if (result === "ended")
            yield* Output.note(`${cut(id, 200)} has ended before (${state ?? "removed"})`)
        }
      }
      const [first] = unknown
      if (first !== undefined) {
        const more = unknown.length === 1 ? "" : `, nor ${unknown.length - 1} others of these`
        return yield* usage(`there is no job ${cut(first.id, 100)} in the queue${more}`)
      }
    }).pipe(Effect.provide(Setup.layerQueue("existing")), Setup.run(args))
).pipe(
  Command.withDescription(
    "Ends jobs as skipped (cancelled); running ones are interrupted within some seconds."
  )
)
