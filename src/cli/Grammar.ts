/**
 * What may be typed: the tree of commands with their options and arguments, read off the command definitions, so
 * that parsing, help and suggestions can't know other words than the commands do.
 */
import * as CommandDescriptor from "@effect/cli/CommandDescriptor"
import * as CliConfig from "@effect/cli/CliConfig"
import * as HelpDoc from "@effect/cli/HelpDoc"
import type * as Span from "@effect/cli/HelpDoc/Span"
import type * as Usage from "@effect/cli/Usage"
import * as Option from "effect/Option"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

export interface OptionWord {
  /** Every spelling, the shortest first: `-c`, `--config`. */
  readonly names: ReadonlyArray<string>
  /** What stands for its value in the help; `null` for an option without one. */
  readonly value: string | null
  /** The values it takes, if they can be listed. */
  readonly choices: ReadonlyArray<string> | null
  readonly repeated: boolean
  readonly description: string
}

export interface ArgumentWord {
  readonly name: string
  readonly required: boolean
  readonly repeated: boolean
  readonly description: string
}

export interface Leaf {
  readonly _tag: "Leaf"
  readonly path: ReadonlyArray<string>
  readonly description: string
  readonly options: ReadonlyArray<OptionWord>
  readonly arguments: ReadonlyArray<ArgumentWord>
}

export interface Group {
  readonly _tag: "Group"
  readonly path: ReadonlyArray<string>
  readonly description: string
  readonly children: ReadonlyArray<Node>
}

export type Node = Leaf | Group

/** The name of a node under its parent. */
export const nameOf = (node: Node): string => node.path.at(-1) ?? ""

/** The leaves at and under a node. */
export const leavesOf = (node: Node): ReadonlyArray<Leaf> =>
  node._tag === "Leaf" ? [node] : node.children.flatMap(leavesOf)

// ---------------------------------------------------------------------------------------------------------------
// Reading the definitions
// ---------------------------------------------------------------------------------------------------------------

interface Word {
  readonly names: ReadonlyArray<string>
  readonly value: string | null
  readonly required: boolean
  readonly repeated: boolean
}

const words = (usage: Usage.Usage, required: boolean, repeated: boolean): ReadonlyArray<Word> => {
  switch (usage._tag) {
    case "Empty":
    case "Mixed":
      return []
    case "Named":
      return [{ names: usage.names, value: Option.getOrNull(usage.acceptedValues), required, repeated }]
    case "Optional":
      return words(usage.usage, false, repeated)
    case "Repeated":
      return words(usage.usage, required, true)
    case "Alternation":
      return [...words(usage.left, false, repeated), ...words(usage.right, false, repeated)]
    case "Concat":
      return [...words(usage.left, required, repeated), ...words(usage.right, required, repeated)]
  }
}

const spanText = (span: Span.Span): string => {
  switch (span._tag) {
    case "Text":
    case "URI":
      return span.value
    case "Sequence":
      return spanText(span.left) + spanText(span.right)
    case "Highlight":
    case "Strong":
    case "Weak":
      return spanText(span.value)
  }
}

const paragraphs = (doc: HelpDoc.HelpDoc): ReadonlyArray<string> => {
  if (HelpDoc.isSequence(doc)) return [...paragraphs(doc.left), ...paragraphs(doc.right)]
  return HelpDoc.isParagraph(doc) ? [spanText(doc.value)] : []
}

/** The descriptions under the headings of a help document, by the words they describe. */
const definitions = (doc: HelpDoc.HelpDoc): ReadonlyArray<readonly [string, HelpDoc.HelpDoc]> => {
  if (HelpDoc.isSequence(doc)) return [...definitions(doc.left), ...definitions(doc.right)]
  return HelpDoc.isDescriptionList(doc)
    ? doc.definitions.map(([span, described]) => [spanText(span), described] as const)
    : []
}

// The library puts a sentence on the type first and one on whether the word may be left out last.
const ownWords = (doc: HelpDoc.HelpDoc): string =>
  paragraphs(doc)
    .slice(1)
    .filter((text) => !/^This (?:setting|option|argument) (?:is optional|may be repeated)/.test(text))
    .join(" ")

const describedAs = (docs: ReadonlyArray<readonly [string, HelpDoc.HelpDoc]>, name: string): string => {
  const found = docs.find(([title]) => title.split(/[\s(),]+/).includes(name))
  return found === undefined ? "" : ownWords(found[1])
}

const leaf = (descriptor: CommandDescriptor.Command<unknown>, path: ReadonlyArray<string>): Leaf => {
  const help = CommandDescriptor.getHelp(descriptor, { ...CliConfig.defaultConfig, showBuiltIns: false })
  const docs = definitions(help)
  const all = words(CommandDescriptor.getUsage(descriptor), true, false).slice(1)
  return {
    _tag: "Leaf",
    path,
    description: descriptionOf(help),
    options: all
      .filter(({ names }) => names[0]?.startsWith("-"))
      .map(({ names, value, repeated }) => ({
        names: names.toSorted((a, b) => a.length - b.length),
        value,
        choices: value?.includes(" | ") ? value.split(" | ") : null,
        repeated,
        description: describedAs(docs, names[0] ?? "")
      })),
    arguments: all
      .filter(({ names }) => !names[0]?.startsWith("-"))
      .map(({ names, required, repeated }) => ({
        name: (names[0] ?? "").replaceAll(/[<>]/g, ""),
        required,
        repeated,
        description: describedAs(docs, names[0] ?? "")
      }))
  }
}

// The first paragraph after the heading; the headings of arguments and options come later.
const descriptionOf = (help: HelpDoc.HelpDoc): string => paragraphs(help)[0] ?? ""

/** A command, or a group of them. */
export type Definition =
  | CommandDescriptor.Command<unknown>
  | { readonly name: string; readonly description: string; readonly children: ReadonlyArray<Definition> }

/** The tree of commands under `path`, in the order they are given. */
export const make = (
  children: ReadonlyArray<Definition>,
  path: ReadonlyArray<string> = [],
  description = ""
): Group => ({
  _tag: "Group",
  path,
  description,
  children: children.flatMap((child): ReadonlyArray<Node> => {
    if ("children" in child) return [make(child.children, [...path, child.name], child.description)]
    return Array.from(CommandDescriptor.getNames(child), (name) => leaf(child, [...path, name]))
  })
})
