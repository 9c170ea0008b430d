/** The guide shows no code that isn't run: each of its blocks stands in an example or in an example's test. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, it } from "@effect/vitest"
import { entries } from "./Packed.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
const guide = readFileSync(join(root, "docs/embedding.md"), "utf8")
const run = ["examples", "test/examples"].flatMap((folder) =>
  readdirSync(join(root, folder)).map((name) => ({
    name: `${folder}/${name}`,
    text: readFileSync(join(root, folder, name), "utf8")
  }))
)

it("every block of code is from an example", () => {
  const blocks = Array.from(guide.matchAll(/```ts\n([\s\S]*?)```/g), ([, block = ""]) => block)
  expect(blocks.length).toBeGreaterThan(8)
  expect(blocks.filter((block) => !run.some(({ text }) => text.includes(block)))).toEqual([])
})

it("every example is shown or named, and every file that is named is there", () => {
  const linked = Array.from(guide.matchAll(/\]\(\.\.\/([^)]+)\)/g), ([, path = ""]) => path)
  expect(linked.filter((path) => !run.some(({ name }) => name.startsWith(path)))).toEqual([])
  const shown = run.filter(
    ({ name, text }) =>
      linked.includes(name) ||
      Array.from(guide.matchAll(/```ts\n([\s\S]*?)```/g)).some(([, block = ""]) => text.includes(block))
  )
  const examples = run.map(({ name }) => name).filter((name) => name.startsWith("examples/"))
  expect(examples.filter((name) => !shown.some((file) => file.name === name))).toEqual([])
})

it("every entry of the package is explained, and no other", () => {
  const explained = Array.from(guide.matchAll(/^\| `(contentdownload[^`]*)`/gm), ([, name]) => name)
  expect(new Set(explained)).toEqual(new Set(entries))
})
