/**
 * A configuration file to start from: every key with what it does, what it may be and its default, all commented
 * out, so that only what someone changes is set.
 */
import { formatPath, type Key, keys, type Path, sections } from "./Keys.ts"

const WIDTH = 100

const comment = (text: string, indent: string): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = ""
  for (const word of text.split(" ")) {
    if (line !== "" && indent.length + 3 + line.length + word.length > WIDTH) {
      lines.push(line)
      line = word
    } else line = line === "" ? word : `${line} ${word}`
  }
  return [...lines, line].map((part) => `${indent}# ${part}`)
}

// A flow value is a YAML value; texts that need no quotes stand without.
const flow = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).map(([name, entry]) => `${name}: ${flow(entry)}`)
    return entries.length === 0 ? "{}" : `{ ${entries.join(", ")} }`
  }
  return typeof value === "string" && /^[A-Za-z][A-Za-z0-9_./-]*$/.test(value) ? value : JSON.stringify(value)
}

const keyLines = (key: Key, indent: string): ReadonlyArray<string> => {
  const name = key.path.at(-1) ?? ""
  const text = comment(`${key.description} Allowed: ${key.allowed}.`, indent)
  if (!key.record || Object.keys(Object(key.default)).length === 0) {
    return [...text, `${indent}# ${name}: ${flow(key.default)}`]
  }
  const entries = Object.entries(Object(key.default)).map(
    ([entry, value]) => `${indent}#   ${entry}: ${flow(value)}`
  )
  return [...text, `${indent}# ${name}:`, ...entries]
}

const under = (path: Path, parent: Path): boolean =>
  path.length === parent.length + 1 && parent.every((part, index) => part === path[index])

const sectionLines = (path: Path): ReadonlyArray<string> => {
  const indent = "  ".repeat(path.length)
  const section = sections.find((candidate) => formatPath(candidate.path) === formatPath(path))
  const head =
    path.length === 0
      ? []
      : [
          "",
          ...comment(section?.description ?? "", indent.slice(2)),
          `${indent.slice(2)}${path.at(-1) ?? ""}:`
        ]
  return [
    ...head,
    ...keys
      .filter((key) => under(key.path, path))
      .flatMap((key, index) => [...(index === 0 ? [] : [""]), ...keyLines(key, indent)]),
    ...sections
      .filter((child) => under(child.path, path) && !child.path.includes("*"))
      .flatMap((child) => sectionLines(child.path))
  ]
}

/** The file as text. */
export const template = (): string =>
  [
    "# Settings of contentdownload. What is commented out has the default shown.",
    "# An option of the command line goes before an environment variable, such as",
    "# CONTENTDOWNLOAD_ORCHESTRATOR__MAX_WORKERS=4, and that before this file.",
    ...sectionLines([]),
    ""
  ].join("\n")
