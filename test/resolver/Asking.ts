/**
 * A resolver asked over real HTTP: its service is a local origin, and every request it makes is recorded with its
 * headers.
 */
import { readFileSync } from "node:fs"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type { Artifact } from "../../src/Artifact.ts"
import { Settings } from "../../src/config/Settings.ts"
import type * as Behaviour from "../../src/demo/Behaviour.ts"
import * as Origin from "../../src/demo/Origin.ts"
import * as Http from "../../src/http/Http.ts"
import type { Candidate } from "../../src/resolver/Candidate.ts"
import * as Members from "../../src/resolver/Members.ts"
import type { Name } from "../../src/resolver/Registry.ts"
import { type Known, NOTHING, type ResolverFailure } from "../../src/resolver/Resolver.ts"

/** The bytes of a sample. */
export const sample = (file: string): string =>
  readFileSync(new URL(`../fixtures/samples/${file}`, import.meta.url), "utf8")

export interface Sent {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

/** Http that keeps what was sent. */
export const recording = (http: Http.HttpService) => {
  const sent: Array<Sent> = []
  const open: Http.HttpService["open"] = (url, headers = {}) => {
    const { answer, close } = http.open(url, headers)
    const recorded = Effect.suspend(() => {
      sent.push({ url, headers })
      return answer
    })
    return { answer: recorded, close }
  }
  const service: Http.HttpService = { open, get: Http.scoped(open) }
  return { sent, service }
}

export interface Options {
  readonly artifact?: Omit<Artifact, "id" | "urls">
  readonly known?: Partial<Known>
  /** Keys of the resolver's section. */
  readonly section?: Readonly<Record<string, unknown>>
  readonly env?: Readonly<Record<string, string>>
  readonly contact?: string | null
}

export interface Asked {
  readonly result: Either.Either<ReadonlyArray<Candidate>, ResolverFailure>
  readonly sent: ReadonlyArray<Sent>
  readonly member: Members.Member
  /** The paths that were asked for, by the origin. */
  readonly paths: ReadonlyArray<string>
  /** A text with the local addresses put back to those of the service. */
  readonly documented: (text: string) => string
}

const defaults = Schema.decodeSync(Settings)({})
const decode = Schema.decodeUnknownSync(Settings)

/** The addresses in a resolver's section, each as a host of the origin. */
const addressesOf = (name: Name): ReadonlyArray<readonly [key: string, url: string, host: string]> =>
  Object.entries(defaults.resolvers[name]).flatMap(([key, value]) =>
    typeof value === "string" && value.startsWith("https://")
      ? [[key, value, `${key.replaceAll("_", "-")}.test`] as const]
      : []
  )

/** Asks the resolver of this name, whose services all behave so. */
export const ask = (name: Name, behaviour: Behaviour.Behaviour, options: Options = {}) =>
  Effect.gen(function* () {
    const addresses = addressesOf(name)
    const hosts = Object.fromEntries(addresses.map(([, , host]) => [host, behaviour]))
    const origin = yield* Origin.make({ hosts })
    const settings = decode({
      http: {
        contact: options.contact === undefined ? "someone@example.org" : options.contact,
        resolve: origin.resolve,
        first_byte_timeout_seconds: 2,
        idle_timeout_seconds: 2
      },
      resolvers: {
        order: [name],
        [name]: {
          ...Object.fromEntries(addresses.map(([key, , host]) => [key, origin.url(host, "/")])),
          ...options.section
        }
      }
    })
    const { sent, service } = recording(yield* Http.make(settings.http))
    const [member] = yield* Members.make(settings, service).pipe(
      Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(options.env ?? {}))))
    )
    if (member === undefined) return yield* Effect.dieMessage(`${name} isn't enabled`)
    const result = yield* member.resolver
      .resolve({
        artifact: { id: "x", urls: [], ...options.artifact },
        known: { ...NOTHING, ...options.known },
        get: member.ask(Effect.void).get
      })
      .pipe(Effect.either)
    const documented = (text: string) =>
      addresses.reduce(
        (rest, [, url, host]) => rest.replaceAll(`http://${host}:${origin.port}`, url.replace(/\/$/, "")),
        text
      )
    const asked: Asked = {
      result,
      sent,
      member,
      paths: (yield* origin.log).map(({ path }) => path),
      documented
    }
    return asked
  }).pipe(Effect.scoped)
