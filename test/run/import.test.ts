import { createWriteStream } from "node:fs"
import { readFile, writeFile } from "node:fs/promises"
import { once } from "node:events"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { ended, start } from "../cli/Program.ts"
import * as Stage from "./Stage.ts"

const LINES = 100_000
/** By number, from 1, and what is wrong. */
const BAD: ReadonlyMap<number, readonly [text: string, reason: RegExp]> = new Map([
  [1, ["{", /JSON/]],
  [777, ['{"id": "x", "urls": ["ftp://a.example/x"]}', /http/]],
  [50_000, ["[1, 2]", /array/]],
  [50_001, ['{"title": "without anything to find it by"}', /./]],
  [99_999, ['{"urls": "https://a.example/x.pdf"', /JSON/]]
])

const RSS_LIMIT_KB = 200 * 1024

/**
 * Loaded into the process before the program: at its end it writes down the most memory it had. Linux tells that of
 * the program alone; what `resourceUsage` says may be what the parent had.
 */
const MEASURE = `
const fs = require("node:fs")
process.on("exit", () => {
  let kb = process.resourceUsage().maxRSS
  try { kb = Number(/VmHWM:\\s*(\\d+) kB/.exec(fs.readFileSync("/proc/self/status", "utf8"))[1]) } catch {}
  fs.writeFileSync("peak-kb.txt", String(kb))
})
`

const writeList = async (path: string) => {
  const file = createWriteStream(path)
  for (let line = 1; line <= LINES; line++) {
    const good = `{"id": "artifact-${line}", "urls": ["https://host-${line % 1000}.example/papers/${line}.pdf"], "title": "Paper number ${line}"}`
    if (!file.write(`${BAD.get(line)?.[0] ?? good}\n`)) await once(file, "drain")
  }
  file.end()
  await once(file, "close")
}

describe("an import of 100,000 lines", () => {
  it("takes the good ones once, tells of the five bad ones, and needs little memory", async () => {
    const stage = await Stage.make({})
    await writeList(join(stage.folder, "list.jsonl"))
    await writeFile(join(stage.folder, "measure.cjs"), MEASURE)
    const measured = async () => {
      const child = start(["queue", "import", "list.jsonl", "--format", "json"], stage.folder, {
        NODE_OPTIONS: "--require ./measure.cjs"
      })
      const end = await ended(child)
      expect(end.code, end.stderr).toBe(0)
      expect(Number(await readFile(join(stage.folder, "peak-kb.txt"), "utf8"))).toBeLessThan(RSS_LIMIT_KB)
      const counts: unknown = JSON.parse(end.stdout)
      const told = end.stderr.trimEnd().split("\n")
      expect(told).toEqual([...BAD.values()].map(([, reason]) => expect.stringMatching(reason)))
      expect(told.map((line) => line.split(": ")[0])).toEqual(
        [...BAD.keys()].map((line) => `list.jsonl:${line}`)
      )
      return counts
    }
    const good = LINES - BAD.size
    expect(await measured()).toEqual({ new: good, duplicate: 0, rejected: BAD.size, total: LINES })
    expect(await stage.counts()).toMatchObject({ queued: good, total: good })
    expect(await measured()).toEqual({ new: 0, duplicate: good, rejected: BAD.size, total: LINES })
    expect(await stage.counts()).toMatchObject({ queued: good, total: good })
  })
})
