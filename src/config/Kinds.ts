/**
 * The kinds of values settings have: each a Schema, and what it allows in words.
 */
import * as Schema from "effect/Schema"
import { asciiHost } from "../Lane.ts"

export const WEEK = 7 * 86_400

export interface Kind<A, I> {
  readonly schema: Schema.Schema<A, I>
  readonly allowed: string
}

export const integer = (min: number, max = Number.MAX_SAFE_INTEGER): Kind<number, number> => ({
  schema: Schema.Int.pipe(Schema.between(min, max)),
  allowed:
    max === Number.MAX_SAFE_INTEGER
      ? `a whole number, at least ${min}`
      : `a whole number from ${min} to ${max}`
})

export const number = (min: number, max: number): Kind<number, number> => ({
  schema: Schema.Finite.pipe(Schema.between(min, max)),
  allowed: `a number from ${min} to ${max}`
})

export const positive = (max: number): Kind<number, number> => ({
  schema: Schema.Finite.pipe(Schema.greaterThan(0), Schema.lessThanOrEqualTo(max)),
  allowed: `a number above 0, at most ${max}`
})

export const flag: Kind<boolean, boolean> = { schema: Schema.Boolean, allowed: "true or false" }

export const oneOf = <const L extends readonly [string, ...Array<string>]>(
  ...members: L
): Kind<L[number], L[number]> => ({
  schema: Schema.Literal(...members),
  allowed: members.length === 1 ? `only ${members[0]}` : `one of ${members.join(", ")}`
})

export const matching = (pattern: RegExp, allowed: string): Kind<string, string> => ({
  schema: Schema.String.pipe(Schema.pattern(pattern)),
  allowed
})

export const orNull = <A, I>(kind: Kind<A, I>): Kind<A | null, I | null> => ({
  schema: Schema.NullOr(kind.schema),
  allowed: `null, or ${kind.allowed}`
})

/** No control characters: such a value may end up in a file name or a message. */
export const text = matching(/^[^\p{Cc}]+$/u, "a text in one line, not empty")

/** What a request header can hold. */
export const headerText = matching(
  /^[!-~](?:[ -~]*[!-~])?$/,
  "a text in one line, of ASCII characters, not empty"
)

const MAIL = /^[^\s@<>(),;:]+@[^\s@<>(),;:]+$/
const isAscii = (value: string): boolean => /^[!-~]+$/.test(value)

/** Whether a text is a mail address, as far as one can see. */
export const isMail = (value: string): boolean => isAscii(value) && MAIL.test(value)

export const mail: Kind<string, string> = {
  schema: Schema.String.pipe(Schema.filter(isMail, { jsonSchema: { pattern: MAIL.source } })),
  allowed: "a mail address"
}

/** It stands in the User-Agent, in a comment in parentheses. */
export const contact: Kind<string, string> = {
  schema: Schema.String.pipe(
    Schema.filter((value) => isMail(value) || (isAscii(value) && /^https?:\/\/[^()]+$/.test(value)), {
      jsonSchema: {}
    })
  ),
  allowed: "a mail address or an http(s) URL"
}

export const baseUrl: Kind<string, string> = {
  schema: Schema.String.pipe(
    Schema.filter(
      (value) => /^https?:\/\/[^\s?#]+$/.test(value) && URL.canParse(value) && new URL(value).username === "",
      { jsonSchema: { pattern: "^https?://" } }
    )
  ),
  allowed: "an http(s) URL without a query"
}

/** Whether a text can be the host of a URL: no port, no path. */
export const isHost = (name: string): boolean => asciiHost(name) !== undefined

/** Entries by name. */
export const record = <A, I>(
  value: Schema.Schema<A, I>,
  accepts: (name: string) => boolean
): Schema.Schema<{ readonly [name: string]: A }, { readonly [name: string]: I }> =>
  Schema.Record({ key: Schema.String, value }).pipe(
    Schema.filter(
      (entries) =>
        Object.keys(entries)
          .filter((name) => !accepts(name))
          .map((name) => ({ path: [name], message: "this name isn't allowed" })),
      { jsonSchema: {} }
    )
  )
