/** Whether somebody keeps the queue locked: all that write wait for the one, and in the end give up. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type LockHolder, lockHolder } from "../../store/sqlite/LockHolder.ts"
import { cut } from "../Text.ts"
import { error, type Finding } from "./Finding.ts"

/** A run holds the lock for milliseconds, again and again; whoever has it at all of these looks keeps it. */
const LOOKS = 30
const APART = "100 millis"

const told = ({ command, pid }: LockHolder): Finding =>
  error(
    "queue",
    `process ${pid} keeps it locked${command === "" ? "" : `: ${cut(command, 100)}`}`,
    `end what it does, or the process: 'kill ${pid}'; 'contentdownload queue backup' makes backups without`
  )

/** The finding on a lock that stays; none where nobody has it, or the system doesn't tell. */
export const lockFindings = (file: string): Effect.Effect<ReadonlyArray<Finding>> =>
  Effect.gen(function* () {
    const first = yield* lockHolder(file)
    if (Option.isNone(first)) return []
    for (let look = 1; look < LOOKS; look += 1) {
      yield* Effect.sleep(APART)
      const now = yield* lockHolder(file)
      if (!Option.exists(now, ({ pid }) => pid === first.value.pid)) return []
    }
    return [told(first.value)]
  })
