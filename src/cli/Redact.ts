/**
 * Takes secrets out of texts that are shown or kept: what stands before the `@` of a URL, the values of parameters
 * that are keys or say who someone is, and mail addresses in URLs.
 */

/** A URL in a text, up to what can't be part of one. */
const URLS = /\b[a-z][a-z0-9+.-]*:\/\/[^\s"<>`\\]+/gi

const USER = /^([a-z][a-z0-9+.-]*:\/\/)[^/?#@]*(?:@[^/?#@]*)*@/i

/** Names of parameters whose values are nobody's business, as a whole word in whatever spelling. */
const SECRET =
  /^(?:[\w.-]*[_.-])?(?:api[_-]?key|key|token|secret|password|passwd|pwd|auth|authorization|signature|sig|credential|session|sid|jwt|code|mail|e[_-]?mail|mailto|user|login)$/i

/** Also `accessToken`, `apiKey`. */
const CAMEL = /(?:Key|Token|Secret|Password|Signature|Credential)$/

const MAIL = /[a-z0-9._+-]+(?:@|%40)[a-z0-9-]+(?:\.[a-z0-9-]+)+/gi

const HIDDEN = "***"

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

const parameter = (text: string): string => {
  const equals = text.indexOf("=")
  if (equals < 0) return text
  const name = decoded(text.slice(0, equals))
  return SECRET.test(name) || CAMEL.test(name) ? `${text.slice(0, equals)}=${HIDDEN}` : text
}

const url = (text: string): string => {
  const [, head = "", tail = ""] = /^([^?#]*)(.*)$/s.exec(text.replace(USER, `$1${HIDDEN}@`)) ?? []
  const open = tail.replaceAll(/[^?#&;]+/g, parameter)
  return (head + open).replaceAll(MAIL, HIDDEN)
}

/** The text with the secrets of its URLs replaced by `***`. */
export const redact = (text: string): string => (text.includes("://") ? text.replaceAll(URLS, url) : text)
