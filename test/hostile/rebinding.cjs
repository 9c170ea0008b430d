// Loaded before the program: names whose addresses change. `rebind.test` is a public host the first time it is looked up,
// and this machine ever after; `both.test` is both at once, and nobody answers at its public address.
"use strict"
const dns = require("node:dns")
const { isIP } = require("node:net")
const { syncBuiltinESMExports } = require("node:module")

const looks = new Map()

const addressesOf = (name) => {
  if (name === "both.test") return ["93.184.216.35", "127.0.0.1"]
  const before = looks.get(name) ?? 0
  looks.set(name, before + 1)
  return [before === 0 ? "93.184.216.34" : "127.0.0.1"]
}

dns.lookup = (name, options, callback) => {
  const found = addressesOf(name).map((address) => ({ address, family: isIP(address) }))
  if (options.all === true) process.nextTick(callback, null, found)
  else process.nextTick(callback, null, found[0].address, found[0].family)
}
syncBuiltinESMExports()
