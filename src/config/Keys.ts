/**
 * The settings as a flat list of keys, read off the Schema, so that messages, `config init` and the environment
 * can't know other keys than the decoder does.
 */
import * as Option from "effect/Option"
import * as AST from "effect/SchemaAST"
import { Allowed, Personal, Settings } from "./Settings.ts"

/** Where a value stands: `["orchestrator", "max_workers"]`. In a pattern, `*` stands for any one name. */
export type Path = ReadonlyArray<string>

export interface Key {
  readonly path: Path
  readonly description: string
  /** What it may be, in words. */
  readonly allowed: string
  readonly default: unknown
  /** Whether it takes a text, so that a text from outside needs no quotes. */
  readonly text: boolean
  /** Whether it may be null. */
  readonly nullable: boolean
  /** Whether it holds entries by name rather than one value. */
  readonly record: boolean
  readonly personal: boolean
}

export interface Section {
  readonly path: Path
  readonly description: string
  /** The names that may stand in it. */
  readonly members: ReadonlyArray<string>
}

const members = (ast: AST.AST): ReadonlyArray<AST.AST> => (AST.isUnion(ast) ? ast.types : [ast])

/** The type below checks and defaults. */
const bare = (ast: AST.AST): AST.AST =>
  AST.isRefinement(ast) || AST.isTransformation(ast) ? bare(ast.from) : ast

const isText = (ast: AST.AST): boolean => {
  const base = bare(ast)
  return AST.isStringKeyword(base) || (AST.isLiteral(base) && typeof base.literal === "string")
}

const isNull = (ast: AST.AST): boolean => AST.isLiteral(ast) && ast.literal === null

const description = (ast: AST.AST): string => Option.getOrElse(AST.getDescriptionAnnotation(ast), () => "")

const toKey = (ast: AST.AST, path: Path, allowed: string): Key => ({
  path,
  description: description(ast),
  allowed,
  default: Option.getOrUndefined(AST.getDefaultAnnotation(ast)),
  text: members(ast).every((member) => isText(member) || isNull(member)),
  nullable: members(ast).some(isNull),
  record: isRecord(ast),
  personal: Option.isSome(AST.getAnnotation(ast, Personal))
})

const isRecord = (ast: AST.AST): boolean => {
  const base = bare(ast)
  return AST.isTypeLiteral(base) && base.indexSignatures.length > 0
}

const walk = (ast: AST.AST, path: Path, keys: Array<Key>, sections: Array<Section>): void => {
  const allowed = AST.getAnnotation<string>(ast, Allowed)
  const base = bare(ast)
  if (Option.isSome(allowed)) {
    keys.push(toKey(ast, path, allowed.value))
  } else if (AST.isTypeLiteral(base) && base.propertySignatures.length > 0) {
    const names = base.propertySignatures.map((property) => String(property.name))
    sections.push({ path, description: description(ast), members: names })
  }
  if (AST.isTypeLiteral(base)) {
    for (const property of base.propertySignatures) {
      walk(property.type, [...path, String(property.name)], keys, sections)
    }
    for (const signature of base.indexSignatures) walk(signature.type, [...path, "*"], keys, sections)
  }
}

const found = ((): { readonly keys: ReadonlyArray<Key>; readonly sections: ReadonlyArray<Section> } => {
  const keys: Array<Key> = []
  const sections: Array<Section> = []
  walk(Settings.ast, [], keys, sections)
  return { keys, sections }
})()

/** Every key, in the order of the Schema. */
export const keys: ReadonlyArray<Key> = found.keys

/** Every section, the root (with an empty path) first. */
export const sections: ReadonlyArray<Section> = found.sections

const matches = (pattern: Path, path: Path): boolean =>
  pattern.length === path.length && pattern.every((part, index) => part === "*" || part === path[index])

export const findKey = (path: Path): Key | undefined => keys.find((key) => matches(key.path, path))

export const findSection = (path: Path): Section | undefined =>
  sections.find((section) => matches(section.path, path))

/** The key a path is in or under. */
export const enclosingKey = (path: Path): Key | undefined => {
  for (let length = path.length; length > 0; length--) {
    const key = findKey(path.slice(0, length))
    if (key !== undefined) return key
  }
  return undefined
}

/** A path as people write it: `orchestrator.hosts["arxiv.org"].max`. */
export const formatPath = (path: Path): string =>
  path.reduce(
    (text, part) =>
      /^[A-Za-z0-9_-]+$/.test(part)
        ? text === ""
          ? part
          : `${text}.${part}`
        : `${text}[${JSON.stringify(part.length > 80 ? `${part.slice(0, 79)}…` : part)}]`,
    ""
  )
