/** The commands that the pages show: none is hidden from the tests that run them, and those in the prose can be typed. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { parse } from "../../src/cli/Argv.ts"
import { grammar } from "../../src/cli/commands/index.ts"
import { pages, ROOT } from "../docs/Pages.ts"

/** Commands that aren't run, each for a reason that its page's source gives. Nothing else is left out. */
const NOT_RUN: ReadonlyArray<string> = [
  "npm install && npm run demo",
  "npm install && npm test",
  "npm install -g . --allow-scripts=better-sqlite3",
  "npm pkg set allowScripts.better-sqlite3=true --json",
  "npm install contentdownload effect@3 @effect/platform @effect/sql @effect/sql-sqlite-node @effect/experimental",
  "npm pkg set allowScripts.better-sqlite3=true --json",
  "npm install contentdownload effect@3 @effect/platform @effect/sql @effect/sql-sqlite-node @effect/experimental",
  "npm install && sudo npm install -g . --allow-scripts=better-sqlite3",
  "sudo useradd --system --create-home --home-dir /var/lib/contentdownload contentdownload",
  "sudo install -m 644 deploy/contentdownload.service /etc/systemd/system/",
  "sudo systemctl enable --now contentdownload",
  "journalctl -u contentdownload -f",
  "OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318 contentdownload queue run",
  "cd /opt/contentdownload",
  "sudo systemctl stop contentdownload",
  "git pull && npm install && sudo npm install -g . --allow-scripts=better-sqlite3",
  "sudo systemctl start contentdownload",
  "npm run torture -- --cycles 100 --seed 1",
  "npm run torture -- --cycles 20 --point renamed",
  "npm run simulate -- --schedules 10000 --seed 1",
  "npm run simulate -- --schedules 1 --seed 47 --history"
]

const Scripts = Schema.parseJson(
  Schema.Struct({ scripts: Schema.Record({ key: Schema.String, value: Schema.String }) })
)

it("are all run, but those that are named here", () => {
  const left = pages.flatMap(({ blocks }) =>
    blocks.flatMap((block) =>
      block._tag === "Console" && block.notRun !== undefined ? block.commands.map(({ text }) => text) : []
    )
  )
  expect(left).toEqual(NOT_RUN)
  const { scripts } = Schema.decodeSync(Scripts)(readFileSync(join(ROOT, "package.json"), "utf8"))
  const asked = pages.flatMap(({ text }) =>
    Array.from(text.matchAll(/npm run ([\w:]+)/g), ([, script]) => script)
  )
  expect(asked.filter((script) => !Object.hasOwn(scripts, script ?? ""))).toEqual([])
})

it.each(pages)("none is hidden in $name: every block says what it is", ({ name, prose, text }) => {
  const languages = Array.from(text.matchAll(/^```(\w*)\n[\s\S]*?^```$/gm), ([, language]) => language ?? "")
  expect(
    languages.filter((language) => !["console", "text", "ts", "yaml", "json"].includes(language))
  ).toEqual([])
  // A block by indentation has no language. Lists go on with indented lines.
  expect(
    prose.split("\n").filter((line) => /^ {4}(?!.*\|)\S/.test(line)),
    name
  ).toEqual([])
  const texts = Array.from(text.matchAll(/^```text\n([\s\S]*?)^```$/gm), ([, body]) => body ?? "")
  const commands = texts.filter((body) => /^(?:\$ |contentdownload |npm )/m.test(body))
  // Its blocks are the program's own help.
  expect(name === "docs/cli.md" ? [] : commands).toEqual([])
})

/** Words in capitals stand for something. */
const STANDS_FOR = new Map([
  ["N", "1"],
  ["T", "30d"],
  ["MS", "100"]
])

it.each(pages)("those in the prose of $name can be typed so", ({ prose }) => {
  const spans = Array.from(
    prose.matchAll(/`((?:contentdownload|queue|config|verify|doctor) [^`]*?|contentdownload)`/gs),
    ([, span]) => (span ?? "").replaceAll(/\s+/g, " ")
  )
  const wrong = spans
    .map((span) => span.replace(/^contentdownload ?/, ""))
    .filter((span) => span !== "" && !span.includes("…"))
    .flatMap((span) => {
      const words = span.split(" ").map((word) => STANDS_FOR.get(word) ?? word)
      const parsed = parse(grammar, words)
      // Commands are named without what they need: what is missing isn't wrong.
      return parsed._tag === "Wrong" && !parsed.message.includes("is missing")
        ? [`${span}: ${parsed.message}`]
        : []
    })
  expect(wrong).toEqual([])
})
