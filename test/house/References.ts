/** The references in docs/, as text made from what the code knows. */
import * as Effect from "effect/Effect"
import * as Struct from "effect/Struct"
import { grammar } from "../../src/cli/commands/index.ts"
import { EXIT_MEANINGS, ExitCode } from "../../src/cli/Exit.ts"
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

/** The exit codes, as a table. */
export const exitCodes: ReadonlyArray<string> = [
  "| code | meaning |",
  "|---|---|",
  ...Struct.keys(ExitCode)
    .toSorted((a, b) => ExitCode[a] - ExitCode[b])
    .map((name) => `| ${ExitCode[name]} | ${EXIT_MEANINGS[name]} |`)
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
    ...exitCodes,
    ...blocks.flat()
  ]
  return `${lines.join("\n")}\n`
})
