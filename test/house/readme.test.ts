/** The README says nothing that the code doesn't do: its program is the example, its commands and fields exist. */
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { expect, it } from "@effect/vitest"
import { grammar } from "../../src/cli/commands/index.ts"
import { leavesOf } from "../../src/cli/Grammar.ts"
import { COLUMNS } from "../../src/download/Manifest.ts"

const text = (path: string) => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), "utf8")
const readme = text("README.md")

it("the program is the example", () => {
  const program = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? ""
  const example = text("examples/mail.ts")
  expect(program).not.toBe("")
  expect(example.slice(example.indexOf("import"))).toBe(program)
})

it("every other block of code is from an example or its test", () => {
  const sources = ["examples", "test/examples"].flatMap((folder) =>
    readdirSync(fileURLToPath(new URL(`../../${folder}`, import.meta.url))).map((name) =>
      text(`${folder}/${name}`)
    )
  )
  const blocks = Array.from(readme.matchAll(/```ts\n([\s\S]*?)```/g), ([, block = ""]) => block)
  expect(blocks.length).toBeGreaterThan(3)
  expect(blocks.filter((block) => !sources.some((source) => source.includes(block)))).toEqual([])
})

it("the commands exist", () => {
  const known = new Set(leavesOf(grammar).map(({ path }) => path.join(" ")))
  const named = Array.from(
    readme.matchAll(/contentdownload ((?:queue|config) (?:lane )?[a-z-]+)/g),
    ([, name]) => name
  )
  expect(named.length).toBeGreaterThan(5)
  expect(named.filter((name) => name === undefined || !known.has(name))).toEqual([])
})

it("all fields of the manifest are named", () => {
  expect(COLUMNS.filter((column) => !readme.includes(`\`${column}\``))).toEqual([])
})
