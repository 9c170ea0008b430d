/**
 * From what was typed to one canonical form: the command's words, its options each as two arguments, `--`, its
 * arguments.
 *
 * The command library stumbles over values with `=`, over `-` as an argument, over options before the command they
 * belong to, and over values that look like its own options; in the canonical form none of these can occur. Whatever
 * isn't in the grammar is refused here, with the nearest word that is.
 */
import { nearest } from "../config/Nearest.ts"
import { type Group, type Leaf, leavesOf, nameOf, type Node, type OptionWord } from "./Grammar.ts"
import { cut } from "./Text.ts"

export type Parsed =
  | { readonly _tag: "Command"; readonly argv: ReadonlyArray<string> }
  | { readonly _tag: "Help"; readonly node: Node }
  | { readonly _tag: "Version" }
  | { readonly _tag: "Completions"; readonly shell: string }
  /** It can't be understood; `message` is one line. */
  | { readonly _tag: "Wrong"; readonly message: string }

export const SHELLS = ["bash", "fish", "zsh"]

interface Given {
  readonly typed: string
  readonly name: string
  readonly value: string | undefined
  readonly option: OptionWord
}

const quote = (text: string): string => `'${cut(text, 60)}'`

const commandLine = (node: Node): string => ["contentdownload", ...node.path].join(" ")

const didYouMean = (word: string, known: ReadonlyArray<string>): string => {
  const found = nearest(word, known)
  return found === undefined ? "" : `; did you mean ${found}?`
}

const wrong = (node: Node, message: string): Parsed => ({
  _tag: "Wrong",
  message: `${message}${message.endsWith("?") ? "" : ";"} see '${commandLine(node)} --help'`
})

const optionsUnder = (node: Node): ReadonlyArray<OptionWord> => leavesOf(node).flatMap((leaf) => leaf.options)

const findOption = (node: Node, name: string): OptionWord | undefined =>
  optionsUnder(node).find((option) => option.names.includes(name))

/** `--name=value`, `-n=value` and `-nvalue` taken apart. */
const split = (token: string): { readonly name: string; readonly inline: string | undefined } => {
  const equals = token.indexOf("=")
  if (equals > 0) return { name: token.slice(0, equals), inline: token.slice(equals + 1) }
  if (!token.startsWith("--") && token.length > 2) return { name: token.slice(0, 2), inline: token.slice(2) }
  return { name: token, inline: undefined }
}

const BUILT_IN = ["--help", "--version", "--completions"]

/** Parses the arguments after the program's name. */
export const parse = (root: Group, args: ReadonlyArray<string>): Parsed => {
  let node: Node = root
  let help = false
  const given: Array<Given> = []
  const positional: Array<string> = []

  for (let index = 0; index < args.length; index++) {
    const token = args[index] ?? ""
    if (token === "--") {
      positional.push(...args.slice(index + 1))
      break
    }
    if (token === "help" && node._tag === "Group") {
      help = true
      continue
    }
    if (token === "-" || !token.startsWith("-")) {
      if (node._tag === "Leaf") {
        positional.push(token)
        continue
      }
      const child: Node | undefined = node.children.find((candidate) => nameOf(candidate) === token)
      if (child === undefined) return unknownCommand(root, node, token)
      node = child
      continue
    }
    if (token === "--help" || token === "-h") {
      help = true
      continue
    }
    if (token === "--version") return { _tag: "Version" }
    const { inline, name } = split(token)
    if (name === "--completions" && node === root) {
      const shell = inline ?? args[index + 1] ?? ""
      if (SHELLS.includes(shell)) return { _tag: "Completions", shell }
      return wrong(root, `--completions is ${quote(shell)}; allowed: ${SHELLS.join(", ")}`)
    }
    const option = findOption(node, name)
    if (option === undefined) return unknownOption(node, name)
    if (option.value === null) {
      if (inline !== undefined && inline !== "true" && inline !== "false") {
        return wrong(node, `${name} takes no value`)
      }
      given.push({ typed: name, name, value: inline, option })
      continue
    }
    const next = args[index + 1]
    const isOption =
      next !== undefined && next.startsWith("-") && findOption(node, split(next).name) !== undefined
    if (inline === undefined && (next === undefined || next === "--" || isOption)) {
      return wrong(node, `${name} needs a value: ${option.value}`)
    }
    if (inline === undefined) index += 1
    given.push({ typed: name, name, value: inline ?? next, option })
  }

  if (help) return { _tag: "Help", node }
  if (node._tag === "Group") {
    return positional.length > 0
      ? unknownCommand(root, node, positional[0] ?? "")
      : given.length > 0
        ? wrong(node, `there is no command after ${given[0]?.typed ?? "the options"}`)
        : { _tag: "Help", node }
  }
  return canonical(node, given, positional)
}

const unknownCommand = (root: Group, node: Group, word: string): Parsed => {
  const found = nearest(word, node.children.map(nameOf))
  // A word that is a command elsewhere: `stats` for `queue stats`.
  const elsewhere = leavesOf(root).find((leaf) => nameOf(leaf) === word)
  const meant =
    found !== undefined
      ? [...node.path, found].join(" ")
      : elsewhere !== undefined
        ? elsewhere.path.join(" ")
        : undefined
  const hint = meant === undefined ? "" : `; did you mean 'contentdownload ${meant}'?`
  return wrong(node, `there is no command ${quote([...node.path, word].join(" "))}${hint}`)
}

const unknownOption = (node: Node, name: string): Parsed => {
  const known = [...optionsUnder(node).flatMap((option) => option.names), ...BUILT_IN]
  return wrong(node, `there is no option ${quote(name)}${didYouMean(name, known)}`)
}

const canonical = (leaf: Leaf, given: ReadonlyArray<Given>, positional: ReadonlyArray<string>): Parsed => {
  const options: Array<string> = []
  for (const [index, { name, option, typed, value }] of given.entries()) {
    // Options typed before the command were found among those of all commands under the same name.
    const own = leaf.options.find((candidate) => candidate.names.includes(name))
    if (own === undefined) return unknownOption(leaf, typed)
    if (value !== undefined && own.choices !== null && !own.choices.includes(value)) {
      return wrong(leaf, `${typed} is ${quote(value)}; allowed: ${own.choices.join(", ")}`)
    }
    const isLast = !given.slice(index + 1).some((later) => later.option.names[0] === option.names[0])
    if (!own.repeated && !isLast) continue
    // The shortest name: the library's own `--log-level` must not see ours.
    options.push(own.names[0] ?? name)
    if (value !== undefined) options.push(value)
  }
  const missing = leaf.arguments.filter((argument) => argument.required)[positional.length]
  if (missing !== undefined) return wrong(leaf, `${missing.name} is missing`)
  const repeats = leaf.arguments.some((argument) => argument.repeated)
  const extra = positional[leaf.arguments.length]
  if (extra !== undefined && !repeats) return wrong(leaf, `there is no use for the argument ${quote(extra)}`)
  return { _tag: "Command", argv: [...leaf.path, ...options, "--", ...positional] }
}
