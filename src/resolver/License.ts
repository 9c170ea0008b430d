/**
 * Licences by one name each.
 */

/** A licence has no longer name. */
const MAX_LENGTH = 200

/**
 * A licence by its common short name: `CCBY`, `CC BY 4.0` and creativecommons.org URLs all become `cc-by…`. What isn't
 * known stays as it is, on one line.
 */
export const normaliseLicense = (raw: string): string => {
  const text = raw
    .slice(0, 10 * MAX_LENGTH)
    .replaceAll(/[\s\p{C}]+/gu, " ")
    .trim()
    .slice(0, MAX_LENGTH)
    .toLowerCase()
  if (/creativecommons\.org\/publicdomain\/zero/.test(text)) return "cc0"
  const address = /creativecommons\.org\/licenses\/([a-z-]+)(?:\/(\d\.\d))?/.exec(text)
  if (address !== null) return ["cc", address[1], address[2]].filter((part) => part !== undefined).join("-")
  const squeezed = text.replace(/[\s_-]+/g, "")
  if (/^cc0(?:1\.0)?$/.test(squeezed)) return "cc0"
  const short = /^ccby((?:nc|nd|sa)*)(\d\.\d)?$/.exec(squeezed)
  if (short === null) return text
  const parts = (short[1] ?? "").match(/../g) ?? []
  return ["cc", "by", ...parts, ...(short[2] === undefined ? [] : [short[2]])].join("-")
}

/** Whether a licence lets anyone read: a Creative Commons one. User licences of publishers don't. */
export const isOpen = (license: string): boolean => /^cc(?:0|-by)/.test(normaliseLicense(license))
