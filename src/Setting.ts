/**
 * A setting: a key of the configuration with what it may be, its default and what it does, in a form from which the
 * decoder, the messages, `config init` and the environment variables all follow.
 *
 * Sections are made of keys. Whatever part of the program has settings of its own describes them with these.
 */
import * as Schema from "effect/Schema"
import type { Kind } from "./config/Kinds.ts"

export {
  baseUrl,
  flag,
  integer,
  isMail,
  type Kind,
  mail,
  oneOf,
  orNull,
  positive,
  text
} from "./config/Kinds.ts"

/** The annotation that says in words what a key may be; used in refusals. */
export const Allowed: unique symbol = Symbol.for("contentdownload/config/allowed")

/** The annotation of values that say who someone is; `config show` masks them. */
export const Personal: unique symbol = Symbol.for("contentdownload/config/personal")

/** A key that may be left out: it then has its default. */
export const key = <A, I>(
  kind: Kind<A, I>,
  fallback: NoInfer<A>,
  description: string,
  annotations: { readonly [Personal]?: true } = {}
) =>
  Schema.optionalWith(
    kind.schema.annotations({
      title: kind.allowed,
      description,
      default: fallback,
      [Allowed]: kind.allowed,
      ...annotations
    }),
    { exact: true, default: () => fallback }
  )

/** A key of an entry that has no default of its own. */
export const optionalKey = <A, I>(kind: Kind<A, I>, description: string) =>
  Schema.optionalWith(
    kind.schema.annotations({ title: kind.allowed, description, [Allowed]: kind.allowed }),
    { exact: true }
  )

/** A section that may be left out: all its keys then have their defaults. */
export const section = <A, I>(schema: Schema.Schema<A, I>, description: string) => {
  const annotated = schema.annotations({ description })
  // An empty section always decodes, since every key has a default.
  const defaults = Schema.decodeUnknownSync(schema)
  return Schema.optionalWith(annotated, { exact: true, default: () => defaults({}) })
}
