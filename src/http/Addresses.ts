/**
 * Which addresses may be connected to: the public ones, and others only where whoever runs this has named them.
 *
 * It is the very address that is connected to that is looked at, after the name was looked up, so a name that changes its
 * address between two looks gains nothing.
 */
import { isIP } from "node:net"
import * as ipaddr from "ipaddr.js"

/**
 * Who named what is asked for. `configuration`: the settings, such as a service's base URL. `list`: the user's own
 * list. `server`: an answer, such as a redirect, a page's link or a service's.
 */
export type NamedBy = "configuration" | "list" | "server"

/** NAT64: the IPv4 address a network without IPv4 reaches is in its last four bytes (RFC 6052). */
const embedded = (address: ipaddr.IPv6): ipaddr.IPv4 => new ipaddr.IPv4(address.toByteArray().slice(12))

/** Whether an address is one of the public internet: not loopback, private, link-local, multicast or reserved. */
export const isPublic = (address: string): boolean => {
  if (!ipaddr.isValid(address)) return false
  // An IPv4 address in an IPv6 one counts as what it is.
  const parsed = ipaddr.process(address)
  if (parsed instanceof ipaddr.IPv6 && parsed.range() === "rfc6052")
    return embedded(parsed).range() === "unicast"
  return parsed.range() === "unicast"
}

/** The address a URL names itself, without a name service; `undefined` where it names a host. */
export const literal = (url: URL): string | undefined => {
  const host = url.hostname.replace(/^\[|\]$/g, "")
  return isIP(host) === 0 ? undefined : host
}
