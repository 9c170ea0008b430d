/**
 * The program for tests: run in this process with its streams caught, or as a process of its own.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { constants } from "node:os"
import { fileURLToPath } from "node:url"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as NodeTerminal from "@effect/platform-node/NodeTerminal"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { createColors } from "picocolors"
import { Environment } from "../../src/cli/Environment.ts"
import { main } from "../../src/cli/main.ts"
import { Output } from "../../src/cli/Output.ts"
import * as Signals from "../../src/cli/Signals.ts"

export interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

const terminal = { tty: false, colours: createColors(false), columns: 80, rows: 24 }

/** Runs the program in this process. */
export const run = (
  args: ReadonlyArray<string>,
  options: {
    readonly env?: { readonly [name: string]: string }
    readonly signals?: Layer.Layer<Signals.Signals>
  } = {}
): Effect.Effect<Ended> =>
  Effect.gen(function* () {
    const written = { stdout: "", stderr: "" }
    const append = (stream: "stdout" | "stderr") => (text: string) =>
      Effect.sync(() => {
        written[stream] += text
      })
    const output = Layer.succeed(Output, {
      out: append("stdout"),
      err: append("stderr"),
      unsafeErr: (text) => {
        written.stderr += text
      },
      live: () => Effect.void,
      stdout: terminal,
      stderr: terminal
    })
    const exit = yield* Effect.exit(main(args)).pipe(
      Effect.provide(
        Layer.mergeAll(
          NodeFileSystem.layer,
          NodePath.layer,
          NodeTerminal.layer,
          output,
          options.signals ?? Signals.layerNever
        )
      ),
      Effect.provideService(Environment, options.env ?? {})
    )
    const code = Exit.match(exit, {
      onSuccess: () => 0,
      onFailure: (cause) => (cause._tag === "Fail" ? cause.error.code : -1)
    })
    return { code, ...written }
  })

export const BIN = fileURLToPath(new URL("../../dist/bin.js", import.meta.url))

/** Starts the built program as a process of its own, in a folder. */
export const start = (
  args: ReadonlyArray<string>,
  cwd: string,
  env: { readonly [name: string]: string } = {}
): ChildProcess => {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("CONTENTDOWNLOAD_"))
  return spawn(process.execPath, [BIN, ...args], {
    cwd,
    env: { ...Object.fromEntries(inherited), NO_COLOR: "1", ...env },
    stdio: ["pipe", "pipe", "pipe"]
  })
}

/** What a process wrote and how it ended. */
export const ended = (child: ChildProcess): Promise<Ended> =>
  new Promise((resolve, reject) => {
    let stdout = ""
    let stderr = ""
    child.stdout?.on("data", (chunk: Buffer) => {
      stdout += chunk.toString()
    })
    child.stderr?.on("data", (chunk: Buffer) => {
      stderr += chunk.toString()
    })
    child.on("error", reject)
    child.on("close", (code, signal) => {
      // As a shell tells of a process that a signal has ended.
      resolve({ code: code ?? 128 + (constants.signals[signal ?? "SIGTERM"] ?? 0), stdout, stderr })
    })
  })

/** Runs the built program to its end; `input` is its stdin. */
export const spawned = (
  args: ReadonlyArray<string>,
  cwd: string,
  options: { readonly env?: { readonly [name: string]: string }; readonly input?: string } = {}
): Promise<Ended> => {
  const child = start(args, cwd, options.env)
  // A program that ends early closes the pipe: that is its right.
  child.stdin?.on("error", () => {})
  child.stdin?.end(options.input ?? "")
  return ended(child)
}
