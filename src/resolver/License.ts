/**
 * Licences by one name each.
 */

/** A licence by its common short name: `CCBY`, `CC BY 4.0` and creativecommons.org URLs all become `cc-by…`. */
export const normaliseLicense = (raw: string): string => {
  const text = raw.trim().toLowerCase()
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
