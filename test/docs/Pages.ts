/**
 * The pages for users, with the commands they show. A command stands in a `console` block after `$ `; what follows it,
 * if anything, is what it prints. A comment before a block may say more:
 *
 *     <!-- console
 *     before: a shell command that prepares for the block
 *     exit: the code its last command ends with, if that isn't 0
 *     not run: why not
 *     -->
 *
 * `<!-- file: NAME -->` before any other block makes its text a file for the commands that follow.
 */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

export const ROOT = fileURLToPath(new URL("../..", import.meta.url))

export interface Shown {
  readonly line: number
  readonly text: string
  /** What it prints; `undefined` where nothing is shown. */
  readonly output: string | undefined
  readonly exit: number
}

export type Block =
  | { readonly _tag: "File"; readonly name: string; readonly text: string }
  | {
      readonly _tag: "Console"
      readonly before: ReadonlyArray<string>
      readonly notRun: string | undefined
      readonly commands: ReadonlyArray<Shown>
    }

export interface Page {
  readonly name: string
  readonly text: string
  readonly blocks: ReadonlyArray<Block>
  /** The text without its blocks. */
  readonly prose: string
}

/** The references are made from the code, and have commands in their prose only. */
export const names: ReadonlyArray<string> = [
  "README.md",
  ...readdirSync(join(ROOT, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`)
]

const FENCED = /(?:^<!-- (console\n[\s\S]*?|file: .*?)-->\n+)?^```(\w*)\n([\s\S]*?)^```$/gm

const KEYS = ["before", "exit", "not run"]

const told = (comment: string): ReadonlyArray<readonly [key: string, value: string]> =>
  comment
    .split("\n")
    .slice(1)
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const colon = line.indexOf(":")
      const key = line.slice(0, colon)
      if (!KEYS.includes(key)) throw new Error(`a comment says "${line}"; known: ${KEYS.join(", ")}`)
      return [key, line.slice(colon + 1).trim()] as const
    })

/** The commands of a block, each with its lines of output; a backslash at the end of a line goes on with the next. */
const commandsOf = (text: string, firstLine: number, exit: number): ReadonlyArray<Shown> => {
  const commands: Array<{ line: number; text: string; output: Array<string> }> = []
  let open = false
  for (const [index, line] of text.trimEnd().split("\n").entries()) {
    const last = commands.at(-1)
    if (open && last !== undefined) last.text += `\n${line}`
    else if (line.startsWith("$ "))
      commands.push({ line: firstLine + index, text: line.slice(2), output: [] })
    else if (last === undefined)
      throw new Error(`line ${firstLine + index}: a console block begins with "$ "`)
    else last.output.push(line)
    open = line.endsWith("\\")
  }
  return commands.map((command, index) => ({
    line: command.line,
    text: command.text,
    output: command.output.length === 0 ? undefined : command.output.join("\n"),
    exit: index === commands.length - 1 ? exit : 0
  }))
}

const parse = (name: string): Page => {
  const text = readFileSync(join(ROOT, name), "utf8")
  const blocks: Array<Block> = []
  for (const { 0: whole, 1: comment = "", 2: language = "", 3: body = "", index } of text.matchAll(FENCED)) {
    if (comment.startsWith("file: ")) {
      blocks.push({ _tag: "File", name: comment.slice(6).trim(), text: body })
    } else if (language === "console") {
      const notes = told(comment)
      const of = (key: string) => notes.filter(([one]) => one === key).map(([, value]) => value)
      const line = text.slice(0, index + whole.indexOf("```console\n")).split("\n").length + 1
      blocks.push({
        _tag: "Console",
        before: of("before"),
        notRun: of("not run")[0],
        commands: commandsOf(body, line, Number(of("exit")[0] ?? 0))
      })
    }
  }
  return { name, text, blocks, prose: text.replaceAll(FENCED, "") }
}

export const pages: ReadonlyArray<Page> = names.map(parse)
