/**
 * The effective settings: defaults, then the file, then the environment, then the options of the command line.
 *
 * What they hold is merged first and decoded once, so a value is judged in the light of all the others, and every
 * mistake is found in one go. Whoever reads a setting gets it from this service, already checked.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { enclosingKey, findKey, findSection, formatPath, keys, type Path } from "./config/Keys.ts"
import { nearest } from "./config/Nearest.ts"
import { inherited } from "./config/Resolvers.ts"
import { BUILT_IN_HOSTS, Settings } from "./config/Settings.ts"
import * as Source from "./config/Source.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

export { Settings } from "./config/Settings.ts"
export type { Flag } from "./config/Source.ts"

/** The file that is read when none is named, if it is there. */
export const DEFAULT_FILE = "contentdownload.yaml"

/** Settings, and where each came from. */
export interface Loaded {
  readonly settings: Settings
  /** By path, as people write it: `default`, `file`, `env NAME` or `flag --x`. */
  readonly origins: { readonly [path: string]: string }
  /** The file that was read; `null` when there was none. */
  readonly file: string | null
}

/** What to load from. */
export interface Sources {
  /** The file to read. Left out: what `CONTENTDOWNLOAD_CONFIG` names, else `contentdownload.yaml` if it is there. */
  readonly file?: string | undefined
  /** Default: no variables. */
  readonly env?: { readonly [name: string]: string | undefined } | undefined
  /** Default: none. */
  readonly flags?: ReadonlyArray<Source.Flag> | undefined
}

// ---------------------------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------------------------

/** The settings can't be used; one issue for each that is wrong. */
export class ConfigError extends Data.TaggedError("ConfigError")<{
  readonly issues: ReadonlyArray<Source.Issue>
}> {
  override get message() {
    return this.issues.map((issue) => issue.message).join("\n")
  }
}

// ---------------------------------------------------------------------------------------------------------------
// Service
// ---------------------------------------------------------------------------------------------------------------

/** The settings of the program, with where they came from. */
export class Config extends Context.Tag("contentdownload/Config")<Config, Loaded>() {}

// ---------------------------------------------------------------------------------------------------------------
// Merging
// ---------------------------------------------------------------------------------------------------------------

type Merged = Map<string, Merged | Source.Entry>

/** Lays entries over each other: the last one of a path wins, and takes the place of whatever stood below it. */
const merge = (entries: ReadonlyArray<Source.Entry>): Merged => {
  const root: Merged = new Map()
  for (const entry of entries) {
    let node = root
    for (const part of entry.path.slice(0, -1)) {
      const next = node.get(part)
      if (next instanceof Map) node = next
      else {
        const created: Merged = new Map()
        node.set(part, created)
        node = created
      }
    }
    const last = entry.path.at(-1)
    if (last !== undefined) node.set(last, entry)
  }
  return root
}

const toRaw = (node: Merged): unknown =>
  Object.fromEntries(
    [...node].map(([name, child]) => [name, child instanceof Map ? toRaw(child) : child.value])
  )

/** The entry at a path, or the nearest one above or below it. */
const entryNear = (node: Merged, path: Path): Source.Entry | undefined => {
  let current: Merged | Source.Entry | undefined = node
  for (const part of path) {
    if (!(current instanceof Map)) break
    current = current.get(part)
  }
  while (current instanceof Map) current = current.values().next().value
  return current
}

/** The limits that are there without being configured; configured ones are laid over them. */
const builtIn: ReadonlyArray<Source.Entry> = Source.flatten(
  { orchestrator: { hosts: BUILT_IN_HOSTS } },
  [],
  (path, value) => ({ path, value, origin: "default", where: () => "default" })
)

// ---------------------------------------------------------------------------------------------------------------
// Refusals
// ---------------------------------------------------------------------------------------------------------------

const valueAt = (raw: unknown, path: ReadonlyArray<PropertyKey>): unknown =>
  path.reduce<unknown>(
    (value, part) => (typeof value === "object" && value !== null ? Reflect.get(value, part) : undefined),
    raw
  )

const show = (value: unknown, personal: boolean): string => {
  if (personal && value !== null) return "***"
  const text = value === null ? "empty (null)" : (JSON.stringify(value) ?? "not set")
  return text.length > 120 ? `${text.slice(0, 119)}…` : text
}

/** The key that was probably meant: a sibling, else one of the same name elsewhere. */
const suggestion = (path: Path): string => {
  const name = path.at(-1) ?? ""
  const parent = path.slice(0, -1)
  const siblings = findSection(parent)?.members ?? []
  const sibling = nearest(name, siblings)
  const elsewhere = keys.find((key) => key.path.at(-1) === name && !key.path.includes("*"))
  const meant =
    sibling === undefined ? elsewhere && formatPath(elsewhere.path) : formatPath([...parent, sibling])
  if (meant !== undefined) return `; did you mean ${meant}?`
  return siblings.length === 0 ? "" : `; known here: ${siblings.join(", ")}`
}

