/**
 * How what changes is shown, for as long as a scope is open: living lines on a terminal, else one line every half
 * minute.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { note, Output } from "../Output.ts"
import type { Room } from "./View.ts"

/** How often the living lines are painted. */
const PAINT_EVERY = "500 millis"
/** How often a line is written where there is no terminal. */
const LINE_EVERY = "30 seconds"

/** What there is to show, in either form. */
export interface Shown {
  readonly living: (room: Room) => Effect.Effect<string>
  readonly plain: Effect.Effect<string>
}

/** Starts showing; ends with the scope, which removes the living lines. */
export const display = ({ living, plain }: Shown): Effect.Effect<void, never, Output | Scope.Scope> =>
  Effect.gen(function* () {
    const output = yield* Output
    if (!output.stderr.tty) {
      yield* Effect.forkScoped(Effect.schedule(Effect.flatMap(plain, note), Schedule.spaced(LINE_EVERY)))
      return
    }
    const paint = Effect.flatMap(
      Effect.suspend(() => living(output.stderr)),
      output.live
    )
    yield* Effect.addFinalizer(() => output.live(""))
    yield* Effect.forkScoped(Effect.repeat(paint, Schedule.spaced(PAINT_EVERY)))
  })
