/**
 * The help texts, made from the grammar.
 */
import { type Group, type Leaf, leavesOf, type Node, type OptionWord } from "./Grammar.ts"
import type { Terminal } from "./Output.ts"

type Row = readonly [string, string]

const WIDTH = 100

/** Breaks a text into lines of at most `width` characters, at spaces. */
const wrap = (text: string, width: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = ""
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === "" ? word : `${line} ${word}`
  }
  return line === "" ? lines : [...lines, line]
}

const rows = (all: ReadonlyArray<Row>, columns: number): string => {
  const left = Math.min(30, Math.max(0, ...all.map(([name]) => name.length)))
  const indent = " ".repeat(left + 4)
  const width = Math.max(30, Math.min(columns, WIDTH) - indent.length)
  return all
    .map(([name, text]) => {
      const lines = wrap(text, width)
      const head = name.length > left ? `  ${name}\n${indent}` : `  ${name.padEnd(left)}  `
      return `${head}${lines.join(`\n${indent}`)}`.trimEnd()
    })
    .join("\n")
}

const optionRow = ({ choices, description, names, value }: OptionWord): Row => {
  const spelled = names.length === 1 ? `    ${names[0] ?? ""}` : names.join(", ")
  if (value === null) return [spelled, description]
  if (choices === null) return [`${spelled} ${value}`, description]
  // A long list of choices stands in the description.
  return choices.length <= 3
    ? [`${spelled} ${choices.join("|")}`, description]
    : [`${spelled} WORD`, `${description} One of ${choices.join(", ")}.`]
}

const BUILT_IN: ReadonlyArray<Row> = [["-h, --help", "Shows this text."]]

const leafUsage = (leaf: Leaf): string => {
  const words = leaf.arguments.map(({ name, repeated, required }) => {
    const word = repeated ? `${name}...` : name
    return required ? word : `[${word}]`
  })
  return ["contentdownload", ...leaf.path, "[options]", ...words].join(" ")
}

const leafHelp = (leaf: Leaf, { colours, columns }: Terminal): string =>
  [
    leaf.description,
    `${colours.bold("Usage:")} ${leafUsage(leaf)}`,
    ...(leaf.arguments.length === 0
      ? []
      : [
          `${colours.bold("Arguments:")}\n${rows(
            leaf.arguments.map(({ description, name }) => [name, description]),
            columns
          )}`
        ]),
    `${colours.bold("Options:")}\n${rows([...leaf.options.map(optionRow), ...BUILT_IN], columns)}`
  ].join("\n\n")

const groupHelp = (group: Group, { colours, columns }: Terminal): string =>
  [
    group.description,
    `${colours.bold("Usage:")} ${["contentdownload", ...group.path, "<command>"].join(" ")}`,
    `${colours.bold("Commands:")}\n${rows(
      leavesOf(group).map((leaf) => [leaf.path.slice(group.path.length).join(" "), leaf.description]),
      columns
    )}`,
    `Each has a --help of its own.`
  ].join("\n\n")

const rootHelp = (root: Group, { colours, columns }: Terminal): string =>
  [
    "Downloads a list of artifacts exactly once, politely, from a crash-safe queue.",
    `${colours.bold("Usage:")} contentdownload <command>`,
    `${colours.bold("Commands:")}\n${rows(
      leavesOf(root).map((leaf) => [leaf.path.join(" "), leaf.description]),
      columns
    )}`,
    `${colours.bold("Try:")}\n  contentdownload queue import list.txt && contentdownload queue run --drain`,
    "Each command has a --help of its own. --version shows the version, --completions bash|fish|zsh a script for " +
      "the shell."
  ].join("\n\n")

/** The help of a command, a group of commands, or the program. */
export const help = (node: Node, terminal: Terminal): string =>
  node._tag === "Leaf"
    ? leafHelp(node, terminal)
    : node.path.length === 0
      ? rootHelp(node, terminal)
      : groupHelp(node, terminal)
