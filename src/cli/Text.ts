/**
 * Text for a terminal: what comes from servers, files and users is made harmless first, so that nothing of it can
 * move the cursor, change colours or reorder what is read.
 */
import stringWidth from "string-width"

// Escape sequences: CSI, then OSC and the other string sequences up to their end, then two-character ones.
const ESCAPES =
  // oxlint-disable-next-line no-control-regex -- control characters are what this is about
  /(?:\u001B\[|\u009B)[0-?]*[ -/]*[@-~]|(?:\u001B[\]PX^_]|[\u009D\u0090\u0098\u009E\u009F])[^\u0007\u001B\u009C]*(?:\u0007|\u001B\\|\u009C)?|\u001B[ -/]*[0-~]?/g

// Control characters, and those that turn the direction of writing.
const CONTROLS = /[\p{Cc}\u061C\u200E\u200F\u2028\u2029\u202A-\u202E\u2066-\u2069]+/gu

/** Without escape sequences; each run of control characters becomes one space. One line. */
export const clean = (text: string): string => text.replace(ESCAPES, "").replace(CONTROLS, " ")

/** `clean` for each line of a text. */
export const cleanLines = (text: string): string => text.split("\n").map(clean).join("\n")

/** The columns a harmless text takes on a terminal. */
export const widthOf = (text: string): number => (/^[ -~]*$/.test(text) ? text.length : stringWidth(text))

/** `clean`, and cut with an ellipsis to at most `max` characters, which take no more than `max` columns. */
export const cut = (text: string, max: number): string => {
  const harmless = clean(text.length > max * 8 ? text.slice(0, max * 8) : text)
  const characters = Array.from(harmless)
  if (characters.length <= max && widthOf(harmless) <= max) return harmless
  let kept = ""
  for (const character of characters.slice(0, Math.max(0, max - 1))) {
    if (widthOf(kept + character) > max - 1) break
    kept += character
  }
  return `${kept}…`
}

/** Pieces with a space between them, as many on a line as go; further lines are indented. */
export const fill = (pieces: ReadonlyArray<string>, columns: number, indent: string): Array<string> => {
  const lines: Array<string> = []
  let line: string | undefined
  for (const piece of pieces) {
    if (line === undefined) line = piece
    else if (widthOf(`${line} ${piece}`) <= columns) line = `${line} ${piece}`
    else {
      lines.push(line)
      line = indent + piece
    }
  }
  return line === undefined ? lines : [...lines, line]
}

/** `text` after `head`, its further lines below its first one where there is room for that. */
export const beside = (head: string, text: string, columns: number): Array<string> => {
  const [first = "", ...words] = text.split(" ")
  const indent = Math.min(widthOf(head), Math.floor(columns / 3))
  return fill([head + first, ...words], columns, " ".repeat(Number.isFinite(indent) ? indent : 0))
}

/**
 * JSON whose texts can't control a terminal: JSON.stringify escapes the first 32 characters, this the others.
 */
export const json = (value: unknown, indent?: number): string =>
  JSON.stringify(value, null, indent).replace(
    /[\u007F-\u009F\u061C\u200E\u200F\u2028\u2029\u202A-\u202E\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  )

const two = (value: number): string => String(value).padStart(2, "0")

/** A time for people: local, to the second. */
export const localTime = (millis: number): string => {
  const date = new Date(millis)
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}

/** A time near `now` for people: without the day when it is the same one. */
export const localTimeNear = (millis: number, now: number): string => {
  const full = localTime(millis)
  return full.slice(0, 10) === localTime(now).slice(0, 10) ? full.slice(11) : full
}

/** A time for programs: ISO 8601, UTC. */
export const isoTime = (millis: number | null): string | null =>
  millis === null ? null : new Date(millis).toISOString()

/** `1 job`, `2 jobs`, with thousands set apart. */
export const count = (n: number, noun: string, plural = `${noun}s`): string =>
  `${n.toLocaleString("en-GB")} ${n === 1 ? noun : plural}`
