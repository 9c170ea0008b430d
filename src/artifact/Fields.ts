/**
 * The fields of an artifact line, each checked and normalised on its own: the right value, or one line that says
 * what is wrong with it. `null` and, except for the id, `""` count as absent.
 */
import * as Either from "effect/Either"
import { MAX_ID_LENGTH, MAX_PRIORITY } from "../Job.ts"
import { excerpt, forbidden } from "./Excerpt.ts"
import * as Identifier from "./Identifier.ts"

/** The most URLs one artifact may have. */
export const MAX_URLS = 100

/** How deep the JSON of an artifact may be nested. */
export const MAX_DEPTH = 64

/** The identifiers an artifact line may carry, in the order in which one becomes the id, each with its normal form. */
const identifiers = {
  doi: Identifier.doi,
  arxiv: Identifier.arxiv,
  pmid: Identifier.pmid,
  pmcid: Identifier.pmcid,
  openalex: Identifier.openalex
} as const
export type IdentifierKey = keyof typeof identifiers
export type Identifiers = { [K in IdentifierKey]?: string }
export const identifierKeys: ReadonlyArray<IdentifierKey> = ["doi", "arxiv", "pmid", "pmcid", "openalex"]

type Field<A> = Either.Either<A, string>

/** A JSON object, no array. */
export const isObject = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The kind of a value, for a message: `an array`. */
export const nameOf = (value: unknown): string =>
  value === null || value === undefined
    ? String(value)
    : Array.isArray(value)
      ? "an array"
      : typeof value === "object"
        ? "an object"
        : `a ${typeof value}`

/** Whether JSON is nested deeper than MAX_DEPTH; can't run out of stack itself, whatever it is given. */
export const isNestedTooDeeply = (value: unknown, depth: number): boolean =>
  typeof value === "object" &&
  value !== null &&
  (depth >= MAX_DEPTH || Object.values(value).some((inner) => isNestedTooDeeply(inner, depth + 1)))

const isAbsent = (value: unknown): value is null | undefined | "" =>
  value === undefined || value === null || value === ""

const expectedString = (key: string, value: unknown): string =>
  `${key}: ${nameOf(value)} where a string is expected`

/** The id as it was given; a number becomes a string. `undefined` if there is none. */
export const idOf = (value: unknown): Field<string | undefined> => {
  if (value === undefined || value === null) {
    return Either.right(undefined)
  }
  if (typeof value === "number") {
    return Number.isInteger(value) && !Number.isSafeInteger(value)
      ? Either.left("id: a number too large to be kept exactly; write it as a string")
      : Either.right(String(value))
  }
  if (typeof value !== "string") {
    return Either.left(expectedString("id", value))
  }
  if (value.trim() === "") {
    return Either.left("id: empty")
  }
  if (value.length > MAX_ID_LENGTH) {
    return Either.left(`id: longer than ${MAX_ID_LENGTH} characters`)
  }
  return forbidden.test(value)
    ? Either.left(`id: ${excerpt(value)} has control characters in it`)
    : Either.right(value)
}

/** The identifiers that are given, normalised. */
export const identifiersOf = (json: { readonly [key: string]: unknown }): Field<Identifiers> => {
  const found: Identifiers = {}
  for (const key of identifierKeys) {
    const value = json[key]
    if (isAbsent(value)) {
      continue
    }
    // PMIDs and PMCIDs are numbers to many programs that export them.
    const text = typeof value === "number" && (key === "pmid" || key === "pmcid") ? String(value) : value
    if (typeof text !== "string") {
      return Either.left(expectedString(key, value))
    }
    const normalised = identifiers[key](text)
    if (Either.isLeft(normalised)) {
      return Either.left(`${key}: ${normalised.left}`)
    }
    found[key] = normalised.right
  }
  return Either.right(found)
}

