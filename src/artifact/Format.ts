/** The formats an artifact file may have, and how to tell which one it is: by its name, or else by how it begins. */
import * as Csv from "./Csv.ts"
import * as Jsonl from "./Jsonl.ts"
import type { Parser } from "./Lines.ts"
import * as PlainList from "./PlainList.ts"

/** `jsonl`: an object per line. `list`: a URL or an identifier per line. `csv`: a header, then a row per record. */
export type Format = "jsonl" | "list" | "csv"

/** A fresh parser, for one file. */
export const parser = (format: Format): Parser =>
  format === "csv" ? Csv.makeParser() : format === "jsonl" ? Jsonl.parser : PlainList.parser

const byExtension: { readonly [extension: string]: Format } = {
  jsonl: "jsonl",
  ndjson: "jsonl",
  json: "jsonl",
  csv: "csv",
  tsv: "csv",
  list: "list"
}

/** The format a file's name tells, a last `.gz` aside. `.txt` tells nothing: it may be any of them. */
export const ofName = (path: string): Format | undefined => {
  const extension = /\.([a-z]+)$/.exec(path.toLowerCase().replace(/\.gz$/, ""))?.[1] ?? ""
  return Object.hasOwn(byExtension, extension) ? byExtension[extension] : undefined
}

/** The format the first line that isn't blank tells. Only lists have comments. */
export const ofFirstLine = (text: string): Format =>
  /^\s*[{[]/.test(text) ? "jsonl" : !text.trimStart().startsWith("#") && Csv.isHeader(text) ? "csv" : "list"
