import { describe, expect, it } from "vitest"
import { files, redirect, routes } from "../../src/demo/Behaviour.ts"
import * as Stage from "./Stage.ts"
import * as Told from "./Told.ts"

const GAP_MS = 400

/** Each file is behind two redirects of its own host. */
const PATHS = ["/a", "/b", "/c"]
const behindRedirects = routes(
  Object.fromEntries(
    PATHS.flatMap((path) => [
      [path, redirect(`${path}/next`)],
      [`${path}/next`, redirect(`${path}/file.pdf`)]
    ])
  ),
  files({ size: 3_000 })
)

describe("a host's pace", () => {
  it("holds for redirects within the host, as the server sees them", async () => {
    const stage = await Stage.make(
      { hosts: { "paced.test": behindRedirects } },
      { orchestrator: { hosts: { "paced.test": { max: 1, gap_ms: GAP_MS, burst: 1 } } } }
    )
    await stage.queue(PATHS.map((path) => ({ id: `paced${path}`, host: "paced.test", path })))
    const { code, stdout } = await stage.program("queue", "run", "--drain", "--format", "json")
    expect(code).toBe(0)
    expect(Told.summary(stdout)).toMatchObject({ ends: { done: PATHS.length, error: 0, retry: 0 } })
    const times = stage.log().map(({ startedAt }) => startedAt)
    expect(times).toHaveLength(3 * PATHS.length)
    // A request comes later than it was let go, and the first the least of all: by no more than a gap in all.
    expect(Math.max(...times) - Math.min(...times)).toBeGreaterThanOrEqual((times.length - 2) * GAP_MS)
    for (const path of PATHS) {
      expect(await stage.show(`paced${path}`)).toMatchObject({ state: "done", attempts: 1 })
    }
  })
})
