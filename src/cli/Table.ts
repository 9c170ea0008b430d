/** Laying out tables for a terminal, whose room may be narrow, and for a pipe, where a row is a line. */
import { beside, cut, widthOf } from "./Text.ts"

/** How a column is laid out. */
export interface Layout {
  /** Default: left. */
  readonly align?: "left" | "right"
  /** In a row that is wider than the room it stands on a line of its own, below. Such columns come last. */
  readonly below?: true
  /** In a table that is wider than the room it is cut to so many columns. */
  readonly cutTo?: number
}

/** The cells of a row, made harmless. */
export type Row = ReadonlyArray<string>

/** Before what stands below a row's first line. */
const INDENT = 4

const widthsOf = (rows: ReadonlyArray<Row>, columns: ReadonlyArray<Layout>): ReadonlyArray<number> =>
  columns.map((_, column) => rows.reduce((widest, row) => Math.max(widest, widthOf(row[column] ?? "")), 0))

/**
 * Cells in columns two spaces apart, each as wide as its widest cell. In a narrow room cells are cut where they may be,
 * and a row takes several lines: a first cell too long for what the others leave stands on a line of its own, whole. Answers the lines of each row.
 */
export const layOut = (
  given: ReadonlyArray<Row>,
  columns: ReadonlyArray<Layout>,
  room: number
): ReadonlyArray<Row> => {
  const fixed = columns.filter(({ below }) => below !== true).length
  const spare = (widths: ReadonlyArray<number>) =>
    room - widths.slice(0, fixed).reduce((sum, width) => sum + width, 2 * (fixed - 1))
  const fits = spare(widthsOf(given, columns)) >= 0
  const rows = fits
    ? given
    : given.map((row) =>
        row.map((cell, column) => cut(cell, columns[column]?.cutTo ?? Number.MAX_SAFE_INTEGER))
      )
  const [first = 0, ...others] = widthsOf(rows, columns)
  const over = Math.max(0, -spare([first, ...others]))
  const widths = [Math.max(Math.min(first, INDENT), first - over), ...others]

  const joined = (row: Row) =>
    row
      .map((cell, column) => {
        const padding = " ".repeat(Math.max(0, (widths[column] ?? 0) - widthOf(cell)))
        return columns[column]?.align === "right" ? padding + cell : cell + padding
      })
      .join("  ")
      .trimEnd()
  /** The first cell above the others, if it doesn't fit beside them. */
  const stacked = ([head = "", ...rest]: Row): Row =>
    widthOf(head) > (widths[0] ?? 0) ? [head, joined(["", ...rest])] : [joined([head, ...rest])]

  return rows.map((row) => {
    const whole = stacked(row)
    if (fixed === columns.length || whole.every((line) => widthOf(line) <= room)) return whole
    const further = row.slice(fixed).filter((cell) => cell !== "")
    return [
      ...stacked(row.slice(0, fixed)),
      ...further.flatMap((cell) => beside(" ".repeat(INDENT), cell, room))
    ]
  })
}
