/**
 * A local world of hosts to download from: one HTTP server on loopback addresses, with a behaviour for each host.
 *
 * It listens on loopback only, on one port for all its addresses, and tells hosts apart by the Host header. It
 * records every request, so that politeness can be checked from the server's side. When its scope ends, every
 * connection is closed, also one that waits or stalls.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { Socket } from "node:net"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Behaviour from "./Behaviour.ts"
import * as Exchange from "./Exchange.ts"
import * as OriginFile from "./OriginFile.ts"
import * as Reply from "./Reply.ts"
import * as Traffic from "./Traffic.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** What hosts do, by their names. */
export type Hosts = Readonly<Record<string, Behaviour.Behaviour>>

export interface OriginOptions {
  /** Loopback addresses to listen on, at least one. Default `127.0.0.1` alone. */
  readonly addresses?: ReadonlyArray<string>
  /** Default 0: one that is free on all the addresses, chosen by the system. */
  readonly port?: number
  /**
   * What each host does, by name without a port; an address is a name too. Or what makes it from the origin's port,
   * where answers name URLs of the origin.
   */
  readonly hosts?: Hosts | ((port: number) => Hosts)
  /** What every other host does. Default: `files()`. */
  readonly otherwise?: Behaviour.Behaviour
}

// ---------------------------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------------------------

/**
 * The origin can't listen.
 * - `taken`: something else listens on that address and port.
 * - `unavailable`: the address is no loopback address, isn't there, or the port isn't allowed.
 */
export class OriginError extends Data.TaggedError("OriginError")<{
  readonly reason: "taken" | "unavailable"
  readonly message: string
}> {}

// ---------------------------------------------------------------------------------------------------------------
// Service
// ---------------------------------------------------------------------------------------------------------------

export interface OriginService {
  readonly port: number
  readonly addresses: ReadonlyArray<string>
  /** The URL of a path on a host, with the origin's port. */
  readonly url: (host: string, path: string) => string
  /** The configured hosts that are names, each with the address to connect to. */
  readonly resolve: Readonly<Record<string, string>>
  /** What a download of a file has to come to, whatever stands between: computed, nothing is asked. */
  readonly expected: (host: string, path: string) => OriginFile.Expected
  /** Every request so far, in the order of arrival. */
  readonly log: Effect.Effect<ReadonlyArray<Traffic.Seen>>
  /** The requests so far by host, only hosts that had any. */
  readonly stats: Effect.Effect<Readonly<Record<string, Traffic.HostStats>>>
}

export class Origin extends Context.Tag("contentdownload/demo/Origin")<Origin, OriginService>() {}

// ---------------------------------------------------------------------------------------------------------------
// Constructors and layers
// ---------------------------------------------------------------------------------------------------------------

/** Starts an origin, which stops with the scope. Delays and times are those of Effect's Clock. */
export const make = Effect.fn("Origin.make")(function* (
  options: OriginOptions = {}
): Effect.fn.Return<OriginService, OriginError, Scope.Scope> {
  const addresses = options.addresses ?? ["127.0.0.1"]
  if (addresses.length === 0) {
    return yield* new OriginError({ reason: "unavailable", message: "no address to listen on" })
  }
  const otherwise = options.otherwise ?? Behaviour.files()
  const behaviours = new Map<string, Behaviour.Behaviour>()
  const behaviourOf = (host: string) => behaviours.get(host) ?? otherwise
  const memories = new Map<string, Reply.Memory>()
  const memoryOf = (host: string) => {
    const memory = memories.get(host) ?? Reply.emptyMemory()
    memories.set(host, memory)
    return memory
  }
  const traffic = Traffic.make()
  const clock = yield* Effect.clock
  const fork = yield* FiberSet.makeRuntime()
  // A client that leaves is seen at the end of its socket's input, a moment before the answer is given up.
  const open = new WeakMap<Socket, Traffic.Entry>()
  const left = (socket: Socket) => {
    const entry = open.get(socket)
    if (entry !== undefined) traffic.leave(entry, clock.unsafeCurrentTimeMillis())
  }

  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const at = clock.unsafeCurrentTimeMillis()
    const host = hostName(request)
    const path = request.url ?? "/"
    const entry = traffic.arrive({
      host,
      path,
      method: request.method ?? "GET",
      startedAt: at,
      headers: headersOf(request)
    })
    const { socket } = request
    open.set(socket, entry)
    // An answer that can't be written is one whose client left, which `close` tells.
    response.on("error", () => undefined)
    request.resume()
    const reply = Reply.make(
      behaviourOf(host),
      { host, path, at, port: socket.localPort ?? 0, headers: entry.headers },
      memoryOf(host)
    )
    const fiber = fork(Exchange.serve(reply, { entry, traffic, request, response }))
    response.once("close", () => {
      traffic.leave(entry, clock.unsafeCurrentTimeMillis())
      if (fiber.unsafePoll() === null) fiber.unsafeInterruptAsFork(FiberId.none)
    })
  }

  const port = yield* listenAll(addresses, options.port ?? 0, () => {
    const server = createServer({ keepAliveTimeout: 30_000 }, answer)
    server.on("connection", (socket: Socket) => {
      socket.once("end", () => left(socket))
      socket.once("error", () => left(socket))
    })
    return server
  })
  // Nobody can have asked yet: nobody knows the port.
  const hosts = typeof options.hosts === "function" ? options.hosts(port) : (options.hosts ?? {})
  for (const [name, behaviour] of Object.entries(hosts)) behaviours.set(name.toLowerCase(), behaviour)

  return {
    port,
    addresses,
    url: (host, path) => `http://${host.includes(":") ? `[${host}]` : host}:${port}${path}`,
    resolve: Object.fromEntries(
      [...behaviours.keys()].filter((name) => !isAddress(name)).map((name) => [name, addresses[0] ?? ""])
    ),
    expected: (host, path) =>
      OriginFile.expected(host, path, Reply.fileOptions(behaviourOf(host.toLowerCase()), path)),
    log: Effect.sync(traffic.log),
    stats: Effect.sync(traffic.stats)
  }
})

