/**
 * The places settings come from, each read into the same form: a list of values with their paths and where they
 * stand. Nothing is decoded here; a value that can't be read at all, such as broken YAML, is refused with its
 * place.
 */
import { isUtf8 } from "node:buffer"
import { addAbortSignal } from "node:stream"
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { openStream } from "../Input.ts"
import { findKey, findSection, formatPath, keys, type Path, sections } from "./Keys.ts"
import { nearest } from "./Nearest.ts"
import { mistrust, self } from "./Trust.ts"

/** What is wrong with one setting, in one line. */
export interface Issue {
  /** The path of the setting, as people write it; empty when it is about a source as a whole. */
  readonly path: string
  readonly message: string
}

/** One value from outside. */
export interface Entry {
  readonly path: Path
  readonly value: unknown
  /** As in `Loaded.origins`. */
  readonly origin: string
  /** The same for a message, with the line where there is one. Asked for only when there is something to say. */
  readonly where: () => string
}

/** What a source holds, or why it can't be used. */
export interface Read {
  readonly entries: ReadonlyArray<Entry>
  readonly issues: ReadonlyArray<Issue>
}

/** A configuration file is read as a whole; one that is larger is something else. */
const MAX_FILE_BYTES = 1024 * 1024

/** What the names of environment variables with settings begin with. */
export const ENV_PREFIX = "CONTENTDOWNLOAD_"

const isMap = (value: unknown): value is { readonly [name: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/**
 * The values of a nested object, one by one. A section or a map of entries that is empty, or null as YAML leaves
 * it when all its lines are comments, says nothing.
 */
export const flatten = (
  value: unknown,
  path: Path,
  entry: (path: Path, value: unknown) => Entry
): ReadonlyArray<Entry> => {
  const known = findKey(path)
  const holdsOthers = known === undefined ? findSection(path) !== undefined : known.record
  if (value === null && holdsOthers) return []
  if (!isMap(value)) return [entry(path, value)]
  const names = Object.keys(value)
  if (names.length === 0) return holdsOthers ? [] : [entry(path, value)]
  return names.flatMap((name) => flatten(value[name], [...path, name], entry))
}

// ---------------------------------------------------------------------------------------------------------------
// File
// ---------------------------------------------------------------------------------------------------------------

/** What the file system says while it is read. */
class UnreadableError extends Data.TaggedError("UnreadableError")<{ readonly message: string }> {}

const cannotRead = (file: string, why: string): Read => ({
  entries: [],
  issues: [{ path: "", message: `the configuration file ${file} can't be read: ${why}` }]
})

/** Whether a value holds itself, as an alias can make it. */
const holdsItself = (value: unknown, above: ReadonlyArray<unknown> = []): boolean =>
  typeof value === "object" &&
  value !== null &&
  (above.includes(value) || Object.values(value).some((inner) => holdsItself(inner, [...above, value])))

/** What a document says, or why that can't be told: aliases may multiply it, or lead back to where they stand. */
const contentOf = (document: {
  readonly toJS: (options: { readonly maxAliasCount: number }) => unknown
}): Either.Either<unknown, string> =>
  Either.try({
    try: () => document.toJS({ maxAliasCount: 100 }),
    catch: (error) => (error instanceof Error ? error.message : String(error))
  }).pipe(
    Either.filterOrLeft(
      (value) => !holdsItself(value),
      () => "an alias leads back to where it stands"
    )
  )

const whyUnreadable = (error: PlatformError | UnreadableError): string => {
  if (error._tag === "SystemError" && error.reason === "NotFound") return "there is no such file"
  if (error._tag === "SystemError" && error.reason === "PermissionDenied") return "permission denied"
  return error.message.startsWith("EACCES") ? "permission denied" : error.message
}

/** The first bytes of a file, one more than is taken: a device tells no size, and may have no end. */
const beginning = (file: string) =>
  Effect.tryPromise({
    try: async (signal) => {
      const pieces: Array<Uint8Array> = []
      let size = 0
      const content: AsyncIterable<Uint8Array> = addAbortSignal(signal, openStream(file))
      for await (const piece of content) {
        pieces.push(piece)
        size += piece.length
        if (size > MAX_FILE_BYTES) break
      }
      return Buffer.concat(pieces)
    },
    catch: (cause) => new UnreadableError({ message: cause instanceof Error ? cause.message : String(cause) })
  })

/**
 * Reads a YAML file. One that nobody `named` and that only lies in the folder has to be the user's own: settings say where
 * files are written, and which services get the user's keys.
 */
export const readFile = (
  file: string,
  { named }: { readonly named: boolean }
): Effect.Effect<Read, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const info = yield* fs.stat(file)
    if (info.type === "Directory") return cannotRead(file, "it is a folder")
    const why = named
      ? undefined
      : mistrust({ mode: info.mode, uid: Option.getOrUndefined(info.uid) }, self())
    if (why !== undefined) return cannotRead(file, `${why}; if it is what you want, name it with --config`)
    const bytes = yield* beginning(file)
    if (bytes.length > MAX_FILE_BYTES) return cannotRead(file, `it is larger than ${MAX_FILE_BYTES} bytes`)
    if (!isUtf8(bytes)) return cannotRead(file, "it isn't valid UTF-8")
    return yield* parseYaml(bytes.toString("utf8"), file)
  }).pipe(Effect.catchAll((error) => Effect.succeed(cannotRead(file, whyUnreadable(error)))))

