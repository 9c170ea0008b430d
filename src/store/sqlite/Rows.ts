/**
 * Batches in and out of statements, the cheap way.
 *
 * In: a batch is a table of bound values, `VALUES (?, ?), …`, or a list of numbers, `?, ?, …`. It costs half of what
 * a JSON text does that is taken apart cell by cell. Out: many rows are one JSON text, made by SQLite. It costs a
 * quarter of what the driver takes to make an object of each row.
 *
 * A statement is prepared for each number of rows, so batches are filled up to a power of two with rows of nulls,
 * which match nothing, or, where each row counts, written in parts whose numbers of rows are powers of two.
 */
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { Parameters, Query, Value } from "./Database.ts"

/** The cells of rows, one row after the other, each in the order of its columns. */
export type Cells = ReadonlyArray<Value>

/** A value as a cell of JSON text; without one, NULL. */
export const json = (value: unknown): string | null =>
  value === undefined || value === null ? null : JSON.stringify(value)

/** Rows in one statement at most: SQLite takes 32,766 values, and each size is kept prepared. */
const MOST_ROWS = 256

/** Runs a statement over rows, in parts if they are many, and answers what all parts return. */
export type OverRows = <Result = never>(
  query: Query,
  cells: Cells,
  parameters?: Parameters
) => Effect.Effect<ReadonlyArray<Result>, SqlError>

/** The statement for a number of rows, written once. */
const textFor = (text: (count: number) => string) => {
  const texts = new Map<number, string>()
  return (count: number): string => {
    const known = texts.get(count)
    if (known !== undefined) return known
    const made = text(count)
    texts.set(count, made)
    return made
  }
}

const repeat = (item: string, count: number): string => Array.from({ length: count }, () => item).join(", ")

const valuesFor = (width: number, text: (values: string) => string) =>
  textFor((count) => text(`VALUES ${repeat(`(${repeat("?", width)})`, count)}`))

const powerAtLeast = (count: number): number => 2 ** Math.ceil(Math.log2(count))

const powerAtMost = (count: number): number => 2 ** Math.floor(Math.log2(count))

/** Runs the statement for the parts that begin at each row in turn; `take` says how many rows there are in the next. */
const inParts = <Result>(
  length: number,
  take: (left: number) => number,
  run: (from: number, size: number) => Effect.Effect<ReadonlyArray<Result>, SqlError>
): Effect.Effect<ReadonlyArray<Result>, SqlError> => {
  if (length === 0) return Effect.succeed([])
  if (take(length) === length) return run(0, length)
  return Effect.gen(function* () {
    const results: Array<Result> = []
    for (let from = 0, size = 0; from < length; from += size) {
      size = take(length - from)
      results.push(...(yield* run(from, size)))
    }
    return results
  })
}

const overRows =
  (textOf: (count: number) => string, width: number, take: (left: number) => number): OverRows =>
  <Result>(query: Query, cells: Cells, parameters?: Parameters) =>
    inParts(cells.length / width, take, (from, size) => {
      const count = powerAtLeast(size)
      if (count * width === cells.length) return query<Result>(textOf(count), parameters, cells)
      const part = cells.slice(from * width, (from + size) * width)
      while (part.length < count * width) part.push(null)
      return query<Result>(textOf(count), parameters, part)
    })

const filled = (left: number) => Math.min(MOST_ROWS, left)

/** A statement that joins `VALUES` of `width` columns to a table by a key: a row of nulls does nothing in it. */
export const joining = (width: number, text: (values: string) => string): OverRows =>
  overRows(valuesFor(width, text), width, filled)

/** A statement that inserts `VALUES` of `width` columns. */
export const inserting = (width: number, text: (values: string) => string): OverRows =>
  overRows(valuesFor(width, text), width, (left) => Math.min(MOST_ROWS, powerAtMost(left)))

/** A statement about rows whose key is `IN (list)`; the list is filled up with nulls. */
export const among = (text: (list: string) => string): OverRows =>
  overRows(
    textFor((count) => text(repeat("?", count))),
    1,
    filled
  )

/** Runs a statement for each group of rows; mostly there is one. */
export const each = <A>(
  groups: ReadonlyArray<A>,
  run: (group: A) => Effect.Effect<unknown, SqlError>
): Effect.Effect<unknown, SqlError> => {
  const [first] = groups
  if (first === undefined) return Effect.void
  return groups.length === 1 ? run(first) : Effect.forEach(groups, run, { discard: true })
}

/** The column of a statement that answers one row with all of its results in it. */
interface Listed {
  readonly list: string
}

/** Columns of many rows as one, `list`: an array of an array each. */
export const list = (columns: string): string => `json_group_array(json_array(${columns})) AS list`

/** What statements over rows answer that select a `list`; `Result` names its columns' types, in their order. */
export const listed = <Result extends ReadonlyArray<Value>>(
  rows: Effect.Effect<ReadonlyArray<Listed>, SqlError>
): Effect.Effect<ReadonlyArray<Result>, SqlError> =>
  Effect.map(rows, ([first, ...others]) => {
    const results: Array<Result> = first === undefined ? [] : JSON.parse(first.list)
    for (const row of others) results.push(...JSON.parse(row.list))
    return results
  })
