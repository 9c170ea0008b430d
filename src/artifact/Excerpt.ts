/**
 * Foreign text made fit to be read, and to stand in a one-line message: short, without characters that act on a terminal, and
 * without the user names and passwords that stand in URLs.
 */

/** The longest excerpt, in UTF-16 code units, without its quotation marks. */
export const MAX_EXCERPT_LENGTH = 80

// Control, format and unassigned characters, lone surrogates, and the two line separators.
const unprintable = /[\p{C}\p{Zl}\p{Zp}]/u

/** Characters that stand in no identifier: controls, line separators, halves of surrogate pairs. */
export const forbidden = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u

// Most texts have nothing of it, and long lists are made of those.
const beyondAscii = /[\u0080-\uffff]/

// What word processors and typesetters make of a hyphen, and the sign for minus.
const dashes = /[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]/g

/**
 * Without what can't be seen, which comes along with copied text, and without the blanks around it. A dash of any length is
 * the hyphen it was before it was set: no identifier has another.
 */
export const visible = (text: string): string =>
  beyondAscii.test(text)
    ? text
        .replace(/\p{Cf}/gu, "")
        .replace(dashes, "-")
        .trim()
    : text.trim()

/** "x is no DOI". */
export const isNo = (kind: string, text: string): string => `${excerpt(text)} is no ${kind}`

/** The beginning of `text` in quotation marks; unprintable characters are escaped, credentials hidden. */
export const excerpt = (text: string): string => {
  // Hidden before it is cut: a cut could remove the `@` that tells a password.
  const safe = withoutCredentials(text)
  if (safe.length <= MAX_EXCERPT_LENGTH && !unprintable.test(safe)) {
    return `"${safe}"`
  }
  let out = ""
  for (const char of safe.slice(0, MAX_EXCERPT_LENGTH + 1)) {
    const shown = unprintable.test(char) ? `\\u{${char.codePointAt(0)?.toString(16) ?? ""}}` : char
    if (out.length + shown.length > MAX_EXCERPT_LENGTH) {
      return `"${out}…"`
    }
    out += shown
  }
  return `"${out}"`
}

const withoutCredentials = (text: string): string => {
  const start = text.indexOf("//")
  const at = text.lastIndexOf("@")
  return start >= 0 && at > start ? `${text.slice(0, start)}//***${text.slice(at)}` : text
}
