/**
 * From settings and the environment to the resolvers of a run: each built, with its credentials and what it lacks.
 */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { HttpService, HttpSettings } from "../http/Http.ts"
import * as HttpCache from "../http/HttpCache.ts"
import { isMail } from "../Setting.ts"
import type { Improve } from "./Definition.ts"
import * as Get from "./Get.ts"
import * as Identity from "./Identity.ts"
import type { FileKind } from "./Ranking.ts"
import { type Definition, find, Sections } from "./Registry.ts"
import { type Resolver, ResolverFailure } from "./Resolver.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** The configuration's sections, as far as resolving needs them. */
export interface ResolversSettings {
  readonly http: Pick<HttpSettings, "contact" | "user_agent"> & {
    readonly max_retry_after_seconds: number
    readonly refusal_wait_seconds: number
    readonly cache: HttpCache.CacheSettings
  }
  readonly download: { readonly kinds: ReadonlyArray<FileKind> }
  readonly resolvers: Sections
}

/** A resolver as a run has it. */
export interface Member {
  readonly resolver: Resolver
  /** How long a question may take. */
  readonly timeoutMs: number
  /** What it can't be asked without and isn't there, as the failure that says so. */
  readonly lacks?: ResolverFailure | undefined
  /** Its way to ask its service, for one question; `nextRequest` goes before each request. */
  readonly ask: (nextRequest: Effect.Effect<void, ResolverFailure>) => Get.Asking
  /** Who is asked, and as whom, for what is remembered of that; says nothing by itself. */
  readonly account: string
  /** Whether a question may be answered by what earlier ones have left. */
  readonly remembers: boolean
  readonly improve: Improve
  /** Keeps what says who asks, whoever it is that is asked, out of what comes of an answer. */
  readonly confidential: Identity.Confidential
}

// ---------------------------------------------------------------------------------------------------------------
// Constructors
// ---------------------------------------------------------------------------------------------------------------

/** The names in `order` that are enabled: what a job's first lane is chosen from. */
export const enabledOrder = ({ resolvers }: Pick<ResolversSettings, "resolvers">): ReadonlyArray<string> =>
  resolvers.order.filter((name) => resolvers[name].enabled)

/** A member around a resolver that asks nobody, or in its own way. */
export const plain = (resolver: Resolver, timeoutMs: number): Member => ({
  resolver,
  timeoutMs,
  ask: () => ({
    get: () => Effect.die(`${resolver.name} has no service to ask`),
    keep: Effect.void,
    forget: Effect.void
  }),
  account: resolver.name,
  remembers: false,
  improve: (candidate) => candidate,
  confidential: Identity.confidential([])
})

const decodeSections = Schema.decodeUnknownEither(Sections)

/** What the environment says of who asks. */
const environment = Effect.map(
  Effect.forEach(Identity.VARIABLES, (name) =>
    Effect.map(Identity.variable(name), (value) => [name, value] as const)
  ),
  (variables): Readonly<Record<string, string | undefined>> => Object.fromEntries(variables)
)

/** The settings with what the environment and the contact say where they are silent. */
const withInherited = (
  { http, resolvers }: ResolversSettings,
  env: Effect.Effect.Success<typeof environment>
): Sections => {
  const sections: Record<string, unknown> = { ...resolvers }
  for (const { path, value } of Identity.inherited(resolvers, http.contact, env)) {
    const [name, key] = path
    sections[name] = Object.assign({}, sections[name], { [key]: value })
  }
  return Either.getOrElse(decodeSections(sections), () => resolvers)
}

/** The value of a setting by its name. */
const valueOf = (section: object, key: string): unknown => Reflect.get(section, key)

/** What the resolver can't be asked without and isn't there. */
const lack = (
  definition: Definition,
  section: object,
  secret: Option.Option<unknown>
): string | undefined => {
  const missing = definition.fallbacks.find(
    ({ key, needed }) => needed === true && valueOf(section, key) === null
  )
  if (missing !== undefined) {
    const { env, key } = missing
    return `it needs your mail address; set resolvers.${definition.name}.${key}, ${env} or http.contact`
  }
  return definition.credential?.needed === true && Option.isNone(secret)
    ? `it needs a key; set ${definition.credential.env}`
    : undefined
}

/** Where what a service is told of who asks is from, in words. */
const toldBy = ({ credential, fallbacks, name }: Definition, secret: Option.Option<unknown>) => {
  const mail = fallbacks.find(({ contact }) => contact === true)
  return mail === undefined || Option.isSome(secret)
    ? credential?.env
    : `resolvers.${name}.${mail.key}, ${mail.env} or http.contact`
}

/** The mail addresses in a resolver's section. */
const addresses = ({ fallbacks }: Definition, section: object): ReadonlyArray<string> =>
  fallbacks
    .filter(({ contact }) => contact === true)
    .map(({ key }) => valueOf(section, key))
    .filter((text) => typeof text === "string")

/** The same for the same, and not to be read back. */
const accountOf = (parts: ReadonlyArray<string>): string =>
  createHash("sha256").update(parts.join(" ")).digest("base64url").slice(0, 16)

/** The enabled resolvers in their order. */
export const make = (settings: ResolversSettings, http: HttpService): Effect.Effect<ReadonlyArray<Member>> =>
  Effect.gen(function* () {
    const env = yield* environment
    const sections = withInherited(settings, env)
    const cache = yield* HttpCache.make(settings.http)
    const definitions = enabledOrder({ resolvers: sections }).flatMap((name) => find(name) ?? [])
    for (const { variable, why } of Identity.unusable(definitions, env)) {
      yield* Effect.logWarning(`${variable} ${why}; it isn't used`)
    }
    const enabled = yield* Effect.forEach(definitions, (definition) =>
      Effect.map(Identity.secretOf(definition), (secret) => ({
        definition,
        section: sections[definition.name],
        secret: Option.map(secret, Redacted.value)
      }))
    )
    const { contact } = settings.http
    const confidential = Identity.confidential([
      // Every request says it, in its User-Agent.
      ...(contact !== null && isMail(contact) ? [contact] : []),
      ...enabled.flatMap(({ definition, secret, section }) => [
        ...addresses(definition, section),
        ...Option.toArray(secret)
      ])
    ])
    return enabled.map(({ definition, secret, section }): Member => {
      const { credential, name } = definition
      const lacks = lack(definition, section, secret)
      return {
        resolver: definition.build(sections),
        timeoutMs: section.timeout_seconds * 1000,
        lacks:
          lacks === undefined
            ? undefined
            : new ResolverFailure({ outcome: "config_error", message: `${name}: ${lacks}` }),
        ask: (nextRequest) =>
          Get.make(http, cache, {
            name,
            baseUrl: section.base_url,
            headers: Option.match(secret, {
              onNone: () => ({}),
              onSome: (value) => credential?.header(value) ?? {}
            }),
            maxRetryAfterSeconds: settings.http.max_retry_after_seconds,
            refusalWaitSeconds: settings.http.refusal_wait_seconds,
            saysWhoAsks: confidential.hides,
            told: toldBy(definition, secret),
            nextRequest
          }),
        account: `${name} ${accountOf([section.base_url, ...Option.toArray(secret)])}`,
        remembers: settings.http.cache.enabled,
        improve: definition.improve(sections),
        confidential
      }
    })
  })
