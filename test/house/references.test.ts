/** docs/configuration.md, docs/cli.md and docs/metrics.md say what the code says; `npm run docs` writes them anew. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { grammar } from "../../src/cli/commands/index.ts"
import { leavesOf } from "../../src/cli/Grammar.ts"
import { formatPath, keys, sections } from "../../src/config/Keys.ts"
import * as References from "./References.ts"

const ROOT = fileURLToPath(new URL("../..", import.meta.url))

it("the configuration reference is fresh", async () => {
  await expect(References.configuration()).toMatchFileSnapshot(join(ROOT, "docs/configuration.md"))
})

it("the command reference is fresh", async () => {
  await expect(await Effect.runPromise(References.commandLine)).toMatchFileSnapshot(join(ROOT, "docs/cli.md"))
})

it("the metrics reference is fresh", async () => {
  await expect(References.metrics()).toMatchFileSnapshot(join(ROOT, "docs/metrics.md"))
})

it("the exit codes in the README are those of the code", () => {
  const table =
    /^## Exit codes\n\n((?:\|.*\n)+)/m.exec(readFileSync(join(ROOT, "README.md"), "utf8"))?.[1] ?? ""
  expect(table.trimEnd().split("\n")).toEqual(References.exitCodes)
})

it("every section and every setting is described", () => {
  const described = [...sections.filter(({ path }) => path.length > 0), ...keys]
  expect(
    described.filter(({ description }) => description.trim() === "").map(({ path }) => formatPath(path))
  ).toEqual([])
})

const pages = ["README.md", ...readdirSync(join(ROOT, "docs")).map((name) => `docs/${name}`)]

/** The anchors of a page's headings, as they are made where pages are looked at. */
const anchors = (page: string) =>
  Array.from(readFileSync(page, "utf8").matchAll(/^#+ (.+)$/gm), ([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-")
  )

it.each(pages)("every link of %s leads somewhere", (page) => {
  const text = readFileSync(join(ROOT, page), "utf8").replaceAll(/```[\s\S]*?```/g, "")
  const broken = Array.from(text.matchAll(/\]\((?!https?:)([^)\s]+)\)/g), ([, link = ""]) => link).filter(
    (link) => {
      const [path = "", anchor] = link.split("#")
      const target = path === "" ? join(ROOT, page) : join(ROOT, dirname(page), path)
      return !existsSync(target) || (anchor !== undefined && !anchors(target).includes(anchor))
    }
  )
  expect(broken, relative(ROOT, page)).toEqual([])
})

it.each(pages)("every command in %s is one", (page) => {
  const known = leavesOf(grammar).map(({ path }) => path.join(" "))
  const tops = new Set(known.map((path) => path.split(" ")[0]))
  const named = Array.from(
    readFileSync(join(ROOT, page), "utf8").matchAll(/(?:^|[$`(]|\s)contentdownload ([a-z][a-z -]*[a-z])/gm),
    ([, words = ""]) => words
  ).filter((words) => tops.has(words.split(" ")[0] ?? ""))
  expect(
    named.filter((words) => !known.some((path) => words === path || words.startsWith(`${path} `)))
  ).toEqual([])
})
