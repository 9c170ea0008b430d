/**
 * The tree of commands. A new command is one import and one entry here.
 */
import * as Command from "@effect/cli/Command"
import * as Tuple from "effect/Tuple"
import * as Grammar from "../Grammar.ts"
import { backup } from "./backup.ts"
import { cancel } from "./cancel.ts"
import { configCommands } from "./config.ts"
import { demo } from "./demo.ts"
import { doctor } from "./doctor.ts"
import { enqueue } from "./enqueue.ts"
import { exportManifest } from "./export.ts"
import { importFile } from "./import.ts"
import { laneCommands } from "./lane.ts"
import { list } from "./list.ts"
import { pause, resume } from "./pause.ts"
import { prune } from "./prune.ts"
import { refresh } from "./refresh.ts"
import { resolve } from "./resolve.ts"
import { retryFailed } from "./retryFailed.ts"
import { run } from "./run.ts"
import { show } from "./show.ts"
import { stats } from "./stats.ts"
import { verify } from "./verify.ts"
import { watch } from "./watch.ts"

const queueCommands = Tuple.make(
  enqueue,
  importFile,
  run,
  watch,
  stats,
  list,
  show,
  retryFailed,
  refresh,
  pause,
  resume,
  cancel,
  prune,
  backup,
  exportManifest
)

const topCommands = Tuple.make(
  Command.make("queue").pipe(
    Command.withSubcommands([
      ...queueCommands,
      Command.make("lane").pipe(Command.withSubcommands(laneCommands))
    ])
  ),
  resolve,
  verify,
  Command.make("config").pipe(Command.withSubcommands(configCommands)),
  doctor,
  demo
)

/** All commands, for the library that runs them. */
export const root = Command.make("contentdownload").pipe(Command.withSubcommands(topCommands))

/** All commands, as they may be typed. */
export const grammar = Grammar.make([
  {
    name: "queue",
    description: "Fills, runs and looks at the queue.",
    children: [
      ...queueCommands.map(({ descriptor }) => descriptor),
      {
        name: "lane",
        description: "Shows and sets caps and paces of single lanes, over the configuration's.",
        children: laneCommands.map(({ descriptor }) => descriptor)
      }
    ]
  },
  resolve.descriptor,
  verify.descriptor,
  {
    name: "config",
    description: "Looks at the configuration and sets it up.",
    children: configCommands.map(({ descriptor }) => descriptor)
  },
  doctor.descriptor,
  demo.descriptor
])
