/**
 * The proxies that the environment names, and connections through them.
 *
 * What is asked for over `http` is sent to the proxy itself, which many let nobody tunnel; `https` goes through a tunnel.
 * That a proxy fails or refuses is told apart from the host's own answers, and never with the proxy's credentials.
 */
import * as Either from "effect/Either"
import { type Agent, type buildConnector, type Dispatcher, EnvHttpProxyAgent, Pool } from "undici"
import { proxyFailed, proxyRefused } from "./HttpError.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** For which URLs which proxy is asked. At least one is there. */
export interface Proxies {
  readonly http: URL | undefined
  /** Left out: `http` is asked for all. */
  readonly https: URL | undefined
  /** Hosts that are asked without, as NO_PROXY has them. */
  readonly except: string
}

type Env = Readonly<Record<string, string | undefined>>

// ---------------------------------------------------------------------------------------------------------------
// The environment
// ---------------------------------------------------------------------------------------------------------------

const SCHEMES = new Set(["http:", "https:", "socks:", "socks5:"])

/** What is named without a scheme is an HTTP proxy, as everywhere. */
const parse = (value: string): URL | undefined => {
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`
  if (!URL.canParse(text)) return undefined
  const { hostname, host, password, protocol, username } = new URL(text)
  if (!SCHEMES.has(protocol) || hostname === "") return undefined
  try {
    decodeURIComponent(`${username}${password}`)
  } catch {
    return undefined
  }
  const credentials = username === "" ? "" : `${username}:${password}@`
  return new URL(`${protocol}//${credentials}${host}`)
}

/** In lower case before upper case, also where it is empty. */
const nameOf = (env: Env, name: string): string => (env[name] === undefined ? name.toUpperCase() : name)

/**
 * The proxies of `http_proxy`, `https_proxy` and `no_proxy`, in either case; `undefined`: none. Else, in words, which variable
 * isn't understood; not what is in it, for that may be a password.
 */
export const fromEnv = (env: Env): Either.Either<Proxies | undefined, string> =>
  Either.gen(function* () {
    const read = (lower: string): Either.Either<URL | undefined, string> => {
      const name = nameOf(env, lower)
      const value = env[name]?.trim() ?? ""
      if (value === "") return Either.right(undefined)
      return Either.fromNullable(
        parse(value),
        () => `${name} is not the URL of a proxy, such as http://proxy.example.org:3128`
      )
    }
    const [http, https] = [yield* read("http_proxy"), yield* read("https_proxy")]
    const except = env[nameOf(env, "no_proxy")] ?? ""
    return http === undefined && https === undefined ? undefined : { http, https, except }
  })

// ---------------------------------------------------------------------------------------------------------------
// Connections
// ---------------------------------------------------------------------------------------------------------------

const DEFAULT_PORTS: Readonly<Record<string, string>> = { "http:": "80", "https:": "443" }

/** By which a proxy is told of. */
const nameOfProxy = ({ hostname, port, protocol }: URL): string =>
  `${hostname}:${port === "" ? (DEFAULT_PORTS[protocol] ?? "1080") : port}`

/** What a tunnel that wasn't opened is told with. */
const TUNNEL = /^Proxy response \((\d{3})\)/

type Told = (error: Error) => Error

/** Tells of what goes wrong with a connection as `told` says. */
const telling =
  (connect: buildConnector.connector, told: Told): buildConnector.connector =>
  (options, callback) =>
    connect(options, (error, socket) =>
      error === null ? callback(null, socket) : callback(told(error), null)
    )

/** What a tunnel fails with that isn't the host's. */
const ofTunnel =
  (proxy: string): Told =>
  (error) => {
    const status = TUNNEL.exec(error.message)?.[1]
    if (status !== undefined) return proxyRefused(proxy, Number(status))
    // It hung up: undici would ask again and again.
    return "code" in error && error.code === "UND_ERR_SOCKET" ? proxyFailed(proxy, error) : error
  }

const isConnector = (connect: unknown): connect is buildConnector.connector => typeof connect === "function"

/** Connections by these options, through the proxies. `toProxy`: how they themselves are connected to. */
export const agent = (
  { except, http, https }: Proxies,
  options: Agent.Options,
  toProxy: buildConnector.BuildOptions
): Dispatcher => {
  /** A pool of connections, to a proxy or through one. */
  const pool = (origin: string | URL, own: Pool.Options): Dispatcher => {
    const proxy = [http, https].find((each) => each?.href === String(origin))
    const { connect } = own
    if (!isConnector(connect)) return new Pool(origin, own)
    if (proxy !== undefined) {
      const name = nameOfProxy(proxy)
      return new Pool(origin, {
        ...options,
        connect: telling(connect, (error) => proxyFailed(name, error))
      })
    }
    const asked = new URL(origin).protocol === "https:" ? (https ?? http) : http
    return new Pool(origin, {
      ...own,
      connect: asked === undefined ? connect : telling(connect, ofTunnel(nameOfProxy(asked)))
    })
  }
  return new EnvHttpProxyAgent({
    ...options,
    httpProxy: http?.href ?? "",
    httpsProxy: https?.href ?? "",
    noProxy: except,
    proxyTunnel: false,
    proxyTls: toProxy,
    clientFactory: pool,
    factory: pool
  })
}
