// Loaded before the program: every queue it opens is on a disk that has no page left.
import { createRequire } from "node:module"

const Database = createRequire(import.meta.url)("better-sqlite3")
const { prepare } = Database.prototype
const limited = new WeakSet()

Database.prototype.prepare = function (text) {
  // From the first change on: opening it and looking at it takes no page.
  if (!limited.has(this) && text.startsWith("BEGIN IMMEDIATE")) {
    limited.add(this)
    const pages = this.pragma("page_count", { simple: true })
    this.pragma(`max_page_count = ${pages}`)
  }
  return prepare.call(this, text)
}
