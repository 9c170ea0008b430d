/** The program against fifty-one URLs with faults: every right file is kept, and nothing else. */
import { createHash } from "node:crypto"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"
import * as Faults from "../../src/demo/Faults.ts"
import * as Stage from "../run/Stage.ts"

it(
  "of fifty-one URLs with faults every right file is kept, and no wrong one",
  { timeout: 180_000 },
  async () => {
    let count = 0
    const { faults, hosts } = Faults.make(() => `fault-${(count += 1)}.example.org`)
    expect([faults.length, faults.filter(({ right }) => right !== null).length]).toEqual([51, 27])
    const stage = await Stage.make(
      { hosts },
      {
        orchestrator: { max_workers: 16, max_job_attempts: 4 },
        http: { idle_timeout_seconds: 2, allow_private_hosts: false }
      }
    )
    const list = join(stage.folder, "list.txt")
    writeFileSync(list, faults.map(({ host, path }) => `${stage.origin.url(host, path)}\n`).join(""))
    await stage.does("queue", "import", list)
    const { code, stderr } = await stage.program("queue", "run", "--drain")
    expect(code, stderr).toBe(3)

    const manifest = await stage.manifest()
    const ends = faults.map(({ host, name, path, right }) => {
      const line = manifest.get(stage.origin.url(host, path))
      return {
        name,
        is: [line?.state, line?.sha256],
        ought: right === null ? ["error", null] : ["done", right.sha256]
      }
    })
    expect(ends.map(({ is, name }) => [name, ...is])).toEqual(ends.map(({ name, ought }) => [name, ...ought]))

    const out = join(stage.folder, Stage.OUT)
    const kept = readdirSync(out, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    const hashes = kept.map(({ name, parentPath }) =>
      createHash("sha256")
        .update(readFileSync(join(parentPath, name)))
        .digest("hex")
    )
    expect(hashes.toSorted()).toEqual(faults.flatMap(({ right }) => right?.sha256 ?? []).toSorted())
  }
)
