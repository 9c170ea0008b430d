/**
 * The manifest for reference managers: an entry of BibTeX for each stored file.
 */
import { createHash } from "node:crypto"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Artifact } from "../Artifact.ts"
import type { JobDetail } from "../Job.ts"
import { receiptOf } from "./Manifest.ts"

const decode = Schema.decodeUnknownOption(Artifact)

/** What TeX takes for a command, or in its first encoding for another sign, as text. */
const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\textbackslash{}",
  "~": "\\textasciitilde{}",
  "^": "\\textasciicircum{}",
  "<": "\\textless{}",
  ">": "\\textgreater{}",
  "|": "\\textbar{}",
  "&": "\\&",
  "%": "\\%",
  $: "\\$",
  "#": "\\#",
  _: "\\_"
}

/** Braces as text. BibTeX counts them whatever stands before them, so they may only stand there in pairs. */
const BRACES = {
  paired: { "{": "\\{", "}": "\\}" },
  single: { "{": "\\textbraceleft{}", "}": "\\textbraceright{}" }
}

const arePaired = (text: string): boolean => {
  let depth = 0
  for (const sign of text) {
    depth += sign === "{" ? 1 : sign === "}" ? -1 : 0
    if (depth < 0) return false
  }
  return depth === 0
}

/** On one line, without signs that nothing shows. */
const onOneLine = (text: string): string => text.replaceAll(/[\s\p{Cc}\p{Cs}]+/gu, " ").trim()

/** Text as BibTeX takes it, on one line. */
export const escape = (text: string): string => {
  const braces: Readonly<Record<string, string>> = arePaired(text) ? BRACES.paired : BRACES.single
  return onOneLine(text).replaceAll(/[\\{}~^<>|&%$#_]/g, (sign) => ESCAPES[sign] ?? braces[sign] ?? sign)
}

/**
 * A citation key out of an id: letters, digits and a few signs that every program takes. Where that isn't the id itself in
 * lower case, eight digits of the id's hash keep it apart from those of other ids: BibTeX takes keys for one that differ
 * in case only.
 */
export const citationKey = (id: string): string => {
  const key = id.replaceAll(/[^A-Za-z0-9:._/-]+/g, "-").replaceAll(/^-+|-+$/g, "")
  if (key === id && id === id.toLowerCase()) return key
  return [key, createHash("sha256").update(id).digest("hex").slice(0, 8)]
    .filter((part) => part !== "")
    .join("-")
}

/** Fields that hold identifiers and paths, which programs read as they are; only their braces must match. */
const verbatim = (text: string): string =>
  arePaired(text) ? onOneLine(text) : onOneLine(text).replaceAll(/[{}]/g, "")

/** The entry of a job that has a file. */
export const bibtexEntry = (job: JobDetail): Option.Option<string> =>
  Option.map(receiptOf(job), (receipt) => {
    const artifact = Option.getOrUndefined(decode(job.payload))
    const fields: ReadonlyArray<readonly [string, string | undefined]> = [
      ["title", artifact?.title === undefined ? undefined : escape(artifact.title)],
      ["doi", artifact?.doi === undefined ? undefined : verbatim(artifact.doi)],
      ["eprint", artifact?.arxiv === undefined ? undefined : verbatim(artifact.arxiv)],
      ["archiveprefix", artifact?.arxiv === undefined ? undefined : "arXiv"],
      ["url", verbatim(receipt.final_url)],
      ["file", verbatim(receipt.path)],
      ["license", receipt.license === undefined ? undefined : verbatim(receipt.license)],
      ["version", receipt.version === undefined ? undefined : verbatim(receipt.version)]
    ]
    const lines = fields.flatMap(([name, value]) => (value === undefined ? [] : [`  ${name} = {${value}}`]))
    return `@misc{${citationKey(job.id)},\n${lines.join(",\n")}\n}\n`
  })
