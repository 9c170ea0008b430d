/** Imports run one way: the edges know the contracts, and the contracts know neither each other's edges nor a driver. */
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "@effect/vitest"

const SRC = fileURLToPath(new URL("../../src", import.meta.url))

interface Import {
  readonly from: string
  /** A path inside src, or a package. */
  readonly to: string
}

const IMPORT = /(?:from|import\()\s*"([^"]+)"/g

const imports: ReadonlyArray<Import> = readdirSync(SRC, { recursive: true, encoding: "utf8" })
  .filter((name) => /\.c?ts$/.test(name))
  .flatMap((from) =>
    Array.from(readFileSync(join(SRC, from), "utf8").matchAll(IMPORT), ([, target = ""]) => ({
      from,
      to: target.startsWith(".") ? relative(SRC, resolve(SRC, dirname(from), target)) : target
    }))
  )

/** The part of the house a module stands in: a folder, a folder of a store, or the contracts at the top. */
const partOf = (path: string): string => {
  const folders = dirname(path).split("/")
  if (folders[0] === ".") return "contracts"
  return folders[0] === "store" ? folders.slice(0, 2).join("/") : (folders[0] ?? "")
}

/** What each part may import besides itself. The entry modules may import everything they lead to. */
const ALLOWED: Readonly<Record<string, ReadonlyArray<string>>> = {
  contracts: ["artifact", "config", "queue", "scheduler", "telemetry", "worker"],
  queue: ["contracts"],
  worker: ["contracts"],
  telemetry: ["contracts"],
  scheduler: ["contracts", "worker"],
  artifact: ["contracts"],
  // The settings of resolvers stand in their files.
  config: ["contracts", "resolver"],
  http: ["contracts", "telemetry"],
  // Identifiers are read in one way, wherever they stand.
  resolver: ["contracts", "artifact", "http"],
  download: ["contracts", "artifact", "resolver", "http", "pdf", "robots"],
  pdf: ["contracts"],
  robots: ["http"],
  demo: [],
  testing: ["contracts", "store/memory"],
  "store/memory": ["contracts"],
  "store/sqlite": ["contracts"],
  cli: ["contracts", "artifact", "config", "demo", "download", "http", "resolver", "store/sqlite"]
}

const inside = imports.filter(({ from, to }) => /\.c?ts$/.test(to) && !["bin.cts", "index.ts"].includes(from))

describe("the house", () => {
  it("has a rule for each of its parts, and no other", () => {
    const modules = imports.filter(({ from }) => !["bin.cts", "index.ts"].includes(from))
    expect([...new Set(modules.map(({ from }) => partOf(from)))].toSorted()).toEqual(
      Object.keys(ALLOWED).toSorted()
    )
  })

  it("imports one way", () => {
    const wrong = inside.filter(({ from, to }) => {
      const [part, target] = [partOf(from), partOf(to)]
      return part !== target && !(ALLOWED[part] ?? []).includes(target)
    })
    expect(wrong).toEqual([])
  })

  it("keeps SQL in the stores and HTTP where it is spoken", () => {
    const homes: ReadonlyArray<readonly [RegExp, RegExp]> = [
      [/^(?:@effect\/sql|better-sqlite3)/, /^store\/sqlite\//],
      [/^undici$/, /^http\//],
      [/^node:https?$/, /^(?:demo|cli\/telemetry|http)\//],
      [/^@effect\/(?:cli|printer)/, /^cli\//],
      [/^@effect\/platform-node/, /^cli\//]
    ]
    const astray = imports.filter(({ from, to }) =>
      homes.some(([what, home]) => what.test(to) && !home.test(from))
    )
    expect(astray).toEqual([])
  })

  it("takes Schema from effect, and modules one by one so that the program starts fast", () => {
    expect(imports.filter(({ to }) => to === "@effect/schema" || to === "effect")).toEqual([])
    expect(imports.filter(({ to }) => to === "@effect/platform-node")).toEqual([])
  })
})
