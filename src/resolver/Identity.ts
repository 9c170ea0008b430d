/**
 * Who asks: what resolvers take from the environment, and nowhere else.
 *
 * Mail addresses and the like are settings that the environment may stand in for. Secrets are no settings: they are
 * read here when the resolvers are built, kept redacted, and leave the process in a request's header only.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { isMail } from "../Setting.ts"
import { type Definition, REGISTRY } from "./Registry.ts"

// ---------------------------------------------------------------------------------------------------------------
// Settings the environment stands in for
// ---------------------------------------------------------------------------------------------------------------

/** A setting that has another value than its own. */
export interface Inherited {
  /** In the section `resolvers`: `["unpaywall", "email"]`. */
  readonly path: readonly [name: string, key: string]
  readonly value: string | number
  /** Where it is from: `env NAME`, or the setting. */
  readonly origin: string
}

type Environment = { readonly [name: string]: string | undefined }

const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined

const oneLine = (text: string | undefined): text is string => text !== undefined && /^[^\p{Cc}]+$/u.test(text)

const fromEnvironment = (definition: Definition, section: unknown, contact: unknown, env: Environment) =>
  definition.fallbacks.flatMap(({ contact: asMail, env: variable, key }): ReadonlyArray<Inherited> => {
    const own = field(section, key)
    if (own !== undefined && own !== null) return []
    const path = [definition.name, key] as const
    const given = env[variable]
    if (oneLine(given) && (asMail !== true || isMail(given))) {
      return [{ path, value: given, origin: `env ${variable}` }]
    }
    return asMail === true && typeof contact === "string" && isMail(contact)
      ? [{ path, value: contact, origin: "http.contact" }]
      : []
  })

const SETTINGS = { max: "max", rate: "rate_per_second", burst: "burst" } as const

/** What the service allows those who have its credential. */
const fromCredential = ({ credential, name }: Definition, section: unknown, env: Environment) => {
  const given = credential === undefined ? undefined : env[credential.env]
  if (credential?.limits === undefined || given === undefined || given === "") return []
  return Object.entries(credential.limits).flatMap(([limit, value]): ReadonlyArray<Inherited> => {
    const key = limit === "max" || limit === "rate" || limit === "burst" ? SETTINGS[limit] : undefined
    return key === undefined || field(section, key) !== undefined
      ? []
      : [{ path: [name, key], value, origin: `env ${credential.env}` }]
  })
}

/**
 * What the environment and `http.contact` say where the section `resolvers` is silent. `sections` is that section as it
 * was given, with what is left out left out.
 */
export const inherited = (sections: unknown, contact: unknown, env: Environment): ReadonlyArray<Inherited> =>
  REGISTRY.flatMap((definition: Definition) => {
    const section = field(sections, definition.name)
    return [
      ...fromEnvironment(definition, section, contact, env),
      ...fromCredential(definition, section, env)
    ]
  })

/** Every variable of the environment that says who asks. */
export const VARIABLES: ReadonlyArray<string> = REGISTRY.flatMap((definition: Definition) => [
  ...definition.fallbacks.map(({ env }) => env),
  ...(definition.credential === undefined ? [] : [definition.credential.env])
])

// ---------------------------------------------------------------------------------------------------------------
// Secrets
// ---------------------------------------------------------------------------------------------------------------

/** Whether it is a secret that a header can carry. */
export const isSendable = (secret: string): boolean => /^[!-~]+$/.test(secret.trim())

/** The variables of the environment that are set and can't be used, each with the reason in words. */
export const unusable = (
  definitions: ReadonlyArray<Definition>,
  env: Environment
): ReadonlyArray<{ readonly variable: string; readonly why: string }> =>
  definitions.flatMap(({ credential, fallbacks }) => {
    const mails = fallbacks.flatMap(({ contact, env: variable }) => {
      const given = env[variable] ?? ""
      return contact !== true || given === "" || (oneLine(given) && isMail(given))
        ? []
        : [{ variable, why: "is no mail address" }]
    })
    const secret = credential === undefined ? "" : (env[credential.env] ?? "")
    return credential === undefined || secret === "" || isSendable(secret)
      ? mails
      : [
          ...mails,
          { variable: credential.env, why: "is no key: it has blanks or signs that no header can have" }
        ]
  })

/** The credential of a resolver, if the environment has one that can be sent. */
export const secretOf = ({ credential }: Definition): Effect.Effect<Option.Option<Redacted.Redacted>> =>
  credential === undefined
    ? Effect.succeedNone
    : Effect.option(Config.redacted(Config.nonEmptyString(credential.env))).pipe(
        Effect.map(Option.map((secret) => Redacted.make(Redacted.value(secret).trim()))),
        Effect.map(Option.filter((secret) => isSendable(Redacted.value(secret))))
      )

/** The variable's value, if it has one. */
export const variable = (name: string): Effect.Effect<string | undefined> =>
  Effect.map(Effect.option(Config.nonEmptyString(name)), Option.getOrUndefined)

/** What says who asks, to be kept out of everything that is written. */
export interface Confidential {
  readonly hides: (text: string) => boolean
  readonly hide: (text: string) => string
}

/** Hides these texts, as they are and as they stand in URLs. */
export const confidential = (texts: ReadonlyArray<string>): Confidential => {
  // A short one would be found everywhere; nobody's secret is that short.
  const all = [...new Set(texts.flatMap((text) => [text, encodeURIComponent(text)]))].filter(
    (text) => text.length >= 4
  )
  return {
    hides: (text) => all.some((each) => text.includes(each)),
    hide: (text) => all.reduce((rest, each) => rest.replaceAll(each, "***"), text)
  }
}