/** The URLs under `urls` and `url`, normalised, each once, in their order. */
export const urlsOf = (json: { readonly [key: string]: unknown }): Field<ReadonlyArray<string>> => {
  const all: Array<readonly [where: string, value: unknown]> = []
  for (const key of ["urls", "url"]) {
    const value = json[key]
    if (Array.isArray(value)) {
      value.forEach((inner, index) => all.push([`${key}[${index}]`, inner]))
    } else if (!isAbsent(value)) {
      all.push([key, value])
    }
  }
  if (all.length > MAX_URLS) {
    return Either.left(`urls: ${all.length} URLs, at most ${MAX_URLS} are taken`)
  }
  const found = new Set<string>()
  for (const [where, value] of all) {
    const normalised =
      typeof value === "string"
        ? Either.mapLeft(Identifier.url(value), (reason) => `${where}: ${reason}`)
        : Either.left(expectedString(where, value))
    if (Either.isLeft(normalised)) {
      return Either.left(normalised.left)
    }
    found.add(normalised.right)
  }
  return Either.right([...found])
}

/** The title in one line. */
export const titleOf = (value: unknown): Field<{ title?: string }> => {
  if (isAbsent(value)) {
    return Either.right({})
  }
  if (typeof value !== "string") {
    return Either.left(expectedString("title", value))
  }
  const title = value.replace(/[\s\p{Cc}]+/gu, " ").trim()
  return Either.right(title === "" ? {} : { title })
}

/** The expected hash in lower case. */
export const sha256Of = (value: unknown): Field<{ sha256?: string }> => {
  if (isAbsent(value)) {
    return Either.right({})
  }
  return typeof value === "string" && /^[0-9a-f]{64}$/i.test(value)
    ? Either.right({ sha256: value.toLowerCase() })
    : Either.left(
        `sha256: ${typeof value === "string" ? excerpt(value) : nameOf(value)} where 64 hexadecimal digits are expected`
      )
}

/** The expected size in bytes. */
export const sizeOf = (value: unknown): Field<{ size?: number }> => {
  if (isAbsent(value)) {
    return Either.right({})
  }
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0
    ? Either.right({ size: value })
    : Either.left(
        `size: ${typeof value === "string" || typeof value === "number" ? excerpt(String(value)) : nameOf(value)} where a whole number of bytes is expected`
      )
}

/** The order in its lane, lower first. */
export const priorityOf = (value: unknown): Field<{ priority?: number }> => {
  if (isAbsent(value)) {
    return Either.right({})
  }
  return typeof value === "number" && Number.isInteger(value) && Math.abs(value) <= MAX_PRIORITY
    ? Either.right({ priority: value })
    : Either.left(
        `priority: ${typeof value === "string" || typeof value === "number" ? excerpt(String(value)) : nameOf(value)} where a whole number from -${MAX_PRIORITY} to ${MAX_PRIORITY} is expected`
      )
}

/** The caller's own data, reduced to what JSON can say. */
export const metadataOf = (value: unknown): Field<{ metadata?: { readonly [key: string]: unknown } }> => {
  if (isAbsent(value)) {
    return Either.right({})
  }
  return isObject(value)
    ? Either.right({ metadata: plainObject(value) })
    : Either.left(`metadata: ${nameOf(value)} where an object is expected`)
}

/** A copy with JSON values only, without the key that would change the prototype of whatever it is assigned to. */
const plainObject = (value: object): { readonly [key: string]: unknown } =>
  Object.fromEntries(
    Object.entries(value)
      .filter(([key, inner]) => key !== "__proto__" && isJson(inner))
      .map(([key, inner]) => [key, plain(inner)])
  )

const isJson = (value: unknown): boolean =>
  value === null || ["string", "boolean", "number", "object"].includes(typeof value)

const plain = (value: unknown): unknown => {
  if (Array.isArray(value)) {
    return value.map((inner) => (isJson(inner) ? plain(inner) : null))
  }
  if (typeof value === "object" && value !== null) {
    return plainObject(value)
  }
  return typeof value === "number" && !Number.isFinite(value) ? null : value
}
