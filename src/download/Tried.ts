/** What was tried for a job and led to nothing. */
import * as Schema from "effect/Schema"

/**
 * A candidate, or a resolver where `url` is `null`, that led to nothing. `retry`: it may do later. `wait`: it asks to be
 * left alone until `not_before`.
 */
export const Tried = Schema.Struct({
  url: Schema.NullOr(Schema.String),
  resolver: Schema.String,
  class: Schema.Literal("retry", "wait", "try-next", "skip"),
  reason: Schema.String,
  message: Schema.String,
  /** The other side asked not to be tried before this time. */
  not_before: Schema.optionalWith(Schema.Int, { exact: true })
})
export type Tried = typeof Tried.Type

/** Whether it is worth another try. */
export const mayPass = (tried: Tried): boolean => tried.class === "retry" || tried.class === "wait"

/** How many tries a message names. */
const NAMED = 5

/** One line for a person. */
export const describe = (tried: ReadonlyArray<Tried>): string => {
  const [only] = tried
  if (only !== undefined && tried.length === 1) {
    return only.url === null ? only.message : `${only.url}: ${only.message}`
  }
  const named = tried.slice(0, NAMED).map(({ reason, resolver, url }) => `${url ?? resolver}: ${reason}`)
  return [...named, ...(tried.length > NAMED ? [`and ${tried.length - NAMED} more`] : [])].join("; ")
}
