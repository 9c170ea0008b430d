/**
 * The program in a world of its own: seventeen services, a hundred hosts, five hundred identifiers. Each work ends as the
 * world knows it should, with the reason; and what the servers saw is within what they may be asked.
 */
import { createHash } from "node:crypto"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"
import type { Seen } from "../../src/demo/Traffic.ts"
import { NAMES } from "../../src/resolver/Registry.ts"
import { spawned } from "../cli/Program.ts"
import * as Stage from "../run/Stage.ts"
import { REFUSAL_WAIT, REFUSING } from "./Habits.ts"
import * as Politeness from "./Politeness.ts"
import * as Services from "./Services.ts"
import * as World from "./World.ts"

const SEED = Number(process.env["WORLD_SEED"] ?? Math.floor(Math.random() * 1e6))

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

it(
  `five hundred identifiers end as they should, and no server is asked too much (WORLD_SEED=${SEED})`,
  { timeout: 300_000 },
  async () => {
    let made: World.World | undefined
    const stage = await Stage.make({ hosts: (port) => (made = World.make(port, SEED)).hosts }, (origin) => {
      const settings = World.settings(origin)
      return { ...settings, resolvers: { ...settings.resolvers, order: [...NAMES] } }
    })
    if (made === undefined) throw new Error("there is no world")
    const { duplicates, lines, works } = made
    expect(works).toHaveLength(500)

    writeFileSync(join(stage.folder, "list.txt"), `${lines.join("\n")}\n`)
    const imported = await stage.here("queue", "import", join(stage.folder, "list.txt"), "--format", "json")
    expect(JSON.parse(imported.stdout)).toEqual({
      new: 500,
      duplicate: duplicates,
      rejected: 0,
      total: lines.length
    })
    const ended = await spawned(["queue", "run", "--drain"], stage.folder, {
      env: { CORE_API_KEY: "key-of-core" }
    })
    expect(ended.code, ended.stderr).toBe(3)

    // Each ends as it should.
    const manifest = await stage.manifest()
    const out = join(stage.folder, Stage.OUT)
    const ends = works.map(({ ending, id, scene }) => {
      const line = manifest.get(id)
      const file =
        line?.path === null || line?.path === undefined ? null : sha256(readFileSync(join(out, line.path)))
      return {
        is: { scene, id, state: line?.state, reason: line?.reason, from: line?.final_url, file },
        ought:
          ending.state === "done"
            ? { scene, id, state: "done", reason: null, from: ending.from, file: ending.document.sha256 }
            : { scene, id, state: ending.state, reason: ending.reason, from: null, file: null }
      }
    })
    expect(ends.map(({ is }) => is)).toEqual(ends.map(({ ought }) => ought))

    // No file is there that isn't one of theirs: no page under a PDF's name, no other paper, nothing unfinished.
    const right = new Set(
      works.flatMap(({ ending }) => (ending.state === "done" ? [ending.document.sha256] : []))
    )
    const files = readdirSync(out, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    for (const { name, parentPath } of files) {
      const bytes = readFileSync(join(parentPath, name))
      expect(bytes.subarray(0, 5).toString("latin1"), name).toBe("%PDF-")
      expect(right.has(sha256(bytes)), name).toBe(true)
    }
    expect(files).toHaveLength(right.size)

    // As the servers saw it.
    const log = stage.log()
    const urlOf = ({ host, path }: Seen) => stage.origin.url(host, path)
    const stored = new Map(
      works.flatMap(({ ending }) =>
        ending.state === "done" ? [[ending.from, ending.document.bytes.length] as const] : []
      )
    )
    Politeness.asksOnce(log, urlOf, stored)
    for (const host of new Set(log.map((seen) => seen.host))) {
      const seen = log.filter((each) => each.host === host)
      const downloads = seen.filter((each) => stored.has(urlOf(each)))
      const questions = seen.filter((each) => !stored.has(urlOf(each)))
      const service = Services.limitsOf(stage.origin, host)
      Politeness.withinCap(host, service === undefined ? seen : downloads, World.CAP)
      if (service !== undefined) {
        Politeness.withinCap(`${host}, questions`, questions, service.max)
        Politeness.withinPace(host, questions, service)
      }
      const refusing = REFUSING[host]
      // Where no time was named, a host of files is left alone for longer the second time.
      const ours = service === undefined ? [REFUSAL_WAIT, 2 * REFUSAL_WAIT] : [REFUSAL_WAIT, REFUSAL_WAIT]
      if (refusing !== undefined) Politeness.heedsRetryAfter(host, seen, refusing ?? ours)
      const rules = seen.filter(({ path }) => path === "/robots.txt")
      expect(rules.length, `requests for the robots.txt of ${host}`).toBeLessThanOrEqual(1)
      for (const { headers } of seen) expect(headers.userAgent).toMatch(/^contentdownload\/\S+ \(\+mailto:/)
    }
    // Every service was asked.
    for (const host of Object.values(Services.HOSTS)) {
      expect(
        log.some((seen) => seen.host === host),
        host
      ).toBe(true)
    }
  }
)
