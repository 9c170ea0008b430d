/**
 * A terminal that goes away while a run shows its progress on it: a real one, whose other end is closed, so that each
 * further write to it fails.
 */
import { spawn, spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it, onTestFinished } from "vitest"
import { BIN } from "../cli/Program.ts"
import * as Gate from "../run/Gate.ts"
import * as Stage from "../run/Stage.ts"

const hasTerminals = spawnSync("script", ["-qec", "true", "/dev/null"]).status === 0

/** What a shell needs to take a word as it is. */
const quoted = (word: string): string => `'${word.replaceAll("'", String.raw`'\''`)}'`

/**
 * A run on a terminal, whose only job's host doesn't answer before it is told to. `shell`: how the program is started; it
 * has the command as its words.
 */
const onTerminal = async (shell: string) => {
  const stage = await Stage.make({}, { orchestrator: { grace_seconds: 3600 } })
  const gate = await Gate.make()
  await stage.queue([{ id: "held", urls: [gate.url("/held.pdf")] }])
  const command = [process.execPath, BIN, "queue", "run", "--drain"].map(quoted).join(" ")
  // The terminal is `script`'s: it is gone when that is.
  const terminal = spawn("script", ["-qec", `sh -c ${quoted(shell)} ${command}`, "/dev/null"], {
    cwd: stage.folder,
    env: { ...process.env, SHELL: "/bin/sh", TERM: "xterm", NO_COLOR: "1" },
    stdio: ["pipe", "pipe", "ignore"]
  })
  onTestFinished(() => void terminal.kill("SIGKILL"))
  let shown = ""
  terminal.stdout.on("data", (piece: Buffer) => (shown += piece.toString()))
  await Stage.until("the host is asked", () => gate.waiting() === 1)
  // A living line begins anew each time.
  await Stage.until("progress is shown", () => shown.includes("\u001B["))
  const codeFile = join(stage.folder, "code")
  return {
    stage,
    gate,
    close: () => terminal.kill("SIGKILL"),
    code: async () => {
      await Stage.until("it has ended", () => existsSync(codeFile) && readFileSync(codeFile, "utf8") !== "")
      return Number(readFileSync(codeFile, "utf8"))
    }
  }
}

describe.skipIf(!hasTerminals)("a run whose terminal is closed", () => {
  it("is told so by SIGHUP, lets its job end, and has code 129", { timeout: 60_000 }, async () => {
    // The shell outlives its terminal, to tell how the run ended.
    const { close, code, gate, stage } = await onTerminal(
      'stty cols 100 rows 30; trap "" HUP; "$0" "$@"; echo $? > code'
    )
    close()
    // Some writes of the display go nowhere meanwhile.
    await Stage.sleep(700)
    gate.open()
    expect(await code()).toBe(129)
    expect(await stage.counts()).toMatchObject({ done: 1, in_progress: 0 })
  })

  it(
    "and that isn't told so, since it is in a session of its own, does all its work",
    { timeout: 60_000 },
    async () => {
      const { close, code, gate, stage } = await onTerminal(
        'stty cols 100 rows 30; trap "" HUP; setsid sh -c \'"$0" "$@"; echo $? > code\' "$0" "$@" & wait'
      )
      close()
      await Stage.sleep(700)
      gate.open()
      expect(await code()).toBe(0)
      expect(await stage.counts()).toMatchObject({ done: 1, in_progress: 0 })
    }
  )
})
