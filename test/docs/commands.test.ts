/**
 * Every command the pages show is run, in the order of the page, and prints what the page says. `test/house` sees to it
 * that none is left out.
 */
import { describe, expect, it } from "@effect/vitest"
import { onTestFinished } from "vitest"
import { type Page, pages } from "./Pages.ts"
import * as Sandbox from "./Sandbox.ts"

/** The output as a pattern: numbers and times may differ, `…` stands for any text of a line, alone for any lines. */
const pattern = (output: string): RegExp => {
  const lines = output.split("\n").map((line) =>
    line.trim() === "…"
      ? "(?:.*\n)*?"
      : `${line
          .replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`)
          .replaceAll("…", ".*")
          .replaceAll(/\d(?:[\d,:]|\\\.(?=\d))*/g, String.raw`\d[\d.,:]*`)
          .replaceAll(/\b[kMG]?B\b/g, "[kMG]?B")
          .trim()
          .replaceAll(/ +/g, String.raw`\s+`)}[ ]*\n`
  )
  return new RegExp(`^\\s*${lines.join("[ ]*")}\\s*$`)
}

/** What doesn't do as the page says, each with what it did. A preparation that fails makes no sense of what follows. */
const wrongIn = async ({ blocks, name }: Page, sandbox: Sandbox.Sandbox): Promise<ReadonlyArray<string>> => {
  const wrong: Array<string> = []
  for (const block of blocks) {
    if (block._tag === "File") await sandbox.write(block.name, block.text)
    else if (block.notRun === undefined) {
      for (const command of block.before) {
        const { code, output } = await sandbox.run(command)
        if (code !== 0) return [...wrong, `${name}, before: ${command}\nends with ${code}\n${output}`]
      }
      for (const { exit, line, output: shown, text } of block.commands) {
        const { code, output } = await sandbox.run(text)
        if (code !== exit || (shown !== undefined && !pattern(shown).test(output))) {
          wrong.push(`${name}:${line}: ${text}\nends with ${code}\n${output}`)
        }
      }
    }
  }
  return wrong
}

describe.each(pages)("the commands of $name", (page) => {
  it("do what the page says", async () => {
    const sandbox = await Sandbox.make()
    onTestFinished(sandbox.close)
    expect(await wrongIn(page, sandbox)).toEqual([])
  }, 400_000)
})
