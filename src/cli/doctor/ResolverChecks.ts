/**
 * Whether the services that are to be asked can be: contact address, credentials, and, if that is wanted, the network.
 */
import * as Effect from "effect/Effect"
import type { Settings } from "../../Config.ts"
import { Http, layer as layerHttp } from "../../http/Http.ts"
import * as Identity from "../../resolver/Identity.ts"
import { find, isName, type Name } from "../../resolver/Registry.ts"
import { cut } from "../Text.ts"
import { error, type Finding, note, ok, warning } from "./Finding.ts"

type Env = { readonly [name: string]: string | undefined }

/** The resolvers that are to be asked, first to last. */
const asked = ({ resolvers }: Settings): ReadonlyArray<Name> =>
  resolvers.order.filter((name): name is Name => isName(name) && resolvers[name].enabled)

/** The variable of the key that a resolver would have and hasn't. */
const keyless = (name: Name, env: Env): { readonly env: string; readonly needed: boolean } | undefined => {
  const credential = find(name)?.credential
  return credential === undefined || Identity.isSendable(env[credential.env] ?? "") ? undefined : credential
}

/** Why a resolver isn't asked at all; `undefined` when it is. */
const leftOut = (name: Name, settings: Settings, env: Env): Finding | undefined => {
  const key = keyless(name, env)
  if (key?.needed === true) {
    return note("resolver", `${name} isn't asked: it needs a key`, `set ${key.env}, if you have one`)
  }
  const own: object = settings.resolvers[name]
  const missing = find(name)?.fallbacks.find((fallback) => {
    const value: unknown = Reflect.get(own, fallback.key)
    return fallback.needed === true && (value === null || value === undefined || value === "")
  })
  if (missing === undefined) return undefined
  const what = missing.contact === true ? "a contact address" : missing.key
  const contact = missing.contact === true ? "http.contact to a mail address, or " : ""
  return note("resolver", `${name} isn't asked: it needs ${what}`, `set ${contact}${missing.env}`)
}

/** The findings on contact, credentials and the order of resolvers. */
export const resolverFindings = (settings: Settings, env: Env): ReadonlyArray<Finding> => {
  const names = asked(settings)
  const out = names.flatMap((name) => leftOut(name, settings, env) ?? [])
  const slower = names.flatMap((name) => {
    const key = keyless(name, env)
    return key === undefined || key.needed ? [] : [`${name} (${key.env})`]
  })
  return [
    settings.http.contact === null
      ? warning(
          "settings",
          "there is no contact address: hosts that have trouble with us can only block us",
          "set http.contact to a mail address or a URL"
        )
      : ok("settings", "a contact address is set"),
    names.length === 0
      ? note("resolver", "none is asked: only URLs can be downloaded", "see resolvers.order and enabled")
      : ok("resolver", `${names.length - out.length} of ${names.length} are set up`),
    ...Identity.unusable(
      names.flatMap((name) => find(name) ?? []),
      env
    ).map(({ variable, why }) => warning("resolver", `${variable} ${why}`, "correct it, or leave it out")),
    ...out,
    ...(slower.length === 0
      ? []
      : [note("resolver", `asked without a key, which some allow less: ${slower.join(", ")}`)])
  ]
}

/** Times are short: this is a look, not a download. */
const TIMEOUT = "15 seconds"

const reach = (name: Name, url: string) =>
  Effect.gen(function* () {
    const http = yield* Http
    const { discard, status } = yield* http.get(url, {}, "configuration")
    yield* discard
    return status >= 500
      ? warning(
          "resolver",
          `${name} answers ${status} at ${cut(url, 100)}`,
          "try again later; jobs go on to the next resolver"
        )
      : ok("resolver", `${name} answers`)
  }).pipe(
    Effect.scoped,
    Effect.timeoutFail({ duration: TIMEOUT, onTimeout: () => ({ message: `no answer in ${TIMEOUT}` }) }),
    Effect.catchAll((failure) =>
      Effect.succeed(
        error(
          "resolver",
          `${name} can't be reached at ${cut(url, 100)}: ${cut(failure.message, 200)}`,
          "check the network, the name service and any proxy or firewall"
        )
      )
    )
  )

/** Asks each service that is to be asked for a sign of life: one request each, to its base address. */
export const onlineFindings = (settings: Settings, env: Env) => {
  const remote = asked(settings).filter((name) => find(name)?.build(settings.resolvers).remote === true)
  return Effect.forEach(remote, (name) => reach(name, settings.resolvers[name].base_url), {
    concurrency: 4
  }).pipe(Effect.provide(layerHttp(settings.http, { env })))
}
