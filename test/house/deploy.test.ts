/** What is ready to use in deploy/: it names metrics, settings and commands that there are. */
import { execFileSync, spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { validate } from "dockerfile-utils"
import { parse } from "yaml"
import { labelOf, nameOf } from "../../src/cli/telemetry/Exposition.ts"
import { definitions as observed } from "../../src/cli/telemetry/Observed.ts"
import { keys } from "../../src/config/Keys.ts"
import * as Telemetry from "../../src/Telemetry.ts"
import { hasPromtool, named, promtool } from "../telemetry/Promtool.ts"

const ROOT = fileURLToPath(new URL("../..", import.meta.url))
const read = (path: string) => readFileSync(join(ROOT, path), "utf8")

const definitions = [...Telemetry.definitions, ...observed]

/** Every name the code gives a series, as Prometheus sees it, with its definition. */
const exported = new Map(
  definitions.flatMap((definition) => {
    const name = nameOf(definition)
    const names =
      definition.type === "histogram" ? ["_bucket", "_count", "_sum"].map((end) => name + end) : [name]
    return names.map((each) => [each, definition] as const)
  })
)

const namesIn = (text: string): ReadonlyArray<string> =>
  Array.from(
    new Set(text.match(/\b(?:contentdownload|process|nodejs|http_client)_[a-z0-9_]+\b(?!["=])/g) ?? [])
  )

const hasAnalyze = spawnSync("systemd-analyze", ["--version"]).status === 0

describe("deploy/", () => {
  it.each(["deploy/alerts.yml", "deploy/alerts.test.yml", "deploy/grafana.json"])(
    "%s names metrics that there are",
    (path) => {
      const text = read(path)
      expect(() => (path.endsWith(".json") ? JSON.parse(text) : parse(text))).not.toThrow()
      const names = namesIn(text)
      expect(names.length).toBeGreaterThan(3)
      expect(names.filter((name) => !exported.has(name))).toEqual([])
    }
  )

  it("shows every metric, on the dashboard or in an alert", () => {
    const shown = namesIn(read("deploy/grafana.json") + read("deploy/alerts.yml"))
    const used = new Set(shown.map((name) => exported.get(name)?.name))
    expect(definitions.map(({ name }) => name).filter((name) => !used.has(name))).toEqual([])
  })

  it.each(["deploy/alerts.yml", "deploy/alerts.test.yml", "deploy/grafana.json"])(
    "%s asks for labels and values that there are",
    (path) => {
      const wrong: Array<string> = []
      const text = read(path).replaceAll('\\"', '"')
      for (const [, name = "", selector = ""] of text.matchAll(/\b([a-z][a-z0-9_]*)\{([^{}]*)\}/g)) {
        const definition = exported.get(name)
        for (const [, label = "", how = "", words = ""] of selector.matchAll(/(\w+)(=~|!=|=)"([^"]*)"/g)) {
          if (definition === undefined || ["instance", "job"].includes(label)) continue
          const known = definition.labels.find((each) => labelOf(each.name) === label)
          const asked = how === "=~" ? words.split("|") : [words]
          if (known === undefined) wrong.push(`${name} has no ${label}`)
          else if (known.values !== undefined && asked.some((word) => !known.values?.includes(word))) {
            wrong.push(`${name} has no ${label}=${words}`)
          }
        }
      }
      expect(wrong).toEqual([])
    }
  )

  it("alerts each have a test of their own", () => {
    const rules: {
      readonly groups: ReadonlyArray<{ readonly rules: ReadonlyArray<{ readonly alert: string }> }>
    } = parse(read("deploy/alerts.yml"))
    const tests = read("deploy/alerts.test.yml")
    const alerts = rules.groups.flatMap((group) => group.rules.map(({ alert }) => alert))
    expect(alerts.length).toBeGreaterThan(4)
    expect(alerts.filter((alert) => !tests.includes(`alertname: ${alert}`))).toEqual([])
  })

  // Where Prometheus' own tool is there, it has the last word.
  it.runIf(hasPromtool)(named("alerts hold before promtool"), () => {
    const cwd = join(ROOT, "deploy")
    expect(promtool(["check", "rules", "alerts.yml"], { cwd })).toContain("SUCCESS")
    expect(promtool(["test", "rules", "alerts.test.yml"], { cwd })).toContain("SUCCESS")
    expect(promtool(["check", "config", "prometheus.yml"], { cwd })).toContain("SUCCESS")
  })

  it.runIf(hasAnalyze)(
    hasAnalyze
      ? "the unit holds before systemd"
      : "the unit holds before systemd (skipped: no systemd-analyze here)",
    () => {
      const { status, stderr } = spawnSync("systemd-analyze", ["verify", "deploy/contentdownload.service"], {
        cwd: ROOT,
        encoding: "utf8"
      })
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" })
    }
  )

  it("the container file has no fault, and doesn't run as root", () => {
    const text = read("deploy/Containerfile")
    const found = validate(text).map(({ message, range }) => ({ line: range.start.line + 1, message }))
    expect(found).toEqual([])
    const last = text.slice(text.lastIndexOf("FROM "))
    expect(/^USER (\S+)$/m.exec(last)?.[1]).toBe("node")
    expect(last).toMatch(/^ENTRYPOINT \[/m)
    // A tag that moves by itself would be another program tomorrow.
    for (const [, image = ""] of text.matchAll(/^FROM (\S+)/gm)) expect(image).toMatch(/:[\w.-]*\d/)
  })

  it("the unit and the container run a command that there is, with settings that there are", () => {
    const [, command = ""] =
      /^ExecStart=\S+ contentdownload (.*)$/m.exec(read("deploy/contentdownload.service")) ?? []
    const help = execFileSync(
      process.execPath,
      [join(ROOT, "dist/bin.js"), ...command.split(" "), "--help"],
      {
        encoding: "utf8"
      }
    )
    expect(help).toContain("queue run")
    for (const [, option = ""] of command.matchAll(/(--[a-z-]+)/g)) expect(help).toContain(option)
    const container = read("deploy/Containerfile")
    const known = new Set(keys.map(({ path }) => path.join("__").toUpperCase()))
    const used = Array.from(container.matchAll(/CONTENTDOWNLOAD_([A-Z_]+)=/g), ([, name = ""]) => name)
    expect(used.length).toBeGreaterThan(0)
    expect(used.filter((name) => !known.has(name))).toEqual([])
    for (const [, from = ""] of container.matchAll(/^COPY (?!--from)(.+) \S+$/gm)) {
      for (const path of from.split(" "))
        expect(() => readFileSync(join(ROOT, path === "src" ? "src/index.ts" : path))).not.toThrow()
    }
  })
})
