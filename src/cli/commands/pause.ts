/**
 * `queue pause` and `queue resume`: hold back a lane, or the whole queue. Stored in the queue, so it holds for all
 * processes and across restarts.
 */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { WorkQueue } from "../../WorkQueue.ts"
import * as CommandOptions from "../CommandOptions.ts"
import { usage } from "../Exit.ts"
import * as Output from "../Output.ts"
import { cut } from "../Text.ts"
import * as Setup from "../Setup.ts"

const options = {
  lane: Options.text("lane").pipe(
    Options.withPseudoName("L"),
    Options.withDescription("Only this lane, such as host:example.org. Default: the whole queue."),
    Options.optional
  ),
  ...CommandOptions.options
}

const set = (args: CommandOptions.Common & { readonly lane: Option.Option<string> }, paused: boolean) =>
  Effect.gen(function* () {
    const queue = yield* WorkQueue
    const lane = Option.getOrUndefined(args.lane)
    const done = yield* paused ? queue.pause(lane) : queue.resume(lane)
    if (!done) {
      return yield* usage(
        `there is no lane ${cut(lane ?? "", 100)}; 'contentdownload queue stats --by lane' lists them`
      )
    }
    if (args.format === "json") return yield* Output.value({ lane: lane ?? null, paused })
    const what = lane === undefined ? "the queue" : cut(lane, 200)
    yield* Output.line(`${what} is ${paused ? "paused; running jobs go on" : "no longer paused"}`)
  }).pipe(Effect.provide(Setup.layerQueue("existing")), Setup.run(args))

export const pause = Command.make("pause", options, (args) => set(args, true)).pipe(
  Command.withDescription("Starts no more jobs, in all or of one lane, until 'queue resume'.")
)

export const resume = Command.make("resume", options, (args) => set(args, false)).pipe(
  Command.withDescription("Ends a pause.")
)
