/** Names that change their addresses: what is judged is the address of the connection, so nothing is sent to another. */
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Schema from "effect/Schema"
import { expect, it, onTestFinished } from "vitest"
import { BIN } from "../cli/Program.ts"

const Side = Schema.Struct({ connections: Schema.Int, requests: Schema.Array(Schema.String) })
const Told = Schema.Struct({
  ended: Schema.Struct({ code: Schema.Int, stderr: Schema.String }),
  jobs: Schema.Array(
    Schema.Struct({ id: Schema.String, state: Schema.String, reason: Schema.NullOr(Schema.String) })
  ),
  seen: Schema.Struct({ "93.184.216.34": Side, "127.0.0.1": Side })
})

/** A network of one's own, without which there is no public address to connect to that is on this machine. */
const hasNetwork = spawnSync("unshare", ["-rn", "ip", "link", "set", "lo", "up"]).status === 0

it.skipIf(!hasNetwork)(
  "a name that is a public host's first and this machine's then gets nothing from this machine",
  { timeout: 60_000 },
  () => {
    const folder = mkdtempSync(join(tmpdir(), "contentdownload-"))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const script = fileURLToPath(new URL("rebinding.mjs", import.meta.url))
    const { stderr, stdout } = spawnSync("unshare", ["-rn", process.execPath, script, BIN], {
      cwd: folder,
      encoding: "utf8",
      timeout: 50_000
    })
    expect(stderr).toBe("")
    const { jobs, seen } = Schema.decodeUnknownSync(Schema.parseJson(Told))(stdout)
    expect(seen["93.184.216.34"].requests).toEqual(["rebind.test:8080/0.pdf"])
    // Not even knocked at.
    expect(seen["127.0.0.1"]).toEqual({ connections: 0, requests: [] })
    expect(jobs.map(({ reason, state }) => [state, reason])).toEqual([
      ["done", null],
      ["error", "address-refused"],
      // Of its two addresses only the public one was tried, where nobody is.
      ["error", "connect"]
    ])
  }
)
