/** The references in docs/, as text made from what the code knows. */
import * as Effect from "effect/Effect"
import { grammar } from "../../src/cli/commands/index.ts"
import { leavesOf } from "../../src/cli/Grammar.ts"
import { formatPath, keys, sections } from "../../src/config/Keys.ts"
import { envName } from "../../src/config/Source.ts"
import { run } from "../cli/Program.ts"

const MADE = "<!-- Made by `npm run docs` from the code; changes by hand are overwritten. -->"

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ")

const shown = (value: unknown): string => {
  if (value === undefined) return ""
  const text = JSON.stringify(value)
  return text.length > 60 ? "see `contentdownload config init`" : `\`${text}\``
}

/** Every setting: what it does, what it may be, its default, its variable. */
export const configuration = (): string => {
  const lines = [
    MADE,
    "",
    "# Configuration",
    "",
    "`contentdownload.yaml` in the working folder, or what `--config` names; `contentdownload config init` writes one with every",
    "setting as a comment. A variable of the environment stands above the file, an option above both. `config show` prints what",
    "is in force and where it comes from."
  ]
  for (const section of sections) {
    const own = keys.filter(
      ({ path }) =>
        path.length === section.path.length + 1 && section.path.every((part, n) => part === path[n])
    )
    if (own.length === 0) continue
    lines.push(
      "",
      `## ${section.path.length === 0 ? "Top level" : formatPath(section.path)}`,
      "",
      section.description ?? "",
      "",
      "| setting | allowed | default | variable |",
      "|---|---|---|---|",
      ...own.flatMap((key) => [
        `| **${cell(formatPath(key.path))}**: ${cell(key.description)} | ${cell(key.allowed)} | ${cell(shown(key.default))} | ${
          key.path.includes("*") ? "" : `\`${envName(key.path)}\``
        } |`
      ])
    )
  }
  return `${lines.join("\n")}\n`
}

const EXIT_CODES = [
  ["0", "all done or skipped; what was asked for was done"],
  ["1", "an internal fault"],
  ["2", "a wrong command line, configuration or input"],
  ["3", "drained, and some jobs are in error; `verify`: a file is missing or damaged"],
  ["4", "drained as far as allowed; the rest waits"],
  ["6", "the disk or the queue can't be used"],
  ["130, 143", "interrupted by Ctrl-C or SIGTERM, cleanly"]
]

/** Every command, as its own help has it. */
export const commandLine = Effect.gen(function* () {
  const blocks = yield* Effect.forEach(leavesOf(grammar), ({ path }) =>
    Effect.map(run([...path, "--help"]), ({ stdout }) => [
      "",
      `## ${path.join(" ")}`,
      "",
      "```text",
      stdout.trimEnd(),
      "```"
    ])
  )
  const lines = [
    MADE,
    "",
    "# Commands",
    "",
    "Data goes to stdout, everything else to stderr.",
    "",
    "| code | meaning |",
    "|---|---|",
    ...EXIT_CODES.map(([code, meaning]) => `| ${code} | ${meaning} |`),
    ...blocks.flat()
  ]
  return `${lines.join("\n")}\n`
})