const refuse = (merged: Merged, raw: unknown, error: ParseResult.ParseError): ConfigError => {
  const issues = new Map<string, Source.Issue>()
  for (const found of ParseResult.ArrayFormatter.formatErrorSync(error)) {
    const full = found.path.map(String)
    const key = findKey(full) ?? enclosingKey(full)
    // What is wrong inside a single value, such as a list, is told of the value as a whole.
    const path =
      found._tag !== "Unexpected" && key !== undefined && !key.record ? full.slice(0, key.path.length) : full
    const name = formatPath(path)
    if (issues.has(name)) continue
    const where = entryNear(merged, path)?.where()
    const place = where === undefined ? "" : ` (${where})`
    const section = findSection(path)
    const message =
      found._tag === "Unexpected"
        ? `there is no setting ${name}${suggestion(path)}${place}`
        : section === undefined
          ? `${name} is ${show(valueAt(raw, path), key?.personal === true)}; allowed: ${key?.allowed ?? found.message}${place}`
          : `${name} is ${show(valueAt(raw, path), false)}; allowed: a section with ${section.members.join(", ")}${place}`
    issues.set(name, { path: name, message })
  }
  return new ConfigError({ issues: [...issues.values()] })
}

// ---------------------------------------------------------------------------------------------------------------
// Loading
// ---------------------------------------------------------------------------------------------------------------

const decode = Schema.decodeUnknownEither(Settings, { onExcessProperty: "error", errors: "all" })

/** Every value of settings with its path: one for each key, or for each entry of a key that holds entries. */
export const leaves = (settings: unknown): ReadonlyArray<{ readonly path: Path; readonly value: unknown }> =>
  keys
    .filter((key) => !key.path.includes("*"))
    .flatMap((key): ReadonlyArray<{ readonly path: Path; readonly value: unknown }> => {
      const value = valueAt(settings, key.path)
      const all = key.record
        ? Source.flatten(value, key.path, (path, leaf) => ({
            path,
            value: leaf,
            origin: "",
            where: () => ""
          }))
        : []
      return all.length === 0 ? [{ path: key.path, value }] : all
    })

/** The settings with those values hidden that say who someone is; for showing. */
export const masked = (settings: Settings): unknown => mask(settings, [])

const mask = (value: unknown, path: Path): unknown => {
  const key = findKey(path)
  if (key !== undefined) return key.personal && value !== null ? "***" : value
  return typeof value === "object" && value !== null
    ? Object.fromEntries(Object.entries(value).map(([name, child]) => [name, mask(child, [...path, name])]))
    : value
}

/** What the environment and the contact say where the settings of resolvers are silent. */
const inheritedBy = (raw: unknown, env: NonNullable<Sources["env"]>): ReadonlyArray<Source.Entry> =>
  inherited(valueAt(raw, ["resolvers"]), valueAt(raw, ["http", "contact"]), env).map(
    ({ origin, path, value }) => ({ path: ["resolvers", ...path], value, origin, where: () => origin })
  )

/** The file to read, and whether it was named or only lies in the folder. */
const fileOf = (
  sources: Sources
): Effect.Effect<{ readonly path: string; readonly named: boolean } | null, never, FileSystem.FileSystem> => {
  const named = sources.file ?? sources.env?.["CONTENTDOWNLOAD_CONFIG"]
  if (named !== undefined && named !== "") return Effect.succeed({ path: named, named: true })
  return Effect.flatMap(FileSystem.FileSystem, (fs) =>
    fs.exists(DEFAULT_FILE).pipe(
      // Whether it is there can't be told: reading it says why.
      Effect.orElseSucceed(() => true),
      Effect.map((there) => (there ? { path: DEFAULT_FILE, named: false } : null))
    )
  )
}

/** Loads the settings. */
export const load = (sources: Sources = {}): Effect.Effect<Loaded, ConfigError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const env = sources.env ?? {}
    const found = yield* fileOf(sources)
    const file = found?.path ?? null
    const reads = [
      found === null ? { entries: [], issues: [] } : yield* Source.readFile(found.path, found),
      yield* Source.readEnvironment(env),
      Source.readFlags(sources.flags ?? [])
    ]
    const unreadable = reads.flatMap((read) => read.issues)
    const given = [...builtIn, ...reads.flatMap((read) => read.entries)]
    const merged = merge([...given, ...inheritedBy(toRaw(merge(given)), env)])
    const raw = toRaw(merged)
    const decoded = decode(raw)
    if (Either.isLeft(decoded) || unreadable.length > 0) {
      const refused = Either.isLeft(decoded) ? refuse(merged, raw, decoded.left).issues : []
      return yield* new ConfigError({ issues: [...unreadable, ...refused] })
    }
    const settings = decoded.right
    const origins: { [path: string]: string } = {}
    for (const { path } of leaves(settings)) {
      origins[formatPath(path)] = originOf(merged, path)
    }
    return { settings, origins, file }
  })

const originOf = (merged: Merged, path: Path): string => {
  let node: Merged | Source.Entry | undefined = merged
  for (const part of path) node = node instanceof Map ? node.get(part) : undefined
  return node === undefined || node instanceof Map ? "default" : node.origin
}

// ---------------------------------------------------------------------------------------------------------------
// Layers
// ---------------------------------------------------------------------------------------------------------------

/** The settings of these sources. */
export const layer = (sources: Sources = {}): Layer.Layer<Config, ConfigError, FileSystem.FileSystem> =>
  Layer.effect(Config, load(sources))

/** Settings given in the program: what is left out has its default. Throws when they can't be decoded. */
export const layerSettings = (settings: typeof Settings.Encoded = {}): Layer.Layer<Config> =>
  Layer.sync(Config, () => ({ settings: Schema.decodeSync(Settings)(settings), origins: {}, file: null }))
