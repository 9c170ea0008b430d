/**
 * The program on this machine: `main` with the platform, the streams and the signals of the process.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as NodeTerminal from "@effect/platform-node/NodeTerminal"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { main } from "./main.ts"
import * as Output from "./Output.ts"
import { runMain } from "./RunMain.ts"
import * as Signals from "./Signals.ts"

/** Runs the program and ends the process. */
export const run = (args: ReadonlyArray<string>): void =>
  runMain(
    Effect.provide(
      main(args),
      Layer.mergeAll(NodeFileSystem.layer, NodePath.layer, NodeTerminal.layer, Output.layer, Signals.layer)
    )
  )
