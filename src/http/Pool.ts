/**
 * The connections of a program, and where they may lead: to public addresses, and to those the settings give to a name.
 */
import { type LookupAddress, lookup as systemLookup } from "node:dns"
import { isIP, type LookupFunction } from "node:net"
import { Agent, buildConnector, type Dispatcher } from "undici"
import { asciiHost } from "../Lane.ts"
import { isPublic } from "./Addresses.ts"
import type { HttpSettings } from "./Http.ts"
import { ADDRESS_REFUSED } from "./HttpError.ts"
import * as Proxies from "./Proxies.ts"

/** How long an idle connection is kept, whatever the server offers: idle sockets count as open files. */
const KEEP_ALIVE_MS = 4000
const KEEP_ALIVE_MAX_MS = 10_000

/** An answer's headers together. Some sites send policies and cookies far beyond Node's own 16 KiB. */
const MAX_HEADER_BYTES = 64 * 1024

/** Answers the address that the settings give to a name, if they do. */
type AddressOf = (hostname: string) => string | undefined

/** The addresses of `resolve` by names as URLs have them. */
const addressesOf = (resolve: HttpSettings["resolve"]): AddressOf => {
  const addresses = new Map(
    Object.entries(resolve).map(([name, address]) => [asciiHost(name) ?? name, address])
  )
  return (hostname) => addresses.get(asciiHost(hostname) ?? hostname)
}

/** Why there is no connection to an address that may not be asked. */
export const refusal = () => Object.assign(new Error("address refused"), { code: ADDRESS_REFUSED })

/**
 * Looks names up in the settings first; the name stays what TLS and the Host header say. Of what the name service says, the
 * public addresses count, so that others aren't even knocked at; `anywhere`: all.
 */
const lookupWith =
  (addressOf: AddressOf, anywhere: boolean): LookupFunction =>
  (hostname, options, callback) => {
    const answer = (addresses: ReadonlyArray<LookupAddress>) => {
      const [first] = addresses
      if (first === undefined) callback(refusal(), "", 0)
      else if (options.all === true) callback(null, [...addresses])
      else callback(null, first.address, first.family)
    }
    const address = addressOf(hostname)
    if (address !== undefined) answer([{ address, family: isIP(address) }])
    else if (anywhere) systemLookup(hostname, options, callback)
    else {
      systemLookup(hostname, { ...options, all: true }, (error, found) => {
        if (error === null) answer(found.filter((each) => isPublic(each.address)))
        else callback(error, "", 0)
      })
    }
  }

/** Connections; through proxies if there are any. A proxy connects for us, wherever it may. `anywhere`: to all addresses. */
export const make = (
  settings: HttpSettings,
  anywhere: boolean,
  proxies: Proxies.Proxies | undefined
): Dispatcher => {
  const addressOf = addressesOf(settings.resolve)
  const connecting = (toAny: boolean): buildConnector.BuildOptions => ({
    timeout: settings.connect_timeout_seconds * 1000,
    lookup: lookupWith(addressOf, toAny)
  })
  const options: Agent.Options = {
    connect: buildConnector(connecting(anywhere)),
    headersTimeout: settings.first_byte_timeout_seconds * 1000,
    bodyTimeout: settings.idle_timeout_seconds * 1000,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MAX_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
    pipelining: 1,
    allowH2: false
  }
  return proxies === undefined ? new Agent(options) : Proxies.agent(proxies, options, connecting(true))
}