/** Reads YAML text; `file` is its name in messages. */
export const parseYaml = (text: string, file: string): Effect.Effect<Read> =>
  Effect.map(
    Effect.promise(() => import("./Yaml.ts")),
    (yaml) => {
      const lines = new yaml.LineCounter()
      const document = yaml.parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true })
      const at = (offset: number): string => {
        const { line, col } = lines.linePos(offset)
        return `${file}:${line}:${col}`
      }
      const refused = [...document.errors, ...document.warnings][0]
      if (refused !== undefined) {
        const message = `${at(refused.pos[0])}: ${refused.message.replaceAll(/\s+/g, " ")}`
        return { entries: [], issues: [{ path: "", message }] }
      }
      const content = contentOf(document)
      if (Either.isLeft(content)) return cannotRead(file, content.left)
      const value = content.right
      if (value !== null && value !== undefined && !isMap(value)) {
        return cannotRead(file, "it isn't a map of sections")
      }
      const where = (path: Path) => (): string => {
        // The key rather than the value: that is what a person looks for.
        const parent = document.getIn(path.slice(0, -1), true)
        const name = path.at(-1)
        const pair = yaml.isMap(parent)
          ? parent.items.find(({ key }) => yaml.isScalar(key) && String(key.value) === name)
          : undefined
        const offset = yaml.isScalar(pair?.key) ? pair.key.range?.[0] : undefined
        return offset === undefined ? file : at(offset)
      }
      const entries = flatten(value ?? null, [], (path, leaf) => ({
        path,
        value: leaf,
        origin: "file",
        where: where(path)
      }))
      return { entries, issues: [] }
    }
  )

// ---------------------------------------------------------------------------------------------------------------
// Environment
// ---------------------------------------------------------------------------------------------------------------

/** The variable that stands for a key. */
export const envName = (path: Path): string => ENV_PREFIX + path.join("__").toUpperCase()

/**
 * The path a variable means. Names of sections and keys are found whatever their case; a name inside a map of
 * entries is taken in lower case.
 */
const envPath = (name: string): Path | undefined => {
  const path = name.slice(ENV_PREFIX.length).toLowerCase().split("__")
  return findKey(path) === undefined && findSection(path) === undefined && !isEntry(path) ? undefined : path
}

const isEntry = (path: Path): boolean => path.length > 1 && findKey(path.slice(0, -1))?.record === true

/**
 * Reads the variables `CONTENTDOWNLOAD_<SECTION>__<KEY>`. A value is a YAML scalar or flow collection; where a
 * text is wanted it may stand without quotes, whatever is in it. An empty variable counts as not set.
 */
export const readEnvironment = (env: { readonly [name: string]: string | undefined }): Effect.Effect<Read> =>
  Effect.gen(function* () {
    const entries: Array<Entry> = []
    const issues: Array<Issue> = []
    for (const name of Object.keys(env).toSorted()) {
      const text = env[name]
      if (!name.startsWith(ENV_PREFIX) || !name.includes("__") || text === undefined || text === "") continue
      const path = envPath(name)
      if (path === undefined) {
        const known = nearest(name, knownNames())
        issues.push({
          path: "",
          message: `the environment variable ${name} means no setting${known === undefined ? "" : `; did you mean ${known}?`}`
        })
        continue
      }
      const key = findKey(path)
      const value = yield* parseValue(text, key?.text === true, key?.nullable === true)
      if (value._tag === "Broken") {
        issues.push({ path: formatPath(path), message: `the value of ${name} is no YAML: ${value.message}` })
        continue
      }
      entries.push(
        ...flatten(value.value, path, (leafPath, leaf) => ({
          path: leafPath,
          value: leaf,
          origin: `env ${name}`,
          where: () => `environment variable ${name}`
        }))
      )
    }
    return { entries, issues }
  })

const knownNames = (): ReadonlyArray<string> =>
  [...keys, ...sections]
    .filter(({ path }) => path.length > 0 && !path.includes("*"))
    .map(({ path }) => envName(path))

type Value =
  | { readonly _tag: "Value"; readonly value: unknown }
  | { readonly _tag: "Broken"; readonly message: string }

const parseValue = (text: string, wantsText: boolean, nullable: boolean): Effect.Effect<Value> => {
  if (wantsText && !/^\s*["']/.test(text)) {
    const value = nullable && /^\s*(?:null|Null|NULL|~)\s*$/.test(text) ? null : text
    return Effect.succeed({ _tag: "Value", value })
  }
  return Effect.map(
    Effect.promise(() => import("./Yaml.ts")),
    (yaml): Value => {
      const document = yaml.parseDocument(text, { prettyErrors: false, stringKeys: true })
      const refused = [...document.errors, ...document.warnings][0]
      const content =
        refused === undefined ? contentOf(document) : Either.left(refused.message.replaceAll(/\s+/g, " "))
      return Either.match(content, {
        onLeft: (message): Value => ({ _tag: "Broken", message }),
        onRight: (value): Value => ({ _tag: "Value", value })
      })
    }
  )
}

// ---------------------------------------------------------------------------------------------------------------
// Flags
// ---------------------------------------------------------------------------------------------------------------

/** A setting given on the command line. */
export interface Flag {
  /** The option as it was written, such as `--workers`. */
  readonly flag: string
  readonly path: Path
  readonly value: unknown
}

/** Reads settings given as options. */
export const readFlags = (flags: ReadonlyArray<Flag>): Read => ({
  issues: [],
  entries: flags.flatMap(({ flag, path, value }) =>
    flatten(value, path, (leafPath, leaf) => ({
      path: leafPath,
      value: leaf,
      origin: `flag ${flag}`,
      where: () => `option ${flag}`
    }))
  )
})
