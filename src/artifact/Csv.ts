/**
 * CSV with a header row, as RFC 4180 has it, with `,`, `;` or tab between the fields. A quoted field may hold line
 * breaks; a record is counted by the line it begins on, and is bounded like a line, so that a quotation mark that is
 * never closed costs one bad record and not the memory of the rest of the file. The columns of an artifact line are
 * taken by their names, all others become metadata.
 */
import * as Either from "effect/Either"
import { type Artifact, fromLine } from "../Artifact.ts"
import { damageReason, type Line, MAX_LINE_BYTES, type Parser, type RawLine, type Refusal } from "./Lines.ts"

const DELIMITERS = [",", ";", "\t"] as const

// Without one of these columns no row can be an artifact.
const naming = ["id", "artifact_id", "url", "urls", "doi", "arxiv", "pmid", "pmcid", "openalex"]
const known = new Set([...naming, "title", "sha256", "size", "priority"])

/** Whether a line looks like the header of an artifact file. */
export const isHeader = (line: string): boolean =>
  line.split(delimiterOf(line)).some((name) =>
    naming.includes(
      name
        .trim()
        .replace(/^"(.*)"$/, "$1")
        .trim()
        .toLowerCase()
    )
  )

/** Mutable; for one file. */
export const makeParser = (): Parser => {
  let records: Records | undefined
  let columns: ReadonlyArray<string> | undefined

  const settle = (record: Row | undefined): Line | Refusal | undefined => {
    if (record === undefined || columns !== undefined) {
      return record && columns && { line: record.line, result: artifact(record, columns) }
    }
    if (Either.isLeft(record.fields)) {
      return { refusal: `the CSV header: ${record.fields.left}` }
    }
    const names = record.fields.right.map((name) => name.trim())
    const refusal = headerRefusal(names)
    columns = names
    return refusal === undefined ? undefined : { refusal }
  }

  return {
    line: (raw) => {
      if (records === undefined) {
        if (raw.text.trim() === "" && raw.damage === undefined) {
          return undefined
        }
        records = new Records(delimiterOf(raw.text))
      }
      return settle(records.line(raw))
    },
    end: () => settle(records?.end())
  }
}

const delimiterOf = (header: string): string => {
  const bare = header.replace(/"[^"]*"/g, "")
  const counts = DELIMITERS.map((delimiter) => bare.split(delimiter).length)
  return DELIMITERS[counts.indexOf(Math.max(...counts))] ?? ","
}

const headerRefusal = (names: ReadonlyArray<string>): string | undefined => {
  const lower = names.map((name) => name.toLowerCase())
  if (!lower.some((name) => naming.includes(name))) {
    return `the CSV header names no column to use; one of ${naming.join(", ")} is needed`
  }
  const twice = lower.find((name, index) => known.has(name) && lower.indexOf(name) !== index)
  return twice === undefined ? undefined : `the CSV header names the column ${twice} twice`
}

// ---------------------------------------------------------------------------------------------------------------
// Records
// ---------------------------------------------------------------------------------------------------------------

interface Row {
  readonly line: number
  readonly fields: Either.Either<ReadonlyArray<string>, string>
}

/** Puts lines together to records. Each character is looked at once, however many lines a record has. */
class Records {
  readonly #delimiter: string
  #fields: Array<string> = []
  // The quoted field that goes on in the next line.
  #open: Array<string> | undefined
  #line = 0
  #size = 0
  #problem: string | undefined

  constructor(delimiter: string) {
    this.#delimiter = delimiter
  }

  line(raw: RawLine): Row | undefined {
    if (this.#open === undefined) {
      if (raw.damage === undefined && raw.text.trim() === "") {
        return undefined
      }
      this.#line = raw.line
    }
    this.#size += raw.text.length + 1
    if (raw.damage !== undefined) {
      this.#problem ??= damageReason(raw.damage)
    }
    if (raw.damage === "too-long") {
      return this.#settle()
    }
    this.#scan(raw.text)
    if (this.#open === undefined) {
      return this.#settle()
    }
    if (this.#size > MAX_LINE_BYTES) {
      this.#problem ??= "longer than 1 MiB: a quotation mark isn't closed"
      return this.#settle()
    }
    return undefined
  }

  end(): Row | undefined {
    if (this.#open === undefined) {
      return undefined
    }
    this.#problem ??= "a quotation mark is never closed"
    return this.#settle()
  }

  #settle(): Row {
    const fields = this.#problem === undefined ? Either.right(this.#fields) : Either.left(this.#problem)
    this.#fields = []
    this.#open = undefined
    this.#size = 0
    this.#problem = undefined
    return { line: this.#line, fields }
  }

  #scan(text: string): void {
    let at = 0
    if (this.#open !== undefined) {
      this.#open.push("\n")
      at = this.#quoted(text, 0, this.#open)
    }
    while (at >= 0 && at <= text.length) {
      const first = skipSpaces(text, at)
      if (text[first] === '"') {
        at = this.#quoted(text, first + 1, [])
      } else {
        const end = text.indexOf(this.#delimiter, at)
        this.#fields.push(text.slice(at, end < 0 ? text.length : end))
        at = end < 0 ? -1 : end + 1
      }
    }
  }

  /** Reads a quoted field from `at`. Answers where the next field begins, or -1 at the end of the line. */
  #quoted(text: string, from: number, pieces: Array<string>): number {
    let at = from
    for (;;) {
      const end = text.indexOf('"', at)
      if (end < 0) {
        pieces.push(text.slice(at))
        this.#open = pieces
        return -1
      }
      if (text[end + 1] !== '"') {
        pieces.push(text.slice(at, end))
        this.#open = undefined
        this.#fields.push(pieces.join(""))
        const next = skipSpaces(text, end + 1)
        if (next < text.length && !text.startsWith(this.#delimiter, next)) {
          this.#problem ??= "text between a closing quotation mark and the next field"
          return -1
        }
        return next < text.length ? next + 1 : -1
      }
      pieces.push(text.slice(at, end + 1))
      at = end + 2
    }
  }
}

const skipSpaces = (text: string, from: number): number => {
  let at = from
  while (text[at] === " ") {
    at++
  }
  return at
}

// ---------------------------------------------------------------------------------------------------------------
// Rows
// ---------------------------------------------------------------------------------------------------------------

const artifact = (record: Row, columns: ReadonlyArray<string>): Either.Either<Artifact, string> =>
  Either.flatMap(record.fields, (fields) => {
    if (fields.slice(columns.length).some((field) => field.trim() !== "")) {
      return Either.left(`${fields.length} fields where the header names ${columns.length} columns`)
    }
    const own: Array<readonly [string, unknown]> = []
    const metadata: Array<readonly [string, string]> = []
    columns.forEach((name, index) => {
      const value = fields[index]?.trim() ?? ""
      const key = name.toLowerCase()
      if (value === "" || name === "") {
        return
      }
      if (known.has(key)) {
        own.push([key, cell(key, value)])
      } else {
        metadata.push([name, value])
      }
    })
    return fromLine({
      ...Object.fromEntries(own),
      ...(metadata.length === 0 ? {} : { metadata: Object.fromEntries(metadata) })
    })
  })

/** What a cell stands for in an artifact line. No normalised URL has a space or a `|` to lose here. */
const cell = (key: string, value: string): unknown => {
  if (key === "url" || key === "urls") {
    return value.split(/[\s|]+/).filter((url) => url !== "")
  }
  const isNumber = (key === "size" && /^\d+$/.test(value)) || (key === "priority" && /^-?\d+$/.test(value))
  return isNumber ? Number(value) : value
}
