/**
 * Reading a service's answer: an unexpected shape is a failure of that resolver, whatever came.
 *
 * What a service may leave out or set to null is `null` here, so that readers have one case less.
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { doi } from "../artifact/Doi.ts"
import { type Answer, type Outcome, ResolverFailure } from "./Resolver.ts"

/** A field that may be missing or null: then null. */
export const maybe = <A, I>(schema: Schema.Schema<A, I>) =>
  Schema.optionalWith(Schema.NullOr(schema), { exact: true, default: () => null })

/** An address that may be missing, null or empty: then null. */
export const address = maybe(
  Schema.transform(Schema.String, Schema.NullOr(Schema.String), {
    strict: true,
    decode: (text) => (text.trim() === "" ? null : text),
    encode: (text) => text ?? ""
  })
)

/** No answer has more of anything that is looked at; reading each of millions would hold up everything else. */
const MAX_ITEMS = 1000

/** A list of anything. */
export const AnyList = Schema.declare((value: unknown): value is ReadonlyArray<unknown> =>
  Array.isArray(value)
)

/** A list. What can't be understood in it is left out, unless that is all of it. */
export const items = <A, I>(item: Schema.Schema<A, I>) => {
  const decode = Schema.decodeUnknownOption(item)
  return Schema.transformOrFail(AnyList, Schema.Array(Schema.typeSchema(item)), {
    strict: true,
    decode: (values, _, ast) => {
      const given = values.slice(0, MAX_ITEMS).filter((value) => value !== null)
      const understood = given.flatMap((value) => Option.toArray(decode(value)))
      return given.length > 0 && understood.length === 0
        ? ParseResult.fail(new ParseResult.Type(ast, values))
        : ParseResult.succeed(understood)
    },
    encode: (all) => ParseResult.succeed(all)
  })
}

/** A list that may be missing or null: then null. */
export const list = <A, I>(item: Schema.Schema<A, I>) => maybe(items(item))

/** A text, or several. */
export const Texts = Schema.Union(Schema.String, items(Schema.String))
export const texts = (value: typeof Texts.Type | null): ReadonlyArray<string> =>
  value === null ? [] : typeof value === "string" ? [value] : value

/** A text that services give as a number, too. */
export const Id = Schema.Union(Schema.String, Schema.Number)

/** A failure of a resolver, named at the start of its message. */
export const fail = (name: string, outcome: Outcome, message: string): ResolverFailure =>
  new ResolverFailure({ outcome, message: `${name}: ${message}`, passing: false })

/**
 * A single record may be closed to us: that says nothing about who asks. An answer that speaks of a token does; some services
 * refuse a token that is none, or has run out, with the same status.
 */
export const closedRecord = ({ status, text }: Answer): Outcome | undefined =>
  status === 403 && !speaksOfToken(text) ? "no_open_access" : undefined

/** Whether a refusal is one of the token that was sent. */
export const speaksOfToken = (text: string): boolean => /token|oauth/i.test(text)

/** Reads the answer's JSON in this shape. */
export const decoder = <A, I>(name: string, schema: Schema.Schema<A, I>) => {
  const decode = Schema.decodeUnknownEither(Schema.parseJson(schema))
  return ({ text }: Pick<Answer, "text">): Either.Either<A, ResolverFailure> =>
    Either.mapLeft(decode(text), () =>
      fail(
        name,
        "failed",
        /^\s*</.test(text) ? "a page came instead of its answer" : "its answer can't be understood"
      )
    )
}

/** Candidates, or the failure that there are none. */
export const orNone = <A>(
  name: string,
  candidates: ReadonlyArray<A>
): Either.Either<ReadonlyArray<A>, ResolverFailure> =>
  candidates.length > 0
    ? Either.right(candidates)
    : Either.left(fail(name, "no_open_access", "it knows no free copy"))

/** The DOI in a text, in its one spelling, for comparing; the text in lower case where it has none, or several. */
export const bareDoi = (text: string): string => Either.getOrElse(doi(text), () => text.trim().toLowerCase())

/** Whether a service's answer is about the DOI that was asked for. */
export const sameDoi = (a: string, b: string): boolean => bareDoi(a) === bareDoi(b)