/** `make` as a layer. */
export const layer = (options: OriginOptions = {}): Layer.Layer<Origin, OriginError> =>
  Layer.scoped(Origin, make(options))

// ---------------------------------------------------------------------------------------------------------------
// Listening
// ---------------------------------------------------------------------------------------------------------------

/** Times another port is tried when the one the system chose for the first address is taken on a later one. */
const PORT_TRIES = 20

/** One server per address, all on one port, closed with the scope. Answers the port. */
const listenAll = (
  addresses: ReadonlyArray<string>,
  wanted: number,
  makeServer: () => Server
): Effect.Effect<number, OriginError, Scope.Scope> =>
  Effect.gen(function* () {
    let port = wanted
    for (const address of addresses) port = yield* listen(makeServer, address, port)
    return port
  }).pipe(
    inOwnScope,
    Effect.retry({ times: PORT_TRIES, while: (error) => wanted === 0 && error.reason === "taken" })
  )

/** What `self` acquires goes at once if it fails, else with the outer scope. */
const inOwnScope = <A, E>(self: Effect.Effect<A, E, Scope.Scope>): Effect.Effect<A, E, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const exit = yield* Effect.exit(restore(Scope.extend(self, scope)))
      yield* Exit.isSuccess(exit)
        ? Effect.addFinalizer((outer) => Scope.close(scope, outer))
        : Scope.close(scope, exit)
      return yield* exit
    })
  )

const listen = (makeServer: () => Server, address: string, port: number) =>
  isLoopback(address)
    ? Effect.map(
        Effect.acquireRelease(
          Effect.suspend(() => started(makeServer(), address, port)),
          closed
        ),
        (server) => {
          const bound = server.address()
          return bound === null || typeof bound === "string" ? port : bound.port
        }
      )
    : Effect.fail(new OriginError({ reason: "unavailable", message: `${address} is no loopback address` }))

const started = (server: Server, address: string, port: number) =>
  Effect.async<Server, OriginError>((resume) => {
    const refused = (error: NodeJS.ErrnoException) =>
      resume(
        new OriginError({
          reason: error.code === "EADDRINUSE" ? "taken" : "unavailable",
          message: `can't listen on ${address}, port ${port}: ${error.message}`
        })
      )
    server.once("error", refused)
    server.listen({ host: address, port, backlog: 1024 }, () => {
      server.off("error", refused)
      // From here on an error is a connection that couldn't be accepted, which its client notices.
      server.on("error", () => undefined)
      resume(Effect.succeed(server))
    })
  })

const closed = (server: Server) =>
  Effect.async<void>((resume) => {
    server.close(() => resume(Effect.void))
    server.closeAllConnections()
  })

// ---------------------------------------------------------------------------------------------------------------
// Names and addresses
// ---------------------------------------------------------------------------------------------------------------

/** The virtual host asked for: the Host header without its port, else the address connected to. */
const hostName = (request: IncomingMessage): string =>
  (request.headers.host ?? request.socket.localAddress ?? "")
    .toLowerCase()
    .replace(/:\d*$/, "")
    .replace(/^\[(.*)\]$/, "$1")

const headersOf = ({ headers }: IncomingMessage): Traffic.Seen["headers"] => ({
  range: headers.range ?? null,
  ifRange: typeof headers["if-range"] === "string" ? headers["if-range"] : null,
  ifNoneMatch: headers["if-none-match"] ?? null,
  ifModifiedSince: headers["if-modified-since"] ?? null,
  userAgent: headers["user-agent"] ?? null,
  acceptEncoding: typeof headers["accept-encoding"] === "string" ? headers["accept-encoding"] : null
})

const isAddress = (name: string) => /^[\d.]+$/.test(name) || name.includes(":")

const isLoopback = (address: string) => address === "::1" || /^127(?:\.\d{1,3}){3}$/.test(address)
