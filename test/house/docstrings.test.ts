/** Whatever the package exports says what it is: every public declaration, every method, every option. */
import { readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, it } from "@effect/vitest"
import * as ts from "typescript"

const SRC = fileURLToPath(new URL("../../src", import.meta.url))

const ENTRIES = [
  "index.ts",
  "store/sqlite/index.ts",
  "store/memory/index.ts",
  "download/index.ts",
  "testing/index.ts"
]

const parse = (path: string) =>
  ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.Latest, true)

/** The modules that an entry passes on as they are. */
const passedOn = (entry: string): ReadonlyArray<string> =>
  parse(entry).statements.flatMap((statement) =>
    ts.isExportDeclaration(statement) &&
    statement.moduleSpecifier !== undefined &&
    ts.isStringLiteral(statement.moduleSpecifier)
      ? [join(dirname(entry), statement.moduleSpecifier.text)]
      : []
  )

const entries = ENTRIES.map((entry) => join(SRC, entry))
const leads = entries.flatMap(passedOn)
const modules = [...new Set([...entries, ...leads, ...leads.flatMap(passedOn)])]

const isDocumented = (node: ts.Node): boolean => ts.getJSDocCommentsAndTags(node).length > 0

const isExported = (node: ts.Statement): boolean =>
  ts.canHaveModifiers(node) &&
  (ts.getModifiers(node) ?? []).some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)

const namesOf = (node: ts.Statement): ReadonlyArray<string> => {
  if (ts.isVariableStatement(node)) {
    return node.declarationList.declarations.map(({ name }) => name.getText())
  }
  return ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node) || ts.isClassDeclaration(node)
    ? [node.name?.text ?? "default"]
    : []
}

/** The exported declarations of a module that say nothing. A type beside a Schema of its name is described there. */
const silent = (path: string): ReadonlyArray<string> => {
  const source = parse(path)
  const exported = source.statements.filter(isExported)
  const described = new Set(exported.filter(isDocumented).flatMap(namesOf))
  const place = (node: ts.Node, name: string) =>
    `${relative(SRC, path)}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1} ${name}`
  return exported.flatMap((node) => {
    const names = namesOf(node).filter((name) => !described.has(name))
    return names.map((name) => place(node, name))
  })
}

/** The methods of the services that say nothing. */
const silentMethods = (path: string): ReadonlyArray<string> => {
  const source = parse(path)
  return source.statements
    .filter((node) => ts.isInterfaceDeclaration(node))
    .filter((node) => isExported(node) && node.name.text.endsWith("Service"))
    .flatMap((node) =>
      node.members
        .filter((member) => !isDocumented(member))
        .map((member) => `${relative(SRC, path)} ${node.name.text}.${member.name?.getText() ?? ""}`)
    )
}

it("every module begins with what it guarantees", () => {
  expect(modules.length).toBeGreaterThan(20)
  expect(modules.filter((path) => !readFileSync(path, "utf8").startsWith("/**"))).toEqual([])
})

it("every exported declaration is described", () => {
  expect(modules.flatMap(silent)).toEqual([])
})

it("every method of a service is described", () => {
  expect(modules.flatMap(silentMethods)).toEqual([])
})
