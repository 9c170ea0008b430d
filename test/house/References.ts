/** The references in docs/, as text made from what the code knows. */
import * as Effect from "effect/Effect"
import * as Struct from "effect/Struct"
import { grammar } from "../../src/cli/commands/index.ts"
import { EXIT_MEANINGS, ExitCode } from "../../src/cli/Exit.ts"
import { leavesOf } from "../../src/cli/Grammar.ts"
import { labelOf, nameOf } from "../../src/cli/telemetry/Exposition.ts"
import { definitions as observed } from "../../src/cli/telemetry/Observed.ts"
import { formatPath, keys, sections } from "../../src/config/Keys.ts"
import { envName } from "../../src/config/Source.ts"
import { type Definition, REGISTRY } from "../../src/resolver/Registry.ts"
import * as Telemetry from "../../src/Telemetry.ts"
import { MOST_VALUES } from "../../src/telemetry/Instrument.ts"
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
    "is in force and where it comes from.",
    "",
    "A file in the working folder that belongs to another user, or that everybody may write, isn't read unless `--config` names",
    "it: settings say where files go, and which services get your keys.",
    "",
    "## Keys and addresses",
    "",
    "Keys come from the environment only, addresses also from it. `NAME_FILE` in place of `NAME` names a file that holds the",
    "value; it has to be readable by its owner alone (`chmod 600`). Both are in no log, message, manifest or metric, and",
    "`config show` hides them. What your own list holds is kept as you gave it, the signature of a signed URL too; the log hides",
    "that. A URL with a password in it is refused.",
    "",
    "| variable | resolver | what |",
    "|---|---|---|",
    ...REGISTRY.flatMap(({ credential, fallbacks, name }: Definition) => [
      ...fallbacks.map(
        ({ contact, env, needed }) =>
          [
            env,
            name,
            `${contact === true ? "mail address" : "name"}${needed === true ? ", needed" : ""}`
          ] as const
      ),
      ...(credential === undefined
        ? []
        : [[credential.env, name, `key${credential.needed ? ", needed" : ""}`] as const])
    ]).map(([env, name, what]) => `| \`${env}\` | ${name} | ${what} |`)
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

const labels = (definition: Telemetry.Definition): string =>
  definition.labels
    .map(({ meaning, name, values }) => {
      const words = values === undefined ? "" : ` (${values.map((word) => `\`${word}\``).join(", ")})`
      return `\`${labelOf(name)}\`: ${meaning}${words}`
    })
    .join("; ")

const metricRows = (definitions: ReadonlyArray<Telemetry.Definition>): ReadonlyArray<string> => [
  "| for Prometheus | for OpenTelemetry | type | unit | labels | meaning |",
  "|---|---|---|---|---|---|",
  ...definitions.map(
    (definition) =>
      `| \`${nameOf(definition)}\` | \`${definition.name}\` | ${definition.type} | \`${definition.unit}\` | ${cell(
        labels(definition)
      )} | ${cell(definition.description)} |`
  )
]

/** Every metric: its names, its unit, its labels and what it says. */
export const metrics = (): string => {
  const lines = [
    MADE,
    "",
    "# Metrics",
    "",
    "What `telemetry.prometheus.port` serves and what is sent by OTLP ([in production](production.md#metrics-and-traces)).",
    "Labels of OpenTelemetry have dots where those of Prometheus have underscores. No host and no URL is among them, so",
    "`server.address`, which the conventions for HTTP want, is left to the traces. A label whose values aren't listed holds",
    `words of outcomes, at most ${MOST_VALUES} of them; later ones are \`other\`. Series whose labels are listed are there, at 0,`,
    "from the start of a run.",
    "",
    "## Counted in this process",
    "",
    "An embedding program finds these in Effect's metric registry.",
    "",
    ...metricRows(Telemetry.definitions),
    "",
    'Answers `304` are requests with that status, retries are ends with `end="retry"`, lost leases those with `end="lost"`.',
    "",
    "## Looked at when asked for",
    "",
    "The queue's are those of all its processes.",
    "",
    ...metricRows(observed)
  ]
  return `${lines.join("\n")}\n`
}
