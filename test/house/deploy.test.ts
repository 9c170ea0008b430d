/** What is ready to use in deploy/: it names metrics, settings and commands that there are. */
import { execFileSync, spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { parse } from "yaml"
import { keys } from "../../src/config/Keys.ts"

const ROOT = fileURLToPath(new URL("../..", import.meta.url))
const read = (path: string) => readFileSync(join(ROOT, path), "utf8")

/** Every name the code gives a metric, as Prometheus sees it. */
const exported = new Set(
  ["src/Telemetry.ts", "src/cli/prometheus/Endpoint.ts"]
    .flatMap((path) =>
      Array.from(read(path).matchAll(/"((?:contentdownload|process)_[a-z_]+)"/g), ([, name = ""]) => name)
    )
    .flatMap((name) => [name, `${name}_total`, `${name}_bucket`, `${name}_count`, `${name}_sum`])
)

const namesIn = (text: string): ReadonlyArray<string> =>
  Array.from(new Set(text.match(/\b(?:contentdownload|process)_[a-z_]+\b/g) ?? []))

const hasPromtool = spawnSync("promtool", ["--version"]).status === 0

const promtool = (...args: ReadonlyArray<string>) =>
  execFileSync("promtool", args, { cwd: join(ROOT, "deploy"), encoding: "utf8" })

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

  it("alerts each have a test of their own", () => {
    const rules: {
      readonly groups: ReadonlyArray<{ readonly rules: ReadonlyArray<{ readonly alert: string }> }>
    } = parse(read("deploy/alerts.yml"))
    const tests = read("deploy/alerts.test.yml")
    const alerts = rules.groups.flatMap((group) => group.rules.map(({ alert }) => alert))
    expect(alerts.length).toBeGreaterThan(4)
    expect(alerts.filter((alert) => !tests.includes(`alertname: ${alert}`))).toEqual([])
  })

  // Where Prometheus' own tool is there, it has the last word; it comes with no package of npm.
  it.runIf(hasPromtool)("alerts hold before promtool", () => {
    expect(promtool("check", "rules", "alerts.yml")).toContain("SUCCESS")
    expect(promtool("test", "rules", "alerts.test.yml")).toContain("SUCCESS")
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
